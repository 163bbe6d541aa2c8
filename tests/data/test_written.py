"""Parsing of numbers, dates and missing values."""

import numpy as np
import pytest

from imbax.data.written import dates, is_date, is_missing, like_number, numbers


@pytest.mark.parametrize(
    ("texts", "values", "how"),
    [
        (["1", "-2.5", "1e3"], [1, -2.5, 1000], ""),
        (["20%", "5 %", "-7.5%"], [20, 5, -7.5], "percentages"),
        (["4,5", "12", "0,123"], [4.5, 12, 0.123], "decimal commas"),
        (["1,234,567", "12"], [1234567, 12], "separators of thousands"),
        (["1,234.5", "2,000"], [1234.5, 2000], "separators of thousands"),
        (["1.234,5", "2.000"], [1234.5, 2000], "decimal commas, separators of thousands"),
        (["1 234", "12 000,5"], [1234, 12000.5], "decimal commas, separators of thousands"),
        (["1'234.5", "1\u00a0000"], [1234.5, 1000], "separators of thousands"),
        (["$5", "-$12.50", "$ 3"], [5, -12.5, 3], "all in $"),
        (["5 €", "12,50 €"], [5, 12.5], "all in €, decimal commas"),
        (["36 months", "60 months"], [36, 60], "all in months"),
        (["−5", "+.5"], [-5, 0.5], ""),
        (["1,5e3", "2"], [1500, 2], "decimal commas"),
    ],
)
def test_number_formats_are_parsed(texts, values, how):
    found = numbers(texts)
    assert (found.values.tolist(), found.how) == (values, how)


@pytest.mark.parametrize("texts", [["2,000", "15"], ["1.234"], ["2.000 €", "3.000 €"]])
def test_ambiguous_numbers_need_a_decimal_mark(texts):
    found = numbers(texts)
    assert found.values is None and found.meanings[0] == texts[0]
    assert sorted(numbers(texts, mark).values[0] for mark in ".,") == sorted(found.meanings[1:])


@pytest.mark.parametrize(
    "texts",
    [
        ["20%", "20"],
        ["$5", "5 €"],
        ["1st", "2nd"],
        ["a", "1"],
        ["1.2.3"],
        ["12,34,56"],
        ["1,2,345"],
        ["+-5"],
        ["12 34"],
        ["1/2"],
        ["3+"],
        ["18-25"],
        ["1" * 50],
        [],
    ],
)
def test_text_that_is_not_a_number(texts):
    assert numbers(texts) is None


@pytest.mark.parametrize(
    "text",
    [
        *("2020-01-05", "05.01.2020", "1/5/20", "2020-01-05 10:30:00", "2020-01-05T10:30:00Z"),
        *("Jan 05 2020", "5-Jan-20", "January 5, 2020", "Mon Jan  5 10:00:00 2020", "Jan 2020"),
        *("5. Oktober 2020", "10:30", "10:30:15.5", "3:05 pm", "2020-01", "20200105T1030"),
        *("3 days 04:05:06", "2020-W05"),
    ],
)
def test_dates_and_times_are_recognised(text):
    assert is_date(text) and not like_number(text)


@pytest.mark.parametrize(
    "text", ["May", "mon", "12", "1.5", "Marc 5", "a:b", "march on", "555-123"]
)
def test_text_that_is_not_a_date(text):
    assert not is_date(text)


def test_words_for_missing_values_are_recognised():
    assert all(map(is_missing, ["?", ".", "-", "n/a", "NA", "NaN", "None", "#N/A", "—"]))
    assert not any(map(is_missing, ["0", "no", "a", "nano"]))


@pytest.mark.parametrize(
    ("texts", "day"),
    [
        (["2024-02-01", "2024-02-01 12:30"], "2024-02-01"),
        (["2024-02-01T00:30:00+02:00"], "2024-01-31"),
        (["01.02.2024"], "2024-02-01"),
        (["02/13/2024", "02/01/2024"], "2024-02-13"),
        (["1 Feb 2024"], "2024-02-01"),
        (["February 1, 2024"], "2024-02-01"),
        (["01-Feb-24"], "2024-02-01"),
        (["13/02/2024 11:59 PM"], "2024-02-13"),
    ],
)
def test_date_formats_are_parsed(texts, day):
    found = dates(texts)
    assert str(found.values[0])[:10] == day
    np.testing.assert_array_equal(dates(texts, found.form).values, found.values)


def test_ambiguous_dates_have_no_value():
    assert dates(["03/04/2024"])[::2] == (None, ("03/04/2024", "2024-04-03", "2024-03-04"))
    assert dates(["10:30"]) is None and dates(["01/01/2024", "a"]) is None


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1,00,000", "12,34,567.5"], [100_000, 1_234_567.5]),
        (["₹1,00,000", "₹50,000"], [100_000, 50_000]),
        (["1.00.000,5"], [100_000.5]),
    ],
)
def test_indian_groups_of_digits_are_parsed(texts, values):
    found = numbers(texts)
    assert "separators of thousands" in found.how
    np.testing.assert_array_equal(found.values, values)
