"""Tests of preprocessing that is fitted in each run, on its training rows only."""

import functools

import jax
import numpy as np
import pandas as pd
import pytest
import tables
import toys
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import OneHotEncoder, TargetEncoder

from imbax.catalogue import get, register
from imbax.data.encoded import encoded
from imbax.data.frame_dataset import FrameDataset, codes_of
from imbax.data.tables import as_dataset
from imbax.data.tabular import make_dataset
from imbax.errors import InputError
from imbax.experiments.tabular.cells import host_cell
from imbax.experiments.tabular.lab import TabularLab
from imbax.experiments.tabular.plan import Protocol, plan
from imbax.experiments.tabular.preprocessing import (
    FARTHEST,
    plan_frame,
    planned,
    seeds_together,
)

N = 80
PROTOCOL = Protocol(folds=2)


def encoder():
    levels = OneHotEncoder(handle_unknown="ignore", sparse_output=True)
    numbers = SimpleImputer(strategy="median", add_indicator=True)
    return ColumnTransformer([("levels", levels, ["city"]), ("numbers", numbers, ["age", "pay"])])


def frame():
    rng = np.random.default_rng(0)
    age = rng.normal(40, 9, N)
    age[::9] = np.nan
    return pd.DataFrame(
        {"city": rng.choice(["a", "b", "c"], N), "age": age, "pay": rng.normal(size=N)}
    )


def dataset(frame=None, transformer=None, y=None, **more):
    frame = globals()["frame"]() if frame is None else frame
    y = (np.arange(N) % 4 == 0) if y is None else y
    about = {"classes": tuple(map(str, np.unique(y))), "feature_names": tuple(frame.columns)}
    return FrameDataset(
        "toy", codes_of(frame), y.astype(np.int8), **about | more, frame=frame,
        transformer=transformer or encoder(),
    )  # fmt: skip


@functools.partial(jax.jit, static_argnums=2)
def rows_of(run, shared, part):
    return run.rows(shared, part).all()


def view(cut, r, part):
    """Rows `[m, d]` of a part, as a program of the engine reads them, without padding."""
    run = jax.tree.map(lambda leaf: np.asarray(leaf)[r], cut.runs._replace(key=None))
    batch = rows_of(run, cut.shared, part)
    real = np.asarray(batch.w) > 0
    return np.asarray(batch.x)[real], np.asarray(batch.y)[real]


def test_preprocessing_is_fitted_on_training_rows():
    data = dataset()
    cut = plan_frame(data, [0, 3], PROTOCOL)
    assert len(cut.x) == 4 and cut.facts.features == cut.shared[0].shape[1] == 8
    for r, split in enumerate(cut.splits):
        fitted = encoder().fit(data.frame.iloc[split.train])
        for name, rows in split._asdict().items():
            x, y = view(cut, r, name)
            np.testing.assert_array_equal(y, data.y[rows])
            width = cut.x[r].shape[1]
            np.testing.assert_array_equal(x[:, width:], 0)
            np.testing.assert_allclose(x[:, :width], cut.features(r, rows), atol=1e-6)
            expected = np.asarray(fitted.transform(data.frame.iloc[rows]))
            low, high = (
                f(fitted.transform(data.frame.iloc[split.train]), 0) for f in (np.min, np.max)
            )
            np.testing.assert_allclose(x[:, :width], (expected - low) / (high - low), atol=1e-5)


def poisoned(frame, rows):
    """Frame in which levels, gaps and outliers of some rows reveal the minority."""
    return frame.assign(
        city=frame["city"].where(~rows, "only here"),
        pay=frame["pay"].where(~rows, -1e250),
        age=frame["age"].where(~rows, np.nan),
    )


@pytest.mark.parametrize("scaling", ["min_max", "z_score"])
def test_test_rows_do_not_change_training_rows(scaling):
    protocol = Protocol(folds=2, scaling=scaling)
    clean = dataset()
    before = plan_frame(clean, [0], protocol)
    for r, split in enumerate(before.splits):
        planted = np.isin(np.arange(N), split.test) & (clean.y == 1)
        after = plan_frame(dataset(poisoned(clean.frame, planted)), [0], protocol)
        np.testing.assert_array_equal(after.splits[r].test, split.test)
        for part in ("train", "valid"):
            for one, other in zip(view(before, r, part), view(after, r, part), strict=True):
                np.testing.assert_array_equal(one, other)
        assert before.facts == after.facts
        seen, _ = view(after, r, "test")
        assert np.isfinite(seen).all() and np.abs(seen).max() > FARTHEST / 10


