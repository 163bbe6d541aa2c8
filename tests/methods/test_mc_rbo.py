"""MC-RBO against brute force with the same draws: walks, enemies, order of classes, scales."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samplers import new_rows
from scipy.spatial.distance import cdist

from imbax.losses.by_class import class_counts
from imbax.methods import mc_rbo
from imbax.methods.mc_rbo import enemies, nearby, walk
from imbax.methods.sampling import Sizes
from imbax.types import rows

KEY = jax.random.key(0)
COUNTS = (7, 30, 1, 15, 2)
# Fewer rows than class 3 has, and some rows of the largest class.
WANTED = (40, 3, 4, 5, 6)
TOTAL = sum(WANTED)
D, STEPS = 4, 40
SIZES = Sizes(max_rows=30, max_synth=TOTAL, max_class=47)
WALK = {"steps": STEPS, "neighbors": 6}
DRAW = jax.jit(mc_rbo.sample, static_argnames=("sizes", "gamma", "step", *WALK))


def data(padding=0):
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(5), COUNTS))
    x = rng.normal(size=(len(y), D)) + 0.7 * y[:, None]
    x = np.concatenate([np.full((padding, D), np.nan), x]).astype(np.float32)
    w = np.concatenate([np.zeros(padding), np.ones(len(y))]).astype(np.float32)
    return x, np.concatenate([np.ones(padding, int), y]).astype(np.int32), w


def make(x, y, w, wanted=WANTED, sizes=SIZES, key=KEY, **options):
    return new_rows(DRAW(key, rows(x, y, w), jnp.array(wanted), sizes, **WALK | options))


@functools.cache
def made(padding=0, sizes=SIZES, **options):
    return jax.device_get(make(*data(padding), sizes=sizes, **options))


def potential(x, points, sign, gamma):
    return (sign * np.exp(-((np.abs(x - points).sum(1) / gamma) ** 2))).sum()


def brute_walk(uniform, start, points, sign, gamma, step):
    """Walk of one row with full potentials; also returns the smallest margin of a decision."""
    d = len(start)
    x, moves, tried, margin = start.astype(float), list(range(2 * d)), 0, np.inf
    for u in uniform:
        if tried == 2 * d:
            break
        other = tried + int(np.float32(u) * np.float32(2 * d - tried))
        moves[tried], moves[other] = moves[other], moves[tried]
        to = x.copy()
        to[moves[tried] % d] += step if moves[tried] < d else -step
        gain = abs(potential(x, points, sign, gamma)) - abs(potential(to, points, sign, gamma))
        margin = min(margin, abs(gain))
        x, tried = (to, 0) if gain > 0 else (x, tried + 1)
    return x, margin


def setting(n, k, d, seed=0):
    rng = np.random.default_rng(seed)
    start, points = rng.normal(size=(n, d)), rng.normal(size=(n, k, d))
    points[:, 0] = start
    sign = rng.integers(-1, 2, (n, k))
    sign[:, 0] = -1
    return start.astype(np.float32), points.astype(np.float32), sign


@pytest.mark.parametrize(("d", "steps", "step"), [(4, 60, 0.05), (30, 60, 0.1), (1, 12, 0.3)])
def test_walk_equals_brute_force(d, steps, step):
    start, points, sign = setting(20, 6, d)
    uniform = np.random.default_rng(33).random((20, steps), np.float32)
    gamma = np.float32(0.8 * d)
    x, phi = jax.jit(walk)(uniform, start, points, sign, gamma, np.float32(step))
    moved = 0
    for i in range(20):
        result = uniform[i], start[i], points[i].astype(float), sign[i], float(gamma), step
        expected, margin = brute_walk(*result)
        assert margin > 1e-6, "rounding may decide a trial: choose other draws"
        np.testing.assert_allclose(x[i], expected, atol=1e-5)
        np.testing.assert_allclose(phi[i], potential(expected, *result[2:5]), atol=1e-5)
        assert abs(phi[i]) <= abs(potential(start[i].astype(float), *result[2:5])) + 1e-6
        moved += np.abs(expected - start[i]).sum() > step / 2
    assert moved > 15


def test_stopped_walk_has_tried_every_move():
    start, points, sign = setting(30, 6, 3, seed=2)
    uniform = np.random.default_rng(3).random((30, 2000), np.float32)
    x, phi = jax.jit(walk)(uniform, start, points, sign, np.float32(2), np.float32(0.02))
    for i in range(30):
        for move in np.concatenate([np.eye(3), -np.eye(3)]) * 0.02:
            after = potential(np.asarray(x[i], float) + move, points[i], sign[i], 2)
            assert abs(after) > abs(phi[i]) - 1e-5


def test_untried_moves_are_drawn_uniformly():
    """Four of six moves lower |Φ|: away from the point in two columns, both in the third."""
    n = 20_000
    start, points = np.zeros((n, 3), np.float32), np.full((n, 1, 3), [3, -3, 0], np.float32)
    uniform = np.random.default_rng(0).random((n, 3), np.float32)
    far = {}
    for trials in (1, 2, 3):
        x, _ = jax.jit(walk)(uniform[:, :trials], start, points, -np.ones((n, 1)), 6.0, 0.5)
        x = np.asarray(x)
        far[trials] = (x != 0).any(1).mean()
        if trials == 1:
            shares = [(x[:, 0] < 0).mean(), (x[:, 1] > 0).mean(), (x[:, 2] > 0).mean()]
            np.testing.assert_allclose(shares, 1 / 6, atol=0.01)
            assert (x[:, 0] <= 0).all() and (x[:, 1] >= 0).all()
    # The other two do not, and neither is tried twice.
    np.testing.assert_allclose(list(far.values()), [4 / 6, 1 - 1 / 15, 1], atol=0.01)


def test_nearby_equals_brute_force():
    x, y, _ = data()
    members, others = x[y == 1], x[y != 1]
    members[3] = members[5]
    points = np.concatenate([members, np.full((2, D), 0), others]).astype(np.float32)
    sign = np.repeat([-1, 0, 1], [30, 2, 25])
    near, reach = jax.jit(nearby, static_argnums=4)(members, 28, points, sign, 7)
    distance = cdist(members, points, "cityblock")
    distance[:, sign == 0] = np.inf
    expected = np.argsort(distance[:28], 1, kind="stable")[:, :7]
    np.testing.assert_array_equal(near[:28], expected)
    within = np.where(distance[:, :30] > 0, distance[:, :30], np.inf)
    np.testing.assert_allclose(reach[:28], within.min(1)[:28], 1e-5)
    assert (reach[28:] == 0).all()
    near, _ = jax.jit(nearby, static_argnums=4)(members, 30, points, sign, 70)
    assert near.shape == (30, 57) and set(np.asarray(near[0, 55:])) == {30, 31}


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4])
def test_enemies_have_equal_numbers_by_class(rank):
    total, uniform = np.array([33, 20, 47, 5, 5]), np.random.default_rng(0).random(40)
    larger, place, is_enemy = jax.jit(enemies)(uniform.astype(np.float32), total, 30, rank)
    each = 30 // rank if rank else 0
    assert is_enemy.sum() == each * rank
    kept = np.asarray(is_enemy) > 0
    counts = np.bincount(larger[kept], minlength=5)
    np.testing.assert_array_equal(counts, [each] * rank + [0] * (5 - rank))
    expected = np.floor(uniform.astype(np.float32) * total[larger])
    np.testing.assert_array_equal(place[kept], expected[kept])


def brute(x, y, wanted, gamma, step):
    """Whole method with the same draws."""
    counts = np.bincount(y, minlength=len(wanted))
    order = np.argsort(-counts, kind="stable")
    pool = {c: x[y == c].astype(float) for c in range(len(wanted))}
    made, starts, margins = {}, {}, []
    for rank, c in enumerate(order):
        taking, walking = jax.random.split(jax.random.fold_in(KEY, c))
        members, each = x[y == c].astype(float), counts.max() // max(rank, 1)
        others = []
        for e in range(each * rank):
            u = jax.random.uniform(jax.random.fold_in(taking, e), (1,), jnp.float32)[0]
            larger = pool[order[e // each]]
            others.append(larger[int(u * np.float32(len(larger)))])
        points = np.array([*members, *others])
        sign = np.repeat([-1, 1], [len(members), len(others)])
        within = cdist(members, members, "cityblock")
        nearest = np.where(within > 0, within, np.inf).min(1)
        rho = np.median(nearest[np.isfinite(nearest)]) if len(members) > 1 else 0
        scale = (rho or 1) if gamma == "auto" else gamma
        length = rho / STEPS if step == "auto" else step
        made[c], starts[c] = [], []
        for number in range(wanted[c]):
            u = np.asarray(
                jax.random.uniform(jax.random.fold_in(walking, number), (1 + STEPS,), jnp.float32)
            )
            i = int(u[0] * np.float32(len(members)))
            near = np.argsort(np.abs(points - members[i]).sum(1), kind="stable")[:7]
            row, margin = brute_walk(u[1:], members[i], points[near], sign[near], scale, length)
            made[c].append(row)
            starts[c].append(np.flatnonzero(y == c)[i])
            margins.append(margin if length else np.inf)
        pool[c] = np.array([*members, *made[c]])
    classes = range(len(wanted))
    new, starts = [r for c in classes for r in made[c]], [s for c in classes for s in starts[c]]
    return np.array(new), np.array(starts), min(margins)


@pytest.mark.parametrize(
    ("gamma", "step"),
    [
        ("auto", "auto"),
        pytest.param(1.5, 0.05, marks=pytest.mark.thorough),
        pytest.param("auto", 0.03, marks=pytest.mark.thorough),
    ],
)
def test_rows_equal_brute_force(gamma, step):
    x, y, _ = data()
    result = made(gamma=gamma, step=step)
    expected, starts, margin = brute(x, y, WANTED, gamma, step)
    assert margin > 1e-7, "rounding may decide a trial: choose other draws"
    np.testing.assert_array_equal(result.parents, np.stack([starts, starts], 1))
    np.testing.assert_allclose(result.x, expected, atol=1e-5)
    assert (np.abs(result.x - x[starts]).sum(1) > 0.02).mean() > 0.8


@pytest.mark.thorough
def test_every_class_gets_the_wanted_rows():
    result = made(sizes=SIZES._replace(max_synth=90))
    assert result.w.sum() == TOTAL
    np.testing.assert_array_equal(result.y[:TOTAL], np.repeat(np.arange(5), WANTED))
    np.testing.assert_array_equal(class_counts(result.y, result.w, 5), WANTED)
    np.testing.assert_array_equal(data()[1][result.parents[:TOTAL, 0]], result.y[:TOTAL])
    assert np.isfinite(result.x).all() and (result.gap == 0).all()


@pytest.mark.thorough
def test_blocks_do_not_change_rows():
    """Rows are numbered within their class and do not depend on other wanted rows."""
    x, y, w = data()
    wanted = jnp.array([300, 3, 4, 5, 6])
    result = make(x, y, w, wanted, Sizes(30, 318, 307))
    np.testing.assert_array_equal(class_counts(result.y, result.w, 5), wanted)
    np.testing.assert_allclose(result.x[:40], made().x[:40], atol=1e-5)
    assert len(np.unique(np.asarray(result.x[:300]).round(4), axis=0)) > 250


@pytest.mark.thorough
def test_padding_and_bounds_have_no_effect():
    expected = made()
    result = made(padding=6, sizes=Sizes(37, 90, 60))
    np.testing.assert_allclose(result.x[:TOTAL], expected.x, atol=1e-5)
    np.testing.assert_array_equal(result.parents[:TOTAL] - 6, expected.parents)
    assert result.w.sum() == TOTAL and np.isfinite(result.x[:TOTAL]).all()


def test_auto_is_invariant_to_scale():
    x, y, w = data()
    result = make(x * 1024, y, w)
    np.testing.assert_allclose(result.x / 1024, made().x, atol=1e-6)
    fixed = make(x * 1024, y, w, gamma=1.0, step=0.05)
    assert np.abs(fixed.x / 1024 - made().x).max() > 0.01


@pytest.mark.thorough
def test_auto_moves_images():
    """The numbers of the public code would make Φ depend only on the start."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [40, 12]).astype(np.int32)
    hidden = rng.normal(size=(52, 5)) + y[:, None]
    x = np.tanh(hidden @ rng.normal(size=(5, 784))).astype(np.float32)
    result = KEY, rows(x, y), jnp.array([0, 28]), Sizes(12, 28, 40)
    run = lambda **options: new_rows(DRAW(*result, **options))
    between = cdist(x[y == 1], x[y == 1], "cityblock")
    rho = np.median(np.where(between > 0, between, np.inf).min(1))
    away = lambda result: np.abs(result.x - x[result.parents[:, 0]]).sum(1) / rho
    share = away(run())
    assert share.mean() > 0.1 and share.max() < 1
    assert away(run(gamma=0.05, step=0.001)).max() < 0.01


