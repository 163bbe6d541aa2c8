"""Benchmarks: operation counts, measurements and reports, independent of the machine's speed."""

import copy
import importlib.util
import io
import itertools
import json
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from imbax.bench import (
    command,
    estimate,
    generators,
    images,
    measure,
    operations,
    report,
    tables,
    timing,
)
from imbax.bench.kernels import KERNELS
from imbax.bench.report import draw, frame, table
from imbax.bench.sizes import Size
from imbax.cli.main import main
from imbax.errors import InputError
from imbax.losses.per_example import binary_cross_entropy
from imbax.methods import bagan as bg
from imbax.methods import deepsmote as ds
from imbax.networks.mlp import mlp
from imbax.networks.resnet import resnet18
from imbax.types import Batch

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "benchmarks" / "results" / "bench" / "bench.json"
QUICK = ("explicit_gradient", "smote")
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed"
)


def multiply_adds(f, *args) -> int:
    return sum(operations.layers_of(f, *args))


@pytest.mark.parametrize("hidden", [(), (7, 5, 3)])
def test_operation_counts_match_the_traced_equations(hidden):
    n, features = 8, 6
    network = mlp(features, hidden)
    shapes = jax.eval_shape(network.init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), shapes)
    x, y = jnp.ones((n, features)), jnp.ones(n)

    def loss(params, x):
        return binary_cross_entropy(network.apply(params, x), y).mean()

    widths = (features, *hidden, 1)
    layers = operations.layers_of(network.apply, params, x[:1])
    assert layers == [a * b for a, b in itertools.pairwise(widths)]
    assert n * operations.gradient(layers) == multiply_adds(jax.grad(loss), params, x)
    by_input = multiply_adds(jax.grad(loss, (0, 1)), params, x)
    assert n * operations.gradient(layers, of_input=True) == by_input
    # Linearization evaluates the primal part; the remaining program is the mixed derivative.
    _, mixed = jax.linearize(lambda params: jax.grad(loss, 1)(params, x), params)
    assert n * operations.mixed(layers) == multiply_adds(mixed, params)


def test_tabular_operation_counts_match_the_readme():
    counts = {name: KERNELS[name].needs(KERNELS[name].size)[0] for name in ("supervised", *QUICK)}
    per_row = 64 * 128 + 128 * 16 + 16
    gradient, mixed = 3 * per_row - 64 * 128, 4 * per_row - 64 * 128
    assert counts["explicit_gradient"] == 2 * 128 * (3 * gradient + mixed) == 25_743_360
    assert counts["supervised"] == 2 * 128 * gradient == 5_779_456
    assert counts["smote"] == 2 * 1000 * 1000 * 64
    # With fewer points than a batch, the synthetic batch is smaller.
    size = KERNELS["explicit_gradient"].size._replace(points=28)
    expected = 2 * (2 * 128 * gradient + 28 * (gradient + mixed))
    assert tables.explicit_gradient_needs(size)[0] == expected


def test_resnet_has_its_published_operation_count():
    network = resnet18(3, 10)
    params, stats = jax.eval_shape(network.init, jax.random.key(0))
    x, w = jnp.zeros((1, 32, 32, 3), jnp.float32), jnp.ones(1, jnp.float32)
    assert multiply_adds(network.apply, params, stats, x, w) == 555_422_720


@pytest.mark.parametrize("decoder", ["mirrored", "reference"])
def test_deepsmote_operation_counts_match_the_traced_step(decoder):
    size = Size(1, batch=2, rows=2, features=64, width=8)
    config = ds.Config(images.image_shape(size), 10, latent=8, decoder=decoder, batch_size=2)
    nets, hparams = ds.networks(config), ds.Hparams()
    state = jax.eval_shape(lambda: ds.init(jax.random.key(0), config, hparams))
    ones = partial(jnp.ones, dtype=jnp.float32)
    batch = Batch(ones((2, 8, 8, 1)), jnp.zeros(2, jnp.int32), ones(2))
    options = {"nets": nets, "config": config, "hparams": hparams}
    step = lambda state: ds.step(None, state, batch, batch, **options)
    needed, traffic = images.deepsmote_needs(decoder, size)
    assert needed == 2 * multiply_adds(step, state)
    params = sum(leaf.size for leaf in jax.tree.leaves(state.now.params))
    assert traffic == 4 * (2 * batch.x.size + 6 * params)


