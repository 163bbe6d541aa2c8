"""DeepSMOTE as a sampler: the libraries' own checks, forms and ranges, bad input, saving."""

import pickle
import warnings

import joblib
import numpy as np
import pytest
from imblearn.utils import estimator_checks as imblearn_checks
from sklearn.datasets import load_digits
from sklearn.utils import estimator_checks as sklearn_checks

import imbax
from imbax import DeepSMOTE, InputError

pytestmark = pytest.mark.usefixtures("quick_compile")
QUICK = {"max_iter": 1, "latent_dim": 4, "batch_size": 32, "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    """Images of 8 x 8 as uint8 up to 16, of three classes named by letters."""
    x, y = load_digits(return_X_y=True)
    chosen = [np.flatnonzero(y == c)[:n] for c, n in enumerate((40, 12, 4))]
    rows = np.random.default_rng(0).permutation(np.concatenate(chosen))
    return x[rows].reshape(-1, 8, 8).astype(np.uint8), np.array(["a", "b", "c"])[y[rows]]


def checks_of(module):
    """A library's checks; their mark holds a generator, which pytest no longer takes."""
    mark = module.parametrize_with_checks([DeepSMOTE(**QUICK)]).mark
    names, cases = mark.args
    return pytest.mark.parametrize(names, list(cases), **mark.kwargs)


@checks_of(sklearn_checks)
def test_scikit_learns_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        check(estimator)


@checks_of(imblearn_checks)
def test_imbalanced_learns_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        imblearn_checks.check_param_validation,
        imblearn_checks.check_dataframe_column_names_consistency,
    ],
)
def test_checks_that_are_not_generated(check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        check("DeepSMOTE", DeepSMOTE(**QUICK))


FORMS = {
    "images": (lambda x: x, {}),
    "one channel": (lambda x: x[..., None], {}),
    "colour": (lambda x: np.stack([x, x, x // 2], -1), {}),
    "flat images": (lambda x: x.reshape(len(x), -1), {"image_shape": (8, 8)}),
    "table": (lambda x: x.reshape(len(x), -1), {}),
    "floats": (lambda x: x.astype(np.float64) / 16, {}),
    "big-endian": (lambda x: x.astype(">i4"), {}),
}


@pytest.mark.filterwarnings("ignore:reconstructions of class")
@pytest.mark.parametrize("form", FORMS)
def test_what_comes_out_has_the_form_dtype_and_range_of_what_went_in(digits, form):
    change, options = FORMS[form]
    x, y = change(digits[0]), digits[1]
    sampler = DeepSMOTE(**QUICK, **options)
    given, labels = sampler.fit_resample(x, y)
    assert given.shape == (120, *x.shape[1:])
    assert given.dtype == x.dtype
    np.testing.assert_array_equal(given[: len(x)], x)
    np.testing.assert_array_equal(labels[: len(x)], y)
    assert dict(zip(*np.unique(labels, return_counts=True), strict=True)) == dict.fromkeys(
        "abc", 40
    )
    np.testing.assert_array_equal(np.flatnonzero(sampler.is_synthetic_), np.arange(len(x), 120))
    made, parents = given[len(x) :], sampler.parent_indices_
    assert made.min() >= x.min()
    assert made.max() <= (255 if x.dtype == np.uint8 and form != "table" else x.max())
    assert (y[parents] == labels[len(x) :, None]).all()
    # Each lies between the codes of its parents.
    z, gap = sampler.codes_, sampler.interpolation_weights_[:, None]
    i, j = parents.T
    np.testing.assert_array_equal(made, sampler.decode(z[i] + gap * (z[j] - z[i])))
    np.testing.assert_allclose(sampler.encode(x), z, 1e-4, 1e-5)


def test_counts_follow_the_strategy(digits):
    sampler = DeepSMOTE(**QUICK, sampling_strategy={"c": 9}, value_range=(0, 16))
    _, labels = sampler.fit_resample(*digits)
    assert dict(zip(*np.unique(labels, return_counts=True), strict=True)) == {
        "a": 40, "b": 12, "c": 9
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore:reconstructions of class")
def test_training_lowers_the_loss_and_the_seed_decides(digits):
    options = QUICK | {"max_iter": 6, "learning_rate_init": 2e-3, "value_range": (0, 16)}
    one, same = (DeepSMOTE(**options).fit(*digits) for _ in range(2))
    other = DeepSMOTE(**options | {"random_state": 1}).fit(*digits)
    assert one.loss_curve_[-1] < 0.8 * one.loss_curve_[0]
    assert one.n_iter_ == 6
    assert one.variance_kept_.shape == (3,)
    np.testing.assert_array_equal(one.sample(5, "c"), same.sample(5, "c"))
    assert (one.sample(5, "c") != other.sample(5, "c")).any()
    assert (one.sample(5, "c") != one.sample(5, "c", random_state=3)).any()


def test_a_class_of_one_row_is_repeated_with_a_warning(digits):
    x, y = digits
    rows = np.concatenate([np.flatnonzero(y == "a")[:9], np.flatnonzero(y == "b")[:1]])
    sampler = DeepSMOTE(**QUICK)
    with pytest.warns(UserWarning, match="class b has a single row"):
        given, labels = sampler.fit_resample(x[rows], y[rows])
    assert (labels == "b").sum() == 9
    assert (given[10:] == given[10]).all()
    assert (sampler.parent_indices_ == 9).all()


def test_a_collapse_is_told(digits):
    x, y = digits
    noise = np.random.default_rng(0).choice([0, 16], x.shape).astype(np.uint8)
    x = np.where((y == "b")[:, None, None], noise, x)  # takes up a code of a single number
    options = {"max_iter": 30, "learning_rate_init": 2e-3, "latent_dim": 1, "penalty": "permuted"}
    sampler = DeepSMOTE(**QUICK | options, value_range=(0, 16))
    with pytest.warns(UserWarning, match="class a.* keep less than a tenth of its variance"):
        sampler.fit(x, y)
    assert sampler.variance_kept_[0] < 0.1


@pytest.mark.filterwarnings("ignore:reconstructions of class")
def test_it_is_the_same_after_saving(digits, tmp_path):
    x, y = digits
    sampler = DeepSMOTE(**QUICK, value_range=(0, 16)).fit(x, y)
    joblib.dump(sampler, tmp_path / "a.joblib")
    sampler.save(tmp_path / "a.safetensors")
    for again in (
        joblib.load(tmp_path / "a.joblib"),
        pickle.loads(pickle.dumps(sampler)),
        DeepSMOTE.load(tmp_path / "a.safetensors"),
    ):
        np.testing.assert_array_equal(again.sample(6, "b"), sampler.sample(6, "b"))
        np.testing.assert_array_equal(again.encode(x), sampler.encode(x))
        assert again.loss_curve_ == sampler.loss_curve_
        assert again.get_params() | {"random_state": 0} == sampler.get_params()
    with pytest.raises(InputError, match="was not written by"):
        from safetensors.numpy import save_file

        save_file({"a": x}, tmp_path / "other.safetensors")
        DeepSMOTE.load(tmp_path / "other.safetensors")
    sampler.set_params(sampling_strategy=lambda y: {"c": 9})
    with pytest.raises(InputError, match="only plain parameters and labels can be saved"):
        sampler.save(tmp_path / "b.safetensors")


ZEROS = np.zeros((6, 8, 8), np.uint8)
WRONG = {
    "sides": (ZEROS[:, :3], {}, "sides of at least 4"),
    "channels": (np.zeros((6, 3, 8, 8)), {}, "look like channels first"),
    "axes": (np.zeros((6, 2, 8, 8, 1)), {}, "X has 5 axes"),
    "product": (ZEROS.reshape(6, 64), {"image_shape": (8, 9)}, r"image_shape=\(8, 9\) for rows of"),
    "twice": (ZEROS, {"image_shape": (4, 16)}, "but X has images of"),
    "order": (ZEROS, {"value_range": (1, 0)}, "expected .least, greatest."),
    "range": (ZEROS + 9, {"value_range": (0, 1)}, "values from 9 to 9, outside"),
    "mixed": ([np.zeros((8, 8))] * 5 + [np.zeros((8, 9))], {}, "rows of different shapes"),
    "lone": (ZEROS, {"y": np.arange(6)}, "every one of the 6 classes has a single row"),
    "one class": (ZEROS, {"y": np.ones(6)}, "more than 1 class"),
    "penalty": (ZEROS, {"penalty": "both"}, "must be a str among"),
    "NaN": (ZEROS + np.nan, {}, "NaN"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_bad_input_is_told(mistake):
    x, options, message = WRONG[mistake]
    y = options.get("y", np.repeat([0, 1], [4, 2]))
    options = {name: value for name, value in options.items() if name != "y"}
    with pytest.raises(ValueError, match=message):
        DeepSMOTE(**QUICK, **options).fit_resample(x, y)


def test_calls_after_fit_are_checked(digits):
    sampler = DeepSMOTE(**QUICK, value_range=(0, 16)).fit(*digits)
    with pytest.raises(InputError, match="label='z', expected one of"):
        sampler.sample(2, "z")
    with pytest.raises(InputError, match=r"rows of shape \(7, 7\), expected \(8, 8\)"):
        sampler.encode(np.zeros((2, 7, 7)))


def test_it_is_reached_by_name_without_loading_scikit_learn_first():
    assert imbax.DeepSMOTE is DeepSMOTE
