"""A data set cut into runs: nothing leaks, and shapes depend on no seed."""

import numpy as np
import pytest

from imbax.data.tabular import make_dataset
from imbax.experiments.plan import Protocol, plan


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(0)
    return make_dataset(rng.normal(size=(157, 3)), np.arange(157) % 7 == 0)


def test_every_run_is_padded_to_one_shape_whatever_the_seeds(dataset):
    def shapes(seeds):
        cut = plan(dataset, seeds, Protocol())
        return {k: v.shape[1:] for k, v in cut.runs.items()}, cut.facts

    assert shapes([0]) == shapes([1]) == shapes(range(4))


def test_padded_indices_and_weights_are_the_split(dataset):
    cut = plan(dataset, [3], Protocol())
    assert cut.fold.tolist() == [0, 1, 2, 3]
    for r, part in enumerate(cut.splits):
        assert not set(part.train) & set(part.valid) | set(part.train) & set(part.test)
        for name in ("train", "valid", "test"):
            w = cut.runs[f"{name}_w"][r]
            np.testing.assert_array_equal(cut.runs[name][r][w > 0], getattr(part, name))
        assert dataset.y[part.train].sum() <= cut.facts.max_minority


def test_scaling_is_fitted_on_training_rows(dataset):
    cut = plan(dataset, [0], Protocol())
    for r, part in enumerate(cut.splits):
        scaled = (cut.x - cut.runs["shift"][r]) * cut.runs["factor"][r]
        np.testing.assert_allclose(scaled[part.train].min(0), 0, atol=1e-6)
        np.testing.assert_allclose(scaled[part.train].max(0), 1, atol=1e-6)


def test_a_runs_key_depends_on_its_seed_and_fold_alone(dataset):
    import jax

    few, many = plan(dataset, [2], Protocol()), plan(dataset, [0, 1, 2], Protocol())
    data = lambda cut: jax.random.key_data(cut.runs["key"])  # noqa: E731
    np.testing.assert_array_equal(data(few), data(many)[8:])
    assert len(np.unique(data(many), axis=0)) == 12
