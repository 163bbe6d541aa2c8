"""
My accelerator
==============

All folds and seeds of a method are one axis of a compiled program. This notebook times a training
step by the number of runs on whatever device jax finds: CPU, GPU or TPU.

``imbax bench`` on the command line times the main kernels at larger sizes, and ``imbax bench
--compare torch`` adds PyTorch.
"""

import time

import jax
import matplotlib.pyplot as plt
import numpy as np

import imbax
from imbax.methods.supervised import Hparams

print(jax.devices())

# %%
# A training
# ----------
#
# A program is a pure function of a random key and a problem, which has training and validation
# rows. Here it is a small multilayer perceptron, trained with Adam on mini-batches of 128 rows.

FEATURES, ROWS, BATCH, EPOCHS = 32, 1280, 128, 5
rng = np.random.default_rng(0)
x = rng.normal(size=(ROWS + BATCH, FEATURES)).astype(np.float32)
y = (x[:, 0] + rng.normal(size=len(x)) > 2).astype(np.float32)
problem = imbax.Problem(imbax.rows(x[:ROWS], y[:ROWS]), imbax.rows(x[ROWS:], y[ROWS:]))
program = imbax.supervised(imbax.mlp(FEATURES))


def training(problem, key):
    """Validation scores after each epoch of one run."""
    _, curves = imbax.train(program, key, problem, Hparams(), EPOCHS)
    return curves.valid_score


# %%
# Time by number of runs
# ----------------------
#
# ``imbax.Vectorized`` maps the function over runs and divides them over the devices, or over the
# cores of a CPU. jax returns
# before a result is computed; ``jax.block_until_ready`` waits for it. The first call compiles and
# is not timed.

vectorized = imbax.Vectorized(training)
steps = EPOCHS * ROWS // BATCH
numbers = [1, 4, 16, 64]
microseconds = []
for n_runs in numbers:
    keys = jax.random.split(jax.random.key(0), n_runs)
    jax.block_until_ready(vectorized(problem, keys))
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        scores = jax.block_until_ready(vectorized(problem, keys))
        seconds.append(time.perf_counter() - start)
    microseconds.append(1e6 * min(seconds) / steps / n_runs)
    print(f"{n_runs:3} runs: {microseconds[-1]:6.1f} µs per run and step, scores {scores.shape}")
print(f"compilation: {vectorized.compile_seconds:.1f} s")

# %%
# On an accelerator, the time per run falls until the runs fill the device. On a CPU, each core
# executes its runs in sequence, so that the time per run stays the same once all cores have runs.

figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.plot(numbers, microseconds, "o-")
ax.set_xscale("log", base=2)
_ = ax.set(ylim=0, xlabel="runs in one program", ylabel="µs per run and step")
