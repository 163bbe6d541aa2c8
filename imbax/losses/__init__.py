"""Losses: per example, with class counts, and by name."""

from imbax.losses.by_class import *  # noqa: F403
from imbax.losses.per_example import *  # noqa: F403
