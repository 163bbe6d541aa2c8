"""Rows are proved independent if they are, and never otherwise."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from imbax.bilevel.row_independence import rows_are_independent
from imbax.losses.per_example import binary_cross_entropy, focal
from imbax.networks.mlp import functional, mlp

N, D, H = 6, 8, 5
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(N, D)), jnp.float32)
Y = jnp.asarray(np.arange(N) % 2, jnp.float32)
W = jnp.asarray(RNG.normal(size=(D, H)), jnp.float32)
V = jnp.asarray(RNG.normal(size=H), jnp.float32)
KERNEL = jnp.asarray(RNG.normal(size=(3, 1, 2)), jnp.float32)
PER_ROW = jnp.linspace(0.5, 2, N)


def network(build):
    made = functional(build)
    params = jax.jit(made.init)(jax.random.key(0))
    return lambda x, y: binary_cross_entropy(made.apply(params, x), y)


def one_logit(*layers):
    return lambda rngs, live: nnx.Sequential(
        *(layer(rngs) for layer in layers), nnx.Linear(H, 1, rngs=rngs), lambda h: h[..., 0]
    )


def imbax_mlp(loss):
    made = mlp(D, (H, 4))
    params = jax.jit(made.init)(jax.random.key(0))
    return lambda x, y: loss(made.apply(params, x), y)


def convolution(x, y):
    h = jax.lax.conv_general_dilated(
        x[:, :, None], KERNEL, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")
    )
    return binary_cross_entropy(jax.nn.relu(h).mean((1, 2)), y)


def pooled(x, y):
    h = nnx.max_pool(jnp.stack([x, 1 - x], axis=-1), (2,), (2,), "SAME")
    return binary_cross_entropy(nnx.avg_pool(h, (2,)).mean((1, 2)), y)


def attention_over_features(x, y):
    tokens = x.reshape(N, 4, 2)
    weights = jax.nn.softmax(tokens @ tokens.transpose(0, 2, 1), axis=-1)
    return binary_cross_entropy((weights @ tokens).mean((1, 2)), y)


INDEPENDENT = {
    "linear": lambda x, y: binary_cross_entropy(x @ W[:, 0], y),
    "mlp of imbax": imbax_mlp(binary_cross_entropy),
    "focal": imbax_mlp(focal),
    "focal with class weights": imbax_mlp(lambda logits, y: focal(logits, y, 1.5, 0.25)),
    "flax mlp": network(one_logit(lambda rngs: nnx.Linear(D, H, rngs=rngs), lambda _: nnx.gelu)),
    "layer norm": network(
        one_logit(
            lambda rngs: nnx.LayerNorm(D, rngs=rngs), lambda rngs: nnx.Linear(D, H, rngs=rngs)
        )
    ),
    "hand-written": lambda x, y: (jnp.tanh(x @ W) @ V - y) ** 2,
    "convolution": convolution,
    "pooling": pooled,
    "softmax over features": lambda x, y: jnp.log(jax.nn.softmax(x @ W))[:, 0] * y,
    "softmax cross-entropy": lambda x, y: optax.losses.softmax_cross_entropy(
        x @ W, jnp.stack([y, 1 - y, *3 * [0 * y]], 1)
    ),
    "transposed": lambda x, y: (W.T @ x.T).sum(0) * y,
    "hinge": lambda x, y: jnp.maximum(0, 1 - (2 * y - 1) * x[:, 0]),
    "jitted inside": jax.jit(lambda x, y: jnp.where(y > 0.5, x.sum(1), -x.sum(1))),
    "rematerialised": jax.checkpoint(lambda x, y: jnp.sin(x @ W) @ V * y),
    "features weighted": lambda x, y: (x * jnp.linspace(0, 1, D)).sum(1) * y,
    "features joined": lambda x, y: jnp.concatenate([x, x**2], 1).sum(1) * y,
    "one row at a time": lambda x, y: jax.vmap(lambda a, b: jnp.tanh(a @ W).sum() * b)(x, y),
}

# Also independent; the proof need not succeed but must not raise.
UNDECIDED = {
    "sort over features": lambda x, y: jnp.sort(x, axis=1)[:, 0] * y,
    "features of a row as tokens": attention_over_features,
    "class picked by label": lambda x, y: optax.losses.softmax_cross_entropy_with_integer_labels(
        x @ W, y.astype(int)
    ),
    "sort of one row at a time": lambda x, y: jax.vmap(lambda a, b: jnp.sort(a)[0] * b)(x, y),
}


def batch_norm(x, y):
    h = (x - x.mean(0)) / jnp.sqrt(x.var(0) + 1e-5)
    return binary_cross_entropy(h @ W[:, 0], y)


def ranking(x, y):
    rank = jnp.argsort(jnp.argsort(x[:, 0]))
    return y * rank


def dropout(x, y):
    kept = jax.random.bernoulli(jax.random.key(0), 0.5, x.shape)
    return binary_cross_entropy((x * kept) @ W[:, 0], y)


def last(x):
    return x[:, 0]


MIXED = {
    "batch norm": batch_norm,
    "batch mean": lambda x, y: last(x) - last(x).mean(),
    "batch max": lambda x, y: last(x) / last(x).max(),
    "batch min": lambda x, y: last(x) * y.min(),
    "batch product": lambda x, y: last(x) * last(x).prod(),
    "largest row": lambda x, y: last(x) + jnp.argmax(y),
    "softmax over rows": lambda x, y: jax.nn.softmax(last(x)),
    "cumulative sum": lambda x, y: jnp.cumsum(last(x)),
    "cumulative maximum": lambda x, y: jax.lax.cummax(last(x)),
    "sorted rows": lambda x, y: jnp.sort(last(x)),
    "sorted targets": lambda x, y: last(x) * jnp.sort(y),
    "rows against rows": lambda x, y: (x @ x.T).sum(1),
    "all pairs": lambda x, y: (x[:, None] - x[None]).max((1, 2)),
    "each row with each target": lambda x, y: (last(x)[:, None] * y[None]).sum(1),
    "rolled": lambda x, y: last(x) * jnp.roll(y, 1),
    "shifted": lambda x, y: last(x) - jnp.concatenate([y[1:], y[:1]]),
    "flipped": lambda x, y: last(x)[::-1],
    "padded and cut": lambda x, y: jnp.pad(last(x), (1, 0))[:-1],
    "window over rows": lambda x, y: jax.lax.reduce_window(
        last(x), 0.0, jax.lax.add, (3,), (1,), "SAME"
    ),
    "window that shifts rows": lambda x, y: jax.lax.reduce_window(
        x, -jnp.inf, jax.lax.max, (1, D), (1, 1), ((1, -1), (0, 0))
    )[:, 0],
    "convolution over rows": lambda x, y: jnp.convolve(last(x), jnp.ones(3), mode="same"),
    "rows as channels": lambda x, y: jax.lax.conv_general_dilated(
        x[None], jnp.ones((N, N, 3), x.dtype), (1,), "SAME", dimension_numbers=("NCW", "OIW", "NCW")
    )[0].sum(1),
    "ranking": ranking,
    "gathered rows": lambda x, y: last(x)[jnp.array([1, 0, 2, 3, 4, 5])],
    "gathered by what they hold": lambda x, y: last(x)[y.astype(int)],
    "scattered": lambda x, y: last(x).at[0].set(0.0),
    "weights by position": lambda x, y: last(x) * PER_ROW,
    "weights by position, as a column": lambda x, y: (x * PER_ROW[:, None]).sum(1),
    "weights by position from numpy": lambda x, y: last(x) * np.linspace(0, 1, N),
    "row numbers": lambda x, y: last(x) * jnp.arange(N),
    "all but the first": lambda x, y: jnp.where(jnp.arange(N) > 0, last(x), 0.0),
    "dropout": dropout,
    "noise": lambda x, y: last(x) + jax.random.normal(jax.random.key(0), (N,)),
    "noise by row keys": lambda x, y: (
        last(x) + jax.vmap(jax.random.normal)(jax.random.split(jax.random.key(0), N))
    ),
    "reshaped across rows": lambda x, y: x.reshape(2, -1).sum(1).repeat(N // 2),
    "transposed square": lambda x, y: x[:, :N].T.sum(1),
    "scan over rows": lambda x, y: jax.lax.scan(lambda c, v: (c + v, c), 0.0, last(x))[1],
    "loop over rows": lambda x, y: jax.lax.fori_loop(
        0, 3, lambda i, v: v + jnp.roll(v, 1), last(x)
    ),
    "branch on a batch": lambda x, y: jax.lax.cond(
        y.sum() > 2, lambda v: v, lambda v: 2 * v, last(x)
    ),
    "mixed inside jit": lambda x, y: jax.jit(lambda v: v - v.mean())(last(x)),
    "mixed inside remat": lambda x, y: jax.checkpoint(lambda v: v - v.mean())(last(x)),
    "mixed where untaken": lambda x, y: jnp.where(True, last(x), last(x) - last(x).mean()),
    "weights from data": lambda x, y: last(x) * (y / y.sum()),
}


@pytest.mark.parametrize("name", INDEPENDENT)
def test_independent_rows_are_proved_independent(name):
    assert rows_are_independent(INDEPENDENT[name], X, Y)


@pytest.mark.parametrize("name", UNDECIDED)
def test_unknown_operations_do_not_fail(name):
    assert rows_are_independent(UNDECIDED[name], X, Y) in (True, False)


@pytest.mark.parametrize("name", MIXED)
def test_interacting_rows_are_not_independent(name):
    assert not rows_are_independent(MIXED[name], X, Y)


def test_shapes_are_accepted_as_arguments():
    shapes = (jax.ShapeDtypeStruct(X.shape, X.dtype), jax.ShapeDtypeStruct(Y.shape, Y.dtype))
    assert rows_are_independent(convolution, *shapes)
    assert not rows_are_independent(batch_norm, *shapes)


def test_one_row_is_no_proof():
    assert not rows_are_independent(lambda x: x[:, 0], X[:1])
