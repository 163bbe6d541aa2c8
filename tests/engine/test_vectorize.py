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
from imbax.engine.devices import usable_cores, use_cpu_cores
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
    given = runs(n)
    each = [work(SHARED, jax.tree.map(lambda leaf, i=i: leaf[i], given)) for i in range(n)]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *each)


def assert_close(given, reference):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-5), given, reference)


@pytest.mark.parametrize("n_devices", asked([1, 2], [2]))
@pytest.mark.parametrize("strategy", ALL)
def test_every_run_gets_its_own_result_in_order(strategy, n_devices):
    """Five runs do not divide over two devices; neither does one."""
    mapped = Vectorized(work, strategy=strategy, devices=jax.devices()[:n_devices])
    reference = expected()
    assert_close(mapped(SHARED, runs()), reference)
    assert_close(mapped(SHARED, runs(1)), jax.tree.map(lambda leaf: leaf[:1], expected(1)))
    np.testing.assert_array_equal(mapped(SHARED, runs())["number"], np.arange(N_RUNS))


def test_all_devices_are_used_unless_told():
    assert len(jax.devices()) == 2
    mapped = Vectorized(work)
    assert mapped.devices == jax.devices()
    result = mapped(SHARED, runs(4))["scores"]
    assert {shard.device for shard in result.addressable_shards} == set(jax.devices())
    assert Vectorized(work).strategy == "map"  # on CPU


@pytest.mark.parametrize("n_devices", asked([1, 2], [2]))
@pytest.mark.parametrize("strategy", ALL)
def test_one_compilation_for_each_shape(strategy, n_devices):
    traced = []

    def counted(shared, run):
        traced.append(None)
        return work(shared, run)

    mapped = Vectorized(counted, strategy=strategy, devices=jax.devices()[:n_devices])
    assert mapped.compile_seconds == 0
    first = mapped(SHARED, runs())
    done = len(traced), mapped.compile_seconds
    assert min(done) > 0
    # From the host or from the devices, replicated before or not: the same program.
    again = mapped(mapped.replicate(SHARED), runs() | {"number": first["number"]})
    jax.tree.map(np.testing.assert_array_equal, again, first)
    assert (len(traced), mapped.compile_seconds) == done
    mapped(SHARED, runs(N_RUNS + 2))
    assert len(traced) > done[0]
    assert mapped.compile_seconds > done[1]


@pytest.mark.parametrize("n_devices", [1, 2])
@pytest.mark.parametrize("strategy", ALL)
def test_what_is_compiled_ahead_is_not_compiled_again(strategy, n_devices):
    mapped = Vectorized(work, strategy=strategy, devices=jax.devices()[:n_devices])
    assert not mapped.waiting
    shapes = mapped.lower(SHARED, runs())
    assert mapped.waiting
    mapped.compile()
    assert not mapped.waiting
    given = mapped(SHARED, runs())
    assert mapped.compile_seconds == 0
    assert_close(given, expected())
    same = lambda leaf, shape: (leaf.shape, leaf.dtype) == (shape.shape, shape.dtype)
    assert all(jax.tree.leaves(jax.tree.map(same, given, shapes)))
    assert mapped.lower(SHARED, runs()) == shapes
    assert not mapped.waiting


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_few_times_as_many_runs_take_the_program_there_is(strategy):
    """Where runs are taken in turn; the settings of a method are such."""
    mapped = Vectorized(work, strategy=strategy)
    mapped(SHARED, runs(4))
    seconds, in_turn = mapped.compile_seconds, strategy == "map"
    shapes = mapped.lower(SHARED, runs(12))
    assert mapped.waiting != in_turn
    assert shapes["scores"].shape == (12, 30)
    assert_close(mapped(SHARED, runs(12)), expected(12))
    assert mapped.compile_seconds == seconds  # and a call waits for what was lowered
    assert not mapped.waiting
    mapped(SHARED, runs(20))  # too many times as many: one program for all
    assert mapped.compile_seconds > seconds


MEGABYTE = 2**20
WIDE_RUNS = {"v": np.random.default_rng(0).normal(size=(7, 2**18)).astype(np.float32)}


def wide(shared, run):
    """A megabyte in and one out, hardly anything in between."""
    scores = run["v"][: 30 * 8].reshape(30, 8) @ shared["x"][0]
    return run["v"] + scores.sum()


