"""Types of the core: batches, views of a shared matrix, runs, networks and problems."""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from imbax.sharding import take

__all__ = [
    "COSINE_SCALE",
    "ApplyFn",
    "Batch",
    "Functions",
    "LossFn",
    "Network",
    "Params",
    "Part",
    "Problem",
    "Recipe",
    "Resampled",
    "Rows",
    "Run",
    "Variables",
    "check_rows",
    "rows",
]

Params = Any
"""Any pytree of arrays."""

ApplyFn = Callable[[Params, jax.Array], jax.Array]
"""`(params, x [n, ...]) -> logits [n]` (or `[n, classes]`)."""

LossFn = Callable[[Params, jax.Array, jax.Array], jax.Array]
"""`(params, x [n, ...], y [n, ...]) -> per-example losses [n]`."""


COSINE_SCALE = 30.0
"""Scale s of the cosines in a cosine head and in the margin losses that use one."""


class Batch(NamedTuple):
    """Rows with their targets and weights."""

    x: jax.Array
    """Features `[n, ...]`."""
    y: jax.Array
    """Targets `[n, ...]`."""
    w: jax.Array
    """Row weights `[n]`, not negative; 0 marks padding."""


class Rows(NamedTuple):
    """View of selected rows of one matrix that all runs share, scaled when rows are taken.

    A run stores indices and its own scaling but no copy of the matrix, so a thousand runs need
    little more memory than one.
    """

    data: jax.Array
    """Features `[N, d]`, shared."""
    target: jax.Array
    """Targets `[N]`, shared."""
    index: jax.Array  # type: ignore[assignment]  # hides tuple.index
    """Row numbers `[n]` into `data`."""
    w: jax.Array
    """Row weights `[n]`; 0 marks padding."""
    shift: jax.Array
    """Offset of each column `[d]`, subtracted first."""
    factor: jax.Array
    """Scale of each column `[d]`, multiplied next; 0 for columns constant on the training rows."""
    project: jax.Array | None = None
    """Projection `[d, d']` of the scaled features, applied last; for example principal axes."""
    x_synth: jax.Array | None = None
    """Synthetic rows of the run `[m, d']`, scaled and projected, numbered N, N + 1, ..."""
    y_synth: jax.Array | None = None
    """Targets `[m]` of the synthetic rows."""

    def take(self, positions: jax.Array) -> Batch:
        """Returns the rows at `positions [m]` of this view as a `Batch` of m scaled rows."""
        row = self.index[positions]
        return Batch(self.features(row), self.targets(row), self.w[positions])

    def features(self, row: jax.Array) -> jax.Array:
        """Scaled features `[m, d']` of the rows numbered `row [m]`."""
        x = (take(self.data, self._shared(row)) - self.shift) * self.factor
        x = x if self.project is None else x @ self.project
        return self._with_synthetic(x, self.x_synth, row)

    def targets(self, row: jax.Array) -> jax.Array:
        """Targets `[m]` of the rows numbered `row [m]`."""
        return self._with_synthetic(self.target[self._shared(row)], self.y_synth, row)

    def _shared(self, row):
        return row if self.x_synth is None else jnp.minimum(row, len(self.data) - 1)

    def _with_synthetic(self, values, synthetic, row):
        if synthetic is None:
            return values
        number = row - len(self.data)
        is_synthetic = (number >= 0).reshape(-1, *[1] * (values.ndim - 1))
        return jnp.where(is_synthetic, synthetic[jnp.maximum(number, 0)], values)

    def all(self) -> Batch:
        """Returns all rows of the view, including padding."""
        return self.take(jnp.arange(self.index.shape[0]))

    @property
    def y(self) -> jax.Array:
        """Targets `[n]` of the view."""
        return self.targets(self.index)

    @property
    def live(self) -> jax.Array:
        """Mask `[d']` of the columns that may vary between rows; all others are zero."""
        if self.project is None:
            return self.factor != 0
        return (self.project != 0).any(0)


class Problem(NamedTuple):
    """Rows that a method may see. Test rows are not part of it, so they cannot leak."""

    train: Rows
    valid: Rows
    withheld: Rows | None = None
    """Real minority rows, hidden from all methods except `potential`; None in most experiments."""


