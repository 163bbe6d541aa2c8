"""Samplers on pandas and polars frames, and on tables with numbers and categories."""

from datetime import date, time, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pyarrow
import pytest
from quick_samplers import GAN, POINTS, QUICK, TABLE_NAMES
from saving import saved
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors
from tiers import asked

from imbax import ADASYN, SMOTE, SMOTEN, SMOTENC, BorderlineSMOTE, InputError

pytestmark = [
    pytest.mark.filterwarnings("ignore:reconstructions of class"),
    pytest.mark.filterwarnings("ignore:class .*rows (of the class )?are made"),
]
# DeepSMOTE and GAMO share the base class that handles frames.
SAMPLERS = {name: QUICK[name] for name in TABLE_NAMES if name != "DeepSMOTE"} | {"POINTS": POINTS}
TESTED = asked(SAMPLERS, ("SMOTE",))
INTERPOLATE = (SMOTENC, BorderlineSMOTE, ADASYN)
WITH_CATEGORIES = (SMOTE, BorderlineSMOTE, ADASYN)
N = 60
LABELS = np.repeat(["a", "b"], [48, 12])
COLOURS = ["red", "green", "blue", "none"]  # no row has the last one


def numbers():
    """Returns a pandas frame of four dtypes and the equal polars frame."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "whole": rng.integers(-100, 100, N).astype(np.int8),
            "real": rng.normal(size=N).astype(np.float32),
            "large": rng.integers(2**60, 2**61, N),  # float64 represents none of them
            "truth": rng.random(N) < 0.5,
        }
    )
    return frame, pl.DataFrame({name: column.to_numpy() for name, column in frame.items()})


def mixed():
    """Returns numbers, categories and text as pandas frame, polars frame and array."""
    rng = np.random.default_rng(1)
    frame, polars = numbers()
    colour, word = rng.choice(COLOURS[:3], N), rng.choice(["x", "y"], N)
    frame.insert(1, "colour", pd.Categorical(colour, COLOURS))
    frame["word"] = word
    polars = polars.insert_column(1, pl.Series("colour", colour, pl.Enum(COLOURS)))
    return frame, polars.with_columns(word=pl.Series(word)), frame.to_numpy(object)


@pytest.mark.parametrize("name", TESTED)
def test_frames_keep_names_and_dtypes(name):
    frame, polars = numbers()
    sampler, again = clone(SAMPLERS[name]), clone(SAMPLERS[name])
    resampled, labels = sampler.fit_resample(frame.set_axis(range(5, 5 + N)), pd.Series(LABELS))
    other, other_labels = again.fit_resample(polars, pl.Series("t", LABELS, pl.Categorical))
    assert (resampled.dtypes == frame.dtypes).all()
    assert other.schema == polars.schema
    unchanged = ~getattr(sampler, "moved_", np.zeros(N, bool))
    pd.testing.assert_frame_equal(resampled[:N][unchanged], frame[unchanged])
    assert other[:N].filter(unchanged).equals(polars.filter(unchanged))
    assert (name == "MCCCR") == (not unchanged.all())
    assert sorted(labels) == ["a"] * 48 + ["b"] * 48
    assert other_labels.to_list() == labels.tolist()
    assert (other_labels.name, other_labels.dtype) == ("t", pl.Categorical)
    for column in frame:
        assert resampled[column].tolist() == other[column].to_list()
    np.testing.assert_array_equal(again.feature_names_in_, list(frame))
    # Columns of whole numbers are rounded.
    plain, _ = clone(SAMPLERS[name]).fit_resample(frame.to_numpy(np.float64), LABELS)
    rounded = np.clip(np.rint(plain[:, 0]), -128, 127)
    np.testing.assert_array_equal(resampled["whole"], rounded)


@pytest.mark.parametrize("kind", asked(INTERPOLATE, [SMOTENC]))
def test_categories_by_name_mask_or_position(kind):
    frame, polars, array = mixed()
    by_name, by_number = ["colour", "word"], [1, 5]
    mask = np.isin(range(6), by_number)
    one, labels = kind(categorical_features=by_name, random_state=0).fit_resample(frame, LABELS)
    sampler = kind(categorical_features=mask, random_state=0)
    other, _ = sampler.fit_resample(polars, LABELS)
    sampler.set_params(categorical_features=by_number)
    third, _ = sampler.fit_resample(array, LABELS)
    np.testing.assert_array_equal(sampler.categorical_features_, by_number)
    assert (one.dtypes == frame.dtypes).all()
    assert other.schema == polars.schema
    assert third.dtype == object
    pd.testing.assert_frame_equal(one[:N], frame)
    assert other[:N].equals(polars)
    np.testing.assert_array_equal(third[:N], array)
    assert sorted(labels) == ["a"] * 48 + ["b"] * 48
    assert {"red", "blue"} <= set(one["colour"][N:]) <= set(COLOURS[:3])
    assert set(one["word"][N:]) == {"x", "y"}
    assert len(set(one["real"][N:])) > 30
    for j, column in enumerate(frame):
        assert one[column].tolist() == other[column].to_list()
        if column != "real":  # the array has Python floats
            assert one[column].tolist() == third[:, j].tolist()
    assert {type(value) for value in third[-1]} == {int, float, bool, str}
    for again in saved(sampler):
        np.testing.assert_array_equal(again.fit_resample(array, LABELS)[0], third)


def test_categorical_types_are_detected():
    frame, polars, array = mixed()
    polars = polars.with_columns(pl.col("word").cast(pl.Categorical))
    frame["word"] = frame["word"].astype("category")
    for table in (frame, polars):
        sampler = SMOTENC(categorical_features="auto").fit(table, LABELS)
        np.testing.assert_array_equal(sampler.categorical_features_, [1, 5])
    with pytest.raises(InputError, match="not designed to work only with numerical features"):
        SMOTENC(categorical_features="auto").fit(numbers()[1], LABELS)
    sampler = ADASYN(categorical_features="auto").fit(numbers()[1], LABELS)
    assert len(sampler.categorical_features_) == 0
    with pytest.raises(InputError, match="needs a frame of pandas or polars"):
        SMOTENC(categorical_features="auto").fit(array, LABELS)


def test_smote_nc_matches_brute_force():
    """Neighbours use numbers and m for each category; the most frequent category is taken."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [150, 40, 25])
    x = rng.normal(size=(len(y), 3)) * np.array([0.1, 0.4, 0.05])[y][:, None]
    x = x.clip(-1, 1)
    x[:2] = np.array([[-1], [1]])  # so that the internal scale is the same
    codes = rng.integers(0, 3, (len(y), 4))
    sampler = SMOTENC(categorical_features=[0, 1, 2, 3], random_state=0)
    resampled, labels = sampler.fit_resample(np.hstack([codes, x]), y)
    made, made_codes, labels = resampled[len(y) :, 4:], resampled[len(y) :, :4], labels[len(y) :]
    first, second = sampler.parent_indices_.T
    u = sampler.interpolation_weights_[:, None]
    np.testing.assert_allclose(made, x[first] + u * (x[second] - x[first]), atol=1e-6)
    clear = 0
    for c in (1, 2):
        rows = np.flatnonzero(y == c)
        m = np.median(x[rows].std(0))
        ones = (codes[rows, :, None] == np.arange(3)).reshape(len(rows), -1)
        encoded = np.hstack([x[rows], ones * m / np.sqrt(2)])
        near = rows[NearestNeighbors(n_neighbors=6).fit(encoded).kneighbors(encoded)[1][:, 1:]]
        for new in np.flatnonzero(labels == c):
            first_neighbors = near[np.searchsorted(rows, first[new])]
            assert second[new] in first_neighbors
            for code, around in zip(made_codes[new], codes[first_neighbors].T, strict=True):
                votes = np.bincount(around, minlength=3)
                assert votes[int(code)] == votes.max()
                clear += (votes == votes.max()).sum() == 1
                if (votes == votes.max()).sum() > 1:  # ties go to the nearer neighbours
                    places = [np.flatnonzero(around == k).sum() for k in range(3)]
                    tied = votes == votes.max()
                    assert places[int(code)] == min(np.array(places)[tied])
    assert clear > 500


