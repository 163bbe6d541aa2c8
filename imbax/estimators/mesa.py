"""MESA: an ensemble of trees, each trained on rows selected by a trained agent.

The agent and its training are pure functions in `methods.mesa`. Trees do not run in JAX, so the
loop over them is here. Any classifier with `fit` and `predict_proba` can replace the trees.
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
def _keys(key, number, count):
    """Returns the random keys of an action, split in one call because actions are many."""
    return tuple(jax.random.split(jax.random.fold_in(key, number), count))


@dataclass(frozen=True)
class Sampler:
    """Trained policy; it depends only on errors, so it can be applied to any data set."""

    policy: Any
    config: Config = field(default_factory=Config)

    def save(self, path: str | Path) -> None:
        """Writes the policy to an `.npz` file."""
        leaves = jax.tree.leaves(jax.device_get(self.policy))
        named = {f"leaf_{i}": leaf for i, leaf in enumerate(leaves)}
        with Path(path).open("wb") as file:
            np.savez(file, config=json.dumps(self.config._asdict()), **named)

    @classmethod
    @in_float32
    def load(cls, path: str | Path) -> "Sampler":
        """Reads a file written by `save`. Raises InputError for any other file."""
        try:
            with np.load(path) as file:
                config = Config(**json.loads(str(file["config"])))
                leaves = [file[f"leaf_{i}"] for i in range(len(file.files) - 1)]
            network = mesa.policy_network(config)
            expected, structure = jax.tree.flatten(jax.eval_shape(network.init, jax.random.key(0)))
            if [leaf.shape for leaf in expected] != [leaf.shape for leaf in leaves]:
                raise ValueError("shapes")
        except FileNotFoundError:
            raise InputError(
                f"file {str(path)!r} does not exist; give a file written by `save`"
            ) from None
        except Exception:
            raise InputError(
                f"{str(path)!r} does not contain a sampler; give a file written by `save`"
            ) from None
        return cls(jax.tree.unflatten(structure, leaves), config)


@dataclass
class Mesa:
    """Ensemble of classifiers whose training rows are selected by an agent.

    Unless `sampler` is given, `fit` first trains the agent on episodes of `n_estimators`
    classifiers each. A last episode builds the ensemble.
    """

    n_estimators: int = 10
    estimator: Any = field(default_factory=DecisionTreeClassifier)
    """Classifier that is cloned for each member."""
    sampler: Sampler | None = None
    """Trained agent, from this or another data set; `sampler_` is the agent that was used."""
    train_ratio: float = 1.0
    """Number of majority rows per minority row in a member's training rows."""
    random_steps: int = 500
    """Number of random actions before the agent acts; it learns from all actions."""
    learned_steps: int = 1000
    """Number of the agent's actions."""
    score: Callable[[np.ndarray, np.ndarray], float] = average_precision_score
    """`(y, probability) -> score`; the reward is 100 times its increase on validation rows."""
    config: Config = field(default_factory=Config)
    hparams: Hparams = field(default_factory=Hparams)
    random_state: int = 0

    @in_float32
    def fit(self, x, y, x_valid, y_valid) -> "Mesa":
        """Trains on `x [n, d]`, `y [n]` in {0, 1}, with rewards from validation rows.

        Raises
        ------
        InputError
            A number is out of range, labels are not 0 and 1, or a part has a single class.
        """
        self._check(y, y_valid)
        environment = _Environment(self, *map(np.asarray, (x, y, x_valid, y_valid)))
        self.sampler_ = self.sampler or self._train_sampler(environment)
        environment.restart()
        for number in range(1, self.n_estimators):
            act_key, move_key = _keys(environment.key, number, 2)
            action = _act(
                act_key, environment.config, self.sampler_.policy, environment.observation
            )
            environment.move(move_key, action)
        self.estimators_ = environment.estimators
        return self

    def predict_proba(self, x) -> np.ndarray:
        """Returns probabilities `[n, 2]`, averaged over the ensemble."""
        minority = np.mean([_probability(member, np.asarray(x)) for member in self.estimators_], 0)
        return np.stack([1 - minority, minority], 1)

    def _train_sampler(self, environment):
        key = jax.random.fold_in(environment.key, 0)
        agent = _init(key, self.config, self.hparams)
        for number in range(self.random_steps + self.learned_steps):
            if environment.over:
                environment.restart()
            act_key, move_key, learn_key = _keys(key, number, 3)
            before = environment.observation
            if number < self.random_steps:
                action = np.float32(environment.rng.random())
            else:
                action = _act(act_key, self.config, agent.policy, before)
            reward = environment.move(move_key, action)
            new = Transition(
                before, action, reward, environment.observation, np.float32(environment.over)
            )
            agent, _ = _step(learn_key, agent, new, config=self.config, hparams=self.hparams)
        return Sampler(jax.device_get(agent.policy), self.config)

    def _check(self, y, y_valid):
        if self.n_estimators < 2:
            raise InputError(
                f"n_estimators={self.n_estimators}, expected at least 2; the agent selects the "
                "rows of all members except the first"
            )
        if self.train_ratio <= 0:
            raise InputError(f"train_ratio={self.train_ratio}, expected above 0; the default is 1")
        for name, part in (("y", y), ("y_valid", y_valid)):
            classes = np.unique(part)
            if not np.array_equal(classes, [0, 1]):
                raise InputError(
                    f"{name} has the labels {classes.tolist()[:5]}; expected 0 and 1, with 1 for "
                    "the minority"
                )


