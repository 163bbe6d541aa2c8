"""Subsampling of image sets to given class counts."""

import numpy as np
import pytest

from imbax.data.images import Images, images
from imbax.data.imbalance import COUNTS, Counts, image_splits, make_imbalance, recounted
from imbax.errors import InputError

SMALL = Counts((8, 4, 2), 4, (4, 2, 1))


def made(per_class=20, per_class_test=None, classes=3):
    rng = np.random.default_rng(1)
    parts = []
    for n in (per_class, per_class_test):
        if n is None:
            parts += [None, None]
            continue
        y = rng.permutation(np.repeat(np.arange(classes), n))
        parts += [rng.integers(0, 256, (len(y), 4, 4, 1), np.uint8), y]
    names = tuple("abcdefghij"[:classes])
    return Images("made", parts[0], parts[1], names, parts[2], parts[3])


@pytest.mark.parametrize("counts", [{"a": 5, "c": 2}, [5, 0, 2]])
def test_requested_counts_are_kept(counts):
    y = np.repeat(["a", "b", "c"], 10)
    x = np.arange(30)[:, None]
    kept, labels, rows = make_imbalance(x, y, counts, seed=3)
    np.testing.assert_array_equal(np.unique(labels, return_counts=True)[1], [5, 2])
    np.testing.assert_array_equal(kept[:, 0], rows)
    np.testing.assert_array_equal(labels, y[rows])
    assert (np.diff(rows) > 0).all()
    assert (make_imbalance(x, y, counts, seed=3)[2] == rows).all()
    assert (make_imbalance(x, y, counts, seed=4)[2] != rows).any()
    smaller = make_imbalance(x, y, {"a": 3, "c": 1}, seed=3)[2]
    assert set(smaller) < set(rows)


def test_counts_of_the_paper_have_names():
    y = np.repeat(np.arange(10), 180)
    assert len(make_imbalance(y, y, "digits")[2]) == sum(COUNTS["digits"].train)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([5, 5], "2 counts for 3 classes; give one for each"),
        ({"d": 1}, "counts for .'d'., which y does not contain"),
        ({"a": 11}, "class a: 11 rows requested, it has 10"),
        ("minst", "unknown counts 'minst'.*mnist"),
    ],
)
def test_invalid_counts_are_refused(counts, message):
    y = np.repeat(["a", "b", "c"], 10)
    with pytest.raises(InputError, match=message):
        make_imbalance(y, y, counts)


def test_folds_test_every_image_once():
    data = made()
    splits, notices = image_splits(data, SMALL, seed=0)
    assert notices == ()
    for split in splits:
        np.testing.assert_array_equal(np.bincount(data.y[split.train]), SMALL.train)
        np.testing.assert_array_equal(np.bincount(data.y[split.test]), [4, 4, 4])
        chosen = split.test[split.imbalanced]
        np.testing.assert_array_equal(np.bincount(data.y[chosen]), SMALL.imbalanced)
        assert len({*split.train, *split.test}) == 14 + 12
    tested = np.concatenate([split.test for split in splits])
    assert sorted(tested) == list(range(60))
    one, _ = image_splits(data, SMALL, seed=0, folds=1)
    assert one[0].fingerprint == splits[0].fingerprint
    other, _ = image_splits(data, SMALL, seed=1, folds=1)
    assert other[0].fingerprint != splits[0].fingerprint


def test_official_parts_are_used_when_folds_are_too_small():
    data = made(per_class=9, per_class_test=5)
    splits, notices = image_splits(data, SMALL, seed=0)
    assert notices == ("the official parts are the only split; every seed draws from it",)
    all_official = Counts((9, 9, 9), 5, (4, 2, 1))
    _, notices = image_splits(data, all_official, seed=0)
    assert notices == ("the official parts are the only split; the same images for every seed",)
    (split,) = splits
    y = np.concatenate([data.y, data.y_test])
    assert (split.train < 27).all() and (split.test >= 27).all()
    np.testing.assert_array_equal(np.bincount(y[split.train]), SMALL.train)
    np.testing.assert_array_equal(np.bincount(y[split.test]), [4, 4, 4])
    data.y_test[data.y_test == 2] = 1
    with pytest.raises(InputError, match=r"test images \[5, 10, 0\], expected at least one"):
        image_splits(data, SMALL, seed=0)


