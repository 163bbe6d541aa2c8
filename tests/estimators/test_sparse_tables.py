"""Sparse matrices as input and output of interpolating samplers."""

import numpy as np
import pytest
import scipy.sparse
from saving import saved
from sklearn.neighbors import NearestNeighbors
from tiers import asked

from imbax import ADASYN, SMOTE, SMOTENC, BorderlineSMOTE
from imbax.estimators import value_scale

SAMPLERS = {
    "SMOTE": SMOTE(random_state=0),
    "ADASYN": ADASYN(random_state=0),
    "BorderlineSMOTE": BorderlineSMOTE(kind="borderline-2", random_state=0),
    "SMOTENC": SMOTENC([1, -1], random_state=0),
}
FORMATS = ("csr_matrix", "csc_matrix", "csr_array", "csc_array")


def table():
    """Returns mostly zero counts in five columns; the third is always 0, the fourth never."""
    rng = np.random.default_rng(0)
    x = rng.poisson(0.7, (50, 5)) * rng.random((50, 5)).round(2)
    x[:, 1], x[:, 4] = rng.integers(0, 3, (2, 50))
    x[:, 2], x[:, 3] = 0, x[:, 3] + 1000
    return x, np.repeat([0, 1], [36, 14])


@pytest.mark.parametrize("name", asked(SAMPLERS, ("SMOTE", "SMOTENC")))
def test_sparse_output_matches_dense_output(name):
    x, y = table()
    sampler = SAMPLERS[name]
    expected, labels = sampler.fit_resample(x, y)
    assert len(expected) == 72
    for form in FORMATS:
        sparse = getattr(scipy.sparse, form)(x)
        before = sparse.copy()
        rows, new_labels = sampler.fit_resample(sparse, y)
        assert type(rows) is type(sparse)
        assert rows.dtype == sparse.dtype
        np.testing.assert_array_equal(new_labels, labels)
        np.testing.assert_allclose(rows.toarray(), expected, atol=1e-6)
        assert (sparse != before).nnz == 0
        assert (rows.tocsr()[:50] != sparse.tocsr()).nnz == 0
        # Zeros are exact and not stored.
        new = rows.tocsr()[50:]
        assert (new.data != 0).all()
        assert (np.abs(new.data) > 1e-4).all()
        assert 0.1 < new[:, [0, 1, 4]].nnz / new[:, [0, 1, 4]].toarray().size < 0.9
        assert new[:, [2]].nnz == 0
    for again in saved(sampler) if name == "SMOTENC" else ():
        assert (again.fit_resample(sparse, y)[0] != rows).nnz == 0


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.int64, bool])
def test_dtypes_are_kept(dtype):
    x, y = table()
    sparse = scipy.sparse.csr_array(x[:, [0, 1, 4]].astype(dtype))
    rows, _ = SMOTE(random_state=0).fit_resample(sparse, y)
    expected, _ = SMOTE(random_state=0).fit_resample(sparse.toarray(), y)
    assert rows.dtype == dtype
    np.testing.assert_allclose(rows.toarray().astype(float), expected.astype(float), atol=1e-5)


def test_other_formats_become_csr_and_estimators_work():
    x, y = table()
    x = x * np.random.default_rng(1).random(x.shape)  # so that no two distances are equal
    rows, _ = SMOTE(random_state=0).fit_resample(scipy.sparse.coo_matrix(x), y)
    assert rows.format == "csr"
    sampler = SMOTE(k_neighbors=NearestNeighbors(n_neighbors=4), random_state=0)
    expected, _ = sampler.fit_resample(x, y)
    sparse, _ = sampler.fit_resample(scipy.sparse.csc_matrix(x), y)
    np.testing.assert_allclose(sparse.toarray(), expected, atol=1e-6)
    x, y = table()
    sampler = SMOTENC([1, -1], k_neighbors=NearestNeighbors(n_neighbors=4), random_state=0)
    sparse = sampler.fit_resample(scipy.sparse.csr_matrix(x), y)[0].toarray()
    assert set(sparse[50:, 1]) == {0, 1, 2}
    first, second = sampler.parent_indices_.T
    u = sampler.interpolation_weights_
    np.testing.assert_allclose(
        sparse[50:, 0], x[first, 0] + u * (x[second, 0] - x[first, 0]), atol=1e-6
    )


def test_value_range_and_blocks_of_sparse_rows(monkeypatch):
    x, y = table()
    sparse = scipy.sparse.csr_matrix(x)
    whole, _ = SMOTE(random_state=0).fit_resample(sparse, y)
    monkeypatch.setattr(value_scale, "_VALUES", 16)  # three rows at a time
    parts, _ = SMOTE(random_state=0).fit_resample(sparse, y)
    assert (whole != parts).nnz == 0
    with pytest.raises(ValueError, match="values from 0 to 100"):
        SMOTE(value_range=(0, 1000)).fit_resample(sparse, y)
    with pytest.raises(ValueError, match="NaN"):
        SMOTE().fit_resample(scipy.sparse.csr_matrix(np.where(x > 1000, np.nan, x)), y)
