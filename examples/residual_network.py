"""
A residual network with batch normalisation
===========================================

The outer gradient differentiates the network's update, including batch statistics and dropout.

NNX modules are constructed as ``network(features, classes, rngs=rngs)``; Linen modules work, too.
"""

import jax
from flax import nnx
from sklearn.datasets import make_classification
from sklearn.model_selection import cross_val_score

import imbax


class Block(nnx.Module):
    """Residual block x + f(x) with batch normalisation, ReLU, a dense layer and dropout."""

    def __init__(self, width, rngs):
        self.norm = nnx.BatchNorm(width, momentum=0.9, rngs=rngs)
        self.linear = nnx.Linear(width, width, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x):
        return x + self.dropout(self.linear(jax.nn.relu(self.norm(x))))


class ResidualMLP(nnx.Module):
    """Residual network from features `[n, d]` to logits `[n, K]`."""

    def __init__(self, features, classes, *, width=32, depth=2, rngs):
        self.first = nnx.Linear(features, width, rngs=rngs)
        self.blocks = nnx.List(Block(width, rngs) for _ in range(depth))
        self.last = nnx.Linear(width, classes, rngs=rngs)

    def __call__(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.last(jax.nn.relu(x))


if __name__ == "__main__":
    x, y = make_classification(1000, 20, n_informative=6, weights=[0.93], random_state=0)
    for eta2 in (0.0, 10.0):
        model = imbax.ExplicitGradientClassifier(
            eta2=eta2, network=ResidualMLP, max_iter=40, random_state=0
        )
        scores = cross_val_score(model, x, y, cv=3, scoring="average_precision")
        print(f"η₂ = {eta2:g}: average precision {scores.mean():.3f} ± {scores.std():.3f}")
