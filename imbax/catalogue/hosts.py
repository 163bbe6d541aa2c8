"""Adapter of estimators with scikit-learn's contract to methods outside JAX."""

import contextlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from imbax.errors import InputError

__all__ = ["SEES", "EstimatorHost", "check_estimator", "estimator_fields", "name_of"]

SEES = {"train": "training rows", "train_valid": "training and validation rows"}
"""Description of the rows and labels that a method outside JAX uses, by its `rows`."""
_RESPONSES = ("predict_proba", "decision_function")


class EstimatorHost:
    """A `host` function that fits a clone of an estimator in each run.

    Parameters
    ----------
    estimator
        An unfitted estimator, or a function without arguments that returns one.
    scores
        One of `catalogue.spec.SCORES`: "probability" uses `predict_proba`, the others
        `decision_function` if available.
    balanced
        Whether rows are weighted by n / (K n_k), where n_k is the size of their class.
    """

    def __init__(self, estimator: Any, scores: str = "rank", *, balanced: bool = False):
        self.estimator, self.scores, self.balanced = estimator, scores, balanced

    def get_params(self, deep: bool = False) -> dict[str, Any]:
        """Returns the parameters that determine the results and enter a stored result's key."""
        return {name: getattr(self, name) for name in ("estimator", "scores", "balanced")}

    def __call__(self, x_train: Any, y_train: Any, x_test: Any, random_state: int) -> np.ndarray:
        """Returns scores of the test rows, `[m]`, or `[m, K]` for K > 2 classes."""
        return self.score(x_train, y_train, [x_test], random_state)[0]

    def score(
        self, x: np.ndarray, y: np.ndarray, parts: Sequence[np.ndarray], random_state: int
    ) -> list[np.ndarray]:
        """Fits once and returns the scores of each part's rows.

        Parameters
        ----------
        x
            Training rows `[n, d]`.
        y
            Labels `[n]`, 0..K-1.
        parts
            Rows to score, `[m, d]` each.
        random_state
            Value of every parameter `random_state` of the estimator and of nested ones, such as the
            steps of a pipeline. The global generators of NumPy, and of PyTorch if it is imported,
            are seeded with it, too, and restored afterwards.
        """
        y, weights = np.asarray(y, int), {}
        if self.balanced:
            from sklearn.utils.class_weight import compute_sample_weight

            weights["sample_weight"] = compute_sample_weight("balanced", y)
        with _global_generators(random_state):
            model = self.build(random_state)
            _refuse_pairs(model, y)
            model.fit(x, y, **weights)
            return [_scored(model, part, self._response(model), y) for part in parts]

    def build(self, random_state: int) -> Any:
        """Returns an unfitted clone with its random state set."""
        from sklearn.base import clone

        is_made = hasattr(self.estimator, "fit")
        return seeded(clone(self.estimator) if is_made else self.estimator(), random_state)

    def with_params(self, **params: Any) -> "EstimatorHost":
        """Returns a copy with changed parameters of the estimator, named as for `set_params`."""
        from sklearn.base import clone

        model = clone(self.estimator) if hasattr(self.estimator, "fit") else self.estimator()
        return EstimatorHost(model.set_params(**params), self.scores, balanced=self.balanced)

    def _response(self, model):
        order = _RESPONSES if self.scores == "probability" else _RESPONSES[::-1]
        return next((name for name in order if hasattr(model, name)), order[0])


