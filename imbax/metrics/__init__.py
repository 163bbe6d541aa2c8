"""Metrics as pure array functions: ranking, confusion, calibration, density.

Those that `public` has are its own here: they also take NumPy, and then check it.
"""

from imbax.metrics.calibration import *  # noqa: F403
from imbax.metrics.confusion import *  # noqa: F403
from imbax.metrics.density import *  # noqa: F403
from imbax.metrics.ranking import *  # noqa: F403

from imbax.metrics.public import *  # noqa: F403  isort: skip
