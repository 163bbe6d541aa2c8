"""Users' inputs: strategies, labels and tables of all kinds, and one-line error messages."""

import decimal
import itertools
import pickle
import re

import imblearn.over_sampling
import numpy as np
import pandas as pd
import polars as pl
import pyarrow
import pytest
import scipy.sparse
import sklearn.compose
import sklearn.impute
from imblearn.combine import SMOTEENN
from imblearn.pipeline import make_pipeline
from imblearn.under_sampling import EditedNearestNeighbours
from imblearn.utils import check_sampling_strategy
from quick_samplers import quick

import imbax
from imbax import SMOTE, SMOTENC, ImbalancedMLPClassifier, InputError
from imbax.estimators.inputs import as_numbers
from imbax.estimators.strategy import new_rows_of
from imbax.estimators.targets import Target

N, N_MINORITY = 39, 9
Y = np.repeat([0, 1], [N - N_MINORITY, N_MINORITY])
X = np.random.default_rng(0).normal(size=(N, 3)) + Y[:, None]
FRAME = pd.DataFrame(X, columns=list("abc"))
DAYS = pd.Series(pd.date_range("2020-01-01", periods=N))


def resampled(x, y=Y, **options):
    return SMOTE(random_state=0, **options).fit_resample(x, y)


def refused(message, action):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        action()
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("ratio", "large", "small", "rows"), [(0.29, 100, 28, 29), (0.41, 300, 100, 123)]
)
def test_ratio_gives_the_exact_number_of_rows(ratio, large, small, rows):
    y = np.repeat([0, 1], [large, small])
    x = np.random.default_rng(0).normal(size=(len(y), 3))
    assert (resampled(x, y, sampling_strategy=ratio)[1] == 1).sum() == rows
    assert SMOTE(sampling_strategy=ratio).fit(x, y).sampling_strategy_ == {1: rows - small}


