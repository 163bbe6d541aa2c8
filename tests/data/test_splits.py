"""Splits: stratified, reproducible, with whole groups; and counts of duplicate rows."""

import itertools

import numpy as np
import pytest

from imbax.data.splits import repeated_splits, rows_in_both, stratified_splits, withheld_rows
from imbax.errors import InputError

Y = (np.arange(500) % 10 == 0).astype(np.int8)


def grouped(n_groups=40, n=500, seed=3):
    """Returns uneven groups spread over the rows, most of them with minority rows, and labels."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.5, 2, n_groups)
    groups = rng.choice(n_groups, n, p=weights / weights.sum())
    return groups, (rng.random(n) < 0.2).astype(np.int8)


def test_folds_of_60_20_20_keep_the_class_ratio():
    splits = stratified_splits(Y, seed=0)
    assert len(splits) == 4
    for split in splits:
        assert [len(part) for part in split] == [300, 100, 100]
        assert [int(Y[part].sum()) for part in split] == [30, 10, 10]
        assert all(part.dtype == np.int64 for part in split)
        np.testing.assert_array_equal(np.sort(np.concatenate(split)), np.arange(500))


def test_folds_share_validation_and_partition_the_rest():
    splits = stratified_splits(Y, seed=1, folds=5, valid_fraction=0.25)
    for split in splits:
        np.testing.assert_array_equal(split.valid, splits[0].valid)
    tests = np.concatenate([split.test for split in splits])
    np.testing.assert_array_equal(np.sort(np.concatenate([tests, splits[0].valid])), np.arange(500))


@pytest.mark.parametrize("with_groups", [False, True])
def test_splits_depend_only_on_the_seed(with_groups):
    groups, y = grouped()
    groups = groups if with_groups else None

    def rows(seed):
        return [
            part.tolist()
            for split in stratified_splits(y, seed=seed, groups=groups)
            for part in split
        ]

    first = rows(0)
    np.random.seed(7)
    assert rows(0) == first
    validations = {tuple(rows(seed)[1]) for seed in range(6)}
    assert len(validations) > 2


@pytest.mark.parametrize("seed", range(3))
def test_no_group_is_in_two_parts(seed):
    groups, y = grouped()
    splits = stratified_splits(y, seed=seed, groups=groups)
    assert len(splits) == 4
    for split in splits:
        for one, other in itertools.combinations(split, 2):
            assert not set(groups[one]) & set(groups[other])
        np.testing.assert_array_equal(np.sort(np.concatenate(split)), np.arange(500))
        assert all(0.1 < y[part].mean() < 0.3 for part in split)
        assert 60 < len(split.valid) < 140


def test_as_many_groups_as_parts_are_enough():
    groups, y = np.repeat(np.arange(5), 10), np.tile([1, 0, 0, 0, 0], 10)
    for split in stratified_splits(y, seed=0, groups=groups):
        assert [len(part) for part in split] == [30, 10, 10]


@pytest.mark.parametrize("n", [60, 101, 237])
@pytest.mark.parametrize(("folds", "fewest"), [(2, 4), (4, 6), (10, 14)])
def test_fewest_minority_rows_reach_every_part(folds, fewest, n):
    y = (np.arange(n) < fewest).astype(np.int8)
    for seed in range(5):
        for split in stratified_splits(y, seed=seed, folds=folds):
            assert all(y[part].sum() > 0 for part in split)
    y[0] = 0
    with pytest.raises(
        InputError,
        match=rf"minority class has {fewest - 1} rows, {folds} folds and a validation part need "
        rf"at least {fewest}; lower folds= or add rows",
    ):
        stratified_splits(y, seed=0, folds=folds)


ONE_SITE = np.where(Y == 1, 0, np.arange(500) // 10 + 1)
LOPSIDED = np.r_[np.zeros(470, int), np.arange(1, 31)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, r"folds=1, expected at least 2"),
        ({"valid_fraction": 0.0}, r"valid_fraction=0\.0, expected above 0"),
        ({"valid_fraction": 0.6}, r"valid_fraction=0\.6, .* at most 0\.5"),
        ({"valid_fraction": 0.009}, r"need at least 56; raise the validation fraction or add"),
        ({"seed": -1}, r"seed=-1, expected a whole number from 0 to 4294967295"),
        ({"folds": 45}, r"has 50 rows, 45 folds .* at least 57; lower folds="),
        ({"groups": np.arange(500) % 4}, r"are 4 groups, 4 folds .* at least 5; lower folds="),
        (
            {"y": np.arange(120) % 30, "folds": 2},
            r"y has 30 classes, and a .* part of 24 of 120 rows cannot",
        ),
        ({"groups": ONE_SITE}, r"there are 1 groups with minority rows, 4 folds"),
        (
            {"groups": LOPSIDED, "y": np.r_[np.zeros(470, int), np.ones(30, int)]},
            r"with 31 groups, 4 folds and a validation part, a part has rows of a single class",
        ),
    ],
)
def test_too_few_rows_or_groups_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        stratified_splits(**({"y": Y, "seed": 0} | options))


def test_rows_in_both_counts_exact_duplicates():
    x = np.array([[0.0, 1], [2, 3], [-0.0, 1], [2, 3 + 1e-15], [2, 3], [9, 9]])
    assert rows_in_both(x, np.array([0, 1]), np.array([2, 3, 4, 5])) == 2
    assert rows_in_both(x, np.array([5]), np.array([0, 1, 2, 3, 4])) == 0
    assert rows_in_both(np.asfortranarray(x), np.array([0, 1]), np.array([2, 4])) == 2


def test_rows_in_both_matches_all_pairs():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, size=(200, 3)).astype(float)
    a, b = np.split(rng.permutation(200), [80])
    expected = (x[b][:, None] == x[a][None]).all(-1).any(1).sum()
    assert 0 < rows_in_both(x, a, b) == expected < len(b)


THINNED = (np.arange(1000) % 2).astype(np.int8)


def test_repeats_are_64_16_20_and_withhold_minority_rows():
    splits = repeated_splits(THINNED, seed=0, repeats=3, keep=50)
    for split in splits:
        withheld = withheld_rows(THINNED, split, seed=0)
        assert [len(part) for part in (*split, withheld)] == [352, 88, 110, 32]
        assert [int(THINNED[part].sum()) for part in (*split, withheld)] == [32, 8, 10, 32]
        rows = np.concatenate([*split, withheld])
        assert len(np.unique(rows)) == len(rows)
    drawn = [set(split.train) for split in splits]
    assert drawn[0] != drawn[1] != drawn[2] != drawn[0]


def test_withheld_rows_are_limited_to_those_left():
    (split,) = repeated_splits(THINNED, seed=0, repeats=1, keep=490)
    assert len(withheld_rows(THINNED, split, seed=0)) == 10
    a, b = (
        withheld_rows(THINNED, repeated_splits(THINNED, seed=0, keep=50)[0], seed=s) for s in (0, 1)
    )
    assert not np.array_equal(a, b)


def test_repeats_without_keep_use_all_rows():
    (split,) = repeated_splits(THINNED, seed=3, repeats=1)
    np.testing.assert_array_equal(np.sort(np.concatenate(split)), np.arange(1000))
    assert len(withheld_rows(THINNED, split, seed=0)) == 0


def test_repeat_depends_only_on_seed_and_index():
    repeats = repeated_splits(THINNED, seed=5, repeats=4, keep=50)
    for fewer_repeats, all_repeats in zip(
        repeated_splits(THINNED, seed=5, repeats=2, keep=50), repeats, strict=False
    ):
        for a, b in zip(fewer_repeats, all_repeats, strict=True):
            np.testing.assert_array_equal(a, b)
    other = repeated_splits(THINNED, seed=6, repeats=1, keep=50)[0]
    assert not np.array_equal(other.train, repeats[0].train)


def test_smaller_keep_gives_a_subset_of_rows():
    kept = {}
    for keep in (50, 20):
        (split,) = repeated_splits(THINNED, seed=1, repeats=1, keep=keep)
        rows = np.concatenate(split)
        kept[keep] = set(rows[THINNED[rows] == 1])
    assert kept[20] < kept[50]


@pytest.mark.parametrize("keep", [4, 501])
def test_invalid_keep_is_refused(keep):
    with pytest.raises(InputError, match=f"{keep} of 500 minority rows and 500 majority"):
        repeated_splits(THINNED, seed=0, keep=keep)
