"""Runs a suite of small images and one-layer networks and writes its report.

The state of a generator in training is stored after every epoch.
"""

import sys
from pathlib import Path

import pytest


def run(out):
    sys.path[:0] = [str(Path(__file__).parents[1] / name) for name in (".", "experiments/images")]

    import test_image_lab as small

    from imbax.experiments.images import lab
    from imbax.experiments.lock import Lock
    from imbax.reports.images.report import write_image_report

    small.make_small(pytest.MonkeyPatch())
    lab._KEEP_EVERY = 0.0
    out.mkdir(exist_ok=True)
    lock = Lock(out)
    small.run(out, ("ce", "smote", "deepsmote"), generator_epochs=12, epochs=6)
    write_image_report([out], out)
    lock.release()
