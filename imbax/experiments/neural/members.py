"""Ensembles: the M members of R runs are trained as M·R runs of the same program.

Member 0 has the random key of its run, so that an ensemble of one member is the single network; the
other keys are derived from it. Members of an ensemble without folds are trained on the run's
training rows, and the run's validation rows choose the epoch of each member.

In a fold ensemble the training and validation rows of a run are divided into stratified folds,
which keep groups together, once for every `folds` members. A member is trained on all folds except
one, which chooses its epoch, so that every row is a training row of some members and a validation
row of others. Scaling and preprocessing are fitted on the member's training rows.

The scores of a run are the logits of the members' mean probability. In a fold ensemble the
validation scores of a run are out-of-fold scores of all training and validation rows: each row is
scored only by the members that were not trained on it. Thresholds and calibration are based on
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
    """Returns a plan of R runs with M members each, the members of one run in succession.

    Parameters
    ----------
    plan
        Plan of R runs.
    members
        Ensemble without folds.
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
    """Returns a plan of the members of one seed's runs, the M members of one run in succession.

    Shapes depend on the rows of the seed, so every seed is planned separately.

    Parameters
    ----------
    dataset, seed, protocol, splits
        As in `plan`.
    members
        Ensemble with folds.

    Raises
    ------
    InputError
        `plan` raises it, or a class is missing in a fold or outside it.
    """
    # Principal axes of a frame exist only after preprocessing.
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
    """Returns the runs of one seed with the validation rows among the training rows.

    The validation part is kept, but its scores are meaningless, since they are scores of training
    rows.

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
    """Returns the R runs and their results, combined from those of the M·R members.

    Validation average precision is that of the mean probabilities; the epoch is the median over
    members, curves are means, and a run diverged if a member did. Points are those of member 0.

    Parameters
    ----------
    plan
        From `deep_ensemble` or `fold_ensemble`.
    method
        Trained method.
    result
        Result of `train_cell`.
    members
        Ensemble of the plan.

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
            valid.append(scores[0])  # the method was trained on validation rows
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
    """Scores `[n, ...]` of the mean probability of M members, of the same kind as the members'.

    Parameters
    ----------
    scores
        Scores `[M, n]`, or `[M, n, K]` for K > 2 classes.
    kind
        Kind of the scores: "logit" or "probability".

    Raises
    ------
    InputError
        The scores have another kind.
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
    """Scores of sorted `rows [m]` by the members with these rows in their part.

    Every row is in the same number of parts.
    """
    position = np.concatenate([np.searchsorted(rows, part) for part in parts])
    order = np.argsort(position, kind="stable")
    by_row = np.concatenate(scores)[order].reshape(len(rows), -1, *scores[0].shape[1:])
    return mean_score(np.moveaxis(by_row, 1, 0), kind)


def _with_both_parts(plan):
    """Plan with all rows of both parts as training and as validation rows."""
    both = [np.sort(np.concatenate(part[:2])) for part in plan.splits]
    splits = [Split(rows, rows, part.test) for rows, part in zip(both, plan.splits, strict=True)]
    counts = [rows_in_both(plan.dataset.x, part.train, part.test) for part in splits]
    return plan._replace(splits=splits, test_rows_in_train=np.array(counts))


def _taken(plan, take):
    """Plan of the runs `take`, except the leaves of `runs`, which are unchanged."""
    listed = {name: [getattr(plan, name)[r] for r in take] for name in ("splits", "scalings")}
    arrays = {name: getattr(plan, name)[take] for name in ("seed", "fold", "test_rows_in_train")}
    if isinstance(plan.x, list):  # one matrix per run
        listed["x"] = [plan.x[r] for r in take]
    return plan._replace(**listed, **arrays)


def _keys(keys, members):
    """Keys `[R·M]` of members from keys `[R]` of runs; member 0 has the key of its run."""

    def keys_of_run(key):
        stream, numbers = jax.random.fold_in(key, _MEMBERS), jnp.arange(1, members.n_estimators)
        later = jax.vmap(lambda number: jax.random.fold_in(stream, number))(numbers)
        return jnp.concatenate([key[None], later])

    return jax.jit(jax.vmap(keys_of_run))(keys).reshape(-1)
