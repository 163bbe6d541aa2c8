"""MESA: trees grown one after the other, each on rows that a trained agent picks.

The agent and its learning are pure functions in `methods.mesa`; trees do not run in jax, so the
loop around them is here. Anything with `fit` and `predict_proba` can take the trees' place.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from sklearn.base import clone
from sklearn.metrics import average_precision_score
from sklearn.tree import DecisionTreeClassifier

from imbax.engine.float32 import in_float32
from imbax.errors import InputError
from imbax.methods import mesa
from imbax.methods.mesa import Config, Hparams, Transition

__all__ = ["Mesa", "Sampler"]

_observe = jax.jit(mesa.observe, static_argnums=0)
_draw = jax.jit(mesa.draw)
_act = jax.jit(mesa.act, static_argnums=1)
_init = jax.jit(mesa.init, static_argnums=1)
_step = jax.jit(mesa.step, static_argnames="config")


@partial(jax.jit, static_argnums=2)
def _keys(key, number, how_many):
    """Those of a move, apart: in one call, since there are thousands of moves."""
    return tuple(jax.random.split(jax.random.fold_in(key, number), how_many))


@dataclass(frozen=True)
class Sampler:
    """A trained policy: it knows errors only, and so serves any data set."""

    policy: Any
    config: Config = field(default_factory=Config)

    def save(self, path: str | Path) -> None:
        """Write it to a `.npz` file."""
        leaves = jax.tree.leaves(jax.device_get(self.policy))
        named = {f"leaf_{i}": leaf for i, leaf in enumerate(leaves)}
        with Path(path).open("wb") as file:
            np.savez(file, config=json.dumps(self.config._asdict()), **named)

    @classmethod
    @in_float32
    def load(cls, path: str | Path) -> "Sampler":
        """Read what `save` wrote. Raises InputError for any other file."""
        try:
            with np.load(path) as file:
                config = Config(**json.loads(str(file["config"])))
                leaves = [file[f"leaf_{i}"] for i in range(len(file.files) - 1)]
            network = mesa.policy_network(config)
            like, structure = jax.tree.flatten(jax.eval_shape(network.init, jax.random.key(0)))
            if [leaf.shape for leaf in like] != [leaf.shape for leaf in leaves]:
                raise ValueError("shapes")
        except FileNotFoundError:
            raise InputError(
                f"there is no file {str(path)!r}; give one that `save` wrote"
            ) from None
        except Exception:
            raise InputError(
                f"{str(path)!r} holds no sampler; give one that `save` wrote"
            ) from None
        return cls(jax.tree.unflatten(structure, leaves), config)


@dataclass
class Mesa:
    """An ensemble of classifiers whose training rows an agent picks.

    `fit` first trains the agent on games of `n_estimators` classifiers each, unless `sampler` is
    given, and then plays once more to keep the ensemble.
    """

    n_estimators: int = 10
    estimator: Any = field(default_factory=DecisionTreeClassifier)
    """Cloned for each place in the ensemble; fitted on as many majority as minority rows."""
    sampler: Sampler | None = None
    """A trained agent, of this data set or another; `sampler_` is the one used."""
    train_ratio: float = 1.0
    """Majority rows per minority row that a classifier sees."""
    random_steps: int = 500
    """Moves at random before the agent's own; it learns from all of them."""
    learned_steps: int = 1000
    score: Callable[[np.ndarray, np.ndarray], float] = average_precision_score
    """`(y, probability) -> score`; 100 times its gain on validation rows is the reward."""
    config: Config = field(default_factory=Config)
    hparams: Hparams = field(default_factory=Hparams)
    random_state: int = 0

    @in_float32
    def fit(self, x, y, x_valid, y_valid) -> "Mesa":
        """Train on `x [n, d]`, `y [n]` in {0, 1}, guided by validation rows.

        Raises
        ------
        InputError
            A number out of its range, labels other than 0 and 1, or a part of one class.
        """
        self._check(y, y_valid)
        game = _Game(self, *map(np.asarray, (x, y, x_valid, y_valid)))
        self.sampler_ = self.sampler or self._train_sampler(game)
        game.restart()
        for number in range(1, self.n_estimators):
            act_key, move_key = _keys(game.key, number, 2)
            action = _act(act_key, game.config, self.sampler_.policy, game.observation)
            game.move(move_key, action)
        self.estimators_ = game.estimators
        return self

    def predict_proba(self, x) -> np.ndarray:
        """Probabilities `[n, 2]`: the mean over the ensemble."""
        minority = np.mean([_probability(one, np.asarray(x)) for one in self.estimators_], 0)
        return np.stack([1 - minority, minority], 1)

    def _train_sampler(self, game):
        key = jax.random.fold_in(game.key, 0)
        agent = _init(key, self.config, self.hparams)
        for number in range(self.random_steps + self.learned_steps):
            if game.over:
                game.restart()
            act_key, move_key, learn_key = _keys(key, number, 3)
            before = game.observation
            if number < self.random_steps:
                action = np.float32(game.rng.random())
            else:
                action = _act(act_key, self.config, agent.policy, before)
            reward = game.move(move_key, action)
            new = Transition(before, action, reward, game.observation, np.float32(game.over))
            agent, _ = _step(learn_key, agent, new, config=self.config, hparams=self.hparams)
        return Sampler(jax.device_get(agent.policy), self.config)

    def _check(self, y, y_valid):
        if self.n_estimators < 2:
            raise InputError(
                f"n_estimators={self.n_estimators}, expected at least 2; the agent picks the rows "
                "of all but the first"
            )
        if self.train_ratio <= 0:
            raise InputError(f"train_ratio={self.train_ratio}, expected above 0; the default is 1")
        for name, part in (("y", y), ("y_valid", y_valid)):
            classes = np.unique(part)
            if not np.array_equal(classes, [0, 1]):
                raise InputError(
                    f"{name} holds the labels {classes.tolist()[:5]}; expected 0, and 1 for the "
                    "minority, both present"
                )


