"""Number of examples of fuzz tests, small in the first tier; IMBAX_FUZZ_EXAMPLES sets it."""

import os

from hypothesis import HealthCheck, settings

__all__ = ["examples"]


def examples(number: int) -> settings:
    """Settings of a fuzz test, equal on every machine."""
    return settings(
        max_examples=int(os.environ.get("IMBAX_FUZZ_EXAMPLES", number)),
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
