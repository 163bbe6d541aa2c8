"""The words the core speaks: batches, views of a shared matrix, and what a method may see."""

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
"""s, the factor on the cosines of a cosine head, and in the margin losses that need one."""


class Batch(NamedTuple):
    """Rows with their targets and weights."""

    x: jax.Array
    """Features `[n, ...]`."""
    y: jax.Array
    """Targets `[n, ...]`."""
    w: jax.Array
    """Row weights `[n]`, not negative; 0 marks padding."""


class Rows(NamedTuple):
    """A view: some rows of one matrix that all runs share, scaled on the way out.

    A run holds indices and its own scaling, never a copy of the matrix, so a thousand runs cost
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
    """`[d]`: subtracted first."""
    factor: jax.Array
    """`[d]`: multiplied next; 0 for a column that is constant on the training rows."""
    project: jax.Array | None = None
    """`[d, d']`: what the scaled features are multiplied by last, as principal axes."""
    x_synth: jax.Array | None = None
    """`[m, d']`: rows of the run's own, scaled and projected; their numbers are N, N + 1, ..."""
    y_synth: jax.Array | None = None
    """`[m]`: their targets."""

    def take(self, positions: jax.Array) -> Batch:
        """The rows at `positions [m]` of this view as a `Batch` of m scaled rows."""
        row = self.index[positions]
        return Batch(self.features(row), self.targets(row), self.w[positions])

    def features(self, row: jax.Array) -> jax.Array:
        """Scaled features `[m, d']` of the rows numbered `row [m]`."""
        x = (take(self.data, self._shared(row)) - self.shift) * self.factor
        x = x if self.project is None else x @ self.project
        return self._own(x, self.x_synth, row)

    def targets(self, row: jax.Array) -> jax.Array:
        """Targets `[m]` of the rows numbered `row [m]`."""
        return self._own(self.target[self._shared(row)], self.y_synth, row)

    def _shared(self, row):
        return row if self.x_synth is None else jnp.minimum(row, len(self.data) - 1)

    def _own(self, values, own, row):
        if own is None:
            return values
        number = row - len(self.data)
        is_own = (number >= 0).reshape(-1, *[1] * (values.ndim - 1))
        return jnp.where(is_own, own[jnp.maximum(number, 0)], values)

    def all(self) -> Batch:
        """Every row of the view, padding included."""
        return self.take(jnp.arange(self.index.shape[0]))

    @property
    def y(self) -> jax.Array:
        """Targets `[n]` of the view."""
        return self.targets(self.index)

    @property
    def live(self) -> jax.Array:
        """`[d']` bool: columns that may differ from row to row; the others are zero throughout."""
        if self.project is None:
            return self.factor != 0
        return (self.project != 0).any(0)


class Problem(NamedTuple):
    """What a method may see: no index of a test row is in it, so test rows cannot leak."""

    train: Rows
    valid: Rows
    withheld: Rows | None = None
    """Real minority rows kept from everyone but `potential`, where an experiment has some."""


class Resampled(NamedTuple):
    """A run's training rows after over- or under-sampling, as a change to `Rows`."""

    index: jax.Array  # type: ignore[assignment]  # hides tuple.index
    """`[n']`: rows of the shared matrix, and numbers from N up for synthetic rows."""
    w: jax.Array
    """`[n']`; 0 marks padding."""
    x_synth: jax.Array | None = None
    """`[m, d']`: synthetic rows, scaled."""
    y_synth: jax.Array | None = None
    """`[m]`."""
    fallback: jax.Array | bool = False
    """Whether the sampler's rule failed on this run and its documented fallback was taken."""
    parents: jax.Array | None = None
    """`[s, 2]`: for each new row, the positions of the training rows that it was made of."""
    gap: jax.Array | None = None
    """`[s]`: for each new row, how far it lies from its first parent to its second, in [0, 1)."""

    def applied(self, rows: Rows) -> Rows:
        """The view with these rows."""
        return rows._replace(**{name: getattr(self, name) for name in Resampled._fields[:4]})