def test_degenerate_classes_are_handled():
    x, y, w = data()
    x[:, 2] = 3
    x[y == 0] = x[y == 0][0]
    x[np.flatnonzero(y == 3)[4:]] = x[y == 3][0]
    result = make(x, y, w)
    assert np.isfinite(result.x).all()
    np.testing.assert_array_equal(class_counts(result.y, result.w, 5), WANTED)
    for c in (0, 2):  # copies, and a single row
        copies = np.asarray(result.x[result.y == c])
        np.testing.assert_array_equal(copies, np.tile(x[y == c][0], (WANTED[c], 1)))
    for c in (3, 4):
        assert (np.asarray(result.x[result.y == c]) != x[result.parents[result.y == c, 0]]).any()


def test_empty_class_and_no_wanted_rows():
    x, y, w = data()
    result = make(x, np.where(y == 4, 0, y), w, [0] * 5)
    assert result.w.sum() == 0 and np.isfinite(result.x).all()


@pytest.mark.thorough
def test_view_keeps_its_rows():
    train = rows(*data(padding=6))
    result = DRAW(KEY, train, jnp.array(WANTED), SIZES, **WALK)
    assert not result.fallback
    after = result.applied(train)
    np.testing.assert_array_equal(after.index[:61], train.index)
    np.testing.assert_array_equal(after.w, np.append(train.w, np.ones(TOTAL)))
    new = after.take(61 + jnp.arange(TOTAL))
    np.testing.assert_allclose(new.x, made().x, atol=1e-5)
    np.testing.assert_array_equal(new.y, made().y)