@pytest.mark.parametrize("kind", [BorderlineSMOTE, ADASYN])
def test_row_gets_the_category_of_the_nearer_parent(kind):
    """Neighbours are adjacent rows, because m is small but above 0."""
    rare = np.array([-0.2, 0, 0.3])
    side = np.array(["u"] * 31 + ["v", "u"])
    x = pl.DataFrame({"at": [*np.linspace(-1, 1, 30), *rare], "side": side})
    y = np.repeat([0, 1], [30, 3])
    number = "n_neighbors" if kind is ADASYN else "k_neighbors"
    sampler = kind(categorical_features=["side"], random_state=0, **{number: 1})
    resampled, _ = sampler.fit_resample(x, y)
    nearer = np.abs(resampled["at"].to_numpy()[33:, None] - rare).argmin(1)
    np.testing.assert_array_equal(resampled["side"].to_numpy()[33:], side[30:][nearer])
    assert len(np.unique(nearer)) > 1


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:SMOTE.categorical_features:FutureWarning")
def test_old_spelling_accepts_only_categories():
    """Only the old spelling accepts tables without numbers."""
    y = np.repeat([0, 1], [20, 8])
    # The minority has two kinds of rows without a common category, so rows are not mixed.
    kinds = np.array([["x", "p", None], ["z", "q", "r"]], object)
    x = np.vstack([np.full((20, 3), "o", object), kinds[[0, 1] * 4]])
    resampled, _ = SMOTE(categorical_features=[0, 1, 2], k_neighbors=3).fit_resample(x, y)
    assert {tuple(row) for row in resampled[28:]} == {tuple(kind) for kind in kinds}
    frame = pl.DataFrame(x, ["one", "two", "three"])
    resampled, _ = SMOTE(categorical_features=[0, 1, 2], k_neighbors=3).fit_resample(frame, y)
    assert set(resampled[28:].rows()) == {tuple(kind) for kind in kinds}
    # The result is the same with a constant numeric column.
    x = np.hstack([x, np.full((28, 1), 7)]).tolist()
    resampled, _ = SMOTE(categorical_features=[0, 1, 2], k_neighbors=3).fit_resample(x, y)
    assert isinstance(resampled, list)
    assert {tuple(row) for row in resampled[28:]} == {(*kind, 7) for kind in kinds}


