"""DeepSMOTE over-sampler for images and tables, with imbalanced-learn's API."""

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from imbax.engine.float32 import in_float32
from imbax.errors import InputError
from imbax.estimators.generative import GeneratorSampler
from imbax.estimators.networks import or_else
from imbax.estimators.over_sampler import compiled, padded, size
from imbax.estimators.parameters import Interval, parameters
from imbax.methods import deepsmote, smote
from imbax.methods.codes import decoded, encoded, image_batch, variance_kept
from imbax.networks.autoencoder import DECODERS
from imbax.types import rows

__all__ = ["DeepSMOTE"]

_COLLAPSED = 0.1


@parameters
class DeepSMOTE(GeneratorSampler):
    """SMOTE in the latent space of an autoencoder; see `imbax.methods.deepsmote` for equations.

    X may be images `(n, height, width)` or `(n, height, width, channels)`, flat rows of images with
    `image_shape`, or, without it, a table, for which the networks are dense. The output has the
    form, dtype and range of X: the original rows, unchanged, followed by the synthetic rows.

    A class of n <= k_neighbors rows uses n - 1 neighbours. A class with a single row gets
    copies of its reconstruction, with a warning.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    image_shape : tuple, default=None
        (height, width) or (height, width, channels) of flat rows.
    value_range : tuple, default=None
        Minimum and maximum of valid values. None uses (0, 255) for uint8 images, otherwise the
        range of X, separately for each column of a table.
    latent_dim : int, default=None
        Dimension of the latent code. None uses 300, or 600 for colour images, but at most the
        number of values in a row.
    decoder : {"mirrored", "reference"}, default="mirrored"
        Decoder for images; "reference" is that of the public code, four times as costly.
    penalty : {"class_recon", "permuted", "none"}, default="class_recon"
        Penalty of the public code ("class_recon"), of the paper ("permuted"), or none.
        `DeepSMOTE(penalty="permuted")` is Algorithm 1 of the paper as printed.
    encoder_gradient : bool, default=None
        Whether the gradient of the penalty includes the encoder. None follows the source of the
        penalty: it does in the paper ("permuted") and does not in the public code ("class_recon").
    penalty_weight : float, default=1.0
        Weight λ of the penalty.
    class_draw : {"uniform", "inverse"}, default="uniform"
        Distribution of the penalty's class.
    k_neighbors : int, default=5
        Number of neighbours in the latent space.
    max_iter : int, default=200
        Maximum number of epochs.
    n_iter_no_change : int, default=10
        Number of epochs without improvement before training stops.
    batch_size : int, default=100
        Rows of a mini-batch, at most the number of rows, rounded up.
    learning_rate_init : float, default=2e-4
        Adam's learning rate.
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
        Mean training loss of each epoch.
    n_iter_ : int
        Number of epochs trained.
    variance_kept_ : ndarray of shape (n_classes,)
        Variance of the reconstructions divided by that of the rows; a class near 0 has collapsed.
    codes_ : ndarray of shape (n_samples, latent_dim)
        Latent codes of the training rows.
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Mask of the synthetic rows of the last `fit_resample`.
    parent_indices_ : ndarray of shape (n_synthetic, 2)
        Row numbers of the two training rows that each synthetic row interpolates.
    interpolation_weights_ : ndarray of shape (n_synthetic,)
        Position between the first and the second parent, in [0, 1).
    """

    latent_dim: Any = None
    decoder: Any = "mirrored"
    penalty: Any = "class_recon"
    encoder_gradient: Any = None
    penalty_weight: Any = 1.0
    class_draw: Any = "uniform"
    k_neighbors: Any = 5
    max_iter: Any = 200
    n_iter_no_change: Any = 10
    batch_size: Any = 100
    learning_rate_init: Any = 2e-4

    _parameter_constraints = {  # noqa: RUF012
        **GeneratorSampler._parameter_constraints,
        "latent_dim": [Interval(Integral, 1, None, closed="left"), None],
        "decoder": [StrOptions(set(DECODERS))],
        "penalty": [StrOptions(set(deepsmote.PENALTIES))],
        "encoder_gradient": ["boolean", None],
        "penalty_weight": [Interval(Real, 0, None, closed="left")],
        "class_draw": [StrOptions({"uniform", "inverse"})],
        "k_neighbors": [Interval(Integral, 1, None, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    }
    _core = deepsmote
    _smote = compiled(smote.sample)
    _arrays: ClassVar[tuple[str, ...]] = ("codes_", "variance_kept_")
    _parents = 2

    @in_float32
    def encode(self, X):
        """Returns latent codes `(n, latent_dim)` of rows in the form of fit."""
        check_is_fitted(self)
        return self._encode(self.scale_.inside(X))

    @in_float32
    def decode(self, codes):
        """Returns rows decoded from codes `(n, latent_dim)`."""
        check_is_fitted(self)
        codes, length = np.asarray(codes, np.float32), self.codes_.shape[1]
        if codes.ndim != 2 or codes.shape[1] != length:
            raise InputError(
                f"codes has shape {codes.shape}, expected (n, {length}), latent_dim numbers per row"
            )
        return self.scale_.outside(self._decode(codes))

    def _train(self, x):
        super()._train(x)
        self.codes_ = self._encode(x)
        self._check_collapse(x)

    def _check_collapse(self, x):
        """Stores each class's share of reconstructed variance; warns about a collapse."""
        images = image_batch(x, jnp.array(self._y), jnp.ones(len(x)), self.scale_.shape)
        reconstructions, counts = self._decode(self.codes_), self._counts()
        reconstructions = reconstructions.reshape(-1, *self.scale_.shape)
        kept = np.asarray(_variance_kept(images, reconstructions, len(counts)))
        self.variance_kept_ = kept
        low = self.classes_[(kept < _COLLAPSED) & (counts > 1)]
        if len(low):
            warnings.warn(
                f"reconstructions of class {', '.join(map(str, low))} have less than a tenth of "
                "its variance, so synthetic rows will hardly differ; raise max_iter or "
                'learning_rate_init, or use penalty="none"',
                stacklevel=4,
            )

    def _draw(self, key, x, number):
        codes = rows(*padded(self.codes_, self._y))
        options = {"k_neighbors": self._at_most_all(self.k_neighbors)}
        synthetic = self._smote(key, codes, number, self._sizes(number), **options)
        synthetic = self._new(synthetic, number)
        return synthetic._replace(x=self._decode(synthetic.x))

    def _hparams(self):
        return deepsmote.Hparams(self.learning_rate_init, self.penalty_weight)

    def _config(self):
        shape = self.scale_.shape
        values, usual = int(np.prod(shape)), 600 if shape[-1] == 3 else 300
        return deepsmote.Config(
            shape,
            len(self.classes_),
            self.latent_dim or min(values, usual),
            self.decoder,
            self.penalty,
            or_else(self.encoder_gradient, self.penalty == "permuted"),
            class_draw=self.class_draw,
            batch_size=self._batch_size(),
            epochs=self.max_iter,
            patience=self.n_iter_no_change,
        )

    def _encode(self, x):
        return self._apply(encoded, x.reshape(-1, *self.scale_.shape))

    def _decode(self, z):
        return self._apply(decoded, z)

    def _apply(self, function, inputs):
        padding = size(len(inputs)) - len(inputs)
        filled = np.pad(inputs, ((0, padding),) + ((0, 0),) * (inputs.ndim - 1))
        return np.asarray(_pass(self._config(), function, self._fitted, filled))[: len(inputs)]


def _apply_networks(config, function, fitted, inputs):
    with jax.default_matmul_precision("float32"):
        return function(deepsmote.networks(config), fitted, inputs, config.batch_size)


_pass = jax.jit(_apply_networks, static_argnums=(0, 1))
_variance_kept = jax.jit(variance_kept, static_argnums=2)
