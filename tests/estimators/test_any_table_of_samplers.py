"""Samplers on tables with missing values, dates, text and nullable types."""

import warnings
from datetime import date, datetime, time, timedelta

import imblearn.over_sampling
import numpy as np
import pandas as pd
import polars as pl
import pytest
from churn import churn
from sklearn.neighbors import NearestNeighbors
from tiers import asked

from imbax import ADASYN, SMOTENC, BorderlineSMOTE, InputError, RandomOverSampler
from imbax.estimators.moments import Moments

KINDS = (SMOTENC, ADASYN, BorderlineSMOTE)
N = 60


def table():
    """Returns `churn` with nullable columns and an empty column, and the labels."""
    frame, y = churn(N)
    gap = np.arange(N) % 4 == 1
    more = {
        "visits": pd.array(np.where(gap, None, np.arange(N)), "Int64"),
        "member": pd.array(np.where(gap, None, np.arange(N) % 3 == 0), "boolean"),
        "note": pd.array(np.where(gap, None, "x"), "string"),
        "number": 2**60 + np.arange(N),
        "seen": frame["since"].dt.tz_localize("Europe/Rome") + pd.Timedelta(minutes=90),
        "age32": frame["age"].astype("float32"),
        "empty": np.nan,
    }
    return frame.assign(**more).set_axis(range(5, 5 + N)), y


def resampled(sampler, X, y):
    """Returns rows, labels, and all warnings as one text."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = sampler.fit_resample(X, y)
    return *made, "\n".join(str(each.message) for each in caught)


def as_number(column):
    """Returns numbers or dates as float64, NaN if missing."""
    values = column.to_numpy(object)
    known = ~pd.isna(values)
    numbers = np.full(len(values), np.nan)
    numbers[known] = [getattr(v, "value", v) for v in values[known]]
    return numbers


@pytest.mark.parametrize("kind", asked(KINDS, (SMOTENC,)))
def test_frame_needs_no_preparation(kind):
    frame, y = table()
    sampler = kind(categorical_features="auto", random_state=0)
    made, labels, message = resampled(sampler, frame, y)
    assert "X has missing values in 'age', 'paid', 'since', 'visits', 'member' and 3" in message
    assert "written as text in 'rate' (such as '87 %'), which are treated as categories" in message
    pd.testing.assert_frame_equal(made[:N], frame.reset_index(drop=True))
    assert (made.dtypes == frame.dtypes).all()
    names = [frame.columns[j] for j in sampler.categorical_features_]
    assert names == ["plan", "city", "rate", "note"]
    assert len(made) == len(labels) == 3 * np.bincount(np.unique(y, return_inverse=True)[1]).max()
    for name in names:
        assert set(made[name][N:].fillna("none")) <= set(made[name][:N].fillna("none"))
    assert made["city"][N:].isna().any()
    assert set(made["paid"][N:].map(type)) <= {bool, type(None)}
    assert not (made["since"].dropna().dt.normalize() != made["since"].dropna()).any()
    assert set(made["seen"].dropna().dt.second) == {0}
    again, _, _ = resampled(sampler, frame, y)
    pd.testing.assert_frame_equal(again, made)
    for name in ("age", "paid", "since", "visits", "member", "age32", "seen"):
        assert 0 < made[name][N:].isna().sum() < len(made) - N
    assert made["empty"].isna().all() and not made["number"].isna().any()


def test_missing_values_are_those_of_the_first_parent():
    """Other numbers are interpolated, or equal the first parent's if the second's is missing."""
    frame, y = table()
    sampler = SMOTENC(categorical_features="auto", random_state=0)
    made, _, _ = resampled(sampler, frame, y)
    first, second = sampler.parent_indices_.T
    u = sampler.interpolation_weights_
    for name, step in (("age", 0), ("age32", 0), ("visits", 0.5), ("spend", 0), ("since", 4.32e13)):
        x = as_number(frame[name])
        expected = np.where(np.isnan(x[second]), x[first], x[first] + u * (x[second] - x[first]))
        np.testing.assert_allclose(as_number(made[name][N:]), expected, rtol=2e-5, atol=step + 1e-5)
    assert (as_number(frame["age"])[first] != as_number(made["age"][N:])).sum() > 10


def test_missing_numbers_count_as_the_median():
    """The imputed values determine the neighbours but do not appear in rows."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(N, 3)), np.arange(N) % 4 == 0
    x[rng.random((N, 3)) < 0.2] = np.nan
    kind, word = SMOTENC([3], random_state=0), np.where(rng.random(N) < 0.5, "u", "v")
    rows = np.column_stack([x.astype(object), word])
    made, _, message = resampled(kind, rows, y)
    assert "X has missing values in 0, 1, 2: they count as their column's median" in message
    filled = np.where(np.isnan(x), np.nanmedian(x, 0), x)
    sampler = SMOTENC([3], random_state=0)
    other, _ = sampler.fit_resample(np.column_stack([filled.astype(object), word]), y)
    np.testing.assert_array_equal(sampler.parent_indices_, kind.parent_indices_)
    np.testing.assert_array_equal(made[:, 3], other[:, 3])
    first, second = kind.parent_indices_.T
    both = ~np.isnan(x[first] + x[second])
    np.testing.assert_array_equal(made[N:, :3][both], other[N:, :3][both])
    by_estimator = SMOTENC([3], k_neighbors=NearestNeighbors(n_neighbors=3), random_state=0)
    found, _, _ = resampled(by_estimator, rows, y)
    gaps = np.isnan(x[by_estimator.parent_indices_[:, 0]])
    np.testing.assert_array_equal(pd.isna(found[N:, :3]), gaps)