class Part(NamedTuple):
    """One part of a run's rows, such as those to train on."""

    index: jax.Array  # type: ignore[assignment]  # hides tuple.index
    """Row numbers `[n]` into the shared matrix."""
    w: jax.Array
    """Row weights `[n]`; 0 marks padding."""


class Run(NamedTuple):
    """One run, a fold and a seed; of R runs all leaves are `[R, ...]`.

    The matrix that runs share, `(data [N, d], target [N])`, is not in it. A program is given the
    fields that it reads; the others are None.
    """

    key: jax.Array | None = None
    """The run's random key."""
    train: Part | None = None
    valid: Part | None = None
    test: Part | None = None
    withheld: Part | None = None
    """Real minority rows kept from all methods but `potential`."""
    shift: jax.Array | None = None
    """`[d]`: as in `Rows`."""
    factor: jax.Array | None = None
    """`[d]`: as in `Rows`."""
    project: jax.Array | None = None
    """`[d, d']`: as in `Rows`."""
    x_synth: jax.Array | None = None
    """`[m, d']`: rows of the run's own, which training may see."""
    y_synth: jax.Array | None = None
    """`[m]`: their targets."""
    hparams: Any = None
    """Traced hyperparameters."""
    params: Params = None
    """Parameters to start from, or to predict with."""
    fitted: Any = None
    """A trained generator."""
    state: Any = None
    """A training under way."""

    def rows(self, shared: tuple[jax.Array, jax.Array], part: str) -> Rows:
        """The view of one of its parts, by name."""
        index, w = getattr(self, part)
        synth = (self.x_synth, self.y_synth) if part == "train" else ()
        scaling: tuple[Any, ...] = (self.shift, self.factor, self.project)
        return Rows(*shared, index, w, *scaling, *synth)

    def problem(self, shared: tuple[jax.Array, jax.Array]) -> Problem:
        """What the run's method may see."""
        parts = [part for part in Problem._fields if getattr(self, part) is not None]
        return Problem(*(self.rows(shared, part) for part in parts))

    def resampled(self, changed: Resampled) -> "Run":
        """The run with its training rows changed."""
        part = Part(changed.index, changed.w)
        return self._replace(train=part, x_synth=changed.x_synth, y_synth=changed.y_synth)


class Variables(NamedTuple):
    """The params of a network that keeps state, such as batch statistics."""

    learned: Params
    """θ, which gradients move."""
    state: Any
    """What training moves otherwise."""


class Functions(NamedTuple):
    """A part of a method's networks as two pure functions."""

    init: Callable[..., Params]
    """`(key, live [d] bool or None) -> params`: a column that is not live is zero in every row, and
    the part starts as if it had not been given it. None, the default: all are live."""
    apply: Callable[..., jax.Array]
    """`(params, x [n, ...]) -> [n, ...]`."""


class Recipe(NamedTuple):
    """How a network is trained; the defaults are those of the Explicit Gradient paper.

    The share of the training that is done, t in [0, 1), is that before the step.
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
    """Number of epochs that the network's authors train for; None: they do not say."""
    drops_last: bool = False
    """Leave out an epoch's last batch where it is not full, unless it is the only one."""
    max_norm: float | None = None
    """Largest Euclidean norm of the gradient of all parameters; None: any."""
    rate: Callable[[jax.Array], jax.Array] | None = None
    """`t -> factor` of the learning rate; None: 1."""
    decay: Callable[[jax.Array], jax.Array] | None = None
    """`t -> factor` of the weight decay; None: 1."""
    rates: Callable[[Params], Params] | None = None
    """`learned -> factors` of the learning rate, a number for each leaf; None: 1."""
    decays: Callable[[Params], Params] | None = None
    """`learned -> factors` of the weight decay, a number for each leaf; None: 1."""
    at: Callable[[Any, jax.Array], Any] | None = None
    """`(state, t) -> state` of a network whose dropout changes over the training."""


