"""Ensembles: the members of R runs are M·R runs of the same program.

Member 0 has its run's own key, so that an ensemble of one is the single network; the others have
keys that follow from it. Members of an ensemble without folds see the run's training rows, and its
validation rows choose the epoch of each.

In a fold ensemble the training and validation rows of a run are cut into stratified folds that cut
no group, once for every `folds` members. A member trains on all folds but
one, which chooses its epoch, so that every row trains some members and validates others. Scaling
and preprocessing are fitted on the member's own training rows.

The scores of a run are the logits of the members' mean probability. In a fold ensemble the
validation scores of a run are out-of-fold scores of all rows to train and validate on: each row is
scored by the members that did not train on it, and by no other. Thresholds and calibration rest on
these scores, which are means over fewer members than the scores of test rows.
"""

from collections.abc import Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import log_expit, log_softmax, logsumexp

from imbax.catalogue import Method
from imbax.data.splits import Split, folds_of, rows_in_both
from imbax.data.tabular import Dataset
from imbax.errors import InputError
from imbax.experiments.neural.checkpoints import average_precision
from imbax.experiments.neural.ensembles import Ensemble
from imbax.experiments.tabular.cells import CellResult
from imbax.experiments.tabular.plan import Plan, Protocol, plan
from imbax.experiments.tabular.preprocessing import planned

__all__ = ["all_rows", "averaged", "deep_ensemble", "fold_ensemble", "mean_score"]

_MEMBERS = 3
"""Random stream of the members' keys; `training` has the other streams of a run."""


def deep_ensemble(plan: Plan, members: Ensemble) -> Plan:
    """R runs, each repeated for its M members, one run after the other.

    Parameters
    ----------
    plan
        R runs.
    members
        An ensemble without folds.
    """
    take = np.repeat(np.arange(len(plan.seed)), members.n_estimators)
    runs = jax.tree.map(lambda leaf: leaf[take], plan.runs._replace(key=None))
    return _taken(plan, take)._replace(runs=runs._replace(key=_keys(plan.runs.key, members)))


def fold_ensemble(
    dataset: Dataset,
    seed: int,
    protocol: Protocol,
    splits: Sequence[Split] | None,
    members: Ensemble,
) -> Plan:
    """The members of one seed's runs, M of one run after those of the other.

    Shapes follow from the seed's own rows, which is why it is planned alone.

    Parameters
    ----------
    dataset, seed, protocol, splits
        As in `plan`.
    members
        An ensemble with folds.

    Raises
    ------
    InputError
        As `plan`; or a fold, or the rows outside it, would lack a class.
    """
    # A frame has axes to project on only once it is preprocessed.
    runs = plan(dataset, [seed], replace(protocol, components=None), splits)
    parts = [
        Split(train, valid, part.test)
        for fold, part in enumerate(runs.splits)
        for train, valid in _cut(dataset, np.sort(np.concatenate(part[:2])), members, seed, fold)
    ]
    cut = planned(dataset, [seed], protocol, parts)
    fold = np.repeat(runs.fold, members.n_estimators)
    return cut._replace(fold=fold, runs=cut.runs._replace(key=_keys(runs.runs.key, members)))


def all_rows(
    dataset: Dataset, seed: int, protocol: Protocol, splits: Sequence[Split] | None
) -> Plan:
    """The runs of one seed, with the validation rows among the training rows.

    The validation part stays, but its rows are trained on: no score of it says anything.

    Parameters
    ----------
    dataset, seed, protocol, splits
        As in `plan`.
    """
    runs = plan(dataset, [seed], replace(protocol, components=None), splits)
    parts = [
        Split(np.sort(np.concatenate(part[:2])), part.valid, part.test) for part in runs.splits
    ]
    return planned(dataset, [seed], protocol, parts)


