"""Mini-batches, checkpoints, and training in pieces."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys
from as_programs import as_program
from tiers import asked

from imbax import minibatches
from imbax.methods import supervised
from imbax.methods.supervised import Hparams
from imbax.metrics.ranking import average_precision
from imbax.minibatches import Minibatches, each_batch
from imbax.training import Fit, Program, advance, begin, one_shot, train
from imbax.types import Resampled

KEY = jax.random.key(3)
random_order = as_program(minibatches.random_order)
shuffled_minibatches = jax.jit(minibatches.shuffled_minibatches, static_argnums=2)
balanced_minibatches = jax.jit(minibatches.balanced_minibatches, static_argnums=2)


def weights(n_real, length, seed=0):
    """Weights with `n_real` ones at random places and zeros elsewhere."""
    return np.random.default_rng(seed).permutation(np.arange(length) < n_real).astype(np.float32)


@pytest.mark.parametrize(("n_real", "length"), [(50, 50), (50, 80), (0, 7), (1, 1), (300, 70_000)])
def test_random_order_is_a_permutation_with_padding_last(n_real, length):
    w = weights(n_real, length)
    order = np.asarray(random_order(KEY, jnp.asarray(w)))
    np.testing.assert_array_equal(np.sort(order), np.arange(length))
    assert (w[order[:n_real]] > 0).all()


@pytest.mark.parametrize("length", [60, 128, 70_000])
def test_random_order_does_not_depend_on_padding(length):
    plain = random_order(KEY, jnp.ones(50))
    w = weights(50, length)
    rank = np.cumsum(w > 0) - 1  # depends on the position among rows with weight
    order = np.asarray(random_order(KEY, jnp.asarray(w)))
    np.testing.assert_array_equal(rank[order[:50]], plain)


def test_random_orders_differ_between_keys():
    keys = jax.random.split(KEY, 4000)
    orders = jax.jit(jax.vmap(lambda key: random_order(key, jnp.ones(4))))(keys)
    places = np.stack([(np.asarray(orders) == row).mean(0) for row in range(4)])
    np.testing.assert_allclose(places, 0.25, atol=0.03)
    assert len(np.unique(np.asarray(orders), axis=0)) == 24


@pytest.mark.parametrize("padding", asked([0, 24, 100], [24]))
def test_shuffled_minibatches_hold_every_row_once(padding):
    rows = toys.problem(40, padding).train
    row, y, w = map(np.asarray, shuffled_minibatches(KEY, rows, 16))
    assert row.shape == y.shape == w.shape == (-(-(40 + padding) // 16), 16)
    np.testing.assert_array_equal(np.sort(row[w > 0]), np.arange(40))
    np.testing.assert_array_equal(y, np.asarray(rows.target)[row])
    np.testing.assert_array_equal(w.ravel(), np.arange(w.size) < 40)
    plain = shuffled_minibatches(KEY, toys.problem(40).train, 16)
    np.testing.assert_array_equal(row[w > 0], plain.row[plain.w > 0])
    other = shuffled_minibatches(jax.random.key(4), rows, 16)
    assert (other.row[0] != row[0]).any()


def test_minibatches_have_the_row_weights():
    rows = toys.problem(40, 10).train
    rows = rows._replace(w=rows.w * (1 + rows.index))
    row, _, w = shuffled_minibatches(KEY, rows, 16)
    np.testing.assert_array_equal(w[w > 0], 1 + row[w > 0])


@pytest.mark.parametrize("padding", asked([0, 24, 100], [24]))
def test_balanced_minibatches_are_half_minority(padding):
    rows = toys.problem(40, padding).train
    real = np.asarray(rows.index)[np.asarray(rows.w) > 0]
    row, y, w = map(np.asarray, balanced_minibatches(KEY, rows, 16))
    assert row.shape == (-(-(40 + padding) // 16), 16)
    np.testing.assert_array_equal(w, np.repeat(np.arange(len(w)) < 3, 16).reshape(w.shape))
    np.testing.assert_array_equal(y, np.asarray(rows.target)[row])
    np.testing.assert_array_equal(y.sum(1), 8)
    assert set(row.ravel()) <= set(real)
    plain = balanced_minibatches(KEY, toys.problem(40).train, 16)
    np.testing.assert_array_equal(row[:3], plain.row)


def test_balanced_minibatches_draw_rows_of_a_class_uniformly():
    rows = toys.problem(40).train
    keys = jax.random.split(KEY, 300)
    drawn = jax.jit(jax.vmap(lambda key: balanced_minibatches(key, rows, 16).row))(keys)
    row = np.asarray(drawn)
    count, y = np.bincount(row.ravel(), minlength=40), np.asarray(rows.target)[:40]
    for counts in (count[y == 0], count[y == 1]):
        np.testing.assert_allclose(counts / counts.mean(), 1, atol=0.2)


# A program with predefined scores and losses: its parameters after epoch t are t.

N_VALID = 20


def scripted(scores, losses=None, **options):
    """Program with `scores [epochs + 1, n_valid]`; row t has the outputs after t epochs."""
    scores = jnp.asarray(scores, jnp.float32)
    losses = jnp.zeros(len(scores)) if losses is None else jnp.asarray(losses)
    return Program(
        apply=lambda t, x: scores[t],
        init=lambda key, problem, hparams, start: jnp.zeros((), jnp.int32),
        epoch=lambda key, t, problem, hparams: (t + 1, losses[t]),
        fit=Fit,
        **options,
    )


def written_scores(order, seed=0):
    """Outputs for each epoch; epochs with larger numbers in `order` rank better."""
    y = np.asarray(toys.problem().valid.y)
    noise = 3 * np.random.default_rng(seed).normal(size=N_VALID)
    return np.stack([skill * y + noise for skill in order])


def run(program, epochs, key=KEY, problem=None):
    """Trains in one compiled program; returns progress and curves."""
    problem = problem or toys.problem()
    return jax.jit(lambda key, problem: train(program, key, problem, (), epochs))(key, problem)


def test_checkpoint_has_the_best_validation_score():
    scores = written_scores([9, 0, 1, 3, 2, 3, 0.5])
    y = toys.problem().valid.y
    curve = [float(as_program(average_precision)(np.float32(s), y)) for s in scores]
    assert curve[3] == max(curve[1:]) == curve[5] < curve[0]
    progress, curves = run(scripted(scores, losses=np.arange(7.0)), 6)
    np.testing.assert_array_equal(curves.valid_score, np.float32(curve[1:]))
    np.testing.assert_array_equal(curves.train_loss, np.arange(6))
    # The first of two equal epochs; the starting point is not admissible.
    assert (progress.best.params, progress.best_epoch, progress.epoch) == (3, 3, 6)
    assert progress.best_score == np.float32(curve[3])
    assert progress.state == 6
    assert not progress.diverged


def test_checkpoint_may_minimise_the_weighted_loss():
    scores, problem = written_scores([9, 1, 3, 2]) / 3, toys.problem()
    y, w = np.asarray(problem.valid.y), 1.0 + np.arange(N_VALID) % 3
    problem = problem._replace(valid=problem.valid._replace(w=jnp.asarray(w, jnp.float32)))
    # The epoch with the best ranking has logits that are far too large.
    scores[1:] *= np.array([0.5, 3, 0.1])[:, None]
    curve = [-np.average(np.logaddexp(0, s) - s * y, weights=w) for s in scores[1:]]
    fit = lambda **options: run(scripted(scores, **options), 3, problem=problem)
    progress, curves = fit(scoring="loss")
    np.testing.assert_allclose(curves.valid_score, curve, rtol=1e-5)
    assert progress.best_epoch == 1 + np.argmax(curve) != fit()[0].best_epoch
    assert progress.best_score == curves.valid_score.max()
    squared = fit(scoring="loss", loss_for=lambda *_: lambda logits, y: (logits - y) ** 2)
    expected = [-np.average((s - y) ** 2, weights=w) for s in scores[1:]]
    np.testing.assert_allclose(squared[1].valid_score, expected, rtol=1e-5)


def test_train_equals_begin_and_advance():
    program = scripted(written_scores([0, 3, 1, 2]), start_admissible=True)
    problem = toys.problem()
    progress = begin(program, KEY, problem, ())
    assert (progress.best.params, progress.best_epoch, progress.epoch) == (0, 0, 0)
    progress, first = advance(program, KEY, problem, (), progress, 1)
    progress, rest = advance(program, KEY, problem, (), progress, 2)
    curves = jax.tree.map(lambda *parts: np.concatenate(parts), first, rest)
    jax.tree.map(np.testing.assert_array_equal, (progress, curves), run(program, 3))


def test_starting_point_is_the_checkpoint_if_best():
    scores = written_scores([2, 0, 1, 2, 1])
    progress, _ = run(scripted(scores, start_admissible=True), 4)
    assert (progress.best.params, progress.best_epoch) == (0, 0)
    progress, _ = run(scripted(written_scores([2, 0, 3]), start_admissible=True), 2)
    assert (progress.best.params, progress.best_epoch) == (2, 2)


def test_epochs_have_different_random_keys():
    def epoch(key, t, problem, hparams):
        return t + 1, jax.random.uniform(key)

    program = scripted(written_scores([0, 1, 2, 3]))._replace(epoch=epoch)
    loss = run(program, 3)[1].train_loss
    assert len(np.unique(loss)) == 3
    other = run(program, 3, key=jax.random.key(4))[1].train_loss
    assert not set(np.asarray(other)) & set(np.asarray(loss))


def test_last_checkpoint_is_the_final_epoch():
    scores = written_scores([0, 3, 1, 2])
    for options in ({}, {"start_admissible": True}):
        progress, curves = run(scripted(scores, checkpoint="last", **options), 3)
        assert (progress.best.params, progress.best_epoch) == (3, 3)
        assert progress.best_score == curves.valid_score[-1]


@pytest.mark.parametrize("bad", asked([np.nan, np.inf], [np.inf]))
@pytest.mark.parametrize("where", ["score", "loss"])
def test_diverged_run_is_flagged_and_keeps_its_best(where, bad):
    scores, losses = written_scores([0, 1, 2, 3, 4]), np.zeros(5)
    if where == "score":
        scores[3, 5] = bad
    else:
        losses[2] = bad
    program = scripted(scores, losses)
    assert not run(program, 2)[0].diverged
    for epochs in (3, 4):
        assert run(program, epochs)[0].diverged
    expected = 2 if where == "score" else 3
    assert run(program, 3)[0].best.params == expected


def test_run_without_finite_scores_is_flagged():
    scores = np.full((3, N_VALID), np.nan)
    progress, _ = run(scripted(scores), 2)
    assert progress.diverged
    assert progress.best_epoch == 0


def test_one_shot_program_trains_in_one_epoch():
    def fit_mean(key, problem):
        batch = problem.train.all()
        return {"direction": (batch.w * (batch.y - 0.5)) @ batch.x}

    program = one_shot(lambda params, x: x @ params["direction"], fit_mean)
    problem = toys.problem(padding=8)
    progress, curves = run(program, 1, problem=problem)
    expected = fit_mean(KEY, problem)["direction"]
    np.testing.assert_allclose(progress.best.params["direction"], expected, 1e-6)
    assert progress.best_epoch == 1
    assert curves.valid_score[0] > 0.3


@pytest.fixture(scope="module")
def pieces():
    """Real training in pieces of epochs: `(key, hparams, pieces) -> (progress, curves)`."""
    program = supervised.program(toys.network(), batch_size=16)
    problem = toys.problem()
    start = jax.jit(lambda key, hparams: begin(program, key, problem, hparams))
    more = jax.jit(
        lambda key, hparams, progress, n: advance(program, key, problem, hparams, progress, n),
        static_argnums=3,
    )

    def run(key, hparams, lengths):
        progress, curves = start(key, hparams), []
        for n in lengths:
            progress, curve = more(key, hparams, progress, n)
            curves.append(curve)
        return progress, jax.tree.map(lambda *parts: np.concatenate(parts), *curves)

    return run


def test_each_batch_skips_padding_and_weights_by_rows():
    rows, traced = np.array([4.0, 4.0, 3.0, 0.0, 0.0]), []

    def run(rows):
        w = (jnp.arange(4) < rows[:, None]).astype(float)
        batches = Minibatches(jnp.zeros((5, 4), int), jnp.zeros((5, 4)), w)

        def step(carry, number, batch):
            assert batch.w.shape == (4,)
            traced.append(None)
            return carry.at[number].add(1), {"number": number.astype(float), "rows": batch.w.sum()}

        return each_batch(step, jnp.zeros(5), batches)

    # Alone, and together with a run in which every batch has rows.
    batched = jax.tree.map(lambda leaf: leaf[1], jax.vmap(run)(np.stack([np.ones(5), rows])))
    for steps, mean in (run(rows), batched):
        np.testing.assert_array_equal(steps, [1, 1, 1, 0, 0])
        np.testing.assert_allclose(mean["number"], (0 * 4 + 1 * 4 + 2 * 3) / 11)
        np.testing.assert_allclose(mean["rows"], (16 + 16 + 9) / 11)
    assert len(traced) == 2  # once per call


@pytest.mark.thorough
def test_training_uses_synthetic_rows():
    """Training on synthetic copies of the rows equals training on the rows."""
    problem = toys.problem()
    batch = problem.train.all()

    index = len(problem.train.data) + jnp.arange(len(batch.w))
    copied = Resampled(index, batch.w, x_synth=batch.x, y_synth=batch.y)
    moved = copied._replace(x_synth=batch.x + 1)
    program = supervised.program(toys.network(), batch_size=16)
    expected, result, other = (
        train(program, KEY, problem._replace(train=rows), Hparams(0.01), 3)[1].train_loss
        for rows in (problem.train, *(change.applied(problem.train) for change in (copied, moved)))
    )
    np.testing.assert_allclose(result, expected, 1e-6)
    assert (other != expected).all()


def test_training_in_pieces_is_bit_equal(pieces):
    hparams = Hparams(*map(jnp.float32, (0.01, 0.1)))
    at_once = pieces(KEY, hparams, [6])
    result = pieces(KEY, hparams, [2, 2, 2])
    jax.tree.map(np.testing.assert_array_equal, result, at_once)
    assert at_once[0].epoch == 6
    other = pieces(jax.random.key(4), hparams, [6])
    assert (other[1].train_loss != at_once[1].train_loss).all()
