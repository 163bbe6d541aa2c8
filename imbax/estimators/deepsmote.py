"""DeepSMOTE as an over-sampler of images or of tables, on imbalanced-learn's contract."""

import warnings
from numbers import Integral, Real

import jax
import jax.numpy as jnp
import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_sampling_strategy, check_target_type
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from imbax.errors import InputError
from imbax.estimators import weights
from imbax.estimators.images import Scale, scale_of
from imbax.methods import deepsmote as core
from imbax.methods.class_smote import class_smote
from imbax.methods.codes import decoded, encoded, image_batch, variance_kept
from imbax.networks.autoencoder import DECODERS
from imbax.types import rows

__all__ = ["DeepSMOTE"]

_COLLAPSED = 0.1
# Names of an estimator's random streams.
_FIT, _SAMPLE = 0, 1

_init = jax.jit(core.init, static_argnums=1)
_epoch = jax.jit(core.epoch, static_argnums=1)
_finish = jax.jit(core.finish, static_argnums=0)
_smote = jax.jit(class_smote, static_argnames=("max_rows", "max_synth", "k_neighbors"))


class DeepSMOTE(BaseOverSampler):
    """SMOTE between the codes of an autoencoder; see `imbax.methods.deepsmote` for equations.

    X may be images `(n, height, width)` or `(n, height, width, channels)`, flat rows of images with
    `image_shape`, or, without it, a table, for which the networks are dense. What comes out has the
    form, dtype and range of what went in: first the original rows, bit for bit, then the new ones.

    A class of n <= k_neighbors rows uses n - 1 neighbours; that of a single row is repeated by its
    reconstruction, with a warning.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn.
    image_shape : tuple, default=None
        (height, width) or (height, width, channels) of flat rows.
    value_range : tuple, default=None
        Least and greatest value there can be; None: (0, 255) for images of uint8, else those in X,
        column by column in a table.
    latent_dim : int, default=None
        Length of a code; None: 300, or 600 for images in colour, but no more than values in a row.
    decoder : {"mirrored", "reference"}, default="mirrored"
        Of images; the public code's is "reference", four times as costly.
    penalty : {"class_recon", "permuted", "none"}, default="class_recon"
        The public code's, the paper's, or none.
    class_draw : {"uniform", "inverse"}, default="uniform"
        How the penalty's class is drawn.
    k_neighbors : int, default=5
    max_iter : int, default=200
        Most epochs.
    n_iter_no_change : int, default=10
        Epochs without progress after which training stops.
    batch_size : int, default=100
        Where there are fewer rows, a batch has them all.
    learning_rate_init : float, default=2e-4
        Adam's.
    random_state : int, RandomState instance or None, default=None
    verbose : bool, default=False
        Print the loss of each epoch.

    Attributes
    ----------
    sampling_strategy_ : dict
        Class to number of new rows.
    classes_ : ndarray of shape (n_classes,)
    loss_curve_ : list of float
        Mean training loss of each epoch.
    n_iter_ : int
    variance_kept_ : ndarray of shape (n_classes,)
        Variance of the reconstructions over that of the rows; near 0 a class has collapsed.
    codes_ : ndarray of shape (n_samples, latent_dim)
        Of the training rows.
    is_synthetic_ : ndarray of shape (n_samples_new,)
        Which rows of the last `fit_resample` are new.
    parent_indices_ : ndarray of shape (n_synthetic, 2)
        The training rows between which each new one lies.
    interpolation_weights_ : ndarray of shape (n_synthetic,)
        How far from the first parent to the second, in [0, 1).
    """

    _parameter_constraints = {  # noqa: RUF012
        **BaseOverSampler._parameter_constraints,
        "image_shape": ["array-like", None],
        "value_range": ["array-like", None],
        "latent_dim": [Interval(Integral, 1, None, closed="left"), None],
        "decoder": [StrOptions(set(DECODERS))],
        "penalty": [StrOptions(set(core.PENALTIES))],
        "class_draw": [StrOptions({"uniform", "inverse"})],
        "k_neighbors": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        sampling_strategy="auto",
        image_shape=None,
        value_range=None,
        latent_dim=None,
        decoder="mirrored",
        penalty="class_recon",
        class_draw="uniform",
        k_neighbors=5,
        max_iter=200,
        n_iter_no_change=10,
        batch_size=100,
        learning_rate_init=2e-4,
        random_state=None,
        verbose=False,
    ):
        super().__init__(sampling_strategy=sampling_strategy)
        self.image_shape = image_shape
        self.value_range = value_range
        self.latent_dim = latent_dim
        self.decoder = decoder
        self.penalty = penalty
        self.class_draw = class_draw
        self.k_neighbors = k_neighbors
        self.max_iter = max_iter
        self.n_iter_no_change = n_iter_no_change
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y):
        """Train the autoencoder, without making rows."""
        self._validate_params()
        X, y, _ = self._check_X_y(X, y)
        self.sampling_strategy_ = check_sampling_strategy(
            self.sampling_strategy, y, self._sampling_type
        )
        return self._train(X, y)

    def sample(self, n_samples, label, random_state=None):
        """New rows of one class.

        Parameters
        ----------
        n_samples : int
        label : one of classes_
        random_state : int, RandomState instance or None, default=None
            None: the rows that every such call gives.

        Returns
        -------
        X : ndarray of shape (n_samples, ...)
            In the form, dtype and range of the training rows.
        """
        check_is_fitted(self)
        if label not in self.classes_:
            raise InputError(f"label={label!r}, expected one of {self.classes_.tolist()}")
        seed = self._seed if random_state is None else _seed_of(random_state)
        return self._make({label: n_samples}, seed)[0]

    def encode(self, X):
        """Codes `(n, latent_dim)` of rows like those of fit."""
        check_is_fitted(self)
        return self._encode(self.scale_.inside(X))

    def decode(self, codes):
        """Rows of codes `(n, latent_dim)`."""
        check_is_fitted(self)
        return self.scale_.outside(self._decode(np.asarray(codes, np.float32)))

    def save(self, path):
        """Write the fitted sampler to one file of safetensors, which runs no code when read."""
        check_is_fitted(self)
        about = {
            "params": {k: v for k, v in self.get_params().items() if k != "random_state"},
            "classes": self.classes_.tolist(),
            "given": self.scale_.given,
            "shape": self.scale_.shape,
            "dtype": self.scale_.dtype.str,
            "seed": self._seed,
            "loss_curve": self.loss_curve_,
        }
        leaves = jax.tree.leaves(self._fitted)
        arrays = {f"fitted{number:03}": leaf for number, leaf in enumerate(leaves)} | {
            "codes": self.codes_,
            "y": self._y,
            "variance_kept": self.variance_kept_,
            "low": np.asarray(self.scale_.low),
            "high": np.asarray(self.scale_.high),
        }
        weights.write(path, "DeepSMOTE", about, arrays)

    @classmethod
    def load(cls, path):
        """The sampler that `save` wrote; it samples, encodes and decodes as before."""
        about, arrays = weights.read(path, "DeepSMOTE")
        listed = about["params"].items()  # JSON has no tuples
        made = cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in listed})
        made.classes_ = np.array(about["classes"])
        made.scale_ = Scale(
            tuple(about["given"]),
            tuple(about["shape"]),
            np.dtype(about["dtype"]),
            arrays.pop("low"),
            arrays.pop("high"),
        )
        made._seed, made.loss_curve_ = about["seed"], about["loss_curve"]
        made.n_iter_ = len(made.loss_curve_)
        made._y, made.codes_ = arrays.pop("y"), arrays.pop("codes")
        made.variance_kept_ = arrays.pop("variance_kept")
        empty = jax.eval_shape(
            lambda: core.init(jax.random.key(0), made._config(), core.Hparams()).best
        )
        leaves = [arrays[name] for name in sorted(arrays)]
        made._fitted = jax.tree.unflatten(jax.tree.structure(empty), leaves)
        return made

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.three_d_array = True
        return tags

    def _check_X_y(self, X, y, accept_sparse=None):
        y, binarize_y = check_target_type(y, indicate_one_vs_all=True)
        if isinstance(X, (list, tuple)):
            sizes = {np.shape(image) for image in X if not np.isscalar(image)}
            if len(sizes) > 1:
                raise InputError(
                    f"rows of different shapes, {' and '.join(map(str, sorted(sizes)[:2]))}; "
                    "bring all images to one size"
                )
        if hasattr(X, "sparse"):  # a pandas frame of sparse columns
            X = X.sparse.to_dense()
        X, y = validate_data(self, X=X, y=y, reset=True, allow_nd=True, accept_sparse=False)
        return X, y, binarize_y

    def _fit_resample(self, X, y):
        self._train(X, y)
        made, labels, parents, gap = self._make(self.sampling_strategy_, self._seed)
        self.is_synthetic_ = np.arange(len(X) + len(made)) >= len(X)
        self.parent_indices_, self.interpolation_weights_ = parents, gap
        return np.concatenate([X, made], dtype=X.dtype), np.concatenate([y, labels])

    def _train(self, X, y):
        self.scale_ = scale_of(X, self.image_shape, self.value_range)
        self.classes_, labels = np.unique(y, return_inverse=True)
        counts = np.bincount(labels)
        if counts.max() == 1:
            raise InputError(
                f"every one of the {len(counts)} classes has a single row; expected at least two "
                "rows in one of them"
            )
        lone = [
            c for c, n in zip(self.classes_, counts, strict=True)
            if n == 1 and self.sampling_strategy_.get(c)
        ]  # fmt: skip
        if lone:
            warnings.warn(
                f"class {', '.join(map(str, lone))} has a single row; it can only be repeated",
                stacklevel=3,
            )
        self._seed, self._y = _seed_of(self.random_state), labels.astype(np.int32)
        x = self.scale_.inside(X)
        train, config = _padded(x, self._y), self._config()
        hparams = core.Hparams(jnp.float32(self.learning_rate_init), jnp.float32(1))
        key = jax.random.fold_in(jax.random.key(self._seed), _FIT)
        state, self.loss_curve_ = _init(key, config, hparams), []
        for number in range(self.max_iter):
            state, loss = _epoch(key, config, hparams, state, train)
            if np.isnan(loss):
                break
            self.loss_curve_.append(float(loss))
            if self.verbose:
                print(f"Iteration {number + 1}, loss = {loss:.8f}")
        self.n_iter_ = len(self.loss_curve_)
        if not np.isfinite(state.best_loss):
            raise InputError("training did not give a finite loss; lower learning_rate_init")
        self._fitted = jax.device_get(_finish(config, state, train))
        self.codes_ = self._encode(x)
        self._look(x, counts)
        return self

    def _look(self, x, counts):
        """Keeps what the reconstructions keep of each class's variance; warns of a collapse."""
        images = image_batch(x, jnp.array(self._y), jnp.ones(len(x)), self.scale_.shape)
        again = self._decode(self.codes_).reshape(-1, *self.scale_.shape)
        kept = np.asarray(variance_kept(images, again, len(counts)))
        self.variance_kept_ = kept
        low = self.classes_[(kept < _COLLAPSED) & (counts > 1)]
        if len(low):
            warnings.warn(
                f"reconstructions of class {', '.join(map(str, low))} keep less than a tenth of "
                "its variance, so that new rows will look alike; raise max_iter or "
                'learning_rate_init, or use penalty="none"',
                stacklevel=4,
            )

    def _make(self, wanted, seed):
        """New rows, their labels, parents and gaps, class after class."""
        number = np.array([wanted.get(c, 0) for c in self.classes_])
        counts = np.bincount(self._y, minlength=len(number))
        codes = _padded(self.codes_, self._y)
        made = _smote(
            jax.random.fold_in(jax.random.key(seed), _SAMPLE),
            codes.data,
            codes.target,
            codes.w,
            jnp.array(number),
            max_rows=_size(max(counts[number > 0], default=1)),
            max_synth=_size(number.sum()),
            k_neighbors=self.k_neighbors,
        )
        made = jax.tree.map(lambda leaf: np.asarray(leaf)[: number.sum()], made)
        x = self.scale_.outside(self._decode(made.x))
        return x, self.classes_[made.y], made.parents, made.gap

    def _config(self):
        shape = self.scale_.shape
        values, usual = int(np.prod(shape)), 600 if shape[-1] == 3 else 300
        return core.Config(
            shape,
            len(self.classes_),
            self.latent_dim or min(values, usual),
            self.decoder,
            self.penalty,
            class_draw=self.class_draw,
            batch_size=self.batch_size,
            epochs=self.max_iter,
            patience=self.n_iter_no_change,
        )

    def _encode(self, x):
        return self._through(encoded, x.reshape(-1, *self.scale_.shape))

    def _decode(self, z):
        return self._through(decoded, z)

    def _through(self, way, given):
        size = _size(len(given))
        padded = np.pad(given, ((0, size - len(given)),) + ((0, 0),) * (given.ndim - 1))
        return np.asarray(_pass(self._config(), way, self._fitted, padded))[: len(given)]


def _seed_of(random_state):
    return int(check_random_state(random_state).randint(2**31 - 1))


def _size(number):
    """Rounded up, so that sets of about one size share compiled programs."""
    return 256 if number <= 256 else int(-(-number // 1024) * 1024)


def _padded(x, y):
    more = _size(len(x)) - len(x)
    w = np.pad(np.ones(len(x), np.float32), (0, more))
    return rows(np.pad(x, ((0, more), (0, 0))), np.pad(y, (0, more)), w)


def _through_networks(config, way, fitted, given):
    with jax.default_matmul_precision("float32"):
        return way(core.networks(config), fitted, given, config.batch_size)


_pass = jax.jit(_through_networks, static_argnums=(0, 1))