class _Game:
    """An ensemble that grows: a move picks majority rows and fits one more classifier to them."""

    def __init__(self, mesa, x, y, x_valid, y_valid):
        self.mesa, self.x, self.y, self.x_valid, self.y_valid = mesa, x, y, x_valid, y_valid
        self.majority, self.minority = np.flatnonzero(y == 0), np.flatnonzero(y == 1)
        self.size = max(round(len(self.minority) * mesa.train_ratio), 1)
        self.rng = np.random.default_rng(mesa.random_state)
        self.key = jax.random.key(mesa.random_state)
        self.config = mesa.sampler.config if mesa.sampler else mesa.config
        self.estimators = []

    def restart(self):
        """One classifier, fitted to majority rows drawn at random."""
        self.estimators = []
        self.errors, self.p_valid = np.zeros(len(self.majority)), np.zeros(len(self.y_valid))
        self._add(self.rng.permutation(self.majority))

    @property
    def over(self):
        """Whether the ensemble is complete, or not begun."""
        return len(self.estimators) in (0, self.mesa.n_estimators)

    def move(self, key, action):
        """Fit one more classifier to rows drawn with this μ; the reward."""
        before = self.score
        errors, w = _padded(self.errors)
        order = np.asarray(_draw(key, errors, w, action, self.mesa.hparams))
        self._add(self.majority[order[: len(self.majority)]])
        return np.float32(100 * (self.score - before))

    def _add(self, majority):
        """Fit to the first of these majority rows and all minority rows; look at the result."""
        rows = np.concatenate([majority[: self.size], self.minority])
        one = clone(self.mesa.estimator, safe=False)
        if "random_state" in getattr(one, "get_params", dict)():
            one.set_params(random_state=int(self.rng.integers(2**31)))
        one.fit(self.x[rows], self.y[rows])
        self.estimators.append(one)
        share = 1 / len(self.estimators)
        # A majority row's error is its probability of being minority.
        self.errors += share * (_probability(one, self.x[self.majority]) - self.errors)
        self.p_valid += share * (_probability(one, self.x_valid) - self.p_valid)
        parts = _padded(self.errors), _padded(self.p_valid[self.y_valid == 0])
        self.observation = _observe(self.config, *parts[0], *parts[1])
        self.score = self.mesa.score(self.y_valid, self.p_valid)


def _probability(estimator, x):
    return estimator.predict_proba(x)[:, 1]


def _padded(errors, multiple=1024):
    """Errors and weights, lengthened so that folds of about one size share a compiled program."""
    more = -len(errors) % multiple
    w = np.ones(len(errors), np.float32)
    return np.pad(errors.astype(np.float32), (0, more)), np.pad(w, (0, more))
