"""τ-normalised classifier (`tau_norm`): logits divided by a power of their weights' norms.

    z_k = (W_k h(x) + b_k) / ‖W_k‖^τ

Training on imbalanced classes gives frequent classes weights of larger norm. τ = 0 is the trained
classifier; with τ = 1, all weights have unit norm. Nothing is trained.

Source: Kang et al. 2020 (arXiv:1910.09217), section 4, "τ-normalized classifier". The paper omits
the bias and chooses τ on validation rows. Image suites have no validation rows, so τ is 1.
"""

import jax
import jax.numpy as jnp

from imbax.methods.frozen_features import Head, head_of, with_head
from imbax.methods.image_classifier import Config, Hparams, State
from imbax.types import Rows

__all__ = ["retrain"]


def retrain(
    key: jax.Array,
    state: State,
    train: Rows,
    *,
    config: Config,
    hparams: Hparams,
    tau: float = 1.0,
) -> State:
    """Divides the weights and the bias of each class by the power τ of the weights' norm.

    Parameters
    ----------
    key, train, config, hparams
        Not used.
    state
        Trained classifier.
    tau
        Exponent τ, usually in [0, 1].
    """
    weight, bias = head_of(state.params)
    scale = jnp.linalg.norm(weight, axis=1) ** tau
    return with_head(state, Head(weight / scale[:, None], bias / scale))
