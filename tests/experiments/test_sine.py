"""The sine suite: what each method sees and moves, seeds apart from each other, the report."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from imbax.cli import main
from imbax.errors import InputError
from imbax.experiments import sine_suite
from imbax.experiments.cells import Engine
from imbax.experiments.sine import METHODS, Config, Result, grid, run
from imbax.experiments.sine_report import runs_table, summary_table
from imbax.vectorize import Vectorized

TINY = Config(epochs=4, steps=6, records=2)
OURS, FROZEN, BASELINE, TRAIN, THETA_0 = range(len(METHODS))


@pytest.fixture(autouse=True)
def quick(quick_compile):
    return quick_compile


def over_seeds(seeds, config=TINY):
    def one(key, seed):
        return run(jax.random.fold_in(key, seed), config)

    return jax.device_get(Vectorized(one)(jax.random.key(0), np.array(seeds, np.uint32)))


@pytest.fixture(scope="module")
def result():
    jax.config.update("jax_disable_most_optimizations", True)
    return over_seeds([0, 1, 2])


def test_shapes_and_where_the_points_lie(result):
    assert result.error.shape == result.valid_error.shape == (3, 5)
    assert result.curve.shape == (3, 5, 4)
    assert result.prediction.shape == (3, 5, 501)
    for rows in (result.train, result.valid):
        assert rows.shape == (3, 5, 2)
        np.testing.assert_allclose(rows[..., 1], np.sin(np.pi / 2 * rows[..., 0]), atol=1e-5)
    assert result.start.shape == (3, 20, 2)
    assert (np.abs(result.start) <= [5, 1]).all()
    assert np.abs(result.start[..., 0]).max() > 4
    assert len(np.unique(result.start)) == result.start.size, "each seed has points of its own"


def test_errors_are_those_of_the_predictions(result):
    truth = np.asarray(grid(TINY))[:, 1]
    np.testing.assert_allclose(result.error, ((result.prediction - truth) ** 2).mean(-1), rtol=1e-4)
    np.testing.assert_allclose(result.curve[:, :, -1], result.error, rtol=1e-4)
    # The first two start from θ₀, and θ₀ is `train` after its first updates.
    np.testing.assert_allclose(result.curve[:, :2, 1], result.error[:, [THETA_0] * 2], rtol=1e-4)
    np.testing.assert_allclose(result.curve[:, TRAIN, 1], result.error[:, THETA_0], rtol=1e-4)


def test_a_seed_is_the_same_in_any_company(result):
    others = over_seeds([5, 2, 9, 0])
    for leaf, several in zip(result, others, strict=True):
        np.testing.assert_array_equal(leaf[[2, 0]], several[[1, 3]])


def test_targets_stay_unless_asked_to_move(result):
    np.testing.assert_array_equal(result.end[..., 1], result.start[..., 1])
    assert (result.end[..., 0] != result.start[..., 0]).mean() > 0.9
    both = over_seeds([0], TINY._replace(move="both"))
    assert (both.end != both.start).mean() > 0.9


def test_points_that_do_not_move_are_the_ablation(result):
    still = over_seeds([0, 1, 2], TINY._replace(eta2=0.0))
    np.testing.assert_array_equal(still.end, still.start)
    np.testing.assert_array_equal(still.error[:, OURS], still.error[:, FROZEN])
    np.testing.assert_array_equal(still.error[:, FROZEN], result.error[:, FROZEN])
    assert (result.error[:, OURS] != result.error[:, FROZEN]).all()


def test_one_step_is_the_two_equations_by_hand():
    config = Config(n_synth=3, hidden=2, epochs=1, steps=1, records=1)
    key = jax.random.key(7)
    got = jax.jit(run, static_argnums=1)(key, config)
    theta = _theta_0(key, config, got.train)

    def loss(theta, rows):
        (w1, b1), (w2, b2) = theta
        return ((jnp.tanh(rows[:, :1] @ w1 + b1) @ w2 + b2 - rows[:, 1]) ** 2).mean()

    def adapted(x):
        union = jnp.concatenate([jnp.stack([x, got.start[:, 1]], 1), got.train])
        return jax.tree.map(lambda p, g: p - 0.1 * g, theta, jax.grad(loss)(theta, union))

    x = got.start[:, 0]
    moved = x - jax.grad(lambda x: loss(adapted(x), got.valid))(x)
    np.testing.assert_allclose(got.end[:, 0], moved, rtol=1e-5)
    assert not np.allclose(moved, x, rtol=1e-4)
    np.testing.assert_allclose(got.error[OURS], loss(adapted(x), grid(config)), rtol=1e-4)


def _theta_0(key, config, train):
    """One Adam step from the network's start, whose length in each parameter is the step size."""
    from imbax.networks.mlp import mlp

    network = mlp(1, (config.hidden,), jnp.tanh)
    params = network.init(jax.random.split(key)[0])
    gradient = jax.grad(lambda p: ((network.apply(p, train[:, :1]) - train[:, 1]) ** 2).mean())(
        params
    )
    params = jax.tree.map(lambda p, g: p - config.learning_rate * jnp.sign(g), params, gradient)
    first, last = params["layers"][0], params["layers"][1]
    kernel = last["kernel"].reshape(-1)  # kept transposed
    return (first["kernel"].reshape(1, -1), first["bias"]), (kernel, last["bias"][0])


