"""BAGAN over-sampler for images, with imbalanced-learn's API."""

from numbers import Integral
from typing import Any

from imbax.errors import InputError
from imbax.estimators.generative import GeneratorSampler
from imbax.estimators.parameters import Interval, parameters
from imbax.methods import bagan

__all__ = ["BAGAN"]


@parameters
class BAGAN(GeneratorSampler):
    """GAN of all classes, initialised by an autoencoder; see `imbax.methods.bagan` for equations.

    X must be images: `(n, height, width)` or `(n, height, width, channels)`, or flat rows with
    `image_shape`. The output has the form, dtype and range of X: the original rows, unchanged,
    followed by the synthetic rows. A class with a single row gets copies of its reconstruction,
    with a warning.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    image_shape : tuple, default=None
        (height, width) or (height, width, channels) of flat rows.
    value_range : tuple, default=None
        Minimum and maximum of valid values. None uses (0, 255) for uint8, otherwise the range of X.
    latent_dim : int, default=100
        Dimension of the latent code.
    width : int, default=32
        Number of channels of the first layer; the other layers scale with it.
    autoencoder_max_iter : int, default=100
        Number of epochs of the autoencoder.
    max_iter : int, default=100
        Number of epochs of the GAN, after those of the autoencoder.
    batch_size : int, default=128
        Rows of a mini-batch, at most the number of rows, rounded up.
    learning_rate_init : float, default=5e-5
        Adam's learning rate in both stages.
    random_state : int, RandomState instance or None, default=None
        Seed of the random draws.
    verbose : bool, default=False
        Whether to print the loss of each epoch.

    Attributes
    ----------
    sampling_strategy_ : dict
        Number of synthetic rows by class.
    classes_ : ndarray of shape (n_classes,)
    loss_curve_ : list of float
        Mean loss of each epoch: of the autoencoder, then the sum of the GAN's two losses.
    n_iter_ : int
        Number of epochs of both stages.
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Mask of the synthetic rows of the last `fit_resample`.
    """

    latent_dim: Any = 100
    width: Any = 32
    autoencoder_max_iter: Any = 100
    max_iter: Any = 100
    batch_size: Any = 128
    learning_rate_init: Any = 5e-5

    _parameter_constraints = {  # noqa: RUF012
        **GeneratorSampler._parameter_constraints,
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "autoencoder_max_iter": [Interval(Integral, 1, None, closed="left")],
    }
    _core = bagan
    _parents = 0

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = self.image_shape is not None
        return tags

    def _train(self, x):
        if len(self.scale_.shape) != 3:
            raise InputError(
                f"X has rows of {x.shape[1]} values, but BAGAN generates only images; give "
                "image_shape=(height, width) or (height, width, channels), or use GAMO, DeepSMOTE, "
                "AMDO, MCCCR or MCRBO for a table"
            )
        super()._train(x)

    def _config(self):
        return bagan.Config(
            self.scale_.shape,
            len(self.classes_),
            self.latent_dim,
            self.width,
            self.autoencoder_max_iter,
            self.max_iter,
            self._batch_size(),
        )
