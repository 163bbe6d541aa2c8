"""Classifier re-training (`crt`): a new last layer, trained on class-balanced mini-batches.

The network is first trained on all images. Its features h are then frozen, and a new last layer is
trained on mini-batches with equal numbers of rows of each class:

    min_{W, b}  (1/K) Σ_k E_{x of class k} [ -log softmax(W h(x) + b)_k ]

Source: Kang et al. 2020 (arXiv:1910.09217), section 4, "cRT". In the paper, the class of each row
is drawn uniformly, so that a mini-batch is balanced in expectation; for differences in the training
of the layer, see `frozen_features`.
"""

from functools import partial

import jax

from imbax.methods.frozen_features import features, fit
from imbax.methods.image_classifier import Config, Hparams, State
from imbax.minibatches import balanced_minibatches
from imbax.types import Rows

__all__ = ["retrain"]


def retrain(
    key: jax.Array, state: State, train: Rows, *, config: Config, hparams: Hparams
) -> State:
    """Trains the last layer of a classifier on class-balanced mini-batches.

    Parameters
    ----------
    key
        Random key.
    state
        Trained classifier.
    train
        Flat training images as in `image_classifier.epoch`.
    config, hparams
        Options of the classifier.
    """
    frozen = features(state, train, config)
    draw = partial(balanced_minibatches, batch_size=config.batch_size, classes=config.classes)
    return fit(key, state, frozen, draw, config=config, hparams=hparams)
