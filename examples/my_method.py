"""
My method
=========

A registered function runs like the built-in methods: on arrays, in suites and in reports.

This file is also a plugin of the command line::

    imbax run --plugin examples/my_method.py --methods class_weighted ce
"""

import jax
import jax.numpy as jnp
import optax

import imbax

# %%
# A method as a function
# ----------------------
#
# ``facts`` has the sizes of the data set. The training function sees training and validation rows,
# never test rows; all its randomness comes from the key. Rows of weight 0 are padding.


def class_weighted(facts):
    """Full-batch training with class-weighted cross-entropy."""
    network = imbax.mlp(facts.features, hidden=(32,))
    optimizer = optax.adam(1e-2)

    def train(key, problem):
        batch = problem.train.all()
        share = (batch.w * batch.y).sum() / batch.w.sum()
        weight = batch.w * jnp.where(batch.y > 0.5, 1 / share, 1 / (1 - share))

        def loss(params):
            losses = optax.sigmoid_binary_cross_entropy(network.apply(params, batch.x), batch.y)
            return (weight * losses).sum() / weight.sum()

        def step(carry, _):
            params, state = carry
            updates, state = optimizer.update(jax.grad(loss)(params), state)
            return (optax.apply_updates(params, updates), state), None

        params = network.init(key, problem.train)
        carry = (params, optimizer.init(params))
        (params, _), _ = jax.lax.scan(step, carry, length=facts.epochs)
        return params

    return imbax.one_shot(network.apply, train)


# %%
# Registration
# ------------
#
# The function trains all epochs in one call, hence ``one_epoch=True``. ``sees`` and ``title`` are
# shown in reports.

imbax.register(
    "class_weighted",
    class_weighted,
    title="Class-weighted cross-entropy, full batch",
    kind="loss",
    sees="training rows",
    one_epoch=True,
)

# %%
# Comparison with other methods
# -----------------------------
#
# All methods get the same splits and scaling, and all runs of the method are trained as one
# program.

if __name__ == "__main__":
    from sklearn.datasets import make_classification

    x, y = make_classification(1500, 12, n_informative=5, weights=[0.93], random_state=0)
    methods = ["class_weighted", "ce", "logistic_regression"]
    results = imbax.evaluate(x, y, methods, seeds=2, epochs=50)
    print(results.groupby("method")["average_precision"].agg(["mean", "std", "count"]).round(3))
    print(results.compare("ce")[["mean_difference", "p_holm"]].round(3))
