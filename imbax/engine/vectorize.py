"""Runs as an axis: one compiled program for all folds, seeds and settings, over all devices.

`Vectorized(f)` maps `f(shared, run)` over the leading axis of `run`. Three strategies give equal
results up to rounding. "vmap" batches the runs into larger operations, which suits accelerators.
"map" executes runs sequentially on each device, which keeps the working set of a small network in
a CPU core's cache. Both divide the runs over the devices by `jax.shard_map` without communication.
If the whole CPU is one device, "map" divides the runs over its cores by threads;
`devices.use_cpu_cores` makes each core a device.

"rows" is for a shared matrix that does not fit on one device. Its rows are sharded over the
devices, which execute the runs sequentially, all devices together for each run; see `sharding` for
the communication. It accepts any `f` that reads the matrix through `types.Rows`. If `f` uses
all rows at once, like several samplers, they may be gathered on every device.

Runs are split into chunks by the compiler's estimate of memory and a memory budget, so results do
not depend on other programs on the machine. If a device nevertheless runs out of memory, the chunk
is halved and the computation continues. Results of chunks are joined on the host.
"""

import functools
import math
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.errors import JaxRuntimeError
from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding

from imbax import sharding
from imbax.engine.devices import is_out_of_memory, memory_of, threads_for, usable_cores

__all__ = ["Engine", "Vectorized"]

_AXIS = "run"


class Engine(NamedTuple):
    """Options of execution; arguments of `Vectorized`."""

    strategy: str = "auto"
    devices: tuple[jax.Device, ...] | None = None
    memory: float | None = None