def test_encoder_does_not_depend_on_test_rows():
    """Only test rows have a level, gaps, dates and outliers that reveal the minority."""
    table, y = tables.churn(200)
    before = plan_frame(as_dataset(table, y), [0], PROTOCOL)
    for r, split in enumerate(before.splits):
        rows = np.isin(np.arange(200), split.test) & (y == "leave")
        planted = table.assign(
            plan=table["plan"].where(~rows, "only here"),
            spend=table["spend"].where(~rows, 1e250),
            since=table["since"].where(~rows),
            autopay=table["autopay"].astype(object).where(~rows, None),
            age=table["age"].where(~rows, -1e9),
        )
        after = plan_frame(as_dataset(planted, y), [0], PROTOCOL)
        for part in ("train", "valid"):
            for one, other in zip(view(before, r, part), view(after, r, part), strict=True):
                np.testing.assert_array_equal(one, other)
        assert (view(before, r, "test")[0] != view(after, r, "test")[0]).any()


def test_run_does_not_depend_on_other_runs():
    single, together = (plan_frame(dataset(), seeds, PROTOCOL) for seeds in ([1], [0, 1]))
    for r in range(2):
        for part in ("train", "valid", "test"):
            for one, other in zip(view(single, r, part), view(together, r + 2, part), strict=True):
                np.testing.assert_array_equal(one, other)


def test_columns_missing_in_a_run_are_zero():
    table = frame()
    table.loc[0, "city"] = "rare"
    cut = plan_frame(dataset(table), [0], PROTOCOL)
    holds = [0 in split.train for split in cut.splits]
    widths = [x.shape[1] for x in cut.x]
    assert sorted(holds) == [False, True] and widths[holds.index(True)] == max(widths)
    assert min(widths) == max(widths) - 1
    r = widths.index(min(widths))
    assert (cut.runs.factor[r, min(widths) :] == 0).all()
    assert (cut.runs.factor[r, : min(widths)] != 0).all()


def test_equal_training_parts_share_a_matrix():
    rows = np.random.default_rng(0).permutation(N)
    cut = plan_frame(dataset(), [0, 1], PROTOCOL, [tuple(np.array_split(rows, 3))])
    assert cut.x[0] is cut.x[1] and len(cut.shared[0]) == 2816
    np.testing.assert_array_equal(cut.runs.train.index[0], cut.runs.train.index[1])


def test_seeds_are_grouped_within_memory():
    each = 2 * N * 8 * 4  # folds, rows, columns, bytes
    groups = {
        budget: seeds_together(dataset(), [4, 0, 2], PROTOCOL, None, budget)
        for budget in (1, 2 * each, 3 * each)
    }
    assert list(groups.values()) == [[[4], [0], [2]], [[4, 0], [2]], [[4, 0, 2]]]


def test_principal_axes_follow_preprocessing():
    cut = plan_frame(dataset(), [0], Protocol(folds=2, components=2))
    assert cut.protocol.components == cut.facts.features == 2
    x, _ = view(cut, 0, "train")
    assert x.shape[1] == 2
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(x, cut.features(0, cut.splits[0].train), atol=1e-5)


def test_methods_of_a_cell_share_one_fit(own_registry, monkeypatch):
    fits = []

    class Counted(ColumnTransformer):
        def fit_transform(self, x, y=None):
            fits.append(len(x))
            return super().fit_transform(x, y)

    seen = []

    def host(x, y, x_test, random_state):
        seen.append(x.tobytes())
        return x_test[:, 0]

    for name in ("one", "two"):
        register(name, host=host)
    lab = TabularLab(PROTOCOL)
    data = dataset(transformer=Counted(encoder().transformers))
    for name in ("one", "two"):
        lab.run(lab.cell(data, get(name)), [0])
    assert len(fits) == 2 and seen[:2] == seen[2:]