@pytest.mark.parametrize("n_devices", [1, 2])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_memory_budget_makes_chunks(strategy, n_devices, monkeypatch):
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
        # How a batch of matrix products is summed depends on the number in the batch.
        tolerance = 1e-5 if strategy == "vmap" else 0
        np.testing.assert_allclose(result, reference, rtol=tolerance, atol=tolerance)
        assert isinstance(result, np.ndarray) == (chunks != [7]), "joined on the host"


@pytest.mark.parametrize("n_devices", [1, 2])
def test_runs_that_do_not_fit_one_by_one_are_refused(n_devices):
    devices = jax.devices()[:n_devices]
    mapped = Vectorized(wide, devices=devices, memory=MEGABYTE)
    message = rf"^{n_devices} runs at once.* need 0\.00\d+ GiB; the budget is 0\.000977 .*--memory"
    with pytest.raises(MemoryError, match=message):
        mapped(SHARED, WIDE_RUNS)


def test_the_budget_is_at_most_what_the_devices_have(monkeypatch):
    assert 2**29 < Vectorized(wide).memory < 2**50
    monkeypatch.setattr(vectorize, "memory_of", lambda devices: MEGABYTE)
    for budget in (None, 2 * MEGABYTE):
        message = r" need 0\.00\d+ GiB; the devices have 0\.000977 GiB\. Use fewer rows\.$"
        with pytest.raises(MemoryError, match=message):
            Vectorized(wide, memory=budget)(SHARED, WIDE_RUNS)


class Moving(NamedTuple):
    """A call can take a field of a named tuple only."""

    number: Any
    state: Any


def moved(shared, run):
    """A run's state after three more steps, and what was seen on the way."""

    def step(state, _):
        v = jnp.sin(state["v"]) + shared["x"][0, 0]
        return {"v": v, "steps": state["steps"] + 1}, v.sum() + run.number

    return jax.lax.scan(step, run.state, length=3)


def moving(n=4):
    v = np.random.default_rng(2).normal(size=(n, 2**17)).astype(np.float32)
    return Moving(np.arange(n), {"v": v, "steps": np.zeros(n, np.int32)})


@pytest.mark.parametrize("n_devices", asked([1, 2], [2]))
@pytest.mark.parametrize("strategy", ALL)
def test_what_is_taken_leaves_its_memory_to_what_comes_after_it(strategy, n_devices):
    options = {"strategy": strategy, "devices": jax.devices()[:n_devices]}
    given, results, needed = moving(), [], []
    for taken in (None, "state"):
        mapped = Vectorized(moved, takes=taken, **options)
        mapped.lower(SHARED, given)
        mapped.compile()
        first, _ = mapped(SHARED, given)
        results.append(mapped(SHARED, given._replace(state=first)))
        assert first["v"].is_deleted() == (taken is not None)
        assert mapped.compile_seconds == 0
        needed.append(mapped._bytes(mapped.replicate(SHARED), given, 4))
    np.testing.assert_array_equal(results[1][0]["steps"], [6, 6, 6, 6])
    jax.tree.map(np.testing.assert_array_equal, *results)
    np.testing.assert_array_equal(given.state["v"], moving().state["v"])
    state = given.state["v"].nbytes * (n_devices if strategy == "rows" else 1)
    assert needed[0] - needed[1] > 0.99 * state


def test_what_is_taken_is_chunked_and_survives_no_room(monkeypatch):
    given, plain = moving(5), Vectorized(moved)
    expected = plain(SHARED, given)
    mapped = Vectorized(moved, takes="state", memory=3 * MEGABYTE)
    jax.tree.map(np.testing.assert_array_equal, mapped(SHARED, given), expected)
    assert set(mapped._chunk.values()) == {2}

    faulty(monkeypatch, lambda sizes: sizes[-1] > 4)
    mapped, state = Vectorized(moved, takes="state"), jax.device_put(given.state)
    with pytest.warns(UserWarning, match="out of memory with 6 runs at once"):
        result = mapped(SHARED, given._replace(state=state))
    jax.tree.map(np.testing.assert_array_equal, result, expected)
    assert not state["v"].is_deleted()
    faulty(monkeypatch, lambda sizes: not state["v"].delete())
    with pytest.raises(JaxRuntimeError, match="RESOURCE_EXHAUSTED"):
        mapped(SHARED, given._replace(state=state))