class Vectorized:
    """Function mapped over runs, compiled at the first call for each shape.

    Parameters
    ----------
    f
        Pure function `(shared, run) -> result`.
    takes
        Name of a field of `runs`, a named tuple, whose memory is donated. `f` must return
        `(new value of the field, other results)`.
    strategy
        "vmap", "map", "auto" (map on CPU, vmap elsewhere), or "rows".
    devices
        Devices over which runs or rows are divided; default all of this process.
    memory
        Memory budget in bytes over all devices; default, and at most, their memory.

    Raises
    ------
    ValueError
        If the strategy is unknown.
    MemoryError
        If one run per device exceeds the budget; the message gives both numbers.
    """

    def __init__(
        self,
        f: Callable[[Any, Any], Any],
        *,
        takes: str | None = None,
        strategy: str = "auto",
        devices: Sequence[jax.Device] | None = None,
        memory: float | None = None,
    ):
        self.devices = list(devices or jax.local_devices())
        if strategy == "auto":
            strategy = "map" if self.devices[0].platform == "cpu" else "vmap"
        if strategy not in ("rows", "map", "vmap"):
            raise ValueError(f'strategy is "auto", "rows", "map" or "vmap", got {strategy!r}')
        self.strategy, self.takes = strategy, takes
        self.memory = memory_of(self.devices)
        if memory is not None:
            self.memory = min(memory, self.memory)
        self.compile_seconds = 0.0
        by_rows, each = strategy == "rows", len(self.devices)
        axis = sharding.AXIS if by_rows else _AXIS
        mesh = Mesh(np.array(self.devices), (axis,))
        self._same, split = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((), (axis,)))
        self._per_row, self._per_run = (split, self._same) if by_rows else (self._same, split)
        # Divisors of the number of rows and of the number of runs in a chunk.
        self._row_parts, self._abreast = (each, 1) if by_rows else (1, each)
        self._threads = threads_for(self.devices) if strategy == "map" else 1
        self._jitted = self._jit(f)
        self._compiling: dict[Any, Future] = {}
        self._results: dict[Any, Any] = {}
        self._compiled: dict[Any, Any] = {}
        self._chunk: dict[Any, int] = {}

    def __call__(self, shared: Any, runs: Any) -> Any:
        """Returns `f(shared, run)` for every run; inputs and results have leaves `[n_runs, ...]`.

        Results stay on the devices. They are NumPy arrays (except for keys) if runs were chunked,
        divided over threads, or do not divide evenly over the devices.
        """
        shared = self.replicate(shared)
        n_runs = jax.tree.leaves(runs)[0].shape[0]
        key = n_runs, _signature(shared, jax.tree.map(jax.typeof, runs))
        if key not in self._chunk:
            self._chunk[key] = self._most_that_fit(shared, runs, self._at_once(*key))
        parts, done = [], 0
        while done < n_runs:
            size = self._chunk[key]
            # A short last chunk repeats its last run, so that one program serves all chunks.
            numbers = np.minimum(np.arange(done, done + size), n_runs - 1)
            try:
                if size == n_runs:
                    return self._run(shared, runs)
                parts.append(jax.device_get(self._run(shared, _pick(runs, numbers))))
                done += size
            except JaxRuntimeError as error:
                if not is_out_of_memory(error) or _is_taken(runs):
                    raise
                reason = str(error).splitlines()[0]
                self._chunk[key] = self._halved(size, f"ran out of memory: {reason}")
                warnings.warn(
                    f"out of memory with {size} runs at once; continuing with {self._chunk[key]}",
                    stacklevel=2,
                )
        return jax.tree.map(lambda *leaves: _join(leaves)[:n_runs], *parts)

    def lower(self, shared: Any, runs: Any) -> Any:
        """Traces a call with such arrays, or shapes, and starts to compile it in a thread.

        Returns
        -------
        Any
            Shapes of the call's result.
        """
        n_runs = jax.tree.leaves(runs)[0].shape[0]
        shared, runs = self._shared_shapes(shared), _shapes(runs)
        signature = _signature(shared, runs)
        size = self._per_program(self._at_once(n_runs, signature))
        key = size, signature
        if key not in self._results:
            parts = self._parts(self._runs_shapes(runs, size))
            lowered = self._jitted.lower(shared, *parts)
            self._results[key] = lowered.out_info
            self._compiling[key] = _COMPILERS.submit(lowered.compile)
        return _resized(self._results[key], n_runs)

    @property
    def waiting(self) -> bool:
        """Whether any lowered program has not been waited for."""
        return bool(self._compiling)

    def compile(self) -> None:
        """Waits until all lowered programs are compiled."""
        for key in tuple(self._compiling):
            try:
                self._compiled[key] = self._compiling.pop(key).result()
            except JaxRuntimeError as error:  # a call will use smaller chunks
                if not is_out_of_memory(error):
                    raise

    def replicate(self, shared: Any) -> Any:
        """Copies `shared` to every device; later calls copy nothing.

        With "rows", matrices are sharded, and rows of zeros make their length divisible.
        """
        shapes = self._shared_shapes(shared)
        shared = jax.tree.map(lambda leaf, shape: _zeros_below(leaf, shape.shape), shared, shapes)
        return self._place(shared, jax.tree.map(lambda shape: shape.sharding, shapes))

    def _jit(self, f):
        def over_runs(shared, *parts):
            def one_run(run, *taken):
                return f(shared, run._replace(**{self.takes: taken[0]}) if taken else run)

            if self.strategy == "vmap":
                return jax.vmap(one_run)(*parts)
            return _in_place(one_run, *parts) if self.takes else jax.lax.map(one_run, *parts)

        def by_rows(*args):
            with jax.sharding.use_abstract_mesh(self._same.mesh.abstract_mesh):
                return over_runs(*args)

        jit = functools.partial(jax.jit, donate_argnums=2 if self.takes else ())
        if len(self.devices) == 1:
            return jit(over_runs)
        if self.strategy == "rows":
            return jit(by_rows, out_shardings=self._same)
        same, each, mesh = PartitionSpec(), PartitionSpec(_AXIS), self._same.mesh
        specs = {"in_specs": (same, each, *[each] * bool(self.takes)), "out_specs": each}
        return jit(jax.shard_map(over_runs, mesh=mesh, check_vma=False, **specs))

    def _parts(self, runs):
        """Splits the donated field from the rest of `runs`."""
        if self.takes is None:
            return (runs,)
        return runs._replace(**{self.takes: None}), getattr(runs, self.takes)

    def _run(self, shared, runs):
        """Runs a chunk, divided over threads."""
        n_runs = jax.tree.leaves(runs)[0].shape[0]
        size = self._per_program(n_runs)
        if size == n_runs:
            return self._execute(shared, [runs])[0]
        runs = jax.device_get(runs)
        # A short last share repeats its last run.
        numbers = np.minimum(np.arange(_multiple(n_runs, size)), n_runs - 1).reshape(-1, size)
        parts = self._execute(shared, [_pick(runs, share) for share in numbers])
        return jax.tree.map(lambda *leaves: _join(leaves)[:n_runs], *jax.device_get(parts))

    def _execute(self, shared, shares):
        """Results of shares with equally many runs, each by the same program in its own thread."""
        shares = [self._place(share, self._per_run) for share in shares]
        program = self._program(shared, shares[0])

        def execute(share):
            # Out-of-memory errors surface only once the result is ready.
            return jax.block_until_ready(program(shared, *self._parts(share)))

        if len(shares) == 1:
            return [execute(shares[0])]
        # Threads of this call only, so that `f` may call other programs, and a fork has none.
        with ThreadPoolExecutor(len(shares)) as threads:
            return list(threads.map(execute, shares))

    def _per_program(self, n_runs):
        """Number of runs that one program executes in a chunk of `n_runs`."""
        return -(-n_runs // self._threads)

    def _place(self, tree, sharding):
        """Puts a tree on the devices as compiled programs expect it; placed leaves do not move."""
        return jax.device_put(tree, self.devices[0] if len(self.devices) == 1 else sharding)

    def _shared_shapes(self, shared):
        """Shapes and shardings of the result of `replicate`."""

        def placed(leaf):
            rows = [_multiple(n, self._row_parts) for n in leaf.shape[:1]]
            leaf = jax.ShapeDtypeStruct((*rows, *leaf.shape[1:]), leaf.dtype)
            return self._placed_shapes(leaf, self._per_row if leaf.ndim > 1 else self._same)

        return jax.tree.map(placed, _shapes(shared))

    def _runs_shapes(self, runs, size):
        """Shapes and shardings of `size` runs as `_run` places them."""
        return self._placed_shapes(_resized(_shapes(runs), size), self._per_run)

    def _placed_shapes(self, tree, sharding):
        one = len(self.devices) == 1
        sharding = SingleDeviceSharding(self.devices[0]) if one else sharding
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree
        )

    def _program(self, shared, runs):
        """Returns the compiled program for such arrays or shapes."""
        key = jax.tree.leaves(runs)[0].shape[0], _signature(shared, runs)
        self.compile()
        if key not in self._compiled:
            start = time.perf_counter()
            self._compiled[key] = self._jitted.lower(shared, *self._parts(runs)).compile()
            self._results[key] = self._compiled[key].out_info
            self.compile_seconds += time.perf_counter() - start
        return self._compiled[key]

    def _at_once(self, n_runs, signature):
        """Returns the chunk size: all runs, rounded up to a multiple of the devices.

        If runs are executed sequentially and a program for a half, a third or a quarter of them
        exists, that size is used; it costs no time.
        """
        each = self._per_program(n_runs)
        if self.strategy != "vmap":
            for size, known in (*self._compiled, *self._compiling):
                if known == signature and each in (size, 2 * size, 3 * size, 4 * size):
                    return size * min(self._threads, -(-n_runs // size))
        return _multiple(n_runs, self._abreast)

    def _most_that_fit(self, shared, runs, size):
        """Halves the chunk size until the program fits the budget."""
        while (needed := self._bytes(shared, runs, size)) > self.memory:
            size = self._halved(size, self._too_much(needed))
        return size

    def _too_much(self, needed):
        """Message with the memory that is needed and available, and a remedy."""
        available = memory_of(self.devices)
        have = f"the devices have {_gib(available)}"
        if needed == math.inf:
            return f"need more than the compiler allows; {have}. Use fewer rows."
        if self.memory == available:
            return f"need {_gib(needed)}; {have}. Use fewer rows."
        budget = f"the budget is {_gib(self.memory)}"
        return f"need {_gib(needed)}; {budget}, {have}. Raise --memory, or use fewer rows."

    def _halved(self, size, why):
        each = self._abreast
        if size == each:
            on = f"{len(self.devices)} devices"
            raise MemoryError(f"{each} runs at once, the minimum on {on}, {why}")
        return _multiple(-(-size // 2), each)

    def _bytes(self, shared, runs, size):
        """Memory of a call with `size` runs on all devices, in bytes."""
        each = self._per_program(size)
        try:
            analysis = self._program(shared, self._runs_shapes(runs, each)).memory_analysis()
        except JaxRuntimeError as error:  # some compilers refuse what cannot fit
            if not is_out_of_memory(error):
                raise
            return math.inf
        arguments, results = analysis.argument_size_in_bytes, analysis.output_size_in_bytes
        more = analysis.temp_size_in_bytes - analysis.alias_size_in_bytes
        shares = -(-size // each)
        if shares == 1:
            return (arguments + results + more) * len(self.devices)
        # `shared` exists once; the runs and their results exist twice, whole and in shares.
        same = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(shared))
        return same + (2 * (arguments - same + results) + more) * shares


# Threads that compile while the next program is traced.
_COMPILERS = ThreadPoolExecutor(usable_cores(), thread_name_prefix="compiler")


def _gib(number):
    return f"{number / 2**30:.3g} GiB" if number < math.inf else "an unknown amount"


def _is_taken(runs):
    arrays = (leaf for leaf in jax.tree.leaves(runs) if isinstance(leaf, jax.Array))
    return any(leaf.is_deleted() for leaf in arrays)


def _in_place(f, runs, state):
    """Runs `f(run, state) -> (state, more)` sequentially and overwrites the states in place.

    `f` must contain a loop, as trainings do. If XLA can fuse `f` into the write, it copies the
    states of all runs instead.
    """

    def one(states, numbered):
        number, run = numbered
        state, more = f(run, jax.tree.map(lambda all: take(all, number, keepdims=False), states))
        return jax.tree.map(lambda all, one: put(all, one, number, 0), states, state), more

    take, put = jax.lax.dynamic_index_in_dim, jax.lax.dynamic_update_index_in_dim
    # Unsigned numbers need no operations for negative ones.
    numbers = jnp.arange(len(jax.tree.leaves(state)[0]), dtype=jnp.uint32)
    return jax.lax.scan(one, state, (numbers, runs))


def _multiple(number, divisor):
    return -(-number // divisor) * divisor


def _zeros_below(leaf, shape):
    """Appends rows of zeros on the host, since the array may not fit on one device."""
    more = shape[0] - len(leaf) if shape else 0
    return np.pad(leaf, [(0, more)] + [(0, 0)] * (len(shape) - 1)) if more else leaf


def _pick(tree, numbers):
    return jax.tree.map(lambda leaf: leaf[numbers], tree)


def _join(leaves):
    keys = jnp.issubdtype(leaves[0].dtype, jax.dtypes.prng_key)
    return (jnp if keys else np).concatenate(leaves)


def _shapes(tree):
    """Shapes of arrays with their dtypes on a device."""
    return jax.eval_shape(lambda tree: tree, tree)


def _resized(tree, n_runs):
    """Changes the shapes of leaves `[any, ...]` to `[n_runs, ...]`."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((n_runs, *leaf.shape[1:]), leaf.dtype), tree
    )


def _signature(shared, runs):
    """Structure, shapes and dtypes without the number of runs."""
    same, each = jax.tree.leaves(shared), jax.tree.leaves(runs)
    shapes = [leaf.shape for leaf in same] + [leaf.shape[1:] for leaf in each]
    types = [leaf.dtype for leaf in (*same, *each)]
    return jax.tree.structure((shared, runs)), tuple(shapes), tuple(types)
