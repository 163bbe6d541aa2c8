"""Runs side by side in threads, if the whole CPU is one device."""

import threading

import jax
import numpy as np
import pytest
from test_vectorize import (
    MEGABYTE,
    SHARED,
    WIDE_RUNS,
    assert_close,
    expected,
    faulty,
    moved,
    moving,
    runs,
    wide,
    work,
)

from imbax.engine import devices
from imbax.engine.vectorize import Vectorized


@pytest.fixture(autouse=True)
def one_device(monkeypatch):
    """jax with a single device, by default."""
    one = jax.devices()[:1]
    monkeypatch.setattr(jax, "local_devices", lambda: list(one))
    monkeypatch.setattr(devices, "_chosen_cpu_devices", lambda: -1)


def program_sizes(mapped):
    return {size for size, _ in (*mapped._compiled, *mapped._compiling)}


@pytest.mark.parametrize(("n", "size"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)])
def test_threads_divide_the_runs(n, size):
    mapped = Vectorized(work)
    shapes = mapped.lower(SHARED, runs(n))
    result = mapped(SHARED, runs(n))
    assert_close(result, expected(n))
    assert program_sizes(mapped) == {size}
    assert mapped.compile_seconds == 0
    assert jax.tree.all(jax.tree.map(lambda a, b: a.shape == b.shape, result, shapes))


def test_shares_run_at_the_same_time():
    meeting = threading.Barrier(2)

    def met(shared, run):
        return jax.pure_callback(
            lambda: np.int32(meeting.wait(timeout=60) >= 0), jax.ShapeDtypeStruct((), np.int32)
        )

    np.testing.assert_array_equal(Vectorized(met)(SHARED, runs(2)), [1, 1])


@pytest.mark.parametrize(
    ("options", "is_divided"),
    [({}, True), ({"strategy": "vmap"}, False), ({"devices": jax.devices()[1:2]}, False)],
)
def test_only_the_whole_cpu_has_threads(options, is_divided):
    mapped = Vectorized(work, **options)
    assert_close(mapped(SHARED, runs(4)), expected(4))
    assert program_sizes(mapped) == {2 if is_divided else 4}


def test_one_chosen_device_has_one_thread(monkeypatch):
    monkeypatch.setattr(devices, "_chosen_cpu_devices", lambda: 1)
    mapped = Vectorized(work)
    assert_close(mapped(SHARED, runs(4)), expected(4))
    assert program_sizes(mapped) == {4}


def test_runs_may_call_divided_programs():
    inner = Vectorized(lambda shared, run: run["number"] + 1)

    def outer(shared, run):
        call = lambda number: np.int32(inner(SHARED, {"number": np.full(4, number)}).sum())
        return jax.pure_callback(call, jax.ShapeDtypeStruct((), np.int32), run["number"])

    np.testing.assert_array_equal(Vectorized(outer)(SHARED, runs(4)), [4, 8, 12, 16])


def test_programs_are_reused_for_more_runs():
    mapped = Vectorized(work)
    mapped(SHARED, runs(4))
    for n in (2, 8, 12):
        assert_close(mapped(SHARED, runs(n)), expected(n))
    assert program_sizes(mapped) == {1, 2}


def test_memory_of_all_threads_is_counted():
    # Runs of 1 MB with as large results; shares of both are copies.
    assert 16 * MEGABYTE < Vectorized(wide)._bytes(SHARED, WIDE_RUNS, 4) < 18 * MEGABYTE
    mapped = Vectorized(wide, memory=10 * MEGABYTE)
    np.testing.assert_array_equal(mapped(SHARED, WIDE_RUNS), Vectorized(wide)(SHARED, WIDE_RUNS))
    assert set(mapped._chunk.values()) == {2}
    assert program_sizes(mapped) >= {1}


def test_memory_of_the_shared_matrix_is_counted_once():
    large = {"x": np.zeros((2**18, 8), np.float32)}
    mapped = Vectorized(lambda shared, run: shared["x"].sum() + run["number"])
    needed = [mapped._bytes(large, runs(n), n) for n in (1, 4)]
    assert 8 * MEGABYTE < needed[0] <= needed[1] < 8.1 * MEGABYTE


def test_taken_field_is_divided():
    inputs, mapped = moving(3), Vectorized(moved, takes="state")
    reference = Vectorized(moved, strategy="vmap")(SHARED, inputs)
    state, _ = mapped(SHARED, inputs)
    assert_close(state, reference[0])
    twice, _ = mapped(SHARED, inputs._replace(state=state))
    np.testing.assert_array_equal(twice["steps"], [6, 6, 6])


def test_out_of_memory_in_a_thread_halves_the_chunk(monkeypatch):
    sizes = faulty(monkeypatch, lambda sizes: sizes[-1] > 1)
    with pytest.warns(UserWarning, match="out of memory with 4 runs at once; continuing with 2"):
        assert_close(Vectorized(work)(SHARED, runs(4)), expected(4))
    assert sizes.count(1) == 4


def test_number_of_threads_is_that_of_the_cores(monkeypatch):
    monkeypatch.setattr(devices, "usable_cores", lambda: 3)
    mapped = Vectorized(work)
    assert_close(mapped(SHARED, runs(7)), expected(7))
    assert program_sizes(mapped) == {3}