def test_invalid_tables_are_refused():
    frame, _, array = mixed()
    known = "X has non-numeric columns, 'colour', 'word'"
    for name in TABLE_NAMES:
        if not isinstance(QUICK[name], WITH_CATEGORIES):
            with pytest.raises(
                InputError, match=rf"{known}, and {name} knows only numbers; .*SMOTE"
            ):
                clone(QUICK[name]).fit_resample(frame, LABELS)
    with pytest.raises(InputError, match=rf"{known}, and CWGAN knows only numbers"):
        clone(GAN).fit_resample(frame, LABELS)
    with pytest.raises(
        InputError, match="non-numeric columns, 1, 5, and ExplicitGradientOverSampler"
    ):
        clone(POINTS).fit_resample(array, LABELS)
    wrong = {
        "name them in categorical_features": (None, frame),
        "non-numeric columns, 'word'; name": (["colour"], frame),
        "has 'hue', which is not a column of X; there are": (["hue"], frame),
        "has 6, expected positions of columns from 0 to 5": ([6], array),
        "has 1.5, expected positions of columns from 0 to 5, whole": ([1.5], array),
        "has 2 booleans, expected one for each of the 6": ([True, False], frame),
    }
    for message, (categories, table) in wrong.items():
        with pytest.raises(InputError, match=message):
            kind = SMOTE if categories is None else SMOTENC
            kind(categorical_features=categories).fit_resample(table, LABELS)
    with pytest.raises(InputError, match="image_shape for images; give one"):
        SMOTENC(categorical_features=[0], image_shape=(2, 3)).fit(frame, LABELS)


DAYS = [None, *(date(2020, 1, 1) + timedelta(day) for day in range(N - 1))]
STAMPS = pd.Series(pd.to_datetime(DAYS))
DATES = {
    "polars date": pl.Series(DAYS),
    "polars time": pl.Series([None, *[time(1)] * (N - 1)]),
    "polars duration": pl.Series(DAYS).diff(),
    "pandas": STAMPS,
    "zone": STAMPS.dt.tz_localize("UTC"),
    "timedelta": STAMPS.diff(),
    "objects": pd.Series(DAYS, dtype=object),
    "period": STAMPS.dt.to_period("D"),
}


