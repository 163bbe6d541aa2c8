"""SMOTE of features (`feature_smote`): a new last layer, trained on over-sampled frozen features.

    h_synth = h(x_i) + u (h(x_j) - h(x_i)),    i, j of one class, u ~ U[0, 1)

The network is first trained on all images. SMOTE of its frozen features then makes all classes as
large as the largest, and a new last layer is trained on real and synthetic features together.

Source: Dablain et al. 2023 (arXiv:2207.06080), "Efficient Augmentation for Imbalanced Deep
Learning", which has the same three stages: training, over-sampling of the features, training of the
last layer. Its sampler EOS interpolates towards the nearest rows of other classes; SMOTE
interpolates within a class. The paper fine-tunes the trained last layer; here, a new one is
trained as in `crt`; see `frozen_features`.
"""

from functools import partial

import jax

from imbax.methods.frozen_features import features, fit
from imbax.methods.image_classifier import Config, Hparams, State
from imbax.methods.sampling import Sizes
from imbax.methods.smote import sample
from imbax.minibatches import shuffled_minibatches
from imbax.types import Rows

__all__ = ["retrain"]


def retrain(
    key: jax.Array,
    state: State,
    train: Rows,
    wanted: jax.Array,
    sizes: Sizes,
    *,
    config: Config,
    hparams: Hparams,
    k_neighbors: int = 5,
) -> State:
    """Trains the last layer of a classifier on real features and on synthetic ones of SMOTE.

    Parameters
    ----------
    key
        Random key.
    state
        Trained classifier.
    train
        Flat training images as in `image_classifier.epoch`.
    wanted
        Number of synthetic features of each class `[K]`.
    sizes
        Static bounds on numbers of rows.
    config, hparams
        Options of the classifier.
    k_neighbors
        Number of neighbours to draw from, >= 1.
    """
    key_sample, key_fit = jax.random.split(key)
    frozen = features(state, train, config)
    balanced = sample(key_sample, frozen, wanted, sizes, k_neighbors=k_neighbors).applied(frozen)
    draw = partial(shuffled_minibatches, batch_size=config.batch_size, most=config.images)
    return fit(key_fit, state, balanced, draw, config=config, hparams=hparams)