def test_ratios_match_imbalanced_learn_if_exact():
    """A product just below a whole number, due to rounding, gives that number."""
    differing = 0
    for large, hundredths in itertools.product((7, 30, 100, 300, 1001), range(1, 101)):
        y, ratio = np.repeat(["b", "a"], [large, 2]), hundredths / 100
        if (exact := large * hundredths // 100) <= 2:
            with pytest.raises(InputError, match="Give a ratio of at least"):
                new_rows_of(ratio, y, "over-sampling")
            continue
        result, expected = (
            f(ratio, y, "over-sampling") for f in (new_rows_of, check_sampling_strategy)
        )
        assert result == {"a": exact - 2}
        differing += result != expected
        assert result["a"] - expected["a"] in (0, 1)
    assert 0 < differing < 50
    for ratio in (
        1 / 3,
        2 / 3,
        np.float32(0.1),
        np.float32(1 / 3),
        1,
    ):  # ratios without a finite decimal expansion
        output = new_rows_of(ratio, np.repeat([0, 1], [300, 5]), "over-sampling")
        assert output == {1: round(300 * float(ratio)) - 5}


STRATEGIES = {
    "classes are: 0, 1": {2: 20},
    "has class '1', which y does not have": {"1": 20},
    "expected at least the 9": {1: 5},
    "20.5 rows for class 1, expected a whole": {1: 20.5},
    "True rows for class 1, expected a whole": {1: True},
    "nan rows for class 1, expected a whole": {1: np.nan},
    "returned 3, expected a dictionary": lambda y: 3,
    "has class 5": lambda y: {5: 3},
    "requests 6 rows of class 1, which has 9; the other class has 30": 0.2,
    "must be a float in the range": np.nan,
    "must be a float in .* Got True": True,
    "must be a float in .* Got 1.5": 1.5,
    r"must be a float in .* Got \[1\]": [1],
    "must be a float in .* Got None": None,
}


@pytest.mark.parametrize("message", STRATEGIES)
def test_invalid_strategies_are_refused(message):
    refused(message, lambda: resampled(X, sampling_strategy=STRATEGIES[message]))


def test_strategies_by_class_are_accepted():
    for strategy in ({1: 20}, {1: np.int64(20)}, lambda y: {1: 20}):
        assert (resampled(X, sampling_strategy=strategy)[1] == 1).sum() == 20


WORDS = np.array(["no", "yes"])[Y]
LABELS = {
    "frame": pd.DataFrame({"t": Y}),
    "text": WORDS,
    "digits": Y.astype(str),
    "categories": pd.Series(pd.Categorical(WORDS), name="t"),
    "truth": Y > 0,
    "objects": Y.astype(object),
    "list": Y.tolist(),
    "whole floats": Y / 1.0,
    "nullable": pd.Series(Y, dtype="Int64"),
    "nullable truth": pd.Series(Y > 0, dtype="boolean"),
    "string": pd.Series(WORDS, dtype="string"),
    "arrow": pd.Series(Y, dtype="int64[pyarrow]"),
    "polars": pl.Series("t", WORDS),
    "large": Y * 2**60,
    "one-hot": np.eye(2, dtype=np.uint8)[Y],
    "one-hot floats": np.eye(2)[Y],
    "one-hot list": np.eye(2, dtype=int)[Y].tolist(),
    "one-hot frame": pd.get_dummies(pd.Series(WORDS)),
    "one-hot with an empty class": pd.DataFrame(np.eye(4, dtype=int)[3 * Y]),
}


@pytest.mark.parametrize("form", LABELS)
def test_labels_keep_their_type(form):
    """The original labels come first, then 21 of the minority."""
    y = LABELS[form]
    labels = resampled(X, y)[1]
    assert type(labels) is type(y)
    assert getattr(labels, "dtype", None) == getattr(y, "dtype", None)
    if isinstance(y, pd.DataFrame):
        pd.testing.assert_frame_equal(labels[:N], y)
    elif isinstance(y, pd.Series):
        pd.testing.assert_series_equal(labels[:N], y)
    output, last = np.asarray(labels), np.asarray(y)[-1]
    assert (output[:N] == np.asarray(y)).all()
    assert (output[N:] == last).all()
    assert len(output) == 2 * (N - N_MINORITY)


def test_one_hot_frames_match_arrays():
    three = np.repeat([0, 1, 2], [20, 10, 9])
    frame = pd.get_dummies(pd.Series(three))
    x, y = resampled(X, frame)
    other_x, other_y = resampled(X, frame.to_numpy().astype(int))
    np.testing.assert_array_equal(x, other_x)
    np.testing.assert_array_equal(y, other_y)
    np.testing.assert_array_equal(other_y.argmax(1), resampled(X, three)[1])


WRONG_LABELS = {
    "Input y contains NaN: 1 labels are missing": np.where(np.arange(N) == 2, None, Y),
    "Input y contains NaN": np.where(np.arange(N) == 2, np.nan, Y),
    "NaN: 2 labels are missing": [float("nan"), float("nan"), *np.array(["a", "b"])[Y][2:]],
    "NaN: 3 labels": np.ma.masked_array(Y, np.arange(N) < 3),
    "contains NaN: 1 labels": pd.Series([None, *Y[1:]], dtype="Int64"),
    "y has labels that stand for a missing value, 'nan' in 1": np.array([np.nan, *"ab" * N])[:N],
    "missing value, '.' in 2 of": ["?", "?", *np.array(["a", "b"])[Y][2:]],
    "labels of several types, int, str": np.array([0, "a"], object)[Y],
    "Unknown label type: continuous": X[:, 0],
    "Complex data not supported: y has": Y + 0j,
    "one class": Y * 0,
    "row 0 of y has 0 ones": np.eye(2)[Y] * (np.arange(N) > 0)[:, None],
    "row 0 of y has 2 ones": np.ones((N, 2), int),
    "y has 2 columns, expected one": np.stack([Y, Y + 1], 1),
    "y is a sparse matrix": scipy.sparse.csr_matrix(np.eye(2)[Y]),
    "the target y is None": None,
    "y is 'abc', expected one label": "abc",
    "inconsistent numbers of samples": Y[:-1],
    "represented as bytes": np.array([b"a", b"b"])[Y],
}


@pytest.mark.parametrize("message", WRONG_LABELS)
def test_invalid_labels_are_refused(message):
    expected = message if message != "one class" else "more than 1 class"
    refused(expected, lambda: resampled(X, WRONG_LABELS[message]))


@pytest.mark.parametrize("message", [m for m in WRONG_LABELS if " ones" not in m])
def test_classifiers_refuse_invalid_labels(message):
    refused(
        message,
        lambda: ImbalancedMLPClassifier(network="mlp", max_iter=1).fit(X, WRONG_LABELS[message]),
    )


def test_classifier_accepts_object_and_nullable_labels():
    fit = lambda y: ImbalancedMLPClassifier(network="mlp", max_iter=1, random_state=0).fit(X, y)
    for y in (Y.astype(object), pd.Series(Y, dtype="Int64")):
        assert fit(y).classes_.dtype.kind == "i"


TOO_FAR = np.finfo(float).max
QUARTERS = [decimal.Decimal(i) / 4 for i in range(N)]
ARROW_DECIMAL = pd.ArrowDtype(pyarrow.decimal128(9, 2))
LARGE = np.random.default_rng(1).integers(0, 100, (N, 2))
NUMBERS = {
    "1e308": X / abs(X).max() * 1e308,
    "the largest": np.where(X > 0, TOO_FAR, -TOO_FAR),
    "constant and large": np.where([True, False, False], TOO_FAR, X),
    "the smallest": np.where(X > 0, 5e-324, 0),
    "float16": (X / abs(X).max() * 65504).astype(np.float16),
    "float32": (X / abs(X).max() * 3.4e38).astype(np.float32),
    "near 2**53": 2**53 + LARGE,
    "below 2**62": 2**62 - 100 + LARGE,
    "unsigned": np.uint64(2**64 - 100) + LARGE.astype(np.uint64),
    "negative": -(2**63) + LARGE,
    "all of int64": np.where(X > 0, np.iinfo(np.int64).max, np.iinfo(np.int64).min),
    "large frame": pd.DataFrame({"a": 2**62 + LARGE[:, 0], "b": X[:, 0]}),
    "large polars": pl.DataFrame({"a": 2**62 + LARGE[:, 0], "b": X[:, 0]}),
    "large nullable": pd.DataFrame({"a": pd.array(2**62 + LARGE[:, 0], "Int64")}),
    "truth": X > 0,
    "objects": X.astype(object),
    "object frame": FRAME.astype(object),
    "decimals": pd.DataFrame({"a": [decimal.Decimal(i) for i in range(N)]}),
    "quarters": pd.DataFrame({"a": QUARTERS, "b": X[:, 0]}),
    "quarters as objects": np.array([QUARTERS]).T,
    "quarters of pyarrow": pd.DataFrame({"a": QUARTERS}, dtype=ARROW_DECIMAL),
    "nullable": pd.DataFrame({"a": pd.array(X[:, 0] > 0, "boolean"), "b": pd.array(Y, "Int8")}),
    "columns in order": np.asfortranarray(X),
    "index": FRAME.set_index(pd.Index(range(7, 7 + N))),
    "names of levels": FRAME.set_axis(pd.MultiIndex.from_product([["a"], [1, 2, 3]]), axis=1),
    "list": X.tolist(),
}


def columns_of(x):
    if isinstance(x, pd.DataFrame):
        return [x.iloc[:, j].tolist() for j in range(x.shape[1])]
    if isinstance(x, pl.DataFrame):
        return [column.to_list() for column in x]
    return list(zip(*(x if isinstance(x, list) else x.tolist()), strict=True))


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_all_kinds_stay_in_range(kind):
    x = NUMBERS[kind]
    output, _ = resampled(x)
    assert type(output) is type(x)
    if hasattr(x, "dtypes"):
        assert list(output.dtypes) == list(x.dtypes)
        assert list(output.columns) == list(x.columns)
    elif isinstance(x, np.ndarray):
        assert output.dtype == x.dtype
    for before, after in zip(columns_of(x), columns_of(output), strict=True):
        assert {*map(type, after)} == {*map(type, before)}
        assert list(after[:N]) == list(before)
        low, high = (float(end(before[-N_MINORITY:])) for end in (min, max))
        slack = 1e-6 * (float(max(before)) / 2 - float(min(before)) / 2)
        if all(isinstance(v, int) for v in before) and kind != "all of int64":
            low, high, slack = min(before[-N_MINORITY:]), max(before[-N_MINORITY:]), 0
        assert all(low - slack <= value <= high + slack for value in after[N:])
        if len(set(before[-N_MINORITY:])) > 5 and kind != "all of int64":
            assert len(set(after[N:])) > 5


def test_large_integers_match_shifted_small_ones():
    small, large = resampled(LARGE)[0], resampled(2**62 + LARGE)[0]
    np.testing.assert_array_equal(large - 2**62, small)
    text = np.array(["u", "v"])[Y]
    frame = pd.DataFrame({"a": 2**62 + LARGE[:, 0], "b": text})
    mixed = lambda frame: SMOTENC(["b"], random_state=0).fit_resample(frame, Y)[0]
    output, other = mixed(frame), mixed(frame.assign(a=LARGE[:, 0]))
    np.testing.assert_array_equal(output["a"] - 2**62, other["a"])


WRONG_NUMBERS = {
    "Complex data not supported: .* columns 0, 1, 2; give real": X + 0j,
    "Complex data not supported: .* columns 'a', 'b', 'c'": FRAME + 0j,
    "Complex data not supported: .* columns 0": (X + 0j).astype(object),
    "'d'; dates: convert to numbers, such as days since the earliest": FRAME.assign(d=DAYS),
    "'d'; dates: convert": FRAME.assign(d=DAYS - DAYS[0]),
    "'d'; dates: convert to": FRAME.assign(d=DAYS.dt.to_period("D")),
    "'d'; dates: convert to numbers": FRAME.assign(d=DAYS.dt.date),
    "0, 1; dates: convert": np.tile(DAYS.to_numpy()[:, None], 2),
    "'d', 'e'; dates: .*; others: name them in categorical": FRAME.assign(d=DAYS, e="k"),
    "'d'; numbers written as text: convert with pandas": FRAME.assign(d=Y.astype(str)),
    "0, 1, 2; numbers written as text": X.astype(str),
    "'d'; name them in categorical_features": FRAME.assign(d="k"),
    "several columns called 'a'": FRAME.set_axis(["a", "a", "b"], axis=1),
    r"shape=\(39, 0\)\) while .* X needs at least one column": X[:, :0],
    "X needs at least one column": FRAME[[]],
    "masked values": np.ma.array(X, mask=X > 2),
    "contains NaN: values are missing in .*; fill them": np.where(X > 2, np.nan, X),
    "0 of X has whole numbers beyond": 10**25 + LARGE.astype(object),
    "0 of X has whole numbers beyond 2": 10**400 + LARGE.astype(object),
    "contains infinity": np.where(X > 2, np.inf, X),
    "Expected 2D array, got 1D array instead: Reshape": X[:, 0],
    "a minimum of 1 is required": X[:0],
    "got scalar array": None,
}


@pytest.mark.parametrize("message", WRONG_NUMBERS)
def test_non_numeric_tables_are_refused(message):
    x = WRONG_NUMBERS[message]
    y = Y[:0] if isinstance(x, np.ndarray) and not len(x) else Y
    refused(message, lambda: resampled(x, y))
    taken = "NaN" in message or (isinstance(x, pd.DataFrame) and x.shape[1] > 3)
    if not taken:  # test_tables_of_classifiers.py tests what classifiers accept
        refused(message, lambda: ImbalancedMLPClassifier(network="mlp", max_iter=1).fit(x, y))


def test_no_sampler_takes_masked_values_for_data():
    """NumPy and scikit-learn ignore the mask."""
    masked = np.ma.array(X.round(), mask=X > 2)
    for sampler in (imbax.RandomOverSampler(), SMOTENC([0]), imbax.SMOTEN(), SMOTE()):
        refused("X has masked values", lambda: sampler.fit_resample(masked, Y))  # noqa: B023


def test_tuples_of_numbers_become_arrays_of_numbers():
    made, _ = imbax.RandomOverSampler(random_state=0).fit_resample(tuple(map(tuple, X)), Y)
    assert made.dtype == X.dtype and len(made) == 2 * (N - N_MINORITY)


def test_class_in_place_of_a_sampler_is_refused():
    classifier = ImbalancedMLPClassifier(network="mlp", sampler=SMOTE)
    refused(r"sampler=SMOTE is a class, .*; give SMOTE\(\)", lambda: classifier.fit(X, Y))


def test_the_advised_ratio_adds_a_row():
    with pytest.raises(InputError, match=r"at least 0\.334 and") as caught:
        resampled(X, sampling_strategy=0.3001)
    advised = float(re.search(r"at least ([\d.]+) and", str(caught.value))[1])
    assert len(resampled(X, sampling_strategy=advised)[1]) == N + 1


def test_message_for_missing_values_suggests_working_code():
    """The suggested sampler that keeps missing values works, too."""
    homes = {"imblearn": imblearn, "sklearn": sklearn, "imbax": imbax}
    plain = FRAME.assign(b=FRAME["b"].where(FRAME["b"] < 1))[["a", "b", "c"]]
    message = (
        "^Input X contains NaN: values are missing in 'b'; fill them first, as in (imblearn.*), or "
        "keep them missing with (imbax.*)$"
    )
    for table in (plain, pl.from_pandas(plain)):
        with pytest.raises(InputError, match=message) as caught:
            resampled(table)
        pipeline, keeper = re.match(message, str(caught.value)).groups()
        made, _ = eval(pipeline, homes).fit_resample(table, Y)
        assert type(made) is type(table) and list(made.columns) == ["a", "b", "c"]
        assert np.isfinite(np.asarray(made)).all() and len(made) == 2 * (N - N_MINORITY)
        with pytest.warns(UserWarning, match="X has missing values in 'b': they count as"):
            kept, _ = eval(keeper, homes).fit_resample(table, Y)
        assert np.isnan(kept["b"].to_numpy()[:N]).sum() == plain["b"].isna().sum()
    refused("NaN: values are missing in 1; .* with imbax.SMOTENC", lambda: resampled(plain.values))
    refused("NaN; fill missing values", lambda: resampled(np.full((N, 4, 4), np.nan)))
    for matrix in (scipy.sparse.csr_matrix(plain), scipy.sparse.csc_array(plain)):
        refused("NaN: values are missing in 1; fill them", lambda m=matrix: resampled(m))


def test_sparse_rows_need_interpolating_samplers():
    sparse = scipy.sparse.csr_matrix(X)
    refused(
        "Sparse data", lambda: ImbalancedMLPClassifier(network="mlp", max_iter=1).fit(sparse, Y)
    )
    refused("Sparse data", lambda: quick("AMDO").fit_resample(sparse, Y))
    large = scipy.sparse.csr_matrix(2**62 + LARGE)
    refused("a sparse matrix with whole numbers beyond 2.*53", lambda: resampled(large))


def test_large_integers_are_refused_with_value_range():
    message = "column 0 of X has whole numbers beyond 2.*53 .*; subtract the minimum"
    refused(message, lambda: resampled(2**62 + LARGE, value_range=(0, 2**63)))
    refused(message, lambda: quick("GAMO").fit_resample(2**62 + LARGE, Y))
    refused(
        message, lambda: ImbalancedMLPClassifier(network="mlp", max_iter=1).fit(2**62 + LARGE, Y)
    )
    as_numbers(2**53 + 2**30 * LARGE, "")  # the differences are large enough


@pytest.mark.parametrize("frame", [np.asarray, pd.DataFrame, pl.DataFrame])
def test_classifiers_refuse_whole_numbers_that_merge(frame):
    far = (2**60 + LARGE) * (LARGE > 9)
    refused(
        "X: column .* holds different whole numbers beyond 2.53 that are equal",
        lambda: ImbalancedMLPClassifier(network="mlp", max_iter=1).fit(frame(far), Y),
    )


@pytest.mark.parametrize(
    "options",
    [
        {"k_neighbors": True},
        {"k_neighbors": 0},
        {"k_neighbors": 5.0},
        {"k_neighbors": np.inf},
        {"random_state": -1},
        {"random_state": True},
        {"random_state": np.random.default_rng(0)},
        {"value_range": (1,)},
        {"value_range": (-np.inf, np.inf)},
        {"value_range": [[1, 2]]},
        {"image_shape": (np.nan, 1)},
        {"image_shape": (3.0, 1)},
    ],
    ids=lambda options: ", ".join(options),
)
def test_parameters_out_of_range_are_refused(options):
    refused("|".join((*options, "range")), lambda: resampled(X, **options))


def test_too_many_neighbors_use_all_rows():
    for k in (N_MINORITY - 1, N_MINORITY, 10**9):
        output, _ = resampled(X, k_neighbors=k)
        np.testing.assert_array_equal(output, resampled(X, k_neighbors=N_MINORITY - 1)[0])


def test_target_does_not_copy_labels():
    y = Y.copy()
    y.setflags(write=False)
    assert Target(y).labels is y


def test_pipeline_replaces_smoteenn():
    """`SMOTEENN(smote=...)` accepts only imbalanced-learn's class."""
    refused("smote", lambda: SMOTEENN(smote=SMOTE()).fit_resample(X, Y))
    both = make_pipeline(SMOTE(random_state=0), EditedNearestNeighbours())
    x, y = both.fit_resample(X, Y)
    cleaned = EditedNearestNeighbours().fit_resample(*resampled(X))
    np.testing.assert_array_equal(x, cleaned[0])
    np.testing.assert_array_equal(y, cleaned[1])
    assert len(imblearn.over_sampling.SMOTE().fit_resample(X, Y)[0]) == 60


def test_unpicklable_loss_is_reported():
    fitted = ImbalancedMLPClassifier(
        network="mlp", loss=lambda logits, y: (logits - y) ** 2, max_iter=1
    )
    with pytest.raises(Exception, match="lambda") as caught:
        pickle.dumps(fitted)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["DeepSMOTE", "GAMO"])
def test_unfitted_estimators_are_refused(name):
    sampler = quick(name)
    for action in (lambda: sampler.sample(3, 1), lambda: sampler.save("never")):
        refused("is not fitted yet", action)
    refused("is not fitted yet", lambda: ImbalancedMLPClassifier().predict(X))


def test_damaged_file_is_refused(tmp_path):
    path = tmp_path / "sampler"
    refused("does not exist", lambda: imbax.DeepSMOTE.load(path))
    for content in (b"", b"no safetensors", bytes(100)):
        path.write_bytes(content)
        refused("is damaged", lambda: imbax.DeepSMOTE.load(path))


def test_codes_of_another_length_are_refused():
    sampler = quick("DeepSMOTE")
    sampler.codes_ = np.zeros((3, 4))
    for codes in (np.zeros((2, 5)), np.zeros(4)):
        refused(r"expected \(n, 4\)", lambda codes=codes: sampler.decode(codes))
