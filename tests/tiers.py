"""The two tiers of tests: `pytest`, and `pytest -m thorough` for what the first leaves out.

Both compile quickly (see conftest.py). Some programs are equal to the bit only as XLA compiles them
for users; `assert_bits` asks for equal bits there, with IMBAX_TESTS_AS_USERS=1, and else for
equality within rounding.
"""

import os
from collections.abc import Container, Iterable
from typing import Any

import numpy as np
import pytest

QUICKLY = "fusion_emitters=false" in os.environ.get("XLA_FLAGS", "")
"""Whether programs compile quickly, with other last bits than users get."""


def asked(values: Iterable[Any], shown: Container[Any]) -> list:
    """Parameters of a test; all but those shown belong to the second tier."""
    thorough = pytest.mark.thorough
    return [pytest.param(value, marks=() if value in shown else thorough) for value in values]


def assert_bits(given: Any, expected: Any, rounding: float = 1e-5) -> None:
    """Equal to the bit, or within `rounding`, relative and absolute, of what compiles quickly."""
    if QUICKLY:
        np.testing.assert_allclose(given, expected, rounding, rounding)
    else:
        np.testing.assert_array_equal(given, expected)