def test_bagan_operation_count_matches_the_traced_step():
    size = Size(1, batch=3, rows=3, features=64, width=8)
    config = bg.Config(images.image_shape(size), 10, latent=8, batch_size=3)
    nets, hparams = bg.networks(config), bg.Hparams()
    state = jax.eval_shape(lambda: bg.init(jax.random.key(0), config, hparams))
    ones = partial(jnp.ones, dtype=jnp.float32)
    batch = Batch(ones((3, 8, 8, 1)), jnp.zeros(3, jnp.int32), ones(3))
    options = {"nets": nets, "config": config, "hparams": hparams}
    step = lambda state: bg.gan_step(jax.random.key(0), state, batch, ones(10) > 0, **options)
    needed, traffic = generators.bagan_needs(size)
    codes = (1 + 4) * config.latent**2  # products of roots and normal numbers
    assert needed == 2 * (multiply_adds(step, state) - codes)
    params = state.discriminator, state.now.params[1]
    n_params = sum(leaf.size for leaf in jax.tree.leaves(params))
    assert traffic == 4 * (batch.x.size + 6 * n_params)


def test_gamo_operation_count_matches_its_layers():
    size = KERNELS["gamo"].size
    counts = generators.generated(size)
    assert list(counts.values())[:2] == [1082, 649] and counts[9] == 18
    rows, combined = 4 * 9, 4 * sum(counts.values())
    trunk = 3 * (110 * 256 + 256 * 64) - 110 * 256
    expected = rows * trunk + combined * (3 * 64 + 2 * 784)
    for columns, outputs in (784, 10), (794, 1):
        per_row = columns * 256 + 256 * 128 + 128 * outputs
        expected += (32 + rows) * (3 * per_row - columns * 256) + rows * 2 * per_row
    assert generators.gamo_needs(size)[0] == 2 * expected


def test_workloads_take_turns():
    calls = []
    works = [timing.Workload(lambda name=name: calls.append(name)) for name in "ab"]
    seconds = timing.seconds_in_turns(works, rounds=3)
    assert "".join(calls) == "ab" * 3
    assert seconds.shape == (2, 3)
    assert (seconds >= 0).all()


def test_machine_rates_are_the_best_of_each_kind():
    work = timing.Workload(None, operations=12.0, bytes=60.0)
    kinds = ("memory", "float32", "float32", "default")
    machine = [timing.Reference(kind, work) for kind in kinds]
    seconds = 1.0 * jnp.array([[3, 2], [4, 6], [9, 3], [1, 2]])
    assert timing.rates(machine, seconds, "float32") == (4.0, 30.0)
    assert timing.rates(machine, seconds, "default") == (12.0, 30.0)


def test_memory_pass_is_in_place():
    memory = next(each.work for each in timing.references(small=True) if each.kind == "memory")
    assert memory.bytes == 2 * 2**20  # one megabyte read and one written
    memory.call()


def text_of(found):
    console = Console(width=160, file=io.StringIO(), record=True)
    console.print(table(found))
    return console.export_text()


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "bench.json"
    options = {"rounds": 2, "small": True, "command": "imbax bench", "say": lambda line: None}
    cases = measure.cases(QUICK, [2], small=True)
    return path, cases, options, measure.measure(cases, path, **options)


@pytest.mark.thorough
def test_measurements_are_consistent(measured):
    rows = frame(measured[-1])
    assert list(rows["kernel"]) == list(QUICK)
    for row in rows.itertuples():
        assert len(row.seconds) == 2
        assert row.best <= row.median <= row.worst
        needed, traffic = KERNELS[row.kernel].needs(KERNELS[row.kernel].small)
        assert (row.operations, row.bytes) == (needed, traffic)
        assert row.rate == pytest.approx(1e6 * needed / row.best)
        seconds = max(needed / row.matmul_rate, traffic / row.memory_rate)
        assert row.roofline == pytest.approx(1e6 * seconds / row.best)
        assert row.run_steps == 2 * {"explicit_gradient": 2, "smote": 1}[row.kernel]
        assert row.times_imbax == 1
        assert row.compile_seconds > 0