def test_counts_shrink_by_a_common_factor():
    splits, notices = image_splits(made(per_class=5), SMALL, seed=0)
    np.testing.assert_array_equal(np.bincount(made(5).y[splits[0].train]), [4, 2, 1])
    assert splits[0].imbalanced.tolist() == [True, True, True]
    assert notices == (
        "training counts [4, 2, 1], 0.5 times those requested",
        "imbalanced test counts [1, 1, 1], 0.25 times those requested",
    )


def test_folds_can_use_both_official_parts():
    data = made(per_class=5, per_class_test=5)
    counts = Counts((8, 4, 2), 2, (2, 1, 1), both_parts=True)
    splits, notices = image_splits(data, counts, seed=0)
    assert len(splits) == 5 and notices == ()
    assert sorted(np.concatenate([split.test for split in splits])) == list(range(30))


@pytest.mark.parametrize(
    ("data", "folds", "message"),
    [
        (made(), 6, "6 folds, expected 1 to 5"),
        (made(4), 5, r"images per class \[4, 4, 4\], expected 3 classes of at least 5"),
        (made(20, classes=2), 5, r"images per class \[20, 20, 0\], expected 3 classes"),
    ],
)
def test_too_few_images_are_refused(data, folds, message):
    with pytest.raises(InputError, match=message):
        image_splits(data, SMALL, seed=0, folds=folds)


@pytest.mark.parametrize(
    ("name", "train", "test", "notices"),
    [
        ("mnist", COUNTS["mnist"].train, 1084, 0),
        ("fashion_mnist", COUNTS["mnist"].train, 1200, 0),
        ("cifar10", COUNTS["cifar10"].train, 200, 2),
        ("svhn", (50, 22, 11, 8, 6, 5, 4, 2, 1, 1), 10, 3),
    ],
)
def test_real_sets_have_expected_counts(data_home, name, train, test, notices):
    data = images(name, data_home)
    splits, messages = image_splits(data, COUNTS[name], seed=0, folds=2)
    y = np.concatenate([data.y, data.y_test])
    for split in splits:
        np.testing.assert_array_equal(np.bincount(y[split.train]), train)
        assert set(np.bincount(y[split.test])) == {test}
    assert len(messages) == notices


@pytest.mark.parametrize(
    ("arguments", "name", "train", "imbalanced"),
    [
        ((), "made", (8, 4, 1), (4, 2, 1)),
        (("paper", 0.5), "made_0.5", (4, 2, 1), (4, 2, 1)),
        (("reversed",), "made_reversed", (1, 4, 8), (1, 2, 4)),
        (("step",), "made_step", (8, 8, 1), (4, 4, 1)),
        (("step", 0.25), "made_step_0.25", (2, 2, 1), (4, 4, 1)),
    ],
)
def test_recounted_changes_counts_and_name(monkeypatch, arguments, name, train, imbalanced):
    monkeypatch.setitem(COUNTS, "made", Counts((8, 4, 1), 4, (4, 2, 1)))
    found = recounted(made(), *arguments)
    assert found.name == name
    assert found.counts == Counts(train, 4, imbalanced)
    (split, *_), notices = image_splits(found, found.counts, seed=0)
    np.testing.assert_array_equal(np.bincount(found.y[split.train]), train)
    assert notices == ()


def test_step_imbalance_of_ten_classes():
    found = recounted(images("digits"), "step")
    assert found.counts.train == (130,) * 5 + (6,) * 5
    assert found.counts.imbalanced == (34,) * 5 + (2,) * 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("stepp",), "unknown imbalance 'stepp'.*step"),
        (("paper", 0.0), "fraction=0, expected above 0 and at most 1"),
        (("paper", 1.5), r"fraction=1.5, expected above 0 and at most 1"),
    ],
)
def test_invalid_imbalance_or_fraction_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        recounted(images("digits"), *arguments)
