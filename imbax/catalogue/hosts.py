"""Estimators with scikit-learn's contract as methods outside jax."""

import contextlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from imbax.errors import InputError

__all__ = ["SEES", "EstimatorHost", "name_of", "of_estimator", "refuse_no_estimator"]

SEES = {"train": "training rows", "train_valid": "training and validation rows"}
"""Rows and labels that a method outside jax may use, in words, by its training rows."""
_RESPONSES = ("predict_proba", "decision_function")


class EstimatorHost:
    """A `host` that fits a clone of an estimator for each run.

    Parameters
    ----------
    estimator
        An unfitted estimator, or a function without arguments that makes one.
    scores
        One of `catalogue.spec.SCORES`: "probability" takes `predict_proba`, the others
        `decision_function` where there is one.
    balanced
        Whether rows are weighted by n / (K n_k), with n_k rows of their class.
    """

    def __init__(self, estimator: Any, scores: str = "rank", *, balanced: bool = False):
        self.estimator, self.scores, self.balanced = estimator, scores, balanced

    def get_params(self, deep: bool = False) -> dict[str, Any]:
        """The content that decides its results and that a stored result's key covers."""
        return {name: getattr(self, name) for name in ("estimator", "scores", "balanced")}

    def __call__(self, x_train: Any, y_train: Any, x_test: Any, random_state: int) -> np.ndarray:
        """Scores of the test rows, `[m]`, or `[m, K]` for K > 2 classes."""
        return self.score(x_train, y_train, [x_test], random_state)[0]

    def score(
        self, x: np.ndarray, y: np.ndarray, parts: Sequence[np.ndarray], random_state: int
    ) -> list[np.ndarray]:
        """Scores of each part's rows after one fit.

        Parameters
        ----------
        x
            `[n, d]`: the rows to fit on.
        y
            `[n]`: labels 0..K-1.
        parts
            Rows to score, `[m, d]` each.
        random_state
            Value of every parameter `random_state` of the estimator and of those within it, such as
            the steps of a pipeline. NumPy's global generator, and PyTorch's where it is loaded,
            start from it too, and are afterwards as they were.
        """
        y, weights = np.asarray(y, int), {}
        if self.balanced:
            from sklearn.utils.class_weight import compute_sample_weight

            weights["sample_weight"] = compute_sample_weight("balanced", y)
        with _global_generators(random_state):
            model = self.made(random_state)
            _refuse_pairs(model, y)
            model.fit(x, y, **weights)
            return [_scored(model, part, self._response(model), y) for part in parts]

    def made(self, random_state: int) -> Any:
        """An unfitted clone with its random state set."""
        from sklearn.base import clone

        is_made = hasattr(self.estimator, "fit")
        return seeded(clone(self.estimator) if is_made else self.estimator(), random_state)

    def with_params(self, **params: Any) -> "EstimatorHost":
        """The same with parameters of the estimator changed, as `set_params` names them."""
        from sklearn.base import clone

        model = clone(self.estimator) if hasattr(self.estimator, "fit") else self.estimator()
        return EstimatorHost(model.set_params(**params), self.scores, balanced=self.balanced)

    def _response(self, model):
        order = _RESPONSES if self.scores == "probability" else _RESPONSES[::-1]
        return next((name for name in order if hasattr(model, name)), order[0])


