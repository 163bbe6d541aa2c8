"""imbalanced-learn's tests of its over-samplers, run with imbax's classes.

The test modules of the installed package are imported while the names in `imblearn.over_sampling`
refer to imbax's classes.
"""

import importlib
import sys
from collections import Counter

import imblearn.over_sampling
import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import MinMaxScaler
from tiers import asked

import imbax

CLASSES = ("ADASYN", "BorderlineSMOTE", "RandomOverSampler", "SMOTE", "SMOTEN", "SMOTENC")
MODULES = {
    "smote": "imblearn.over_sampling._smote.tests.test_smote",
    "borderline": "imblearn.over_sampling._smote.tests.test_borderline_smote",
    "smote_nc": "imblearn.over_sampling._smote.tests.test_smote_nc",
    "smoten": "imblearn.over_sampling._smote.tests.test_smoten",
    "adasyn": "imblearn.over_sampling.tests.test_adasyn",
    "common": "imblearn.over_sampling.tests.test_common",
}
DRAWS = "compares rows drawn with NumPy; imbax draws with JAX"
# No exception tests a private attribute; REPLACED lists the checks used instead.
EXCEPTIONS = {
    ("smote", "test_sample_regular"): DRAWS,
    ("smote", "test_sample_regular_half"): DRAWS,
    ("smote", "test_sample_regular_with_nn"): DRAWS,
    ("adasyn", "test_ada_fit_resample"): DRAWS,
    ("adasyn", "test_ada_fit_resample_nn_obj"): DRAWS,
}
# Modules that compile very little are in the first tier.
FIRST = {"smote_nc", "smoten"}
COMPILING = {
    "test_smotenc_bool_categorical",
    "test_smote_nc_with_null_median_std",
    "test_smotenc_preserve_dtype",
}


def swapped(path, monkeypatch):
    """Imports a test module with imbax's classes in place of imbalanced-learn's."""
    for name in CLASSES:
        monkeypatch.setattr(imblearn.over_sampling, name, getattr(imbax, name))
    sys.modules.pop(path, None)
    importlib.import_module(path)
    return sys.modules.pop(path)


with pytest.MonkeyPatch.context() as patch:
    SWAPPED = {short: swapped(path, patch) for short, path in MODULES.items()}

for short, module in SWAPPED.items():
    for name, member in list(vars(module).items()):
        if name.startswith("test_"):
            if reason := EXCEPTIONS.get((short, name)):
                member = pytest.mark.xfail(reason=reason, strict=True, raises=AssertionError)(
                    member
                )
            if short not in FIRST or name in COMPILING:
                member = pytest.mark.thorough(member)
            globals()[f"test_of_{short}_{name[5:]}"] = member
        elif type(member).__name__ == "FixtureFunctionDefinition":
            globals()[name] = member

pytestmark = pytest.mark.filterwarnings("ignore:class .*no row is in danger")


def test_every_module_uses_imbax_classes():
    for short, module in SWAPPED.items():
        class_names = [name for name in CLASSES if hasattr(module, name)]
        assert class_names
        for name in class_names:
            assert getattr(module, name) is getattr(imbax, name), (short, name)
            assert getattr(imblearn.over_sampling, name).__module__.startswith("imblearn.")
    for short, name in EXCEPTIONS:
        assert hasattr(SWAPPED[short], name)
    assert {name for _, name in EXCEPTIONS} == {name for name, *_ in REPLACED}


NN = NearestNeighbors(n_neighbors=6)
SMOTE, ADASYN = imbax.SMOTE, imbax.ADASYN
# Exceptions with their sampler and the expected numbers of rows of classes 0 and 1.
REPLACED = [
    ("test_sample_regular", SMOTE(random_state=0), [12, 12]),
    ("test_sample_regular_half", SMOTE(sampling_strategy={0: 9, 1: 12}, random_state=0), [9, 12]),
    ("test_sample_regular_with_nn", SMOTE(random_state=0, k_neighbors=NN), [12, 12]),
    ("test_ada_fit_resample", ADASYN(random_state=0), [12, 12]),
    ("test_ada_fit_resample_nn_obj", ADASYN(random_state=0, n_neighbors=NN), [12, 12]),
]


@pytest.mark.parametrize("name", asked((name for name, *_ in REPLACED), ("test_sample_regular",)))
def test_replacements_of_exact_draws(name):
    """Checks counts, original rows, and that new rows lie between a row and a near one."""
    (sampler, counts), *_ = [rest for one, *rest in REPLACED if one == name]
    X, y = SWAPPED["smote"].X, SWAPPED["smote"].Y
    resampled, labels = sampler.fit_resample(X, y)
    assert Counter(labels.tolist()) == dict(enumerate(counts))
    np.testing.assert_array_equal(resampled[:20], X)
    np.testing.assert_array_equal(labels[:20], y)
    assert (labels[20:] == 0).all()
    by_estimator = name.endswith(("nn", "obj"))
    minority = X[y == 0]
    seen = minority if by_estimator else MinMaxScaler().fit(X).transform(minority)
    near = NN.fit(seen).kneighbors(seen, return_distance=False)[:, 1:]
    start, end = minority[:, None], minority[near]
    for new in resampled[20:]:
        way = end - start
        u = ((new - start) * way).sum(-1) / (way**2).sum(-1)
        off = np.abs(start + u[..., None] * way - new).max(-1)
        assert ((off < 1e-6) & (u > -1e-6) & (u < 1 + 1e-6)).any()
