"""User-defined splits: every valid form gives the same rows, and invalid ones are refused."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
)

from imbax.data.user_splits import user_splits
from imbax.errors import InputError

N = 60
Y = (np.arange(N) % 5 == 0).astype(int)
X = np.random.default_rng(0).normal(size=(N, 2))
FRAME = pd.DataFrame(X, index=np.random.default_rng(1).permutation(N) + 1000)
ROWS = np.random.default_rng(2).permutation(N)
ONE = ROWS[:30], ROWS[30:45], ROWS[45:]
OTHER = ROWS[30:], ROWS[15:30], ROWS[:15]
MASKS = [np.isin(np.arange(N), part) for part in ONE]


def assert_splits(found, expected):
    assert len(found) == len(expected)
    for split, expected_split in zip(found, expected, strict=True):
        assert [part.dtype for part in split] == [np.int64] * 3
        for part, rows in zip(split, expected_split, strict=True):
            np.testing.assert_array_equal(part, rows)


@pytest.mark.parametrize(
    "splits",
    [
        [ONE, OTHER],
        (ONE, OTHER),
        np.array([ONE, OTHER], dtype=object),
        (split for split in (ONE, OTHER)),
        iter([ONE, OTHER]),
        zip(*zip(ONE, OTHER, strict=True), strict=True),
        [[part.tolist() for part in split] for split in (ONE, OTHER)],
        [tuple(map(iter, split)) for split in (ONE, OTHER)],
        [(np.uint8(part) for part in split) for split in (ONE, OTHER)],
        [tuple(part - N for part in split) for split in (ONE, OTHER)],
        [[pd.Series(part) for part in split] for split in (ONE, OTHER)],
        [[pd.array(part, dtype="Int64") for part in split] for split in (ONE, OTHER)],
        [[pd.Index(part) for part in split] for split in (ONE, OTHER)],
    ],
    ids=lambda splits: type(splits).__name__,
)
def test_iterables_of_row_numbers_keep_their_order(splits):
    assert_splits(user_splits(splits, Y), [ONE, OTHER])


@pytest.mark.parametrize(
    "form",
    [
        lambda mask: mask,
        list,
        pd.Series,
        lambda mask: pd.array(mask, dtype="boolean"),
        lambda mask: pd.Series(mask, dtype="boolean"),
        lambda mask: pd.Series(mask, index=FRAME.index),
    ],
)
def test_masks_select_rows(form):
    assert_splits(user_splits([[form(mask) for mask in MASKS]], Y), [map(np.sort, ONE)])


@pytest.mark.parametrize("split", [ONE, list(ONE), [part.tolist() for part in ONE]])
def test_single_split_becomes_a_list(split):
    assert_splits(user_splits(split, Y), [ONE])
    assert_splits(user_splits(MASKS, Y), [map(np.sort, ONE)])


def test_ranges_and_sets_are_valid_parts():
    parts = range(30), set(range(30, 45)), range(45, 60)
    assert_splits(user_splits([parts], Y), [(np.arange(30), np.arange(30, 45), np.arange(45, N))])


def test_pandas_index_selects_rows_by_label():
    splits = [tuple(FRAME.index[part] for part in ONE)]
    assert_splits(user_splits(splits, Y, x=FRAME), [ONE])
    masks = [tuple(FRAME.index.isin(FRAME.index[part]) for part in ONE)]
    assert_splits(user_splits(masks, Y, x=FRAME), [map(np.sort, ONE)])


@pytest.mark.parametrize("x", [X, X.tolist(), FRAME], ids=["array", "list", "frame"])
@pytest.mark.parametrize("splitter", [True, False])
def test_pair_gets_a_stratified_validation_part(x, splitter):
    cut = StratifiedKFold(3, shuffle=True, random_state=0)
    pairs = list(cut.split(X, Y))
    found = user_splits(cut if splitter else pairs, Y, x=x)
    for (train, valid, test), (fitted, tested) in zip(found, pairs, strict=True):
        np.testing.assert_array_equal(test, tested)
        np.testing.assert_array_equal(np.sort(np.r_[train, valid]), fitted)
        assert len(valid) == 8
        assert Y[valid].sum() in (1, 2)
    again = user_splits(iter(pairs), Y)
    assert_splits(again, found)
    assert len({tuple(split.valid) for split in found}) == 3


def test_pair_validation_part_has_whole_groups():
    groups = np.arange(N) // 3
    cut = StratifiedGroupKFold(4, shuffle=True, random_state=0)
    for split in user_splits(cut, Y, groups=groups):
        part_groups = [set(groups[part]) for part in split]
        assert not (part_groups[0] & part_groups[1]) and not (part_groups[1] & part_groups[2])
        assert all(len(set(Y[part])) == 2 for part in split)


def test_splits_must_keep_groups_together():
    groups = np.empty(N, int)
    for number, part in enumerate(ONE):
        groups[part] = 3 * np.arange(len(part)) // len(part) + 3 * number
    assert_splits(user_splits([ONE], Y, groups=groups), [ONE])
    groups[ONE[2][0]] = groups[ONE[0][0]]
    rows = ONE[0][0], ONE[2][0]
    with pytest.raises(InputError, match=rf"cuts a group: row {rows[0]} .*train and row {rows[1]}"):
        user_splits([ONE], Y, groups=groups)


def with_test(*rows):
    return [(ONE[0], ONE[1], np.array(rows))]


MAJORITY = ONE[2][Y[ONE[2]] == 0]


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ([], "splits holds no split, expected a list of .*; leave it out"),
        (iter([]), "splits holds no split"),
        (4, "splits=4, expected a list of"),
        ("kfold", "splits='kfold', expected a list of"),
        ({"train": ONE[0], "test": ONE[2]}, "splits=.*, expected a list of"),
        ([4], r"splits\[0\] is 4, expected a list of"),
        ([ONE, None], r"splits\[1\] is None, expected"),
        (np.arange(N) % 3, r"splits\[0\] is (np\.int64\()?0\)?, expected"),
        ([ONE[:1]], r"splits\[0\] has 1 parts, expected train, valid and test"),
        ([(*ONE, ONE[0])], r"splits\[0\] has 4 parts"),
        ([(ONE[0], ONE[1], None)], r"splits\[0\], test is None, expected row numbers"),
        ([(ONE[0], ONE[1], 5)], r"splits\[0\], test is 5, expected row numbers"),
        ([(ONE[0], ONE[1], "rest")], r"splits\[0\], test is 'rest'"),
        ([(ONE[0], ONE[1], [])], r"splits\[0\], test is empty"),
        ([(ONE[0], np.array([]), ONE[2])], r"splits\[0\], valid is empty"),
        ([(ONE[0], ONE[1], ONE[2] / 1.0)], r"test holds float64, expected integer row numbers"),
        ([(ONE[0], ONE[1], ["a", "b"])], r"test holds <U1, expected integer row numbers"),
        ([(ONE[0], ONE[1], ONE[2][:, None])], r"test has shape \(15, 1\)"),
        ([(ONE[0], ONE[1], MASKS[2][1:])], r"test is a mask of 59 rows, expected 60"),
        (with_test(*ONE[2], N), r"test has row 60, expected 0 to 59"),
        (with_test(*ONE[2], -N - 1), r"test has row -61, expected 0 to 59"),
        (with_test(*ONE[2], ONE[2][3]), rf"test has row {ONE[2][3]} more than once$"),
        (with_test(*ONE[2], ONE[2][3] - N), rf"test has row {ONE[2][3]} more than once$"),
        ([tuple(mask.astype(int) for mask in MASKS)], r"row 0 more than once; .*astype\(bool\)"),
        (with_test(*ONE[2], ONE[0][4]), rf"row {ONE[0][4]} is in train and in test"),
        ([(ONE[0], ONE[0], ONE[2])], "is in train and in valid"),
        ([(ONE[0], ONE[2], ONE[2])], "is in valid and in test"),
        ([(ONE[0], ONE[0])], "is in train and in test"),
        (with_test(*MAJORITY), r"splits\[0\], test has no row of the minority"),
        ([(MAJORITY, ONE[1], ONE[0])], "train has no row of the minority"),
        ([OTHER[:2], (ONE[0], ONE[2][Y[ONE[2]] == 1])], r"splits\[1\], test has no .* majority"),
        ([(np.r_[MAJORITY, ONE[2][Y[ONE[2]] == 1][:1]], ONE[0])], "train has a single row"),
        (StratifiedKFold(50), "splits cannot be computed: n_splits=50 cannot be greater"),
        (StratifiedKFold(50).split(X, Y), "splits cannot be computed: n_splits=50"),
        (KFold(20), r"splits\[2\], test has no row of the minority"),
        (
            StratifiedKFold,
            r"splits=StratifiedKFold is a class, expected an instance; give StratifiedKFold\(\)",
        ),
        ([(FRAME.iloc[:40], FRAME.iloc[40:])], r"shape \(40, .*; for a part of the frame x give"),
        (GroupKFold(3), "splits cannot be computed: .*groups"),
    ],
    ids=lambda value: None if not isinstance(value, str) else value[:30],
)
def test_invalid_splits_are_refused_in_one_line(splits, message):
    with pytest.raises(InputError, match=message) as caught:
        user_splits(splits, Y)
    assert "\n" not in str(caught.value)


def test_unknown_or_duplicate_row_labels_are_refused():
    labels = [tuple(FRAME.index[part] for part in ONE)]
    with pytest.raises(InputError, match=r"splits\[0\], train has the label \d+, which no row"):
        user_splits(labels, Y, x=FRAME.reset_index(drop=True))
    with pytest.raises(InputError, match="row labels of x are not unique"):
        user_splits(labels, Y, x=FRAME.set_axis([0] * N))
    mask = pd.Series(MASKS[0], index=FRAME.index[::-1])
    with pytest.raises(InputError, match="a mask whose index differs from x"):
        user_splits([(mask, *MASKS[1:])], Y, x=FRAME)


def test_other_scikit_learn_splitters_work():
    assert len(user_splits(ShuffleSplit(2, test_size=0.5, random_state=1), Y, x=X)) == 2
    fold = np.empty(N, int)
    fold[ROWS] = np.arange(N) % 3
    assert len(user_splits(PredefinedSplit(fold), Y, x=X)) == 3


def test_pair_gives_the_same_parts_as_rows_in_any_order_or_masks():
    train, test = ROWS[:45], ROWS[45:]
    pairs = [(train, test), (np.sort(train), test)]
    pairs.append(tuple(np.isin(np.arange(N), part) for part in (train, test)))
    (first,), *others = (user_splits([pair], Y) for pair in pairs)
    for (other,) in others:
        np.testing.assert_array_equal(first.train, other.train)
        np.testing.assert_array_equal(first.valid, other.valid)