@pytest.mark.thorough
def test_json_round_trip_gives_the_same_table_and_figure(measured, tmp_path):
    path, *_, found = measured
    again = measure.read(path)
    assert text_of(again) == text_of(found)
    lines = [line.split()[:2] for line in text_of(found).splitlines()]
    assert [name for name, *_ in filter(None, lines) if name in KERNELS] == list(QUICK)
    figures = [draw(each, tmp_path / f"{n}.png") for n, each in enumerate((found, again))]
    assert figures[0].read_bytes() == figures[1].read_bytes()


@pytest.mark.thorough
def test_stored_measurements_are_not_repeated(measured, monkeypatch):
    path, cases, options, found = measured

    def never(*args):
        raise AssertionError("measured again")

    monkeypatch.setattr(measure, "seconds_in_turns", never)
    assert measure.measure(cases, path, **options) == found
    with pytest.raises(AssertionError, match="measured again"):
        measure.measure(cases, path, **options | {"rounds": 3})


@pytest.mark.thorough
def test_results_of_another_environment_are_rejected(measured, tmp_path):
    _, cases, options, found = measured
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(found | {"environment": found["environment"] | {"jax": "0.0"}}))
    with pytest.raises(InputError, match=r"contains results for jax 0\.0, expected"):
        measure.measure(cases, path, **options)
    path.write_text("[]")
    with pytest.raises(InputError, match="is not a result file of `imbax bench`"):
        measure.measure(cases, path, **options)


def test_failing_contenders_are_reported_and_retried(tmp_path):
    def broken():
        raise RuntimeError("no compiler\nat all")

    def contenders(case):
        work = timing.Workload(lambda: None, operations=2.0, bytes=0.0, run_steps=2)
        each = measure.Contender
        return [each("torch.compile", "loop", broken), each("torch eager", "loop", lambda: work)]

    messages = []
    peers = measure.Peers({"torch": "2", "torch_device": "cpu"}, lambda names: {"a": 0}, contenders)
    options = {"rounds": 1, "small": True, "peers": peers, "say": messages.append}
    path, cases = tmp_path / "bench.json", measure.cases(["smote"], small=True)
    found = measure.measure(cases, path, **options)
    assert [row["contender"] for row in found["measurements"] if "failed" not in row] == [
        "imbax",
        "torch eager",
    ]
    assert "smote, torch.compile (loop), runs 2: no compiler" in text_of(found)
    assert "  torch.compile (loop) failed: no compiler" in messages
    assert found["relative_difference"] == {"a": 0}
    messages.clear()
    again = measure.measure(cases, path, **options)
    assert len(messages) == 2, "failures are tried again"
    assert again["measurements"] == found["measurements"], "other measurements are not repeated"


@pytest.fixture
def instant(monkeypatch):
    """Reference workloads and an imbax contender that do nothing."""
    work = timing.Workload(lambda: None, operations=2.0, bytes=2.0)
    machine = [timing.Reference(kind, work) for kind in ("memory", "float32", "default")]
    monkeypatch.setattr(measure, "references", lambda small: machine)
    each = partial(measure.Contender, "imbax", workload=lambda: work)
    monkeypatch.setattr(measure, "_ours", lambda case, strategies: [each(s) for s in strategies])
    return work


@pytest.fixture
def bench(tmp_path, capsys):
    """Runs `imbax bench` on SMOTE; returns its JSON and what it writes to stderr."""

    def run(*options):
        command = ["bench", "--kernels", "smote", "--rounds", "1", "--out", str(tmp_path)]
        assert main([*command, "--json", "-", *options]) == 0
        out, err = capsys.readouterr()
        return json.loads(out), err

    return run


def without_figures(monkeypatch):
    monkeypatch.setattr(command, "draw", lambda found, path: path)
    monkeypatch.setattr(command, "draw_against", lambda found, other, path: path)


def test_json_on_stdout_is_the_result_file(instant, bench, tmp_path, monkeypatch):
    without_figures(monkeypatch)
    a_minute_each = lambda machine, rounds: lambda cases: 60 * len(cases)
    monkeypatch.setattr(command, "estimate", a_minute_each)
    found, err = bench()
    assert found == measure.read(tmp_path / "bench.json")
    assert [record["runs"] for record in found["measurements"]] == [1, 16, 64]
    announced, first, *_ = err.splitlines()
    assert announced == "3 sizes, about 3 minutes; all 6 sizes, by --full: about 6 minutes"
    assert first.startswith("smote: runs 1,")
    assert f"figure: {tmp_path / 'bench.png'}\n" in err
    assert "about" not in bench()[1], "nothing is missing"