@pytest.mark.parametrize(
    "reading", [{"inner": "synth"}, {"restart": True}, {"num_steps": 2}], ids=str
)
def test_each_reading_changes_explicit_gradient_and_no_baseline(result, reading):
    other = over_seeds([0, 1, 2], TINY._replace(**reading))
    assert (np.abs(other.error[:, OURS] / result.error[:, OURS] - 1) > 1e-4).all()
    np.testing.assert_allclose(other.error[:, BASELINE:], result.error[:, BASELINE:], rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"inner": "onion"}, "inner is one of union, synth; got 'onion'"),
        ({"move": "y"}, "move is one of"),
        ({"optimizer": "lbfgs"}, "optimizer is one of"),
        ({"n_synth": 0}, "n_synth is 0"),
        ({"steps": 7}, "multiple of records = 2"),
    ],
)
def test_mistakes_are_named(change, says):
    with pytest.raises(InputError, match=says):
        run(jax.random.key(0), TINY._replace(**change))


def test_summary_pairs_seeds_and_leaves_out_those_that_diverged():
    error = np.array([[0.1, 0.2, 0.3, 0.5, 0.6]] * 6) + 0.01 * np.arange(6)[:, None]
    error[5, OURS] = np.nan
    empty = [np.zeros((6, 1))] * (len(Result._fields) - 2)
    summary = summary_table(runs_table({"paper": Result(error, error, *empty)}))
    rows = summary.set_index("method")
    ours, rival = rows.loc["explicit_gradient"], rows.loc["train_valid"]
    assert (ours["n"], ours["diverged"]) == (5, 1)
    np.testing.assert_allclose([ours["median"], ours["mean"]], 0.12)
    np.testing.assert_allclose([rival["q25"], rival["median"]], [0.3125, 0.325])
    assert (rival["wins"], rival["losses"]) == (5, 0)
    np.testing.assert_allclose(rival["difference"], -0.2)
    np.testing.assert_allclose([rival["p_value"], rival["p_holm"]], [2 / 2**5, 4 * 2 / 2**5])
    assert pd.isna(ours["wins"])


def test_a_run_writes_its_report_and_is_not_computed_again(result, tmp_path, monkeypatch):
    def compute(config, seeds, engine):
        computed.append((config, list(seeds)))
        return jax.tree.map(lambda leaf: leaf[list(seeds)], result)

    def run_sine(out, seeds):
        before = len(computed)
        path = sine_suite.run_sine(tmp_path / out, seeds, TINY, command="imbax run", say=str)
        assert path == tmp_path / out / "report.md"
        table = (tmp_path / out / "tables" / "runs.csv").read_bytes()
        return path.read_text(), table, computed[before:]

    computed = []
    monkeypatch.setattr(sine_suite, "_compute", compute)
    every = sine_suite.settings(TINY)
    text, _, new = run_sine("grown", 2)
    assert new == [(config, [0, 1]) for config in every]
    for line in ("`train_valid`", "imbax run", "n_synth=40", "move=both", "2 seeds"):
        assert line in text
    for name in ("three_panels_typical", "three_panels_luckiest", "length", "numbers"):
        assert f"figures/{name}.png" in text
        assert (tmp_path / "grown" / "figures" / f"{name}.png").stat().st_size > 10_000
    assert run_sine("grown", 2)[0] == text
    assert len(computed) == len(every), "computed again"

    _, table, new = run_sine("grown", 3)
    assert new == [(config, [2]) for config in every], "a seed computed again"
    assert run_sine("at_once", 3)[1] == table
    damaged = next((tmp_path / "grown" / "runs" / "sine").glob("*.npz"))
    damaged.write_bytes(damaged.read_bytes()[:200])
    _, mended, new = run_sine("grown", 3)
    assert mended == table
    assert [seeds for _, seeds in new] == [[0, 1, 2]]


def test_the_suite_computes_what_the_function_gives(result):
    got = sine_suite._compute(TINY, range(1, 3), Engine())
    for leaf, one in zip(result, got, strict=True):
        np.testing.assert_array_equal(leaf[1:], one)


def test_the_command_line_runs_it(tmp_path, capsys, monkeypatch):
    asked = []

    def run_sine(out, seeds, base, **options):
        asked.append((seeds, base, options["command"]))
        return out / "report.md"

    monkeypatch.setattr(sine_suite, "run_sine", run_sine)
    monkeypatch.setattr("imbax.vectorize.use_cpu_cores", lambda: None)
    out = tmp_path / "out"
    assert main(["run", "sine", "--seeds", "3", "--out", str(out)]) == 0
    assert asked == [(3, Config(), f"imbax run sine --seeds 3 --out {out}")]
    assert main(["run", "sine", "--out", str(out)]) == 0
    assert asked[1][0] >= 100
    assert main(["run", "sine", "--folds", "3", "--out", str(out)]) == 2
    assert "--folds does not apply to suite sine" in capsys.readouterr().err
    assert main(["list", "suites"]) == 0
    assert "sine" in capsys.readouterr().out
