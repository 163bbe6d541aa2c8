"""Tests of padded sizes, which are rounded up to a few values."""

import dataclasses
from functools import partial

import jax
import numpy as np
import pytest
import toys

from imbax.data.tabular import make_dataset
from imbax.experiments.tabular import padding
from imbax.experiments.tabular.plan import Protocol, plan

columns_many_rows, columns_few_rows = (partial(padding.columns, n_rows=n) for n in (2817, 2816))


@pytest.mark.parametrize(
    ("rounded", "pairs"),
    [
        (
            columns_many_rows,
            {1: 8, 8: 8, 9: 16, 17: 32, 33: 64, 64: 64, 65: 128, 300: 320, 617: 640},
        ),
        (columns_few_rows, {1: 8, 8: 8, 9: 16, 17: 64, 33: 64, 64: 64, 65: 128}),
        (padding.rows, {1: 2816, 2816: 2816, 2817: 5632, 11183: 11264, 34780: 45056}),
        (padding.minority_rows, {1: 1024, 1024: 1024, 1025: 2048}),
    ],
)
def test_sizes_are_rounded_up(rounded, pairs):
    assert {number: rounded(number) for number in pairs} == pairs


def test_data_sets_of_similar_sizes_share_a_shape():
    cuts = []
    for n, minority, d in ((110, 30, 4), (2500, 40, 7)):
        x, y = toys.table(n, minority)
        x = np.tile(x, (1, 2))[:, :d]
        cuts.append(plan(make_dataset(x, y, name="toy"), [0, 1], Protocol(2)))
    one, other = cuts
    assert one.facts == other.facts
    for a, b in zip(one.shared, other.shared, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
    shapes = lambda runs: jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), runs)
    assert shapes(one.runs) == shapes(other.runs)


def test_padding_includes_withheld_rows():
    """The shape fits all 3,000 rows, though only 2,800 are used."""
    whole = dataclasses.replace(make_dataset(*toys.table(3000, 400), name="toy"), keep=200)
    cut = plan(whole, [0], Protocol(2, scheme="repeats"))
    assert cut.shared[0].shape == (5632, 8)
    np.testing.assert_array_equal(cut.shared[0][:3000, :4], cut.x)


def test_padding_is_zero():
    cut = plan(make_dataset(*toys.table(110, 30), name="toy"), [0], Protocol(2))
    x, y = cut.shared
    np.testing.assert_array_equal(x[:110, :4], cut.x)
    np.testing.assert_array_equal(y[:110], cut.dataset.y)
    assert not (x[110:].any() or x[:, 4:].any() or y[110:].any())
    assert not (cut.runs.factor[:, 4:].any() or cut.runs.shift[:, 4:].any())
