"""The suite `sine`: comparison with the equations, independence of seeds, the report."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from imbax.cli import main
from imbax.engine.vectorize import Engine
from imbax.errors import InputError
from imbax.experiments.sine import suite as sine_suite
from imbax.experiments.sine.problem import METHODS, Config, Result, grid, run
from imbax.networks.mlp import mlp
from imbax.reports.sine.report import runs_table, summary_table, write_sine_report

TINY = Config(epochs=4, steps=6, records=2)
OURS, FROZEN, BASELINE, TRAIN, THETA_0 = range(len(METHODS))


@pytest.fixture(scope="module")
def result():
    return sine_suite._compute(TINY, [0, 1, 2], Engine())


@pytest.mark.thorough
def test_shapes_and_ranges_of_the_points(result):
    assert result.error.shape == result.valid_error.shape == (3, 5)
    assert result.curve.shape == (3, 5, 4)
    assert result.prediction.shape == (3, 5, 501)
    for rows in (result.train, result.valid):
        assert rows.shape == (3, 5, 2)
        np.testing.assert_allclose(rows[..., 1], np.sin(np.pi / 2 * rows[..., 0]), atol=1e-5)
    assert result.start.shape == (3, 20, 2)
    assert (np.abs(result.start) <= [5, 1]).all()
    assert np.abs(result.start[..., 0]).max() > 4
    assert len(np.unique(result.start)) == result.start.size, "the points of each seed differ"


@pytest.mark.thorough
def test_errors_agree_with_the_predictions(result):
    truth = np.asarray(grid(TINY))[:, 1]
    np.testing.assert_allclose(result.error, ((result.prediction - truth) ** 2).mean(-1), rtol=1e-4)
    np.testing.assert_allclose(result.curve[:, :, -1], result.error, rtol=1e-4)
    # The first two methods start from θ₀, which is `train` after its first updates.
    for method in (OURS, FROZEN, TRAIN):
        np.testing.assert_allclose(result.curve[:, method, 1], result.error[:, THETA_0], rtol=1e-4)


def test_results_do_not_depend_on_other_seeds(result):
    others = sine_suite._compute(TINY, [5, 2, 0], Engine())
    for leaf, several in zip(result, others, strict=True):
        np.testing.assert_array_equal(leaf[[2, 0]], several[[1, 2]])


@pytest.mark.thorough
def test_positions_move_and_targets_are_fixed(result):
    np.testing.assert_array_equal(result.end[..., 1], result.start[..., 1])
    assert (result.end[..., 0] != result.start[..., 0]).mean() > 0.9


@pytest.mark.thorough
def test_zero_step_size_gives_the_ablation(result):
    still = sine_suite._compute(TINY._replace(eta2=0.0), [0, 1, 2], Engine())
    np.testing.assert_array_equal(still.end, still.start)
    np.testing.assert_array_equal(still.error[:, OURS], still.error[:, FROZEN])
    np.testing.assert_allclose(still.error[:, FROZEN], result.error[:, FROZEN], rtol=1e-6)
    assert (np.abs(result.error[:, OURS] / result.error[:, FROZEN] - 1) > 1e-5).all()


SMALL = Config(n_synth=3, hidden=2, epochs=1, steps=2, records=1)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        SMALL._replace(inner="synth", restart=True, move="both", num_steps=2, optimizer="sgd"),
    ],
    ids=["paper", "other readings"],
)
def test_explicit_gradient_matches_the_equations(config):
    key = jax.random.key(7)
    got = jax.jit(run, static_argnums=1)(key, config)
    theta, synth = jax.jit(by_hand, static_argnums=1)(key, config, got)
    np.testing.assert_allclose(got.end, synth, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(got.error[OURS], loss(theta, grid(config)), rtol=1e-4)
    np.testing.assert_allclose(got.valid_error[OURS], loss(theta, got.valid), rtol=1e-4)
    assert np.abs(got.end[:, 0] - got.start[:, 0]).max() > 1e-3
    assert (got.end[:, 1] != got.start[:, 1]).all() == (config.move == "both")


def by_hand(key, config, got):
    """Final θ and final points."""
    theta_0 = by_hand_theta_0(key, config, got.train)
    theta, synth = theta_0, got.start
    for _ in range(config.steps):
        first = theta_0 if config.restart else theta

        def adapted(synth, first=first):
            union = synth if config.inner == "synth" else jnp.concatenate([synth, got.train])
            for _ in range(config.num_steps):
                first = jax.tree.map(lambda p, g: p - 0.1 * g, first, jax.grad(loss)(first, union))
            return first

        gradient = jax.grad(lambda synth, adapted=adapted: loss(adapted(synth), got.valid))(synth)
        theta = adapted(synth)
        synth = synth - gradient * jnp.array([1, config.move == "both"])
    return theta, synth


def by_hand_theta_0(key, config, train):
    """One update of the initial network; Adam changes each weight by the step size."""
    network = mlp(1, (config.hidden,), jnp.tanh)
    first, last = network.init(jax.random.split(key)[0])["layers"].values()
    start = (
        (first["kernel"].reshape(1, -1), first["bias"]),
        (last["kernel"].reshape(-1), last["bias"][0]),
    )
    gradient = jax.grad(loss)(start, train)
    if config.optimizer == "sgd":
        return jax.tree.map(lambda p, g: p - 0.1 * g, start, gradient)
    return jax.tree.map(lambda p, g: p - 0.01 * jnp.sign(g), start, gradient)


def loss(theta, rows):
    (w1, b1), (w2, b2) = theta
    return ((jnp.tanh(rows[:, :1] @ w1 + b1) @ w2 + b2 - rows[:, 1]) ** 2).mean()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"inner": "onion"}, "inner='onion', expected 'union' or 'synth'"),
        ({"move": "y"}, "move='y', expected 'x' or 'both'"),
        ({"optimizer": "lbfgs"}, "optimizer='lbfgs', expected 'adam' or 'sgd'"),
        ({"n_synth": 0}, "n_synth=0, expected at least 1"),
        ({"steps": 7}, "multiple of records = 2"),
    ],
)
def test_invalid_settings_are_rejected(change, says):
    with pytest.raises(InputError, match=says):
        run(jax.random.key(0), TINY._replace(**change))


def test_summary_pairs_seeds_and_omits_diverged_ones():
    error = np.array([[0.1, 0.2, 0.3, 0.5, 0.6]] * 6) + 0.01 * np.arange(6)[:, None]
    error[5, OURS] = np.inf
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


@pytest.fixture
def computed(result, monkeypatch):
    """Records requests for seeds and answers them from one small result."""

    def compute(config, seeds, engine):
        requests.append((config, list(seeds)))
        return jax.tree.map(lambda leaf: leaf[list(seeds)], result)

    requests = []
    monkeypatch.setattr(sine_suite, "_compute", compute)
    return requests


@pytest.mark.thorough
def test_report_has_text_figures_and_tables(computed, tmp_path):
    results = sine_suite.run_settings(tmp_path, 2, TINY)
    text = write_sine_report(results, TINY, tmp_path, "imbax run sine").read_text()
    for line in ("imbax run sine", "2 seeds", "`train_valid`", "n_synth=40", "move=both"):
        assert line in text
    for name in ("three_panels_typical", "three_panels_luckiest", "length", "numbers"):
        assert f"figures/{name}.png" in text
        assert (tmp_path / "figures" / f"{name}.png").stat().st_size > 10_000
    assert len(pd.read_csv(tmp_path / "tables" / "runs.csv")) == 13 * 2 * 5
    assert len(pd.read_csv(tmp_path / "tables" / "summary.csv")) == 13 * 5


def test_stored_seeds_are_reused_and_damaged_ones_computed(computed, tmp_path):
    def run_settings(out, seeds):
        """Computed settings and seeds, and the table of runs."""
        del computed[:]
        results = sine_suite.run_settings(tmp_path / out, seeds, TINY)
        return list(computed), runs_table({str(config): r for config, r in results.items()})

    every = sine_suite.settings(TINY)
    assert run_settings("grown", 2)[0] == [(config, [0, 1]) for config in every]
    assert run_settings("grown", 2)[0] == []
    requests, grown = run_settings("grown", 3)
    assert requests == [(config, [2]) for config in every]
    assert run_settings("at_once", 3)[1].equals(grown)
    damaged = next((tmp_path / "grown" / "runs" / "sine").glob("*.npz"))
    damaged.write_bytes(damaged.read_bytes()[:200])
    with pytest.warns(UserWarning, match=f"damaged result file .* again: .*{damaged.name}"):
        requests, repaired = run_settings("grown", 3)
    assert [seeds for _, seeds in requests] == [[0, 1, 2]]
    assert repaired.equals(grown)


def test_run_sine_on_the_command_line(tmp_path, capsys, monkeypatch):
    def run_settings(out, seeds, base, engine):
        requests.append([seeds, base])
        return {base: seeds}

    def write_sine_report(results, base, out, command):
        assert results == {base: requests[-1][0]}
        requests[-1].append(command)
        return out / "report.md"

    requests = []
    monkeypatch.setattr(sine_suite, "run_settings", run_settings)
    monkeypatch.setattr("imbax.reports.sine.report.write_sine_report", write_sine_report)
    out = tmp_path / "out"
    assert main(["run", "sine", "--seeds", "3", "--out", str(out)]) == 0
    assert requests == [[3, Config(), f"imbax run sine --seeds 3 --out {out}"]]
    assert f"report: {out / 'report.md'}" in capsys.readouterr().out
    assert main(["run", "sine", "--out", str(out)]) == 0
    assert requests[1][0] >= 100
    capsys.readouterr()
    assert main(["run", "sine", "--folds", "3", "--out", str(out)]) == 2
    assert "--folds does not apply to suite sine" in capsys.readouterr().err
    assert main(["list", "suites"]) == 0
    assert "Regression of a sine" in capsys.readouterr().out