class Network(NamedTuple):
    """A classifier as pure functions: two, and a third if it trains otherwise than it predicts."""

    init: Callable[..., Params]
    """`(key, train) -> params`: `train`, `Rows` with weights or None, is what preprocessing inside
    the network is fitted on, and tells which columns vary; the others are as if they had not been
    given. None, the default: all vary."""
    apply: ApplyFn
    train: Callable[..., tuple[jax.Array, Any]] | None = None
    """`(learned, state, x [n, ...], w [n], key) -> (logits, state)` of a network whose params are
    `Variables`: as it is in training, with batch statistics of the rows with weight and with
    dropout by `key`. None: it has neither, and its params are any pytree."""
    is_ensemble: bool = False
    """Whether `train` gives the logits of members, `[members, n, ...]`, each of which has a loss of
    its own; `apply` gives the logits of their mean probability."""
    recipe: Recipe = Recipe()
    """How `methods.supervised` trains it."""

    def variables(self, params: Params) -> Variables:
        """What is learned and what is kept; of most networks all, and nothing."""
        return Variables(params, ()) if self.train is None else params

    def params(self, variables: Variables) -> Params:
        """The reverse of `variables`."""
        return variables.learned if self.train is None else variables

    def with_key(self, params: Params, key: jax.Array) -> Params:
        """With a key beside the state, from which each step in training takes its own."""
        return params if self.train is None else params._replace(state=(params.state, key))

    def without_key(self, params: Params) -> Params:
        """The reverse of `with_key`."""
        return params if self.train is None else params._replace(state=params.state[0])

    def forward(
        self, variables: Variables, x: jax.Array, w: jax.Array, key: jax.Array
    ) -> tuple[jax.Array, Any]:
        """The logits and the state after a look at rows in training."""
        if self.train is None:
            return self.apply(variables.learned, x), variables.state
        return self.train(*variables, x, w, key)

    def losses(
        self, loss: Callable[[jax.Array, jax.Array], jax.Array], logits: jax.Array, y: jax.Array
    ) -> jax.Array:
        """Losses `[n]` of what `forward` gave; those of an ensemble are means over its members."""
        if not self.is_ensemble:
            return loss(logits, y)
        return jax.vmap(loss, (0, None))(logits, y).mean(0)


def check_rows(rows: Rows, name: str) -> None:
    """Raise AssertionError, naming the part, unless the shapes of a view fit each other."""
    expected = f"{name}: data [N, d], target [N], index [n], w [n], shift [d], factor [d]"
    chex.assert_rank(rows[:6], [2, 1, 1, 1, 1, 1], custom_message=expected)
    chex.assert_equal_shape_prefix([rows.data, rows.target], 1, custom_message=expected)
    chex.assert_equal_shape([rows.index, rows.w], custom_message=expected)
    chex.assert_equal_shape([rows.data[0], rows.shift, rows.factor], custom_message=expected)


def rows(x: jax.Array, y: jax.Array, w: jax.Array | None = None) -> Rows:
    """A view of all rows of `x [n, d]` with targets `y [n]` and weights `w [n]` (default 1)."""
    x, y = jnp.asarray(x), jnp.asarray(y)
    chex.assert_rank([x, y], [2, 1], custom_message="rows(x, y): x must be [n, d] and y [n]")
    chex.assert_equal_shape_prefix([x, y], 1, custom_message="rows(x, y): x and y differ in rows")
    w = jnp.ones(x.shape[0], x.dtype) if w is None else jnp.asarray(w, x.dtype)
    chex.assert_shape(w, (x.shape[0],), custom_message="rows: w must be [n]")
    width = x.shape[1]
    return Rows(
        x, y, jnp.arange(x.shape[0]), w, jnp.zeros(width, x.dtype), jnp.ones(width, x.dtype)
    )
