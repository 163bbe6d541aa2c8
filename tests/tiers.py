"""The two tiers of tests: `pytest`, and `pytest -m thorough` for what the first leaves out."""

from collections.abc import Container, Iterable
from typing import Any

import pytest


def asked(values: Iterable[Any], shown: Container[Any]) -> list:
    """Parameters of a test; all but those shown belong to the second tier."""
    thorough = pytest.mark.thorough
    return [pytest.param(value, marks=() if value in shown else thorough) for value in values]