def slower(found, path, factor=3.0):
    """Writes results of another commit that took `factor` times as long."""
    found = copy.deepcopy(found)
    found["environment"]["commit"] = "abc123"
    for record in found["measurements"]:
        record["seconds"] = [factor * seconds for seconds in record["seconds"]]
    found["measurements"].append(found["measurements"][0] | {"kernel": "of_another_version"})
    found["measurements"].append(found["measurements"][0] | {"runs": 2})
    path.write_text(json.dumps(found))
    return path


def test_two_results_are_compared(instant, bench, tmp_path, monkeypatch):
    without_figures(monkeypatch)
    other = slower(bench()[0], tmp_path / "other.json")
    found, err = bench("--against", str(other))
    assert [row["runs"] for row in found["comparison"]] == [1, 16, 64]
    for row in found["comparison"]:
        assert row["ratio"] == pytest.approx(3) and row["is_clear"]
        assert row["other_best"] == pytest.approx(3 * row["best"])
    assert "commit abc123" in err and "other / this" in err and "against.png" in err
    again, _ = bench("--against", str(slower(found, other, 1.0)))
    assert [row["is_clear"] for row in again["comparison"]] == [False] * 3


@pytest.mark.thorough
def test_comparison_is_drawn(instant, bench, tmp_path):
    other = slower(bench()[0], tmp_path / "other.json")
    bench("--against", str(other))
    assert (tmp_path / "against.png").stat().st_size > 0


@pytest.mark.parametrize(
    "change",
    [
        {"measurements": [{}]},
        {"measurements": 3},
        {"environment": {}},
        {"measurements": [{**Size(1, 0, 1, 1)._asdict(), "kernel": "smote"}]},
    ],
)
def test_damaged_results_are_refused(change, tmp_path):
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(measure.read(STORED) | change))
    with pytest.raises(InputError, match="is not a result file of `imbax bench`"):
        measure.read(path)


def test_time_is_estimated_from_rates_and_costs(monkeypatch):
    work = timing.Workload(None, operations=4e9, bytes=1e9)
    machine = [timing.Reference(kind, work) for kind in ("memory", "float32", "default")]
    once = np.array([[0.5], [1.0], [2.0]])
    monkeypatch.setattr(estimate, "seconds_in_turns", lambda works, rounds: once)
    seconds = estimate.estimate(machine, rounds=3)
    (case,) = measure.cases(["supervised"], [16])
    kernel, size = KERNELS["supervised"], case.size
    operations = kernel.needs(size)[0] * 16 * size.epochs * size.rows / size.batch
    call = operations / (kernel.efficiency * 4e9)
    expected = 2 * (kernel.compile_seconds + 4 * call) + 3 * 3.5
    assert seconds([(case, 2)]) == pytest.approx(expected)
    assert seconds([(case, 2), (case, 2)]) == pytest.approx(2 * expected)
    texts = [estimate.as_text(value) for value in (3, 44, 100, 7300)]
    assert texts == ["about 10 seconds", "about 40 seconds", "about 2 minutes", "about 2 hours"]


def test_results_of_other_contenders_are_kept(instant, tmp_path):
    peer = measure.Contender("torch eager", "loop", lambda: instant)
    peers = measure.Peers({}, lambda names: {}, lambda case: [peer])
    path, cases = tmp_path / "bench.json", measure.cases(["smote"], [1, 4])
    quiet = {"say": lambda line: None}
    measure.measure(cases, path, rounds=1, strategies=["map"], peers=peers, **quiet)
    measure.measure(cases, path, rounds=1, strategies=["vmap"], **quiet)
    measure.measure(cases, path, rounds=2, strategies=["map"], **quiet)
    rounds = {("map", 2), ("loop", 1), ("vmap", 1)}
    for runs in (1, 4):
        rows = [r for r in measure.read(path)["measurements"] if r["runs"] == runs]
        assert len(rows) == 3
        assert {(r["setting"], len(r["seconds"])) for r in rows} == rounds


@pytest.mark.thorough
def test_batches_that_only_a_peer_completed_are_drawn(measured, tmp_path):
    *_, found = measured
    ours = found["measurements"][0]
    failed = {k: v for k, v in ours.items() if k != "seconds"} | {"batch": 8, "failed": "memory"}
    peer = ours | {"contender": "torch eager", "batch": 8}
    found = found | {"measurements": [ours, failed, peer]}
    assert draw(found, tmp_path / "bench.png").exists()
    assert "nan" not in text_of(found)