def estimator_fields(name: str, estimator: Any, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a method's fields for an estimator; those in `overrides` take precedence.

    Raises
    ------
    InputError
        `estimator` is not an estimator.
    """
    check_estimator(estimator, f"method {name!r}: estimator", factory=True)
    is_probability = hasattr(estimator, "predict_proba") or _has_default_final_estimator(estimator)
    default = "probability" if is_probability else "rank"
    scores = overrides.get("scores", default)
    return {
        "scores": scores,
        "several_classes": overrides.get("several_classes", True),
        "sees": overrides.get("sees", SEES.get(overrides.get("rows", "train"), "")),
        "host": EstimatorHost(estimator, scores),
    }


def check_estimator(estimator: Any, label: str, factory: bool = False) -> None:
    """Raises InputError unless `estimator` can be cloned, fitted and score rows.

    Parameters
    ----------
    estimator
        Object to check.
    label
        Name of the object in messages, such as "methods[1]".
    factory
        Whether a function that returns an estimator is accepted.
    """
    if isinstance(estimator, type):
        raise InputError(f"{label}={estimator.__name__} is a class, expected an instance; give "
                         f"{estimator.__name__}()")  # fmt: skip
    if factory and inspect.isroutine(estimator):
        return
    lacking = [name for name in ("fit", "get_params") if not hasattr(estimator, name)]
    if not (
        any(hasattr(estimator, name) for name in _RESPONSES)
        or _has_default_final_estimator(estimator)
    ):
        lacking.append(" or ".join(_RESPONSES))
    if lacking:
        raise InputError(
            f"{label}={_short(estimator)} has no {', no '.join(lacking)}; expected an estimator "
            "with scikit-learn's contract"
        )
    if kind := _OTHER_KINDS.get(_kind_of(estimator)):
        raise InputError(f"{label}={_short(estimator)} is {kind}, expected a classifier: its "
                         "scores do not rank rows by class")  # fmt: skip
    # A frozen transformer may have been fitted elsewhere; a frozen predictor has seen labels.
    for part in (estimator, *estimator.get_params(deep=True).values()):
        if type(part).__name__ == "FrozenEstimator" and hasattr(part, "predict"):
            raise InputError(
                f"{label}={_short(estimator)} contains a FrozenEstimator, which is not fitted in "
                "any run and may have been trained on test rows; give the estimator inside it"
            )


def _kind_of(estimator):
    """Returns scikit-learn's estimator type, or None."""
    try:
        from sklearn.utils import get_tags

        return get_tags(estimator).estimator_type
    except Exception:  # the estimator does not support tags
        return getattr(estimator, "_estimator_type", None)


_OTHER_KINDS = {
    "regressor": "a regressor",
    "clusterer": "a clusterer",
    "outlier_detector": "an outlier detector",
    "density_estimator": "a density estimator",
    "DensityEstimator": "a density estimator",
}


def _parts(estimator):
    """Returns the estimator and nested ones by the prefixes of their parameters."""
    params = estimator.get_params(deep=True)
    nested = {f"{name}__": part for name, part in params.items() if _is_estimator(part)}
    return {"": estimator, **nested}


def _has_default_final_estimator(estimator):
    """Returns whether an estimator is, or ends in, a stack that creates its last one in `fit`."""
    if not hasattr(estimator, "get_params"):
        return False
    params = estimator.get_params(deep=True)
    ends = [name for name in params if name.split("__")[-1] == "final_estimator"]
    return any(params[name] is None for name in ends)


def name_of(estimator: Any) -> str:
    """Returns an estimator's class name in snake case; a pipeline's steps are joined."""
    steps = getattr(estimator, "steps", None)
    if isinstance(steps, list) and steps:
        parts = [name_of(step) for _, step in steps if step not in (None, "passthrough")]
        return "_".join(parts) or "pipeline"
    return re.sub(
        r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(estimator).__name__
    ).lower()


def seeded(model: Any, random_state: int) -> Any:
    """Sets every `random_state` of an estimator and of nested ones; returns the estimator."""
    params = {}
    for prefix, part in _parts(model).items():
        set_params = part.get_params(deep=False)
        if type(part).__module__.startswith("catboost.") and set_params.keys().isdisjoint(_FILES):
            params[f"{prefix}allow_writing_files"] = False  # otherwise it creates a folder
        # CatBoost lists only parameters that were set, and accepts several names for one.
        alias = next((name for name in ("random_seed", "random_state") if name in set_params), None)
        if alias or "random_state" in inspect.signature(type(part)).parameters:
            params[f"{prefix}{alias or 'random_state'}"] = random_state
    return model.set_params(**params) if params else model


_FILES = ("allow_writing_files", "train_dir")


def _refuse_pairs(model, y):
    """Raises InputError for scores of pairs of classes; three classes have as many pairs."""
    if y.max() < 2:
        return
    for name, value in model.get_params(deep=True).items():
        if name.split("__")[-1] == "decision_function_shape" and value == "ovo":
            raise InputError(
                f"{name}='ovo' scores pairs of classes; set 'ovr' for a score per class"
            )


def _is_estimator(part) -> bool:
    return hasattr(part, "set_params") and not isinstance(part, type)


@contextlib.contextmanager
def _global_generators(seed: int) -> Iterator[None]:
    state, torch = np.random.get_state(), sys.modules.get("torch")
    np.random.seed(seed)
    try:
        with torch.random.fork_rng() if torch else contextlib.nullcontext():
            if torch:
                torch.manual_seed(seed)
            yield
    finally:
        np.random.set_state(state)


def _scored(model: Any, x: np.ndarray, response: str, y: np.ndarray) -> np.ndarray:
    """Returns a score for each row `[m]`, or for each row and class `[m, K]` if K > 2."""
    output = np.asarray(getattr(model, response)(x))
    if output.dtype.kind not in "fiub":
        try:
            output = output.astype(float, casting="unsafe" if output.dtype == object else "safe")
        except (TypeError, ValueError):
            raise ValueError(f"{response} returned {output.dtype}, expected numbers") from None
    n_classes = max(int(y.max()) + 1, 2)
    classes = np.asarray(getattr(model, "classes_", np.unique(y)))
    if not np.isin(classes, np.unique(y)).all():
        raise ValueError(f"its classes_ are {classes.tolist()}, expected those of y, 0 to "
                         f"{n_classes - 1}")  # fmt: skip
    classes = classes.astype(int)
    if output.ndim == 1 and n_classes == 2 and classes.tolist() == [0, 1]:
        return output
    if output.shape != (len(x), len(classes)):
        raise ValueError(
            f"{response} returned shape {output.shape}, expected {(len(x), len(classes))}"
        )
    if len(classes) < n_classes and response != "predict_proba":
        raise ValueError(f"it was fitted on {len(classes)} of {n_classes} classes")
    scores = np.zeros((len(x), n_classes), output.dtype)
    scores[:, classes] = output
    return scores[:, 1] if n_classes == 2 else scores


def _short(value) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