class Resampled(NamedTuple):
    """Training rows of a run after over- or under-sampling, as a change to `Rows`."""

    index: jax.Array  # type: ignore[assignment]  # hides tuple.index
    """Row numbers `[n']` in the shared matrix; numbers from N upwards are synthetic rows."""
    w: jax.Array
    """Row weights `[n']`; 0 marks padding."""
    x_synth: jax.Array | None = None
    """Synthetic rows `[m, d']`, scaled."""
    y_synth: jax.Array | None = None
    """Targets `[m]` of the synthetic rows."""
    fallback: jax.Array | bool = False
    """Whether the sampler's rule failed on this run and its documented fallback was used."""
    parents: jax.Array | None = None
    """Positions `[s, 2]` of the two training rows that each synthetic row was made from."""
    gap: jax.Array | None = None
    """Position `[s]` of each synthetic row between its first and second parent, in [0, 1)."""

    def applied(self, rows: Rows) -> Rows:
        """Returns the view with these training rows."""
        return rows._replace(**{name: getattr(self, name) for name in Resampled._fields[:4]})


class Part(NamedTuple):
    """One part of a run's rows, such as its training rows."""

    index: jax.Array  # type: ignore[assignment]  # hides tuple.index
    """Row numbers `[n]` into the shared matrix."""
    w: jax.Array
    """Row weights `[n]`; 0 marks padding."""


class Run(NamedTuple):
    """One run, i.e. one fold and one seed; R runs have leaves `[R, ...]`.

    The shared matrix `(data [N, d], target [N])` is not part of a run. Fields that a program does
    not read are None.
    """

    key: jax.Array | None = None
    """Random key of the run."""
    train: Part | None = None
    valid: Part | None = None
    test: Part | None = None
    withheld: Part | None = None
    """Real minority rows, hidden from all methods except `potential`."""
    shift: jax.Array | None = None
    """Offset of each column `[d]`, as in `Rows`."""
    factor: jax.Array | None = None
    """Scale of each column `[d]`, as in `Rows`."""
    project: jax.Array | None = None
    """Projection `[d, d']`, as in `Rows`."""
    x_synth: jax.Array | None = None
    """Synthetic training rows of the run `[m, d']`."""
    y_synth: jax.Array | None = None
    """Targets `[m]` of the synthetic rows."""
    hparams: Any = None
    """Traced hyperparameters."""
    params: Params = None
    """Parameters to start from, or to predict with."""
    fitted: Any = None
    """Trained generator."""
    state: Any = None
    """State of an unfinished training."""

    def rows(self, shared: tuple[jax.Array, jax.Array], part: str) -> Rows:
        """Returns the view of one part, given by name."""
        index, w = getattr(self, part)
        synth = (self.x_synth, self.y_synth) if part == "train" else ()
        scaling: tuple[Any, ...] = (self.shift, self.factor, self.project)
        return Rows(*shared, index, w, *scaling, *synth)

    def problem(self, shared: tuple[jax.Array, jax.Array]) -> Problem:
        """Returns the rows that the method of the run may see."""
        parts = [part for part in Problem._fields if getattr(self, part) is not None]
        return Problem(*(self.rows(shared, part) for part in parts))

    def resampled(self, changed: Resampled) -> "Run":
        """Returns the run with changed training rows."""
        part = Part(changed.index, changed.w)
        return self._replace(train=part, x_synth=changed.x_synth, y_synth=changed.y_synth)


class Variables(NamedTuple):
    """Parameters of a network that also has state, such as batch statistics."""

    learned: Params
    """Parameters θ that are updated by gradients."""
    state: Any
    """Arrays that training updates without gradients."""


class Functions(NamedTuple):
    """Part of a method's networks as two pure functions."""

    init: Callable[..., Params]
    """`(key, live [d] bool or None) -> params`. A column that is not live is zero in every row and
    does not affect the initial parameters. None, the default: all columns are live."""
    apply: Callable[..., jax.Array]
    """`(params, x [n, ...]) -> [n, ...]`."""


class Recipe(NamedTuple):
    """Training recipe of a network; the defaults are those of the Explicit Gradient paper.

    Schedules are functions of t in [0, 1), the share of the training that is done before the step.
    """

    learning_rate: float = 1e-3
    """Learning rate of Adam (AdamW)."""
    weight_decay: float = 0.0
    """Weight decay, decoupled from the gradient."""
    b1: float = 0.5
    """Adam's β₁ in [0, 1)."""
    b2: float = 0.999
    """Adam's β₂ in [0, 1)."""
    batch_size: int = 128
    """Rows per step, >= 1."""
    epochs: int | None = None
    """Number of epochs that the network's authors train for; None if they do not say."""
    members: int = 1
    """Number of networks that `ImbalancedMLPClassifier` averages by default, >= 1."""
    fold_ensemble: bool = False
    """Whether each of these networks validates on a fold by default."""
    drops_last: bool = False
    """Whether to drop an epoch's last mini-batch if it is not full, unless it is the only one."""
    max_norm: float | None = None
    """Euclidean norm to which the gradient of all parameters is clipped; None: no clipping."""
    rate: Callable[[jax.Array], jax.Array] | None = None
    """Schedule `t -> factor` of the learning rate; None: constant."""
    decay: Callable[[jax.Array], jax.Array] | None = None
    """Schedule `t -> factor` of the weight decay; None: constant."""
    rates: Callable[[Params], Params] | None = None
    """Factors on the learning rate, one for each leaf: `learned -> factors`; None: 1."""
    decays: Callable[[Params], Params] | None = None
    """Factors on the weight decay, one for each leaf: `learned -> factors`; None: 1."""
    at: Callable[[Any, jax.Array], Any] | None = None
    """`(state, t) -> state` for a network with a dropout rate that changes during training."""


