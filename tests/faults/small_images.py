"""A command: a suite of small images and networks of one layer into a folder, with its report.

A generator in training is kept after every epoch.
"""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[1] / folder) for folder in (".", "experiments/images")]

import test_image_lab as small  # noqa: E402

from imbax.experiments.images import lab  # noqa: E402
from imbax.experiments.lock import Lock  # noqa: E402
from imbax.reports.images.report import write_image_report  # noqa: E402

out = Path(sys.argv[1])
small.make_small(pytest.MonkeyPatch())
lab._KEEP_EVERY = 0.0
out.mkdir(exist_ok=True)
lock = Lock(out)
small.run(out, ("ce", "smote", "deepsmote"), generator_epochs=12, epochs=6)
write_image_report([out], out)
lock.release()
