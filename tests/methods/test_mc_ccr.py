"""MC-CCR: spheres, translations and new rows against brute force, and edge cases."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samplers import new_rows
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits
from tiers import asked

from imbax.losses.by_class import class_counts
from imbax.methods import mc_ccr
from imbax.methods.mc_ccr import radii, spheres
from imbax.methods.sampling import Sizes, uniform_by_row
from imbax.types import rows

KEY = jax.random.key(0)
# The largest class is not the first, and two classes have equal sizes.
COUNTS = (9, 30, 9, 4, 1)
WANTED = (21, 0, 5, 26, 3)
SIZES = Sizes(max_rows=9, max_synth=55, max_class=30)
DRAW = jax.jit(mc_ccr.sample, static_argnames=("sizes", "energy", "p", "clean"))
grow = jax.jit(spheres, static_argnames=("energy", "p"))
METRIC = {1: "cityblock", 2: "euclidean"}


def data(padding=0, d=3):
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(5), COUNTS))
    x = (rng.normal(size=(len(y), d)) + 0.7 * y[:, None]).astype(np.float32)
    x = np.concatenate([np.full((padding, d), np.nan, np.float32), x])
    w = np.concatenate([np.zeros(padding), np.ones(len(y))]).astype(np.float32)
    return x, np.concatenate([np.ones(padding, int), y]).astype(np.int32), w


def made(*table, wanted=WANTED, sizes=SIZES, **options):
    """Moved training rows and new rows."""
    train = rows(*(table or data()))
    resampled = jax.device_get(DRAW(KEY, train, jnp.array(wanted), sizes, **options))
    return resampled.x_synth[: len(train.w)], new_rows(resampled)


def brute_spheres(members, enemies, energy, p):
    """Grows every sphere enemy by enemy and sums the translations."""
    all_distances = cdist(members, enemies, METRIC[p])
    if energy == "auto":
        energy = 1.5 * np.median(all_distances.min(1)) if len(enemies) else 0
    radius, moves = [], np.zeros_like(enemies)
    for x, distances in zip(members, all_distances, strict=True):
        r, left = 0.0, energy
        for inside, distance in enumerate([*np.sort(distances), np.inf], 1):
            if inside * (distance - r) >= left:
                r += left / inside
                break
            left -= inside * (distance - r)
            r = distance
        for j, distance in enumerate(distances):
            if distance == 0 < r:
                ones = np.ones(len(x))
                moves[j] += r * ones / np.linalg.norm(ones, p)
            elif distance < r:
                surface = x + (enemies[j] - x) / distance * r
                moves[j] += surface - enemies[j]
        radius.append(r)
    return np.array(radius), moves


def brute(x, y, wanted, energy="auto", p=1, clean=True):
    """Whole method with lists, for the draws of `KEY`."""
    draws = lambda name, c, n: np.asarray(
        uniform_by_row(jax.random.fold_in(jax.random.fold_in(KEY, name), c), 40, n), float
    )
    x = x.astype(float)
    counts = np.bincount(y, minlength=len(wanted))
    pools = [list(x[y == c]) for c in range(len(wanted))]  # its rows, then its new ones
    order = sorted(range(len(wanted)), key=lambda c: (-counts[c], c))
    for rank, c in enumerate(order):
        if not wanted[c]:
            continue
        priority, met = draws(0, c, len(wanted)), []
        for larger in sorted(order[:rank]):
            first = np.argsort(priority[larger, : len(pools[larger])])[: max(counts) // rank]
            met += [(larger, place) for place in first]
        members = np.array(pools[c])
        enemies = np.array([pools[k][place] for k, place in met]).reshape(-1, x.shape[1])
        radius, moves = brute_spheres(members, enemies, energy, p)
        for (k, place), move in zip(met, moves, strict=True):
            pools[k][place] = pools[k][place] + clean * move
        inverse = 1 / radius if radius.any() else np.ones(len(members))
        quota = inverse / inverse.sum() * wanted[c]
        share = np.floor(quota + 1e-9).astype(int)
        share[np.argsort(share - quota, kind="stable")[: wanted[c] - share.sum()]] += 1
        gap, *cube = draws(1, c, 1 + x.shape[1])
        for i, base in enumerate(np.repeat(np.arange(len(members)), share)):
            v = 2 * np.array(cube)[:, i] - 1
            pools[c].append(members[base] + gap[i] * radius[base] * v / np.linalg.norm(v, p))
    moved = x.copy()
    for c, pool in enumerate(pools):
        moved[y == c] = pool[: counts[c]]
    return moved, np.array([row for c, pool in enumerate(pools) for row in pool[counts[c] :]])


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("energy", ["auto", 0.3, 40.0])
def test_spheres_and_translations_equal_brute_force(energy, p):
    rng = np.random.default_rng(1)
    members, enemies = rng.normal(size=(150, 18)), rng.normal(0.5, 1, size=(40, 18))
    enemies[3], members[7] = members[2], members[2]  # an enemy on two rows at once
    members, enemies = members.astype(np.float32), enemies.astype(np.float32)
    radius, moves = brute_spheres(
        members[:130].astype(float), enemies[:33].astype(float), energy, p
    )
    pushed = (moves != 0).any(1).sum()
    assert pushed == 1 if energy == 0.3 else pushed >= 25
    result = grow(members, 130, enemies, np.arange(40) < 33, energy=energy, p=p)
    np.testing.assert_allclose(result[0][:130], radius, 1e-5)
    scale = np.abs(moves).max()
    np.testing.assert_allclose(result[1][:33] / scale, moves / scale, 0, 1e-5)
    assert not np.any(result[0][130:]) and not np.any(result[1][33:])


def test_radius_uses_the_energy_exactly():
    distance = np.random.default_rng(2).uniform(0, 4, (50, 12)).astype(np.float32)
    distance[:, 9:] = np.inf
    r = np.asarray(radii(distance, 3.0))[:, None]
    np.testing.assert_allclose(r[:, 0] + np.maximum(r - distance, 0).sum(1), 3, rtol=1e-5)
    np.testing.assert_allclose(radii(distance[:, 9:], 3.0), 3)


@pytest.mark.parametrize("p", asked([1, 2], [1]))
@pytest.mark.parametrize("clean", asked([True, False], [True]))
@pytest.mark.parametrize("energy", ["auto", 15.0])  # some, and nearly all, enemies are drawn
def test_rows_equal_brute_force(energy, clean, p):
    x, y, _ = data()
    moved, new = made(energy=energy, clean=clean, p=p)
    expected_moved, expected_new = brute(x, y, WANTED, energy, p, clean)
    scale = np.abs(expected_moved).max()
    np.testing.assert_allclose(moved / scale, expected_moved / scale, 0, 1e-5)
    np.testing.assert_allclose(new.x / scale, expected_new / scale, 0, 1e-5)
    assert (moved != x).any() == clean
    assert (y[new.parents] == new.y[:, None]).all()


def test_single_row_clears_its_sphere():
    """All enemies inside the sphere of a single row move to its surface along their rays."""
    rng = np.random.default_rng(3)
    x = np.concatenate([np.zeros((1, 4)), rng.normal(size=(29, 4))]).astype(np.float32)
    y, ones = np.repeat([1, 0], [1, 29]), np.ones(30, np.float32)
    moved, new = made(x, y, ones, wanted=(0, 20), energy=9.0)
    before, after = np.abs(x[1:]).sum(1), np.abs(moved[1:]).sum(1)
    r, inside = after.min(), after > before + 1e-6
    assert 3 < inside.sum() < 29
    np.testing.assert_allclose(after[inside], r, rtol=1e-5)
    assert (before[~inside] > r).all()
    np.testing.assert_allclose(r + (r - before[inside]).sum(), 9, rtol=1e-5)
    np.testing.assert_allclose(moved[1:] / after[:, None], x[1:] / before[:, None], 0, 1e-5)
    np.testing.assert_array_equal(moved[0], x[0])
    reach = np.abs(new.x[:20]).sum(1)
    np.testing.assert_allclose(reach, r * new.gap[:20], rtol=1e-5)
    assert reach.max() > 0.8 * r


@pytest.mark.parametrize(
    "wanted",
    asked([WANTED, (0, 0, 0, 0, 0), (1, 0, 2, 1, 1), (21, 0, 0, 26, 0)], [(1, 0, 2, 1, 1)]),
)
def test_totals_are_exact(wanted):
    x = data()[0]
    moved, new = made(wanted=wanted)
    np.testing.assert_array_equal(class_counts(new.y, new.w, 5), wanted)
    np.testing.assert_array_equal(new.y[: sum(wanted)], np.repeat(np.arange(5), wanted))
    assert np.isfinite(new.x).all() and np.isfinite(moved).all()
    if not any(wanted):
        np.testing.assert_array_equal(moved, x)


@pytest.mark.thorough
def test_small_spheres_get_more_rows():
    x = np.array([[0, 0], [0.5, 0], [10, 0], [30, 0]], np.float32)
    y = np.array([0, 1, 1, 0], np.int32)
    _, new = made(x, y, np.ones(4, np.float32), wanted=(0, 30), energy=2.0, p=2)
    # Radii are 1.25 and 2; the former includes the cost of an enemy at .5.
    np.testing.assert_array_equal(np.bincount(new.parents[:30, 0])[1:], [18, 12])
    assert new.gap[:30].min() < 0.1 and new.gap[:30].max() > 0.9


@pytest.mark.thorough
@pytest.mark.parametrize("energy", ["auto", 0.8])
def test_padding_and_bounds_have_no_effect(energy):
    moved, new = made(energy=energy)
    given_moved, result = made(*data(padding=6), sizes=Sizes(80, 70, 45), energy=energy)
    np.testing.assert_allclose(given_moved[6:], moved, 1e-5, 1e-5)
    assert np.isnan(given_moved[:6]).all()
    np.testing.assert_allclose(result.x[:55], new.x, 1e-5, 1e-5)
    np.testing.assert_array_equal(result.parents[:55] - 6, new.parents)
    np.testing.assert_array_equal(result.gap[:55], new.gap)
    assert result.w.sum() == 55


def test_view_has_moved_rows_then_new_rows():
    train = rows(*data(padding=6))
    result = DRAW(KEY, train, jnp.array(WANTED), SIZES)
    moved, new = made()
    assert not result.fallback
    after = result.applied(train)
    np.testing.assert_array_equal(after.index, 59 + np.arange(59 + 55))
    np.testing.assert_array_equal(after.w, np.append(train.w, np.ones(55)))
    batch = after.take(6 + jnp.arange(53 + 55))
    np.testing.assert_allclose(batch.x, np.concatenate([moved, new.x]), 1e-5, 1e-5)
    np.testing.assert_array_equal(batch.y, np.concatenate([data()[1], new.y]))


@pytest.mark.thorough
@pytest.mark.parametrize("axis", ["vmap", "map"])
def test_runs_may_be_vmapped(axis):
    """Each run has its own numbers of rows."""
    train = rows(*data())
    keys, wanted = jax.random.split(KEY, 3), jnp.array([(1, 0, 2, 26, 0), WANTED, (0, 0, 0, 0, 9)])
    w = train.w
    weights = jnp.stack([w, w * (jnp.arange(len(w)) % 7 > 0), w])
    one = lambda run: mc_ccr.sample(run[0], train._replace(w=run[1]), run[2], SIZES)
    axes = {"vmap": jax.vmap(one), "map": lambda runs: jax.lax.map(one, runs)}
    together = jax.jit(axes[axis])((keys, weights, wanted))
    for i in range(3):
        single = DRAW(keys[i], train._replace(w=weights[i]), wanted[i], SIZES)
        result = jax.tree.map(lambda leaf, i=i: leaf[i], together)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-5), result, single)


def test_auto_energy_reaches_enemies():
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    members, enemies = x[y == 8][:30], x[y != 8][:600]
    distance, is_enemy = cdist(members, enemies, "cityblock"), np.ones(600, bool)
    inside = lambda energy: (
        distance < np.asarray(grow(members, 30, enemies, is_enemy, energy=energy, p=1)[0])[:, None]
    )
    auto = inside("auto").sum(1)
    assert (auto > 0).mean() > 0.8 and auto.max() < 60
    assert not inside(0.25).any()


@pytest.mark.thorough
def test_auto_energy_follows_the_scale():
    x, y, w = data()
    (moved, new), (far, made_far) = made(x, y, w), made(10 * x, y, w)
    np.testing.assert_allclose(far, 10 * moved, 1e-4, 1e-4)
    np.testing.assert_allclose(made_far.x, 10 * new.x, 1e-4, 1e-4)
    np.testing.assert_array_equal(made_far.parents, new.parents)


def _copies(x, y):
    x[np.isin(y, [0, 3])] = x[y == 0][0]


def _constant(x, y):
    x[:] = 2


def _on_enemies(x, y):
    x[y == 0] = x[y == 1][:9]


def _one_constant_column(x, y):
    x[:, 1] = 3


@pytest.mark.parametrize("energy", asked(["auto", 0.8, 1e6], ["auto"]))
@pytest.mark.parametrize("spoil", [_copies, _constant, _on_enemies, _one_constant_column])
def test_degenerate_tables_are_handled(spoil, energy):
    x, y, w = data()
    spoil(x, y)
    moved, new = made(x, y, w, energy=energy)
    assert np.isfinite(moved).all() and np.isfinite(new.x).all()
    np.testing.assert_array_equal(class_counts(new.y, new.w, 5), WANTED)
    if spoil is _constant and energy == "auto":  # no scale at all
        np.testing.assert_array_equal(new.x, np.full_like(new.x, 2))


@pytest.mark.thorough
def test_largest_class_has_no_enemies():
    x, y, w = data()
    wanted = (0, 12, 0, 0, 0)
    moved, new = made(x, y, w, wanted=wanted, energy=0.8, sizes=Sizes(30, 55, 42))
    reach = np.abs(new.x - x[new.parents[:, 0]]).sum(1)[:12]
    np.testing.assert_allclose(reach, 0.8 * new.gap[:12], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(moved, x)
    _, copies = made(x, y, w, wanted=wanted, sizes=Sizes(30, 55, 42))
    np.testing.assert_array_equal(copies.x[:12], x[copies.parents[:12, 0]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p": 3}, "p is 1 or 2; got 3"),
        ({"energy": "large"}, "got 'large'"),
        ({"energy": 0.0}, "positive distance; got 0.0"),
        ({"energy": float("nan")}, "got nan"),
    ],
)
def test_wrong_options_raise_errors(options, message):
    with pytest.raises(ValueError, match=message):
        made(**options)


@pytest.mark.thorough
def test_constant_columns_stay_constant():
    """Constant columns do not change, and do not affect other columns."""
    x, y, w = data()
    x[y == 1, :2] = x[y == 3, :2][:1]  # some coincide and are separated along the diagonal
    wider = np.pad(x, ((0, 0), (0, 2)), constant_values=7)
    train = rows(wider, y, w)._replace(factor=jnp.float32([1, 1, 1, 0, 0]))
    moved, new = made(x, y, w)
    wide = DRAW(KEY, train, jnp.array(WANTED), SIZES)
    moved_wide, new_wide = wide.x_synth[: len(x)], new_rows(wide)
    assert (moved != x).any()
    np.testing.assert_allclose(moved_wide, np.pad(moved, ((0, 0), (0, 2))), 1e-5, 1e-5)
    np.testing.assert_allclose(new_wide.x, np.pad(new.x, ((0, 0), (0, 2))), 1e-5, 1e-5)
