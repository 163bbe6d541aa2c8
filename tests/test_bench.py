"""The benchmarks run and count right; nothing here depends on how fast the machine is."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest

from imbax import bench
from imbax.errors import InputError
from imbax.losses import binary_cross_entropy
from imbax.networks.mlp import mlp

ROOT = Path(__file__).resolve().parents[1]


def products_in(f, *args) -> int:
    """Floating-point operations of all matrix products in the program of `f(*args)`."""

    def count(jaxpr):
        total = 0
        for eqn in jaxpr.eqns:
            if eqn.primitive.name == "dot_general":
                (contracted, _), _ = eqn.params["dimension_numbers"]
                lengths = [eqn.invars[0].aval.shape[axis] for axis in contracted]
                total += 2 * int(np.prod(lengths)) * eqn.outvars[0].aval.size
            total += sum(map(count, jax.extend.core.jaxprs_in_params(eqn.params)))
        return total

    return count(jax.make_jaxpr(f)(*args).jaxpr)


@pytest.mark.parametrize("hidden", [(), (128, 16), (7, 5, 3)])
def test_necessary_operations_are_those_of_the_traced_equations(hidden):
    n, features = 8, 6
    network = mlp(features, hidden)
    params, x, y = network.init(jax.random.key(0)), jnp.ones((n, features)), jnp.ones(n)

    def loss(params, x):
        return binary_cross_entropy(network.apply(params, x), y).mean()

    gradient = products_in(jax.grad(loss), params, x)
    # Linearized, the primal part is evaluated and what remains is the mixed derivative.
    _, mixed = jax.linearize(lambda params: jax.grad(loss, 1)(params, x), params)
    expected = {"ce": gradient, "explicit_gradient": 3 * gradient + products_in(mixed, params)}
    widths = (features, *hidden, 1)
    for method in bench.METHODS:
        assert bench.necessary_operations(method, widths, n) == expected[method]


def test_workloads_take_turns():
    calls = []
    works = [bench.Workload(lambda name=name: calls.append(name), 1.0) for name in "ab"]
    seconds = bench.seconds_in_turns(works, rounds=3)
    assert "".join(calls) == "ab" * 4  # the first to warm up
    assert seconds.shape == (2, 3)
    assert (seconds >= 0).all()


def test_random_problem_has_full_batches_and_the_minority_asked_for():
    train, valid, _ = bench.random_problem(384)
    assert train.data.shape == (384, bench.WIDTHS[0])
    assert train.y.sum() == bench.BATCH
    assert len(valid.y) == bench.BATCH
    assert 0 < valid.y.sum() < bench.BATCH


def test_measured_numbers_fit_together():
    times = bench.measure_steps([1], rounds=2, batches=1, epochs=1, sizes=(16,))
    assert [(row.method, row.runs) for row in times] == [("explicit_gradient", 1), ("ce", 1)]
    for row in times:
        operations = bench.necessary_operations(row.method)
        assert row.gflops == pytest.approx(1e-3 * operations / row.minimum)
        assert row.minimum <= row.median
        assert row.compile_seconds > 0
    rates = [row.gflops / row.matmul_share for row in times]
    assert rates[0] == pytest.approx(rates[1])


def test_table_has_a_line_per_step(monkeypatch, capsys):
    times = [bench.StepTime("ce", 4, 1.25, 35.0, 36.5, 160.0, 0.8)]
    monkeypatch.setattr(bench, "measure_steps", lambda runs: times)
    bench.print_steps([4])
    text = capsys.readouterr().out
    (line,) = [line for line in text.splitlines() if line.split()[:1] == ["ce"]]
    assert line.split() == ["ce", "4", "1.2", "35.0", "36.5", "160.0", "80"]
    assert "product 200 GFLOP/s" in text


def test_runs_below_one_are_refused():
    with pytest.raises(InputError, match="--runs 0, expected"):
        bench.measure_steps([4, 0])


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_pytorch_takes_the_same_steps_as_imbax(tmp_path):
    script, out = ROOT / "benchmarks" / "explicit_gradient_step.py", tmp_path / "result.json"
    sizes = [f"--{name}={n}" for name, n in dict(runs=2, rounds=1, batches=1, epochs=1).items()]
    done = subprocess.run(
        [sys.executable, script, "--no-compile", *sizes, f"--out={out}"],
        capture_output=True,
        text=True,
        check=False,
        # PyTorch's threads would otherwise spin against whatever else runs on their cores.
        env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE"},
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    assert max(result["relative_difference"].values()) < 1e-4
    kinds = {(row["step"], row["runs"], row["kind"]) for row in result["times_imbax"]}
    assert kinds == {
        ("explicit_gradient", 2, "torch eager"),
        ("explicit_gradient", 2, "torch.func"),
        ("explicit_gradient", 1, "torch eager"),
        ("ce", 2, "torch eager"),
    }
