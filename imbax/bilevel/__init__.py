"""The classifier's own update θ'(X_synth) and the outer gradient taken through it."""

from imbax.bilevel.gradients import *  # noqa: F403
from imbax.bilevel.hypergradient import BilevelGradient, bilevel_gradient  # noqa: F401
