"""Metrics as pure array functions: ranking, confusion, calibration, density."""

from imbax.metrics.calibration import *  # noqa: F403
from imbax.metrics.confusion import *  # noqa: F403
from imbax.metrics.density import *  # noqa: F403
from imbax.metrics.ranking import *  # noqa: F403