class _Environment:
    """Environment of the agent: an action selects majority rows for one more classifier."""

    def __init__(self, mesa, x, y, x_valid, y_valid):
        self.mesa, self.x, self.y, self.x_valid, self.y_valid = mesa, x, y, x_valid, y_valid
        self.majority, self.minority = np.flatnonzero(y == 0), np.flatnonzero(y == 1)
        self.size = max(round(len(self.minority) * mesa.train_ratio), 1)
        self.rng = np.random.default_rng(mesa.random_state)
        self.key = jax.random.key(mesa.random_state)
        self.config = mesa.sampler.config if mesa.sampler else mesa.config
        self.estimators = []

    def restart(self):
        """Starts an episode with one classifier, fitted on randomly drawn majority rows."""
        self.estimators = []
        self.errors, self.p_valid = np.zeros(len(self.majority)), np.zeros(len(self.y_valid))
        self._add(self.rng.permutation(self.majority))

    @property
    def over(self):
        """Whether the ensemble is complete, or no episode has started."""
        return len(self.estimators) in (0, self.mesa.n_estimators)

    def move(self, key, action):
        """Fits one more classifier on rows drawn with μ = `action`; returns the reward."""
        before = self.score
        errors, w = _padded(self.errors)
        order = np.asarray(_draw(key, errors, w, action, self.mesa.hparams))
        self._add(self.majority[order[: len(self.majority)]])
        return np.float32(100 * (self.score - before))

    def _add(self, majority):
        """Fits a member on the first majority rows and all minority rows; updates the state."""
        rows = np.concatenate([majority[: self.size], self.minority])
        member = clone(self.mesa.estimator, safe=False)
        if "random_state" in getattr(member, "get_params", dict)():
            member.set_params(random_state=int(self.rng.integers(2**31)))
        member.fit(self.x[rows], self.y[rows])
        self.estimators.append(member)
        share = 1 / len(self.estimators)
        # The error of a majority row is its predicted probability of the minority.
        self.errors += share * (_probability(member, self.x[self.majority]) - self.errors)
        self.p_valid += share * (_probability(member, self.x_valid) - self.p_valid)
        parts = _padded(self.errors), _padded(self.p_valid[self.y_valid == 0])
        self.observation = _observe(self.config, *parts[0], *parts[1])
        self.score = self.mesa.score(self.y_valid, self.p_valid)


def _probability(estimator, x):
    return estimator.predict_proba(x)[:, 1]


def _padded(errors, multiple=1024):
    """Pads errors and weights so that folds of similar size share a compiled program."""
    more = -len(errors) % multiple
    w = np.ones(len(errors), np.float32)
    return np.pad(errors.astype(np.float32), (0, more)), np.pad(w, (0, more))