def test_transformer_and_frame_are_in_the_key(own_registry):
    register("mine", host=lambda x, y, x_test, random_state: x_test[:, 0])
    method = get("mine")
    other = encoder().set_params(numbers__strategy="mean")
    tables = [dataset(), dataset(transformer=other), dataset(frame().iloc[::-1])]
    tables += [dataset(frame().rename(columns={"pay": "wage"}), encoder().set_params(transformers=[
        ("levels", OneHotEncoder(), ["city"])]))]  # fmt: skip
    keys = {TabularLab(PROTOCOL).cell(data, method).key for data in tables}
    assert len(keys) == 4
    assert TabularLab(PROTOCOL).cell(dataset(), method).key in keys


class Rows:
    """A transformer that returns the result of a function."""

    def __init__(self, give=None):
        self.give = give

    def get_params(self, deep=True):
        return {"give": self.give}

    def set_params(self, **params):
        return self

    def fit(self, x, y=None):
        return self

    def transform(self, x):
        return self.give(x)


def broken(x):
    raise KeyError("age")


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (broken, r"^toy: preprocess, Rows, fails in fit_transform on \d+ rows: KeyError: 'age'"),
        (lambda x: x[["age"]], r"leaves missing, .* in column 'x0' \(\d+ rows\); add an imputer"),
        (lambda x: x[["city"]], "returns values that are not numbers .*; encode every column"),
        (lambda x: x[["pay"]].iloc[1:], r"returns shape \(\d+, 1\) for \d+ rows, expected"),
        (lambda x: x["pay"], r"returns shape \(\d+,\) for"),
        (lambda x: np.ones((len(x), 1 + len(x) % 7)), "columns for training rows and"),
    ],
)
def test_transformer_failures_are_reported(give, message):
    data = dataset(transformer=Rows(give))
    with pytest.raises(InputError, match=message) as caught:
        encoded(data, np.arange(31), 0)
    assert "\n" not in str(caught.value)


class Drawn(TransformerMixin, BaseEstimator):
    """Transformer that returns a column of random numbers from its random state."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, x, y):
        self.rng_ = np.random.default_rng(self.random_state)
        return self

    def transform(self, x):
        return self.rng_.normal(size=(len(x), 1))


def test_transformer_receives_training_labels():
    """A pipeline calls `fit_transform`, which uses cross fitting, as in scikit-learn."""
    folds = StratifiedKFold(3)
    encode = ColumnTransformer([("target", TargetEncoder(cv=folds), ["city"])])
    data, train = dataset(transformer=encode), np.arange(50)
    x = encoded(data, train, 0)
    expected = TargetEncoder(cv=folds)
    city, y = data.frame[["city"]], data.y
    np.testing.assert_array_equal(x[train], expected.fit_transform(city[:50], y[:50]))
    np.testing.assert_array_equal(x[50:], expected.transform(city[50:]))


def test_default_random_state_follows_the_seed():
    drawn = dataset(transformer=ColumnTransformer([("drawn", Drawn(), ["city"])]))
    one, again, other = (encoded(drawn, np.arange(50), seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one[:50] != other[:50]).all()
    rows = tuple(np.array_split(np.arange(N), 3))
    cut = plan_frame(drawn, [0, 1], PROTOCOL, [rows])
    assert cut.x[0] is not cut.x[1]
    fixed = dataset(transformer=Drawn(3))
    np.testing.assert_array_equal(*(encoded(fixed, np.arange(50), seed) for seed in (0, 1)))


def test_host_methods_receive_no_padding(own_registry):
    widths = []

    def host(x, y, x_test, random_state):
        widths.append((x.shape[1], x_test.shape[1]))
        return x_test[:, 0]

    register("mine", host=host)
    cut = plan_frame(dataset(), [0], PROTOCOL)
    host_cell(cut, get("mine"))
    assert widths == [(x.shape[1],) * 2 for x in cut.x]


def test_frames_of_complete_numbers_become_arrays():
    x, y = toys.table(60, 20)
    one, other = (
        planned(as_dataset(x, y), [0, 2], PROTOCOL),
        plan(make_dataset(x, y), [0, 2], PROTOCOL),
    )
    assert type(one) is type(other) and one.facts == other.facts
    key = jax.random.key_data(one.runs.key), jax.random.key_data(other.runs.key)
    runs = (cut.runs._replace(key=data) for cut, data in zip((one, other), key, strict=True))
    jax.tree.map(np.testing.assert_array_equal, *runs)
    jax.tree.map(np.testing.assert_array_equal, one.shared, other.shared)
