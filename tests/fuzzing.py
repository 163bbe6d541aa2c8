"""How many examples a fuzz test tries: few in the first tier; IMBAX_FUZZ_EXAMPLES sets both."""

import os

from hypothesis import HealthCheck, settings

__all__ = ["examples"]


def examples(number: int) -> settings:
    """Settings of a fuzz test that are the same on every machine."""
    return settings(
        max_examples=int(os.environ.get("IMBAX_FUZZ_EXAMPLES", number)),
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