def test_cases_combine_numbers_of_runs_and_batch_sizes():
    cases = measure.cases(["supervised", "smote"], [4, 1], [16, 8])
    found = [(c.kernel, c.size.batch, c.size.runs, c.size.steps) for c in cases]
    steps = [("supervised", batch, runs, 200) for batch in (16, 8) for runs in (1, 4)]
    assert found == [*steps, ("smote", 0, 1, 1), ("smote", 0, 4, 1)]
    full = measure.cases(["explicit_gradient"], full=True)
    assert {case.size.runs for case in full} == {1, 4, 16, 64, 256, 1024}
    assert {(case.size.batch, case.size.points) for case in full} == {
        (b, b) for b in (32, 128, 512)
    }


def test_default_sizes_are_a_few_of_all():
    default, full = measure.cases(), measure.cases(full=True)
    assert set(default) < set(full) and 3 * len(default) < len(full)
    assert {case.kernel for case in full} == set(KERNELS)
    assert set(KERNELS) - {case.kernel for case in default} == {"bagan", "deepsmote_reference"}
    assert [case.size.runs for case in measure.cases(["bagan"])] == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--kernels", "smot"], "--kernels smot: unknown kernel; did you mean 'smote'?"),
        (["--runs", "4", "0"], "--runs 0, expected at least 1"),
        (["--batch", "0"], "--batch 0, expected at least 1"),
        (["--rounds", "0"], "--rounds 0, expected at least 1"),
        (["--small", "--full"], "--small and --full exclude each other"),
        (["--against", __file__], "is not a result file of `imbax bench`; name a file that it"),
        (
            ["--against", str(STORED), "--kernels", "smote", "--runs", "3"],
            f"--against {STORED} has no kernel and size in common with this command; it has "
            "explicit_gradient (batch 128, runs 1), explicit_gradient",
        ),
        (["--compare", "torch"], "needs PyTorch, which is not installed; pip install 'imbax[bench"),
    ],
)
def test_invalid_options_give_one_line_errors(options, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "imbax.bench.peers_torch", raising=False)
    assert main(["bench", *options, "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.thorough
@pytest.mark.parametrize("name", KERNELS)
def test_kernels_run_at_their_small_size(name, tmp_path, capsys):
    command = ["bench", "--small", "--kernels", name, "--rounds", "1", "--out", str(tmp_path)]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert name in out
    assert (tmp_path / "bench.png").stat().st_size > 0
    (record,) = json.loads((tmp_path / "bench.json").read_text())["measurements"]
    assert "failed" not in record


@pytest.mark.thorough
@needs_torch
def test_pytorch_makes_the_same_steps_as_imbax(tmp_path, monkeypatch):
    from imbax.bench import peers_torch

    monkeypatch.setattr(peers_torch, "usable_cores", lambda: 1)
    found = peers_torch.check(list(KERNELS), compile=False)
    assert max(found.values()) < 1e-4
    images = ("deepsmote", "deepsmote_reference", "bagan", "gamo", "resnet")
    assert [found[f"{name}, operations"] for name in images] == [0] * len(images)
    assert len(found) == 9
    options = {"rounds": 1, "small": True, "peers": peers_torch.peers(compile=False)}
    names = ("supervised", "smote", "bagan", "gamo", "resnet")
    cases = measure.cases(names, small=True)
    monkeypatch.setattr(peers_torch, "check", lambda *args, **options: {})
    found = measure.measure(cases, tmp_path / "bench.json", **options)
    assert {(row["kernel"], row["contender"]) for row in found["measurements"]} == {
        *((name, "imbax") for name in names),
        *(("supervised", kind) for kind in ("torch eager", "torch.func")),
        *((name, "torch eager") for name in ("bagan", "gamo", "resnet")),
    }
    assert not any("failed" in row for row in found["measurements"])


@needs_torch
def test_doubling_is_folded_into_the_convolution_in_pytorch():
    import torch

    from imbax.bench.torch_bagan import doubled

    x, weight = torch.randn(2, 3, 4, 5), torch.randn(6, 3, 5, 5)
    plain = torch.nn.functional.interpolate(x, scale_factor=2)
    expected = torch.nn.functional.conv2d(plain, weight, padding=2)
    torch.testing.assert_close(doubled(x, weight), expected, atol=1e-4, rtol=0)


@pytest.mark.thorough
@needs_torch
def test_pytorch_without_a_compiler_is_checked_and_timed(monkeypatch):
    import torch

    from imbax.bench import peers_torch

    def broken(*args):
        raise RuntimeError("no compiler\nat all")

    monkeypatch.setattr(peers_torch, "_compiled", lambda f: broken)
    found = peers_torch.check(["supervised"])
    compiled = {name for name, difference in found.items() if difference == "no compiler"}
    assert compiled == {f"supervised, torch.compile {way}" for way in ("loop", "vmap")}
    assert all(found[name] < 1e-4 for name in found.keys() - compiled)
    monkeypatch.setattr(peers_torch, "TOLERANCE", 0)
    with pytest.raises(RuntimeError, match="torch eager loop: PyTorch differs from imbax by"):
        peers_torch.check(["supervised"])
    flags = torch.backends.cuda.matmul
    for name, tf32 in {"resnet": True, "supervised": False, "deepsmote": False}.items():
        (case,) = measure.cases([name], small=True)
        peers_torch.contenders(case)[0].workload()
        assert flags.allow_tf32 is tf32


@needs_torch
@pytest.mark.parametrize(("runs", "way"), [(1, "loop"), (4, "vmap")])
def test_torch_compile_is_timed_in_one_way_on_all_cores(runs, way, monkeypatch):
    from imbax.bench import peers_torch

    monkeypatch.setattr(peers_torch, "usable_cores", lambda: 3)
    (case,) = measure.cases(["supervised"], [runs], [8])
    found = {(each.name, each.setting) for each in peers_torch.contenders(case)}
    assert found == {
        ("torch.compile", f"{way}, threads: 3"),
        *(("torch eager", f"loop, threads: {n}") for n in (1, 3)),
        *(("torch.func", f"vmap, threads: {n}") for n in (1, 3)),
    }


def cost_curves():
    spec = importlib.util.spec_from_file_location("cost", ROOT / "benchmarks" / "cost_curves.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_slopes_are_described_in_sentences():
    cost, n = cost_curves(), jnp.array([10.0, 100.0, 1000.0])
    assert cost.slope(n, 3 * n**2) == pytest.approx(2)
    text = cost.sentence("smote", "rows", n.astype(int), 3 * n**2)
    assert "more time per run-step, x 1e+02 for a ten times larger number; slope 2.00" in text
    assert "not faster than the operation count (2)" in text
    text = cost.sentence("supervised", "rows", n.astype(int), n)
    assert "FASTER than the operation count (0)" in text
    assert "constant time per run-step" in cost.growth(0.05)
    for (name, axis), curve in cost.curves(cost.AXES, small=False).items():
        assert [getattr(case.size, axis) for case in curve] == list(cost.AXES[axis])
        assert all(case.kernel == name for case in curve)
        assert all(2 * c.size.points <= c.size.rows for c in curve if name != "smote")


def test_cost_curves_omit_failures_and_name_all_kernels(instant, tmp_path, monkeypatch):
    cost = cost_curves()
    curve_cases = cost.curves(["points", "features"], small=False)
    cases = list(dict.fromkeys(case for curve in curve_cases.values() for case in curve))
    found = measure.measure(cases, tmp_path / "cost.json", rounds=1, say=lambda line: None)
    failed = next(r for r in found["measurements"] if r["features"] == 2048)
    assert failed["kernel"] == "explicit_gradient"
    failed["failed"] = "no memory"
    rows = frame(found)
    curves = {key: cost.curve_of(rows, key[1], curve) for key, curve in curve_cases.items()}
    assert list(curves["explicit_gradient", "features"][0]) == [8, 128]
    (line,) = cost.untimed(curve_cases, curves)
    assert line == "Explicit Gradient, one step, features 2,048: no successful timing."
    monkeypatch.setattr(cost, "save", lambda figure, path: figure)
    (legend,) = cost.draw(curves, tmp_path / "cost.png").legends
    named = {text.get_text() for text in legend.get_texts()}
    assert named >= {KERNELS[name].title for name in cost.CURVES}


def test_axis_labels_without_room_are_left_out():
    assert report.spaced([1, 4, 16, 20, 64]) == [64, 20, 4, 1]
