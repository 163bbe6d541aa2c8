"""Two tiers of tests: `pytest`, and `pytest -m thorough` for the tests that it leaves out.

Both compile with fewer optimisations (see conftest.py). Some programs are bit-equal only with the
compiler options of users: `assert_bits` requires equal bits with IMBAX_TESTS_AS_USERS=1, and
otherwise equality within rounding.
"""

import os
from collections.abc import Container, Iterable
from typing import Any

import numpy as np
import pytest

QUICKLY = "fusion_emitters=false" in os.environ.get("XLA_FLAGS", "")
"""Whether programs compile with fewer optimisations than for users."""


def asked(values: Iterable[Any], shown: Container[Any]) -> list:
    """Marks all parameters of a test except those shown as second tier."""
    thorough = pytest.mark.thorough
    return [pytest.param(value, marks=() if value in shown else thorough) for value in values]


def assert_bits(given: Any, expected: Any, rounding: float = 1e-5) -> None:
    """Asserts equal bits, or equality within `rounding` if programs compile quickly."""
    if QUICKLY:
        np.testing.assert_allclose(given, expected, rounding, rounding)
    else:
        np.testing.assert_array_equal(given, expected)