@pytest.mark.parametrize("kind", DATES)
def test_dates_are_not_numbers(kind):
    """SMOTE refuses dates, also missing ones; SMOTENC accepts most types, or any as categories."""
    dates = DATES[kind]
    frame = (pl if isinstance(dates, pl.Series) else pd).DataFrame({"when": dates, "word": LABELS})
    rows = [[value, word] for value, word in zip(dates, LABELS, strict=True)]
    for table, name in ((frame, "'when'"), (rows, "0"), (np.array(rows, object), "0")):
        with pytest.raises(InputError, match=f"non-numeric columns, {name}"):
            SMOTE().fit(table, LABELS)
        if table is not frame or kind == "period":
            with pytest.raises(InputError, match=f"non-numeric columns, {name}; dates: convert"):
                SMOTENC(categorical_features=[1]).fit(table, LABELS)
    SMOTEN().fit(frame, LABELS)


def test_decimals_and_tuples_are_accepted():
    _, polars = numbers()
    decimals = polars.with_columns(pl.col("real").cast(pl.Decimal(10, 2)))
    resampled, _ = SMOTE(random_state=0).fit_resample(decimals, LABELS)
    other, _ = SMOTE(random_state=0).fit_resample(
        decimals.with_columns(pl.col("real").cast(pl.Float64)), LABELS
    )
    assert resampled.schema == decimals.schema
    assert resampled[:N].equals(decimals)
    new = resampled["real"][N:].cast(pl.Float64)
    np.testing.assert_allclose(new, other["real"][N:], atol=0.00501)
    array = mixed()[2]
    sampler = SMOTENC(categorical_features=[1, 5], random_state=0)
    from_tuples, _ = sampler.fit_resample(tuple(map(tuple, array)), LABELS)
    np.testing.assert_array_equal(from_tuples, sampler.fit_resample(array, LABELS)[0])


@pytest.mark.parametrize(
    ("message", "x"),
    {
        r"list of shape \(60,\), expected .*; give rows": [1.0] * N,
        r"list of shape \(60,\), expected": [[1, 2]] * (N - 1) + [[1]],
        r"list of shape \(60, 2, 1\), expected": [[[1], [2]]] * N,
        r"tuple of shape \(60,\), expected": (1.0,) * N,
        r"a polars LazyFrame, expected a DataFrame; call collect\(\)": numbers()[1].lazy(),
        r"column 1 of X: unhashable type: 'list'; give each row one string": [[1, [2]]] * N,
        r"column 'b' of X: unhashable type: 'dict'": pd.DataFrame({"a": 1, "b": [{}] * N}),
        r"column 'b' of X: .*; give": pl.DataFrame({"a": [1] * N, "b": [{"c": 1}] * N}),
        r"column 0 of X: float.*; give each row one number": [[{}, "a"]] * N,
    }.items(),
)
def test_input_that_is_not_a_table_is_refused(message, x):
    with pytest.raises(InputError, match=message):
        SMOTENC(categorical_features=[1]).fit_resample(x, LABELS)
    with pytest.raises(InputError, match=message):
        SMOTENC(categorical_features=[1]).fit(x, LABELS)


def test_pyarrow_tables_are_returned():
    frame = pd.DataFrame({"a": np.arange(12.0), "c": [*"uvw"] * 4})
    frame = frame.assign(b=np.arange(12, dtype=np.int8), d=frame["c"].astype("category"))
    table, y = pyarrow.Table.from_pandas(frame), np.arange(12) < 4
    sampler = SMOTENC(["c", "d"], random_state=0)
    made, _ = sampler.fit_resample(table, y)
    assert made.schema.equals(table.schema)
    expected, _ = sampler.fit_resample(frame, y)
    pd.testing.assert_frame_equal(made.to_pandas().astype(str), expected.astype(str))
    assert SMOTEN().fit(table.select(["c"]), y).feature_names_in_.tolist() == ["c"]


def test_polars_labels_must_be_a_series():
    for y in (pl.DataFrame({"y": LABELS}), pl.LazyFrame({"y": LABELS})):
        with pytest.raises(InputError, match="Frame, expected a Series; select its column"):
            SMOTE().fit_resample(numbers()[1], y)
    with pytest.raises(InputError, match=r"call collect\(\) first"):
        SMOTE().fit_resample(numbers()[1].lazy(), LABELS)
