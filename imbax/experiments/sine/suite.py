"""The suite `sine`: the paper's setting, other numbers of points, and variants.

Each setting is one compiled program for all seeds, and one file `<out>/runs/sine/<key>.npz`, where
`key` is a hash of the setting and of its code. Stored seeds are not computed again, and further
seeds are added: the random key of a seed is `fold_in(key(0), seed)`, independent of other seeds.
"""

import functools
import json
import logging
import time
import warnings
from argparse import Namespace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from imbax.data.checks import DAMAGED
from imbax.engine.float32 import in_float32
from imbax.engine.vectorize import Engine, Vectorized
from imbax.errors import InputError
from imbax.experiments import disk
from imbax.experiments.provenance import environment, key_of
from imbax.experiments.run import Outcome
from imbax.experiments.sine import problem
from imbax.experiments.sine.problem import Config, Result
from imbax.experiments.suites import Suite

__all__ = ["MARKER", "TAKES", "check", "folder", "run", "run_settings"]
__all__ += ["setting_name", "settings", "takes"]

_LOG = logging.getLogger(__name__)

TAKES = "--seeds, --out, --memory and --profile"
MARKER = None
"""None: the suite stores no tables of runs."""


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


def takes(suite: Suite, option: str) -> bool:
    """Returns whether the suite accepts an option."""
    return option in ("seeds", "out", "memory", "profile", "strategy")


def folder(suite: Suite, options: Namespace) -> str:
    """Default name of the results folder."""
    return suite.name


def check(suite: Suite, options: Namespace) -> None:
    """Raise InputError for invalid options before the run starts."""
    if options.strategy == "rows":
        raise InputError(f"--strategy rows does not apply to suite {suite.name}: it has few rows")


def run(suite: Suite, options: Namespace, out: Path, engine: Engine, **about: Any) -> Outcome:
    """Compute missing results; returns `{setting: Result}`, the paper's setting first."""
    seeds = suite.seeds if options.seeds is None else options.seeds
    results = run_settings(out, seeds, Config(epochs=suite.epochs), engine=engine)
    return Outcome(results=results)


def settings(base: Config) -> tuple[Config, ...]:
    """The setting `base`, then other numbers of points (appendix A), then variants."""
    numbers = [{"n_synth": n} for n in _SYNTHETIC] + [{"n_train": n, "n_valid": n} for n in _REAL]
    changed = (base._replace(**change) for change in (*numbers, *_READINGS))
    return tuple(dict.fromkeys((base, *changed)))


def setting_name(config: Config, base: Config) -> str:
    """Differences from the base as text, or "paper"."""
    changed = [
        f"{field}={value}"
        for field, value in config._asdict().items()
        if value != getattr(base, field)
    ]
    return " ".join(changed) or "paper"


@in_float32
def run_settings(
    out: Path,
    seeds: int,
    base: Config,
    *,
    engine: Engine | None = None,
) -> dict[Config, Result]:
    """Results of every setting; missing results are computed.

    Parameters
    ----------
    out
        Folder of results; see the module's docstring.
    seeds
        Number of seeds: 0, 1, ..., `seeds` - 1.
    base
        Setting of the paper.
    engine
        Strategy, devices and memory budget.

    Raises
    ------
    InputError
        A setting is invalid, see `problem.run`.
    """
    with disk.writing(out):
        out.mkdir(parents=True, exist_ok=True)
    results = {}
    for config in settings(base):
        stored = _load(path := _path(out, config))
        done = 0 if stored is None else len(stored.error)
        if done < seeds:
            name, started = f"sine/{setting_name(config, base)}", time.perf_counter()
            _LOG.info("%s started", name)
            new = _compute(config, range(done, seeds), engine or Engine())
            both = [new] if stored is None else [stored, new]
            stored = jax.tree.map(lambda *parts: np.concatenate(parts), *both)
            disk.check_there(out)
            _keep(path, config, stored)
            _LOG.info("%s finished in %.1f s", name, time.perf_counter() - started)
        results[config] = jax.tree.map(lambda leaf: leaf[:seeds], stored)
    return results


def _compute(config, seeds, engine) -> Result:
    return jax.device_get(_program(config, engine)(jax.random.key(0), np.array(seeds, np.uint32)))


@functools.lru_cache(maxsize=1)
def _program(config, engine) -> Vectorized:
    """Program `(key, seeds [n]) -> Result` with leaves `[n, ...]`."""
    return Vectorized(
        lambda key, seed: problem.run(jax.random.fold_in(key, seed), config), **engine._asdict()
    )


def _path(out, config):
    return Path(out, "runs", "sine", f"{key_of(config._asdict(), problem.run)}.npz")


def _keep(path, config, result):
    about = json.dumps({"config": config._asdict(), "environment": environment()})
    with disk.atomic(path) as file:
        np.savez_compressed(file, about=np.array(about), **result._asdict())


def _load(path) -> Result | None:
    """Stored results, or None if there is no file or, with a warning, a damaged file."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = Result(*(arrays[name] for name in Result._fields))
        if len(set(map(len, found))) > 1 or any(leaf.dtype.kind != "f" for leaf in found):
            raise ValueError("other arrays")
        return found
    except (*DAMAGED, TypeError) as error:
        warnings.warn(
            f"damaged result file ({type(error).__name__}), computed again: {path}", stacklevel=3
        )
        return None