def averaged(
    plan: Plan, method: Method, result: CellResult, members: Ensemble
) -> tuple[Plan, CellResult]:
    """R runs and what they gave, of the members' M·R.

    Validation average precision is that of the mean probabilities; the epoch is the median over
    members, curves are means, and a run diverged if a member did. Points are those of member 0.

    Parameters
    ----------
    plan
        From `deep_ensemble` or `fold_ensemble`.
    method
        What was trained.
    result
        From `train_cell`.
    members
        The ensemble.

    Raises
    ------
    InputError
        The method's scores only rank, so that they have no mean.
    """
    assert method.tables is not None
    size, kind = members.n_estimators, method.tables.scores
    first = np.arange(0, len(plan.seed), size)
    runs = jax.tree.map(lambda leaf: leaf[first], plan.runs)
    merged = _taken(plan, first)._replace(runs=runs)
    if members.folds:
        merged = _with_both_parts(merged)
    test, valid = [], []
    for r, at in enumerate(first):
        members_of_run = slice(at, at + size)
        test.append(mean_score(np.stack(result.test_score[members_of_run]), kind))
        scores = result.valid_score[members_of_run]
        if not len(scores[0]):
            valid.append(scores[0])  # validation rows were trained on
        elif members.folds:
            rows = [part.valid for part in plan.splits[members_of_run]]
            valid.append(_out_of_fold(merged.splits[r].valid, rows, scores, kind))
        else:
            valid.append(mean_score(np.stack(scores), kind))
    labels = [plan.dataset.y[part.valid] for part in merged.splits]

    def by_member(leaf):
        return np.asarray(leaf).reshape(len(first), size, *np.shape(leaf)[1:])

    found = result._replace(
        test_score=test,
        valid_score=valid,
        best_score=np.array(
            [
                average_precision(merged, y[: len(score)], score, kind)
                for y, score in zip(labels, valid, strict=True)
            ]
        ),
        best_epoch=np.median(by_member(result.best_epoch), 1),
        diverged=by_member(result.diverged).any(1),
        fallback=None if result.fallback is None else by_member(result.fallback).any(1),
        curves=jax.tree.map(lambda leaf: by_member(leaf).mean(1), result.curves),
        progress=jax.tree.map(lambda leaf: leaf[first], result.progress),
    )
    return merged, found


def mean_score(scores: np.ndarray, kind: str) -> np.ndarray:
    """Score `[n, ...]` of the mean probability of M members, of the same kind as theirs.

    Parameters
    ----------
    scores
        `[M, n]`, or of K > 2 classes `[M, n, K]`.
    kind
        "logit" or "probability".

    Raises
    ------
    InputError
        Any other kind.
    """
    if kind == "probability":
        return scores.mean(0)
    if kind != "logit":
        raise InputError(f"scores of kind {kind!r} have no mean; run the method without members")
    scores = scores.astype(np.float64)
    if scores.ndim == 3:
        return logsumexp(log_softmax(scores, -1), 0) - np.log(len(scores))
    return logsumexp(log_expit(scores), 0) - logsumexp(log_expit(-scores), 0)


def _cut(dataset, rows, members, seed, fold):
    """Training and validation rows of each member of a run."""
    for number in range(members.cuts):
        state = int(np.random.default_rng([seed, fold, number]).integers(2**32))
        yield from folds_of(dataset.y, rows, members.folds, seed=state, groups=dataset.groups)


def _out_of_fold(rows, parts, scores, kind):
    """Scores of `rows [m]`, sorted, by the members whose part holds them; each in as many."""
    position = np.concatenate([np.searchsorted(rows, part) for part in parts])
    order = np.argsort(position, kind="stable")
    by_row = np.concatenate(scores)[order].reshape(len(rows), -1, *scores[0].shape[1:])
    return mean_score(np.moveaxis(by_row, 1, 0), kind)


def _with_both_parts(plan):
    """The runs, with all rows that members train on in place of both parts."""
    both = [np.sort(np.concatenate(part[:2])) for part in plan.splits]
    splits = [Split(rows, rows, part.test) for rows, part in zip(both, plan.splits, strict=True)]
    counts = [rows_in_both(plan.dataset.x, part.train, part.test) for part in splits]
    return plan._replace(splits=splits, test_rows_in_train=np.array(counts))


def _taken(plan, take):
    """The plan with these runs; the leaves of `runs` stay."""
    listed = {name: [getattr(plan, name)[r] for r in take] for name in ("splits", "scalings")}
    arrays = {name: getattr(plan, name)[take] for name in ("seed", "fold", "test_rows_in_train")}
    if isinstance(plan.x, list):  # a matrix for each run
        listed["x"] = [plan.x[r] for r in take]
    return plan._replace(**listed, **arrays)


def _keys(keys, members):
    """`[R]` keys of runs as `[R·M]` of their members; the first of each run is its own."""

    def keys_of_run(key):
        stream, numbers = jax.random.fold_in(key, _MEMBERS), jnp.arange(1, members.n_estimators)
        later = jax.vmap(lambda number: jax.random.fold_in(stream, number))(numbers)
        return jnp.concatenate([key[None], later])

    return jax.jit(jax.vmap(keys_of_run))(keys).reshape(-1)