@pytest.mark.thorough
def test_runs_may_be_vmapped():
    train = rows(*data())
    keys, wanted = jax.random.split(KEY, 2), jnp.array([WANTED, (0, 2, 8, 1, 0)])
    run = lambda key, wanted: mc_rbo.sample(key, train, wanted, SIZES, **WALK)
    together = jax.jit(jax.vmap(run))(keys, wanted)
    result = new_rows(jax.tree.map(lambda leaf: leaf[1], together))
    single = make(*data(), wanted[1], key=keys[1])
    assert result.w.sum() == 11
    for one, other in zip(result, single, strict=True):
        np.testing.assert_allclose(one[:11], other[:11], atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"gamma": "median"}, "gamma is"),
        ({"gamma": 0.0}, "gamma is"),
        ({"step": -1}, "step is"),
        ({"steps": 0}, "steps and neighbors"),
        ({"neighbors": 0}, "steps and neighbors"),
    ],
)
def test_options_out_of_range_raise_errors(wrong, message):
    with pytest.raises(ValueError, match=message):
        make(*data(), **wrong)


@pytest.mark.thorough
def test_constant_columns_stay_constant():
    """Constant columns do not change; columns of zeros use no trials and have no effect."""
    x, y, w = data()
    wider = jnp.insert(x, jnp.array([0, 2]), 7, axis=1)  # constant on the training rows
    live = jnp.array([False, True, True, False, True, True])
    train = rows(wider, y, w)._replace(factor=live.astype(jnp.float32))
    result = new_rows(jax.device_get(DRAW(KEY, train, jnp.array(WANTED), SIZES, **WALK)))
    assert not result.x[:, ~live].any()
    np.testing.assert_allclose(result.x[:, live], made().x, 1e-6, 1e-6)