@pytest.mark.filterwarnings("ignore:X has (missing values|numbers or dates)")
def test_polars_equals_pandas():
    frame, y = table()
    frame["paid"] = frame["paid"].astype("boolean")
    polars = pl.from_pandas(frame)
    sampler = SMOTENC(categorical_features="auto", random_state=0)
    one, other = (sampler.fit_resample(each, y)[0] for each in (frame, polars))
    assert other.schema == polars.schema
    assert other[:N].equals(polars)
    for name in frame:
        in_pandas, in_polars = (
            one[name].astype(object),
            pd.Series(other[name].to_list(), dtype=object),
        )
        assert in_pandas.isna().tolist() == in_polars.isna().tolist()
        assert in_pandas.dropna().tolist() == in_polars.dropna().tolist()


@pytest.mark.filterwarnings("ignore:X has missing values")
def test_missing_numbers_without_categories_are_accepted():
    """SMOTE's error suggests SMOTENC for them; without missing values, SMOTENC suggests SMOTE."""
    x, y = np.arange(24.0).reshape(12, 2), np.arange(12) % 3 == 0
    x[3, 1] = np.nan
    made, _ = SMOTENC(categorical_features=[], random_state=0).fit_resample(x, y)
    assert made.shape == (16, 2)
    frame = pd.DataFrame({"a": x[:, 0], "day": pd.date_range("2024-01-01", periods=12)})
    made, _ = SMOTENC(categorical_features="auto", random_state=0).fit_resample(frame, y)
    assert (made.dtypes == frame.dtypes).all() and len(made) == 16
    x[0, 0] = np.inf
    with pytest.raises(InputError, match="contains infinity"):
        SMOTENC(categorical_features=[]).fit(x, y)


def test_random_over_sampler_copies_rows_of_any_table():
    """Results equal imbalanced-learn's, also for libraries that it does not support."""
    frame, y = table()
    sampler = RandomOverSampler(random_state=0)
    made, labels = sampler.fit_resample(frame, y)
    reference = imblearn.over_sampling.RandomOverSampler(random_state=0)
    expected, expected_labels = reference.fit_resample(frame, y)
    pd.testing.assert_frame_equal(made, expected)
    np.testing.assert_array_equal(labels, expected_labels)
    rows = sampler.sample_indices_
    np.testing.assert_array_equal(rows, reference.sample_indices_)
    assert sampler.is_synthetic_.sum() == len(rows) - N
    polars = pl.from_pandas(frame.drop(columns="paid"))
    assert sampler.fit_resample(polars, y)[0].equals(polars[rows])
    arrow = polars.to_arrow()
    assert sampler.fit_resample(arrow, y)[0].equals(arrow.take(rows))
    cells = frame[["spend", "city"]].to_numpy(object).tolist()
    assert [str(row) for row in sampler.fit_resample(cells, y)[0]] == [str(cells[i]) for i in rows]
    numbers = frame[["spend"]].assign(whole=np.arange(N))
    noisy = RandomOverSampler(shrinkage=0.1, random_state=0).fit_resample(numbers, y)[0]
    reference.set_params(shrinkage=0.1)
    np.testing.assert_array_equal(noisy["spend"], reference.fit_resample(numbers, y)[0]["spend"])
    with pytest.raises(InputError, match="non-numeric columns, 'city', 'plan'"):
        RandomOverSampler(shrinkage=0.1).fit_resample(frame[["city", "plan"]], y)
    with pytest.raises(InputError, match="inconsistent numbers of samples"):
        RandomOverSampler().fit_resample(polars, y[1:])


