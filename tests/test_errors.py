"""Ranges of numbers and the messages for numbers outside of them."""

from typing import NamedTuple

import numpy as np
import pytest

from imbax.errors import InputError, Range, check_ranges, did_you_mean

SHARE = Range(0, 1)
RATE = Range(0, above=True)
COUNT = Range(1, whole=True)


@pytest.mark.parametrize(
    ("allowed", "value"),
    [
        (SHARE, 0),
        (SHARE, 1.0),
        (SHARE, np.float32(0.5)),
        (RATE, 1e-300),
        (COUNT, np.int64(3)),
        (COUNT, np.array(3)),
        (Range(0, 1, below=True), 0.999),
        (Range(), -1e9),
    ],
)
def test_number_in_range_becomes_a_python_number(allowed, value):
    found = allowed.check("a", value)
    assert found == value
    assert type(found) is (int if allowed.whole else float)


@pytest.mark.parametrize(
    ("allowed", "value", "message"),
    [
        (SHARE, 1.5, r"a=1\.5, expected from 0 to 1$"),
        (SHARE, float("nan"), "a=nan, expected a finite number, from 0 to 1$"),
        (RATE, 0, "a=0, expected above 0$"),
        (RATE, float("inf"), "a=inf, expected a finite number, above 0$"),
        (RATE, "1", "a='1', expected a finite number, above 0$"),
        (RATE, None, "a=None, expected a finite number, above 0$"),
        (COUNT, 0, "a=0, expected at least 1$"),
        (COUNT, 2.5, r"a=2\.5, expected a whole number, at least 1$"),
        (COUNT, True, "a=True, expected a whole number, at least 1$"),
        (COUNT, np.bool_(True), "expected a whole number, at least 1$"),
        (SHARE, [0.5], r"a=\[0\.5\], expected a finite number, from 0 to 1$"),
        (Range(0, 1, below=True), 1, "a=1, expected at least 0 and below 1$"),
        (Range(high=2), 3, "a=3, expected at most 2$"),
        (Range(), "x", "a='x', expected a finite number$"),
    ],
)
def test_number_out_of_range_is_named(allowed, value, message):
    with pytest.raises(InputError, match=message):
        allowed.check("a", value)


class Numbers(NamedTuple):
    rate: float = 0.1
    name: str = "any"


RANGES = {"rate": RATE, "of_another": SHARE}


def test_fields_are_checked_by_the_ranges_of_their_module():
    check_ranges(Numbers(name=-1))
    check_ranges(())
    with pytest.raises(InputError, match="of it: rate=-1, expected above 0"):
        check_ranges(Numbers(-1), "of it: ")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("CE", "ce"),
        ("logistic", "logistic_regression"),
        ("Logistic_regresion", "logistic_regression"),
        ("lo", None),
        ("", None),
    ],
)
def test_closest_name_is_suggested(given, expected):
    names = ["ce", "logit_adjustment", "logistic_regression", "logistic_regression_cv"]
    start = f"; did you mean {expected!r}? there are: ce" if expected else "; there are: ce"
    assert did_you_mean(given, names).startswith(start)
    assert did_you_mean("ce, logistic", names).startswith("; give 'ce' and 'logistic' separately")
