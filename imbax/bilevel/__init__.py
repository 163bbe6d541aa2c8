"""Inner update θ'(X_synth) of a classifier and the outer gradient through it."""

from imbax.bilevel.gradients import *  # noqa: F403
from imbax.bilevel.hypergradient import BilevelGradient, bilevel_gradient  # noqa: F401