def of_estimator(name: str, estimator: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a method that an estimator is; those in `given` count.

    Raises
    ------
    InputError
        It is no estimator.
    """
    refuse_no_estimator(estimator, f"method {name!r}: estimator", factory=True)
    is_probability = hasattr(estimator, "predict_proba") or _has_default_end(estimator)
    default = "probability" if is_probability else "rank"
    scores = given.get("scores", default)
    return {
        "scores": scores,
        "several_classes": given.get("several_classes", True),
        "sees": given.get("sees", SEES.get(given.get("rows", "train"), "")),
        "host": EstimatorHost(estimator, scores),
    }


def refuse_no_estimator(given: Any, what: str, factory: bool = False) -> None:
    """Raises InputError unless `given` can be cloned, fitted and asked for scores.

    Parameters
    ----------
    given
        What should be an estimator.
    what
        How a message calls it, as "methods[1]".
    factory
        Whether a function that makes one will do.
    """
    if isinstance(given, type):
        raise InputError(f"{what}={given.__name__} is a class; give an estimator of it, as "
                         f"{given.__name__}()")  # fmt: skip
    if factory and inspect.isroutine(given):
        return
    lacking = [name for name in ("fit", "get_params") if not hasattr(given, name)]
    if not (any(hasattr(given, name) for name in _RESPONSES) or _has_default_end(given)):
        lacking.append(" or ".join(_RESPONSES))
    if lacking:
        raise InputError(
            f"{what}={_short(given)} has no {', no '.join(lacking)}; expected an estimator with "
            "scikit-learn's contract"
        )
    if kind := _OTHER_KINDS.get(_kind_of(given)):
        raise InputError(f"{what}={_short(given)} is {kind}, expected a classifier: its scores are "
                         "not of the minority")  # fmt: skip
    # A frozen transformer may have been fitted elsewhere; a frozen predictor has seen labels.
    for part in (given, *given.get_params(deep=True).values()):
        if type(part).__name__ == "FrozenEstimator" and hasattr(part, "predict"):
            raise InputError(
                f"{what}={_short(given)} holds a FrozenEstimator, which no run fits, so that test "
                "rows may have been trained on; give the estimator within it"
            )


def _kind_of(estimator):
    """Estimator type as scikit-learn names it, or None."""
    try:
        from sklearn.utils import get_tags

        return get_tags(estimator).estimator_type
    except Exception:  # one that knows no tags
        return getattr(estimator, "_estimator_type", None)


_OTHER_KINDS = {
    "regressor": "a regressor",
    "clusterer": "a clusterer",
    "outlier_detector": "an outlier detector",
    "density_estimator": "a density estimator",
    "DensityEstimator": "a density estimator",
}


def _parts(estimator):
    """The estimator and those within it, by the prefixes of their parameters."""
    within = estimator.get_params(deep=True)
    found = {f"{name}__": part for name, part in within.items() if _is_estimator(part)}
    return {"": estimator, **found}


def _has_default_end(estimator):
    """Whether it is a stack whose last estimator is made in `fit`, or ends in one."""
    if not hasattr(estimator, "get_params"):
        return False
    params = estimator.get_params(deep=True)
    ends = [name for name in params if name.split("__")[-1] == "final_estimator"]
    return any(params[name] is None for name in ends)


def name_of(estimator: Any) -> str:
    """Name of an estimator's class in lower snake case; for a pipeline those of its steps."""
    steps = getattr(estimator, "steps", None)
    if isinstance(steps, list) and steps:
        parts = [name_of(step) for _, step in steps if step not in (None, "passthrough")]
        return "_".join(parts) or "pipeline"
    return re.sub(
        r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(estimator).__name__
    ).lower()


def seeded(model: Any, random_state: int) -> Any:
    """The estimator with every `random_state` set, its own and those of estimators within it."""
    params = {}
    for prefix, part in _parts(model).items():
        given = part.get_params(deep=False)
        if type(part).__module__.startswith("catboost.") and given.keys().isdisjoint(_FILES):
            params[f"{prefix}allow_writing_files"] = False  # a folder in the working directory
        # CatBoost lists the parameters that it was given, of several names for one.
        alias = next((name for name in ("random_seed", "random_state") if name in given), None)
        if alias or "random_state" in inspect.signature(type(part)).parameters:
            params[f"{prefix}{alias or 'random_state'}"] = random_state
    return model.set_params(**params) if params else model


_FILES = ("allow_writing_files", "train_dir")


def _refuse_pairs(model, y):
    """InputError where scores are of pairs of classes: of three classes there are as many."""
    if y.max() < 2:
        return
    for name, value in model.get_params(deep=True).items():
        if name.split("__")[-1] == "decision_function_shape" and value == "ovo":
            raise InputError(f"{name}='ovo' scores pairs of classes; give 'ovr', a score per class")


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
    """A score for each row, `[m]`, or of K > 2 classes for each class, `[m, K]`."""
    given = np.asarray(getattr(model, response)(x))
    if given.dtype.kind not in "fiub":
        try:
            given = given.astype(float, casting="unsafe" if given.dtype == object else "safe")
        except (TypeError, ValueError):
            raise ValueError(f"{response} gave {given.dtype}, expected numbers") from None
    n_classes = max(int(y.max()) + 1, 2)
    classes = np.asarray(getattr(model, "classes_", np.unique(y)))
    if not np.isin(classes, np.unique(y)).all():
        raise ValueError(f"its classes_ are {classes.tolist()}, expected those of y, 0 to "
                         f"{n_classes - 1}")  # fmt: skip
    classes = classes.astype(int)
    if given.ndim == 1 and n_classes == 2 and classes.tolist() == [0, 1]:
        return given
    if given.shape != (len(x), len(classes)):
        raise ValueError(f"{response} gave shape {given.shape}, expected {(len(x), len(classes))}")
    if len(classes) < n_classes and response != "predict_proba":
        raise ValueError(f"it was fitted on {len(classes)} of {n_classes} classes")
    scores = np.zeros((len(x), n_classes), given.dtype)
    scores[:, classes] = given
    return scores[:, 1] if n_classes == 2 else scores


def _short(given) -> str:
    text = " ".join(repr(given).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