def faulty(monkeypatch, fails, status="RESOURCE_EXHAUSTED"):
    """A call fails where `fails(sizes)`, the numbers of runs of all calls up to it; the sizes."""
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


def test_out_of_memory_halves_the_chunk_and_goes_on(monkeypatch):
    sizes = faulty(monkeypatch, lambda sizes: sizes[-1] > (3 if len(sizes) < 3 else 2))
    mapped = Vectorized(work, devices=jax.devices()[:1])
    with pytest.warns(UserWarning, match="out of memory with") as said:
        result = mapped(SHARED, runs())
    assert [str(one.message)[-1] for one in said] == ["3", "2"]
    assert_close(result, expected())
    assert sizes == [5, 3, 3, 2]
    sizes.clear()
    assert_close(mapped(SHARED, runs()), expected())
    assert sizes == [2, 2, 2], "what did not fit was tried again"


def test_out_of_memory_with_one_run_and_other_faults_are_errors(monkeypatch):
    faulty(monkeypatch, lambda sizes: True)
    with pytest.raises(MemoryError, match=r"1 runs at once.* ran out of memory: RESOURCE.*memory$"):
        Vectorized(work, devices=jax.devices()[:1])(SHARED, runs(1))
    faulty(monkeypatch, lambda sizes: True, "INTERNAL")
    with pytest.raises(JaxRuntimeError, match="INTERNAL"):
        Vectorized(work)(SHARED, runs())


def test_a_compiler_that_refuses_is_asked_for_less():
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
    """21 rows of 31, weighed, in an order of the run's own."""
    index, w = jax.random.permutation(run["key"], 31)[:21], jnp.linspace(0, 1, 21)
    return Rows(data, target, index, w, run["v"], jnp.full(8, 2.0))


def fitted(shared, run):
    """A step of gradient descent on some rows, and what it gives on all."""
    rows = view(*shared, run)

    def loss(theta):
        x, y, w = rows.take(jnp.arange(5, 18))
        return (w * (jnp.tanh(x @ theta) - y) ** 2).sum()

    theta = run["v"] - 0.1 * jax.grad(loss)(run["v"])
    return {"theta": theta, "scores": rows.all().x @ theta, "rows": len(rows.data)}


def test_rows_divided_over_devices_give_what_whole_ones_give():
    """31 rows do not divide over two devices, nor do 13 and 21 that are taken of them."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(31, 8)).astype(np.float32), rng.random(31).astype(np.float32)
    mapped = Vectorized(fitted, strategy="rows")
    given, whole = mapped(shared, runs()), Vectorized(fitted)(shared, runs())
    assert_close([given["theta"], given["scores"]], [whole["theta"], whole["scores"]])
    assert np.ptp(given["theta"], axis=0).min() > 0
    data, target = mapped.replicate(shared)
    assert [shard.data.shape for shard in data.addressable_shards] == [(16, 8), (16, 8)]
    assert [shard.data.shape for shard in target.addressable_shards] == [(32,), (32,)]
    np.testing.assert_array_equal(data[:31], shared[0])
    assert given["rows"][0] == 32 and not data[31].any()
    (compiled,) = mapped._compiled.values()
    assert "reduce-scatter" in compiled.as_text()
    assert "all-reduce" in compiled.as_text(), "the gradient's sum over the devices' rows"


def test_divided_rows_take_part_of_the_memory_and_are_chunked():
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


def test_an_unknown_strategy_is_named():
    with pytest.raises(ValueError, match='"map" or "vmap", got \'pmap\''):
        Vectorized(work, strategy="pmap")


def test_what_is_shared_is_copied_to_the_devices_once():
    mapped = Vectorized(work)
    once = mapped.replicate(SHARED)
    twice = mapped.replicate(once)
    places = lambda a: [s.data.unsafe_buffer_pointer() for s in a.addressable_shards]
    assert places(once["x"]) == places(twice["x"])
    assert len(places(once["x"])) == 2


def test_cores_are_chosen_before_jax_starts_or_not_at_all():
    assert usable_cores() >= 1
    assert len(jax.devices()) == 2
    with pytest.raises(RuntimeError):
        use_cpu_cores(1)
    assert len(jax.devices()) == 2
