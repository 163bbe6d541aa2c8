"""Runs as an axis: strategies, devices, chunks and the memory budget."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.errors import JaxRuntimeError
from tiers import asked

from imbax.engine import vectorize
from imbax.engine.devices import use_cpu_cores
from imbax.engine.vectorize import Vectorized
from imbax.types import Rows

STRATEGIES = ("map", "vmap")
ALL = (*STRATEGIES, "rows")
N_RUNS = 5
SHARED = {"x": np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)}


def runs(n=N_RUNS):
    rng = np.random.default_rng(1)
    return {
        "key": jax.random.split(jax.random.key(0), n),
        "v": rng.normal(size=(n, 8)).astype(np.float32),
        "number": np.arange(n),
    }


def work(shared, run):
    noise = jax.random.normal(run["key"], (30,))
    scores = jnp.tanh(shared["x"] @ run["v"]) + noise
    return {"scores": scores, "sum": scores.sum(), "number": run["number"]}


@functools.cache
def expected(n=N_RUNS):
    inputs = runs(n)
    each = [work(SHARED, jax.tree.map(lambda leaf, i=i: leaf[i], inputs)) for i in range(n)]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *each)


def assert_close(result, reference):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-5), result, reference)


@pytest.mark.parametrize("n_devices", asked([1, 2], [2]))
@pytest.mark.parametrize("strategy", ALL)
def test_results_are_in_the_order_of_runs(strategy, n_devices):
    """Numbers of runs include five and one, which do not divide over two devices."""
    mapped = Vectorized(work, strategy=strategy, devices=jax.devices()[:n_devices])
    reference = expected()
    assert_close(mapped(SHARED, runs()), reference)
    assert_close(mapped(SHARED, runs(1)), jax.tree.map(lambda leaf: leaf[:1], expected(1)))
    np.testing.assert_array_equal(mapped(SHARED, runs())["number"], np.arange(N_RUNS))


def test_all_devices_are_used_by_default():
    assert len(jax.devices()) == 2
    mapped = Vectorized(work)
    assert mapped.devices == jax.devices()
    result = mapped(SHARED, runs(4))["scores"]
    assert {shard.device for shard in result.addressable_shards} == set(jax.devices())
    assert Vectorized(work).strategy == "map"  # on CPU


@pytest.mark.parametrize("n_devices", asked([1, 2], [2]))
@pytest.mark.parametrize("strategy", ALL)
def test_each_shape_compiles_once(strategy, n_devices):
    traced = []

    def counted(shared, run):
        traced.append(None)
        return work(shared, run)

    mapped = Vectorized(counted, strategy=strategy, devices=jax.devices()[:n_devices])
    assert mapped.compile_seconds == 0
    first = mapped(SHARED, runs())
    done = len(traced), mapped.compile_seconds
    assert min(done) > 0
    # Inputs on the host or on devices, replicated or not, use the same program.
    again = mapped(mapped.replicate(SHARED), runs() | {"number": first["number"]})
    jax.tree.map(np.testing.assert_array_equal, again, first)
    assert (len(traced), mapped.compile_seconds) == done
    mapped(SHARED, runs(N_RUNS + 2))
    assert len(traced) > done[0]
    assert mapped.compile_seconds > done[1]


@pytest.mark.parametrize("n_devices", [1, 2])
@pytest.mark.parametrize("strategy", ALL)
def test_lowered_programs_are_not_compiled_again(strategy, n_devices):
    mapped = Vectorized(work, strategy=strategy, devices=jax.devices()[:n_devices])
    assert not mapped.waiting
    shapes = mapped.lower(SHARED, runs())
    assert mapped.waiting
    mapped.compile()
    assert not mapped.waiting
    result = mapped(SHARED, runs())
    assert mapped.compile_seconds == 0
    assert_close(result, expected())
    same = lambda leaf, shape: (leaf.shape, leaf.dtype) == (shape.shape, shape.dtype)
    assert all(jax.tree.leaves(jax.tree.map(same, result, shapes)))
    assert mapped.lower(SHARED, runs()) == shapes
    assert not mapped.waiting


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_multiples_of_a_size_reuse_its_program(strategy):
    """Applies to sequential runs, such as the settings of a search."""
    mapped = Vectorized(work, strategy=strategy)
    mapped(SHARED, runs(4))
    seconds, in_turn = mapped.compile_seconds, strategy == "map"
    shapes = mapped.lower(SHARED, runs(12))
    assert mapped.waiting != in_turn
    assert shapes["scores"].shape == (12, 30)
    assert_close(mapped(SHARED, runs(12)), expected(12))
    assert mapped.compile_seconds == seconds  # a call waits for lowered programs
    assert not mapped.waiting
    mapped(SHARED, runs(20))  # too large a multiple: one program for all
    assert mapped.compile_seconds > seconds


MEGABYTE = 2**20
WIDE_RUNS = {"v": np.random.default_rng(0).normal(size=(7, 2**18)).astype(np.float32)}


def wide(shared, run):
    """Function with a megabyte of input and output and few temporaries."""
    scores = run["v"][: 30 * 8].reshape(30, 8) @ shared["x"][0]
    return run["v"] + scores.sum()


@pytest.mark.parametrize("n_devices", [1, 2])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_memory_budget_makes_chunks(strategy, n_devices, monkeypatch):
    options = {"strategy": strategy, "devices": jax.devices()[:n_devices]}
    reference = Vectorized(wide, **options)(SHARED, WIDE_RUNS)
    sizes, run = [], Vectorized._run

    def watched(self, shared, runs):
        sizes.append(len(runs["v"]))
        return run(self, shared, runs)

    monkeypatch.setattr(Vectorized, "_run", watched)
    for budget, chunks in ((30, [-(-7 // n_devices) * n_devices]), (7, [2, 2, 2, 2])):
        sizes.clear()
        result = Vectorized(wide, memory=budget * MEGABYTE, **options)(SHARED, WIDE_RUNS)
        assert sizes == chunks
        # Sums in batched matrix products depend on the batch size.
        tolerance = 1e-5 if strategy == "vmap" else 0
        np.testing.assert_allclose(result, reference, rtol=tolerance, atol=tolerance)
        assert isinstance(result, np.ndarray) == (chunks != [7]), "joined on the host"


@pytest.mark.parametrize("n_devices", [1, 2])
def test_single_run_over_the_budget_raises_an_error(n_devices):
    devices = jax.devices()[:n_devices]
    mapped = Vectorized(wide, devices=devices, memory=MEGABYTE)
    message = rf"^{n_devices} runs at once.* need 0\.00\d+ GiB; the budget is 0\.000977 .*--memory"
    with pytest.raises(MemoryError, match=message):
        mapped(SHARED, WIDE_RUNS)


def test_budget_is_at_most_the_devices_memory(monkeypatch):
    assert 2**29 < Vectorized(wide).memory < 2**50
    monkeypatch.setattr(vectorize, "memory_of", lambda devices: MEGABYTE)
    for budget in (None, 2 * MEGABYTE):
        message = r" need 0\.00\d+ GiB; the devices have 0\.000977 GiB\. Use fewer rows\.$"
        with pytest.raises(MemoryError, match=message):
            Vectorized(wide, memory=budget)(SHARED, WIDE_RUNS)


class Moving(NamedTuple):
    """Runs with a field that calls take."""

    number: Any
    state: Any


def moved(shared, run):
    """State of a run after three more steps, and intermediate values."""

    def step(state, _):
        v = jnp.sin(state["v"]) + shared["x"][0, 0]
        return {"v": v, "steps": state["steps"] + 1}, v.sum() + run.number

    return jax.lax.scan(step, run.state, length=3)


def moving(n=4):
    v = np.random.default_rng(2).normal(size=(n, 2**17)).astype(np.float32)
    return Moving(np.arange(n), {"v": v, "steps": np.zeros(n, np.int32)})


@pytest.mark.parametrize("n_devices", asked([1, 2], [2]))
@pytest.mark.parametrize("strategy", ALL)
def test_taken_field_donates_its_memory(strategy, n_devices):
    options = {"strategy": strategy, "devices": jax.devices()[:n_devices]}
    inputs, results, needed = moving(), [], []
    for taken in (None, "state"):
        mapped = Vectorized(moved, takes=taken, **options)
        mapped.lower(SHARED, inputs)
        mapped.compile()
        first, _ = mapped(SHARED, inputs)
        results.append(mapped(SHARED, inputs._replace(state=first)))
        assert first["v"].is_deleted() == (taken is not None)
        assert mapped.compile_seconds == 0
        needed.append(mapped._bytes(mapped.replicate(SHARED), inputs, 4))
    np.testing.assert_array_equal(results[1][0]["steps"], [6, 6, 6, 6])
    jax.tree.map(np.testing.assert_array_equal, *results)
    np.testing.assert_array_equal(inputs.state["v"], moving().state["v"])
    state = inputs.state["v"].nbytes * (n_devices if strategy == "rows" else 1)
    assert needed[0] - needed[1] > 0.99 * state


def test_taken_field_survives_chunks(monkeypatch):
    inputs, plain = moving(5), Vectorized(moved)
    expected = plain(SHARED, inputs)
    mapped = Vectorized(moved, takes="state", memory=3 * MEGABYTE)
    jax.tree.map(np.testing.assert_array_equal, mapped(SHARED, inputs), expected)
    assert set(mapped._chunk.values()) == {2}

    faulty(monkeypatch, lambda sizes: sizes[-1] > 4)
    mapped, state = Vectorized(moved, takes="state"), jax.device_put(inputs.state)
    with pytest.warns(UserWarning, match="out of memory with 6 runs at once"):
        result = mapped(SHARED, inputs._replace(state=state))
    jax.tree.map(np.testing.assert_array_equal, result, expected)
    assert not state["v"].is_deleted()
    faulty(monkeypatch, lambda sizes: not state["v"].delete())
    with pytest.raises(JaxRuntimeError, match="RESOURCE_EXHAUSTED"):
        mapped(SHARED, inputs._replace(state=state))


def faulty(monkeypatch, fails, status="RESOURCE_EXHAUSTED"):
    """Makes calls fail if `fails(sizes)` with the sizes of all calls so far; returns the sizes."""
    sizes, program = [], Vectorized._program

    def watched(self, shared, runs):
        compiled = program(self, shared, runs)

        def call(shared, runs, *taken):
            sizes.append(len(jax.tree.leaves(runs)[0]))
            if fails(sizes):
                raise JaxRuntimeError(f"{status}: Out of memory\nmore")
            return compiled(shared, runs, *taken)

        call.memory_analysis = compiled.memory_analysis
        return call

    monkeypatch.setattr(Vectorized, "_program", watched)
    return sizes


def test_out_of_memory_halves_the_chunk(monkeypatch):
    sizes = faulty(monkeypatch, lambda sizes: sizes[-1] > (3 if len(sizes) < 3 else 2))
    mapped = Vectorized(work, devices=jax.devices()[:1])
    with pytest.warns(UserWarning, match="out of memory with") as messages:
        result = mapped(SHARED, runs())
    assert [str(one.message)[-1] for one in messages] == ["3", "2"]
    assert_close(result, expected())
    assert sizes == [5, 3, 3, 2]
    sizes.clear()
    assert_close(mapped(SHARED, runs()), expected())
    assert sizes == [2, 2, 2], "the failed chunk was tried again"


def test_other_faults_are_errors(monkeypatch):
    faulty(monkeypatch, lambda sizes: True)
    with pytest.raises(MemoryError, match=r"1 runs at once.* ran out of memory: RESOURCE.*memory$"):
        Vectorized(work, devices=jax.devices()[:1])(SHARED, runs(1))
    faulty(monkeypatch, lambda sizes: True, "INTERNAL")
    with pytest.raises(JaxRuntimeError, match="INTERNAL"):
        Vectorized(work)(SHARED, runs())


def test_compiler_out_of_memory_halves_the_chunk():
    mapped = Vectorized(work, devices=jax.devices()[:1])
    jitted = mapped._jitted

    class Lowered:
        def compile(self):
            raise JaxRuntimeError("RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm")

    class Jitted:
        def lower(self, shared, runs):
            lowered = jitted.lower(shared, runs)
            Lowered.out_info = lowered.out_info
            return lowered if len(runs["number"]) < 3 else Lowered()

    mapped._jitted = Jitted()
    mapped.lower(SHARED, runs())
    mapped.compile()
    assert_close(mapped(SHARED, runs()), expected())
    assert set(mapped._chunk.values()) == {2}
    Jitted.lower = lambda self, *shapes: Lowered()
    mapped._compiled.clear()
    with pytest.raises(MemoryError, match="need more than the compiler allows; the devices have"):
        mapped(SHARED, runs(6))


def view(data, target, run):
    """View of 21 of 31 rows with weights, in an order that depends on the run."""
    index, w = jax.random.permutation(run["key"], 31)[:21], jnp.linspace(0, 1, 21)
    return Rows(data, target, index, w, run["v"], jnp.full(8, 2.0))


def fitted(shared, run):
    """Takes a gradient step on a view; returns the outputs on all rows."""
    rows = view(*shared, run)

    def loss(theta):
        x, y, w = rows.take(jnp.arange(5, 18))
        return (w * (jnp.tanh(x @ theta) - y) ** 2).sum()

    theta = run["v"] - 0.1 * jax.grad(loss)(run["v"])
    return {"theta": theta, "scores": rows.all().x @ theta, "rows": len(rows.data)}


def test_sharded_rows_give_equal_results():
    """Numbers of rows (31, 13 and 21) are not divisible by two devices."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(31, 8)).astype(np.float32), rng.random(31).astype(np.float32)
    mapped = Vectorized(fitted, strategy="rows")
    result, whole = mapped(shared, runs()), Vectorized(fitted)(shared, runs())
    assert_close([result["theta"], result["scores"]], [whole["theta"], whole["scores"]])
    assert np.ptp(result["theta"], axis=0).min() > 0
    data, target = mapped.replicate(shared)
    assert [shard.data.shape for shard in data.addressable_shards] == [(16, 8), (16, 8)]
    assert [shard.data.shape for shard in target.addressable_shards] == [(32,), (32,)]
    np.testing.assert_array_equal(data[:31], shared[0])
    assert result["rows"][0] == 32 and not data[31].any()
    (compiled,) = mapped._compiled.values()
    assert "reduce-scatter" in compiled.as_text()
    assert "all-reduce" in compiled.as_text(), "sum of gradients over devices"


