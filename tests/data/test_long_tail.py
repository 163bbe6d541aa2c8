"""Long-tailed multi-class tables: class sizes and features."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from imbax.data.long_tail import LONG_TAIL, long_tail
from imbax.data.tabular import DataUnavailable
from imbax.errors import InputError
from imbax.experiments.suites import load_suite


def test_digits_need_no_file_and_have_geometric_sizes():
    data = long_tail("digits")
    expected = np.geomspace(174, 8, 10).round()
    np.testing.assert_array_equal(np.bincount(data.y), expected)
    assert data.classes == tuple("0123456789")
    assert (data.n_minority, data.n_majority, data.n_rows) == (8, 174, expected.sum())
    assert data.imbalance_ratio == 174 / 8
    x, y = load_digits(return_X_y=True)
    rows_by_label = [set(map(bytes, x[y == label])) for label in range(10)]
    scaled = (data.x * 16 / 255).round()
    assert all(
        bytes(row) in rows_by_label[label] for row, label in zip(scaled, data.y, strict=True)
    )


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_larger_images_are_block_means(name, data_home):
    data = long_tail(name, data_home)
    assert data.n_features == {"mnist": 49, "cifar10": 192}[name]
    counts = np.sort(np.bincount(data.y))[::-1]
    assert len(counts) == 10
    ratio = max(counts[0] / 50, 8) / counts[0]
    np.testing.assert_allclose(counts, counts[0] * ratio ** (np.arange(10) / 9), atol=0.5)
    assert 0 <= data.x.min() < data.x.max() <= 255
    assert len(np.unique(data.x * 16 % 1)) == 1  # means of 16 whole numbers


def test_adult_column_is_predicted_from_the_others(data_home):
    data = long_tail("adult_marital_status", data_home)
    assert data.n_rows == 3000
    assert not any("marital" in name for name in data.feature_names)
    assert len(data.classes) == 6 and "Married-AF-spouse" not in data.classes  # 32 rows


def test_suite_contains_all_tables():
    assert load_suite("long_tail").datasets == tuple(LONG_TAIL)


@pytest.mark.parametrize("name", ["svhn", "adult_race"])
def test_missing_files_are_named(name, tmp_path):
    with pytest.raises(DataUnavailable, match=name):
        long_tail(name, tmp_path)


def test_unknown_table_is_refused():
    with pytest.raises(InputError, match="unknown table 'adult_sex'; did you mean 'adult_race'"):
        long_tail("adult_sex")
