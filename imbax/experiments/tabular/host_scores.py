"""Check of the scores of methods outside jax.

It is not a part of `host_cell`, whose code determines the keys of stored results.
"""

import numpy as np

from imbax.catalogue import Method
from imbax.experiments.tabular.cells import CellResult

__all__ = ["check_scores"]


def check_scores(result: CellResult, method: Method) -> CellResult:
    """Returns the result of `host_cell`.

    Raises
    ------
    ValueError
        A score is not finite. An InputError would blame the data set.
    """
    scores = np.concatenate([*result.test_score, *result.valid_score])
    is_finite = np.isfinite(scores.reshape(len(scores), -1)).all(1)
    if not is_finite.all():
        kind = "probability" if method.tables.scores == "probability" else "score"
        raise ValueError(
            f"it returned no finite {kind} for {np.count_nonzero(~is_finite)} of {len(scores)} "
            "rows; check it for NaN, or fill missing values first"
        )
    return result
