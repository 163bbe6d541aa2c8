"""The suite `sine`: the paper's setting, other numbers of points, and the paper's other readings.

Each setting is one compiled program for all seeds, and one file `<out>/runs/sine/<key>.npz`, where
`key` is a hash of the setting and of the code that it runs. What is there is not computed again,
and more seeds add to it: a seed's key is `fold_in(key(0), seed)`, whatever its company.
"""

import functools
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from imbax.engine.vectorize import Vectorized
from imbax.experiments import store
from imbax.experiments.provenance import content_key, environment
from imbax.experiments.sine.problem import Config, Result, run
from imbax.experiments.tabular.cells import Engine
from imbax.reports.sine.report import setting_name, write_sine_report

__all__ = ["run_sine", "settings"]

_SYNTHETIC = (5, 10, 40)
_REAL = (3, 10, 20)
_READINGS = (
    {"inner": "synth"},
    {"move": "both"},
    {"restart": True},
    {"eta2": 10.0},
    {"optimizer": "sgd"},
    {"frequency": 2.0},
)
_CODE = (
    *("divided", "types", "losses", "rowwise", "bilevel", "networks/layers", "networks/mlp"),
    "experiments/sine",
)


def settings(base: Config) -> tuple[Config, ...]:
    """`base`, then it with other numbers of points (appendix A), then with other readings."""
    numbers = [{"n_synth": n} for n in _SYNTHETIC] + [{"n_train": n, "n_valid": n} for n in _REAL]
    changed = (base._replace(**change) for change in (*numbers, *_READINGS))
    return tuple(dict.fromkeys((base, *changed)))


def run_sine(
    out: Path,
    seeds: int,
    base: Config,
    *,
    engine: Engine | None = None,
    command: str = "",
    say: Callable[[str], None] = print,
) -> Path:
    """Compute what is missing of every setting and write `<out>/report.md`; returns its path.

    Args:
      out: a folder; see the module's docstring.
      seeds: the seeds 0, 1, ..., `seeds` - 1.
      base: the paper's setting.
      engine: strategy, devices and memory budget.
      command: the command line, for the report.
      say: called with one line per computed setting.

    Raises:
      InputError: see `sine.run`.
    """
    results = {}
    for config in settings(base):
        stored = _load(path := _path(out, config))
        there = 0 if stored is None else len(stored.error)
        if there < seeds:
            started = time.perf_counter()
            new = _compute(config, range(there, seeds), engine or Engine())
            both = [new] if stored is None else [stored, new]
            stored = jax.tree.map(lambda *parts: np.concatenate(parts), *both)
            _keep(path, config, stored)
            say(f"sine: {setting_name(config, base)} {time.perf_counter() - started:.1f} s")
        results[config] = jax.tree.map(lambda leaf: leaf[:seeds], stored)
    return write_sine_report(results, base, out, command)


def _compute(config, seeds, engine) -> Result:
    return jax.device_get(_program(config, engine)(jax.random.key(0), np.array(seeds, np.uint32)))


@functools.lru_cache(maxsize=1)
def _program(config, engine) -> Vectorized:
    """`(key, seeds [n]) -> Result`, leaves `[n, ...]`."""
    return Vectorized(
        lambda key, seed: run(jax.random.fold_in(key, seed), config), **engine._asdict()
    )


def _path(out, config):
    return Path(out, "runs", "sine", f"{content_key(config._asdict(), _CODE)}.npz")


def _keep(path, config, result):
    about = json.dumps({"config": config._asdict(), "environment": environment()})
    with store.atomic(path) as file:
        np.savez_compressed(file, about=np.array(about), **result._asdict())


def _load(path) -> Result | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return Result(*(arrays[name] for name in Result._fields))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # absent or damaged: computed again
