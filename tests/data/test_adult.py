"""The Adult table: the counts printed in the paper, from the original files."""

import numpy as np
import pytest

from imbax.data.adult import ADULT, adult
from imbax.data.tabular import DataUnavailable
from imbax.errors import InputError


@pytest.mark.parametrize(("name", "counts"), [("adult_50", "143 + 36 + 45")])
def test_counts_match_the_paper(name, counts, data_home):
    dataset = adult(name, data_home)
    assert dataset.x.shape == (22_416, 104)
    assert dataset.y.sum() == 11_208
    assert dataset.n_minority == 11_208 // ADULT[name] == 224
    assert dataset.n_rows == 11_208 + 224
    assert round(dataset.imbalance_ratio) == 50
    assert dataset.notices[-1].endswith(counts)
    # 6 numeric columns; each of the 8 others is one-hot encoded.
    numeric = dataset.x[:, :6]
    assert len(np.unique(numeric[:, 1])) > 10_000  # fnlwgt
    np.testing.assert_array_equal(dataset.x[:, 6:].sum(1), 8)
    assert dataset.feature_names[:2] == ("age", "fnlwgt")


def test_missing_or_damaged_file_is_named(tmp_path):
    with pytest.raises(DataUnavailable, match=r"adult_100: .*adult cannot be read \(.*adult.data"):
        adult("adult_100", tmp_path)
    (tmp_path / "adult").mkdir()
    for file in ("adult.data", "adult.test"):
        (tmp_path / "adult" / file).write_text("39, Private, 1\n" * 3)
    with pytest.raises(DataUnavailable, match="0 complete rows with 0 positives, expected 45222"):
        adult("adult_100", tmp_path)


def test_unknown_ratio_is_refused():
    with pytest.raises(InputError, match="unknown data set 'adult_20'"):
        adult("adult_20")