class Network(NamedTuple):
    """Classifier as pure functions `init` and `apply`, and `train` if training mode differs."""

    init: Callable[..., Params]
    """`(key, train) -> params`. Preprocessing inside the network is fitted on `train`, `Rows` with
    weights; columns that are constant there do not affect the parameters. None, the default: all
    columns vary."""
    apply: ApplyFn
    train: Callable[..., tuple[jax.Array, Any]] | None = None
    """`(learned, state, x [n, ...], w [n], key) -> (logits, state)` in training mode, with batch
    statistics of the rows with weight and dropout drawn from `key`; the params are `Variables`.
    None for a network that has neither; its params are any pytree."""
    is_ensemble: bool = False
    """Whether `train` returns the logits of all members, `[members, n, ...]`, each with its own
    loss; `apply` returns the logits of their mean probability."""
    recipe: Recipe = Recipe()
    """Training recipe that `methods.supervised` uses."""

    def variables(self, params: Params) -> Variables:
        """Splits params into learned parameters and state; most networks have no state."""
        return Variables(params, ()) if self.train is None else params

    def params(self, variables: Variables) -> Params:
        """Inverse of `variables`."""
        return variables.learned if self.train is None else variables

    def with_key(self, params: Params, key: jax.Array) -> Params:
        """Adds a random key to the state; each training step splits its own key from it."""
        return params if self.train is None else params._replace(state=(params.state, key))

    def without_key(self, params: Params) -> Params:
        """Inverse of `with_key`."""
        return params if self.train is None else params._replace(state=params.state[0])

    def forward(
        self, variables: Variables, x: jax.Array, w: jax.Array, key: jax.Array
    ) -> tuple[jax.Array, Any]:
        """Returns the logits in training mode and the updated state."""
        if self.train is None:
            return self.apply(variables.learned, x), variables.state
        return self.train(*variables, x, w, key)

    def losses(
        self, loss: Callable[[jax.Array, jax.Array], jax.Array], logits: jax.Array, y: jax.Array
    ) -> jax.Array:
        """Losses `[n]` of the logits from `forward`; an ensemble averages over its members."""
        if not self.is_ensemble:
            return loss(logits, y)
        return jax.vmap(loss, (0, None))(logits, y).mean(0)


def check_rows(rows: Rows, name: str) -> None:
    """Raises AssertionError, naming the part, if the shapes of a view are inconsistent."""
    expected = f"{name}: data [N, d], target [N], index [n], w [n], shift [d], factor [d]"
    chex.assert_rank(rows[:6], [2, 1, 1, 1, 1, 1], custom_message=expected)
    chex.assert_equal_shape_prefix([rows.data, rows.target], 1, custom_message=expected)
    chex.assert_equal_shape([rows.index, rows.w], custom_message=expected)
    chex.assert_equal_shape([rows.data[0], rows.shift, rows.factor], custom_message=expected)


def rows(x: jax.Array, y: jax.Array, w: jax.Array | None = None) -> Rows:
    """Views all rows of `x [n, d]`, with targets `y [n]` and weights `w [n]` (default 1)."""
    x, y = jnp.asarray(x), jnp.asarray(y)
    chex.assert_rank([x, y], [2, 1], custom_message="rows(x, y): x must be [n, d] and y [n]")
    chex.assert_equal_shape_prefix([x, y], 1, custom_message="rows(x, y): x and y differ in rows")
    w = jnp.ones(x.shape[0], x.dtype) if w is None else jnp.asarray(w, x.dtype)
    chex.assert_shape(w, (x.shape[0],), custom_message="rows: w must be [n]")
    width = x.shape[1]
    return Rows(
        x, y, jnp.arange(x.shape[0]), w, jnp.zeros(width, x.dtype), jnp.ones(width, x.dtype)
    )