DAYS = [date(2020, 2, 27) + timedelta(day) for day in (0, 3, 1, 9)]
HOURS = [datetime(2024, 3, 30, hour, 0) for hour in (0, 6, 13, 23)]
COLUMNS = {
    "days": (pd.Series(pd.to_datetime(DAYS)), [0, 3, 1, 9], pd.Timestamp("2020-03-01")),
    "seconds": (pd.Series(pd.to_datetime(DAYS)).astype("datetime64[s]"), [0, 3, 1, 9], None),
    "hours": (pd.Series(HOURS), [0, 6, 13, 23], pd.Timestamp("2024-03-30 03:00")),
    "minutes": (pd.Series(pd.to_timedelta([0, 90, 120], unit="min")), [0, 90, 120], None),
    "zone": (
        pd.Series([*HOURS[:2], datetime(2024, 3, 31, 5)]).dt.tz_localize("Europe/Rome"),
        [0, 6, 29],
        pd.Timestamp("2024-03-30 03:00", tz="Europe/Rome"),
    ),
    "objects": (pd.Series(DAYS, dtype=object), [0, 3, 1, 9], date(2020, 3, 1)),
    "arrow": (pd.Series(HOURS, dtype="timestamp[us][pyarrow]"), [0, 6, 13, 23], None),
    "polars": (pl.Series("a", DAYS), [0, 3, 1, 9], date(2020, 3, 1)),
    "polars hours": (pl.Series("a", HOURS), [0, 6, 13, 23], datetime(2024, 3, 30, 3)),
    "polars zone": (
        pl.Series("a", HOURS).dt.replace_time_zone("Europe/Rome"),
        [0, 6, 13, 23],
        None,
    ),
    "polars duration": (pl.Series("a", [timedelta(hours=h) for h in (5, 7)]), [0, 2], None),
    "polars time": (pl.Series("a", [time(5), time(7, 30)]), [0, 150], None),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_dates_are_converted_to_steps_and_back(name):
    column, numbers, third = COLUMNS[name]
    moments = Moments.of(column)
    np.testing.assert_array_equal(moments.numbers, numbers)
    again = moments.column(moments.numbers + 0.3)  # rounds
    assert again.dtype == column.dtype
    assert again.to_list() == column.to_list()
    if third is not None:
        assert moments.column(np.array([2.7]))[0] == third
    if hasattr(column, "iloc"):
        is_missing = np.isnan(Moments.of(column.replace(column[0], None)).numbers)
        assert is_missing.tolist() == [True] + [False] * (len(column) - 1)


def test_times_skipped_or_repeated_by_daylight_saving():
    """Rome has no 2:00 on 31 March 2024 and has it twice on 27 October 2024."""
    for start, hour in (("2024-03-31", 3), ("2024-10-27", 2)):
        days = pd.Series(pd.to_datetime([f"{start} 01:00", f"{start} 04:00"]))
        for column in (
            days.dt.tz_localize("Europe/Rome"),
            pl.Series("a", days.to_list()).dt.replace_time_zone("Europe/Rome"),
        ):
            made = Moments.of(column).column(np.array([1.0])).to_list()
            assert [one.hour for one in made] == [hour]
            assert made[0].utcoffset() == timedelta(hours=2)


def test_identifiers_and_ambiguous_text_are_refused():
    rng = np.random.default_rng(0)
    y = np.arange(N) % 4 == 0
    frame = pd.DataFrame({"a": rng.normal(size=N), "c": pd.Categorical(rng.choice(["u", "v"], N))})
    names = [f"customer {i}" for i in range(N)]
    for message, more in {
        r"'id' holds 60 distinct texts in 60 rows, like an identifier; .*drop\(": names,
        r"'id' is text because of 1 entry such as 'oops'": ["oops", *map(str, range(N - 1))],
    }.items():
        for each in (frame.assign(id=more), pl.from_pandas(frame).with_columns(id=pl.Series(more))):
            with pytest.raises(InputError, match=message):
                SMOTENC(categorical_features="auto").fit(each, y)
    message = "non-numeric columns, 'id'; name them in categorical_features. .* only with numerical"
    with pytest.raises(InputError, match=message):
        SMOTENC(categorical_features="auto").fit(frame.assign(id="u")[["a", "id"]], y)
    longer = pd.concat([frame] * 20, ignore_index=True)
    longer["id"] = [f"{i}.5" for i in range(len(longer))]
    with pytest.raises(InputError, match="1200 distinct numbers or dates written as text, such as"):
        SMOTENC(categorical_features="auto").fit(longer, np.tile(y, 20))
    dated = frame.assign(day=pd.date_range("2024", periods=N))
    with pytest.raises(
        InputError, match=r"value_range=\(0, 1\) applies to numbers, .* dates in 'day'"
    ):
        SMOTENC(categorical_features="auto", value_range=(0, 1)).fit(dated, y)


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:X has (missing values|numbers or dates)")
@pytest.mark.parametrize("kind", (SMOTENC, BorderlineSMOTE))
def test_large_table_is_resampled(kind):
    """The table has 50,000 rows and 20 columns."""
    n = 50_000
    frame, y = churn(n)
    rng = np.random.default_rng(1)
    gap = rng.random((n, 13)) < 0.1 * (np.arange(13) % 2)
    more = pd.DataFrame(np.where(gap, np.nan, rng.normal(size=(n, 13)))).add_prefix("x")
    frame = frame.join(more)
    made, labels = kind(categorical_features="auto", random_state=0).fit_resample(frame, y)
    assert frame.shape == (n, 20) and (made.dtypes == frame.dtypes).all()
    assert len(set(np.unique(labels, return_counts=True)[1])) == 1
    pd.testing.assert_frame_equal(made[:n], frame)
    # A synthetic row misses what its first parent misses; SMOTENC draws parents uniformly.
    for label in np.unique(labels[n:]):
        is_new, is_old = np.asarray(labels[n:] == label), np.asarray(y == label)
        for name in ("age", "since", "x1"):
            share = frame[name][is_old].isna().mean()
            found = made[name][n:][is_new].isna().mean()
            assert abs(found - share) < (0.03 if kind is SMOTENC else 0.4), (label, name)