def test_sharded_rows_divide_memory_and_are_chunked():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(2**15, 8)).astype(np.float32), np.zeros(2**15, np.float32)
    each = {}
    for strategy in ("map", "rows"):
        mapped = Vectorized(fitted, strategy=strategy)
        mapped(shared, runs())
        (compiled,) = mapped._compiled.values()
        each[strategy] = compiled.memory_analysis().argument_size_in_bytes
    assert each["rows"] < each["map"] - 0.49 * shared[0].nbytes
    mapped = Vectorized(wide, strategy="rows", memory=20 * MEGABYTE)
    np.testing.assert_allclose(mapped(SHARED, WIDE_RUNS), Vectorized(wide)(SHARED, WIDE_RUNS))
    assert set(mapped._chunk.values()) == {4}


def test_keys_are_joined_as_keys():
    keys = jax.random.split(jax.random.key(0), 3)
    split = Vectorized(lambda shared, key: jax.random.split(key), strategy="map")
    assert jnp.all(split((), keys) == jax.vmap(jax.random.split)(keys))


def test_unknown_strategy_raises_an_error():
    with pytest.raises(ValueError, match='"map" or "vmap", got \'pmap\''):
        Vectorized(work, strategy="pmap")


def test_shared_data_is_copied_once():
    mapped = Vectorized(work)
    once = mapped.replicate(SHARED)
    twice = mapped.replicate(once)
    places = lambda a: [s.data.unsafe_buffer_pointer() for s in a.addressable_shards]
    assert places(once["x"]) == places(twice["x"])
    assert len(places(once["x"])) == 2


def test_use_cpu_cores_fails_after_jax_has_started():
    assert len(jax.devices()) == 2
    with pytest.raises(RuntimeError):
        use_cpu_cores(1)
    assert len(jax.devices()) == 2
