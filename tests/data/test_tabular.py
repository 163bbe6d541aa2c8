"""Input checks of Dataset, the 27 sets of imbalanced-learn, and the quickstart sets."""

import decimal
import gc
import shutil
import subprocess
import sys
import urllib.error

import numpy as np
import pandas as pd
import pytest
from made_files import write_protein_homo
from tiers import asked

from imbax.data.tabular import (
    QUICKSTART,
    DataUnavailable,
    imblearn27,
    imblearn27_facts,
    make_dataset,
    quickstart,
)
from imbax.errors import InputError

X = np.random.default_rng(0).normal(size=(30, 3))


def labels(rare, common, n_rare=6):
    return np.array([rare] * n_rare + [common] * (30 - n_rare))


@pytest.mark.parametrize(
    ("rare", "common", "classes"),
    [
        ("sick", "fine", ("fine", "sick")),
        (True, False, ("False", "True")),
        (False, True, ("True", "False")),
        (1.0, -1.0, ("-1", "1")),
        (0.5, 0.25, ("0.25", "0.5")),
        (3, 7, ("7", "3")),
    ],
)
@pytest.mark.parametrize("box", [np.asarray, list, pd.Series])
def test_rarer_label_of_any_type_becomes_1(rare, common, classes, box):
    data = make_dataset(X, box(labels(rare, common)))
    assert data.classes == classes
    np.testing.assert_array_equal(data.y, labels(1, 0))
    assert (data.y.dtype, data.x.dtype) == (np.int8, np.float64)
    assert (data.n_rows, data.n_features, data.n_minority) == (30, 3, 6)
    assert data.imbalance_ratio == 4.0


def test_last_sorted_label_is_minority_on_a_tie():
    assert make_dataset(X, labels(9, 10, 15)).classes == ("9", "10")
    assert make_dataset(X, labels("b", "a", 15)).classes == ("a", "b")


def test_several_classes_are_numbered_in_sorted_order():
    y = np.array(["mild"] * 10 + ["none"] * 15 + ["grave"] * 5)
    data = make_dataset(X, y, several_classes=True)
    assert data.classes == ("grave", "mild", "none")
    np.testing.assert_array_equal(data.y, np.repeat([1, 2, 0], [10, 15, 5]))
    assert data.y.dtype == np.int8
    assert (data.n_rows, data.n_minority, data.n_majority, data.imbalance_ratio) == (30, 5, 15, 3)
    # The rarer of two classes is still 1, and a named minority is class 1 against all others.
    assert make_dataset(X, labels("a", "b"), several_classes=True).classes == ("b", "a")
    named = make_dataset(X, y, several_classes=True, minority="mild")
    assert named.classes == ("not mild", "mild")
    with pytest.raises(InputError, match="y has 101 distinct labels, expected at most 100 classes"):
        make_dataset(np.ones((101, 2)), np.arange(101), several_classes=True)


def test_continuous_labels_are_refused():
    message = r"y seems continuous, 30 distinct numbers such as \d\.\d+; .* pandas.qcut"
    for y in (np.arange(1, 31) / 7, np.arange(1, 31).astype(str) + np.array(".5")):
        for several in (True, False):
            with pytest.raises(InputError, match=message):
                make_dataset(X, y, several_classes=several)
    stars = np.arange(30) % 10 / 2
    assert make_dataset(X, stars, several_classes=True).classes[:2] == ("0", "0.5")
    x, grades = np.ones((330, 1)), np.tile([1, 1.3, 1.7, 2, 2.3, 2.7, 3, 3.3, 3.7, 4, 5], 30)
    assert len(make_dataset(x, grades, several_classes=True).classes) == 11


@pytest.mark.parametrize("words", [["*", "**", "***"], ["-", "+", "0"]])
def test_signs_may_be_classes(words):
    data = make_dataset(X, np.array(words * 10), several_classes=True)
    assert set(data.classes) == set(words) and not data.notices


def test_unknown_labels_in_the_majority_give_a_notice():
    y = np.array(["yes", "no", "unknown"] * 10)
    for minority, role in ((None, "is a class of its own"), ("yes", r"(10 rows) is part of the")):
        (notice,) = make_dataset(X, y, several_classes=True, minority=minority).notices
        assert f"label 'unknown' {role}" in notice


def test_similar_labels_give_a_notice():
    y = np.array(["Yes"] * 8 + ["yes "] * 8 + ["no"] * 14)
    (notice,) = make_dataset(X, y, several_classes=True).notices
    assert notice == (
        "labels 'Yes' and 'yes ' are different classes; rename one if they mean the same"
    )
    assert make_dataset(X, np.arange(30) % 3, several_classes=True).notices == ()
    assert make_dataset(X, y, several_classes=True, minority="Yes").notices == (notice,)
    assert make_dataset(X, y, several_classes=True, minority="no").notices == ()


def test_unsortable_labels_are_sorted_as_text():
    mixed = np.array(["low"] * 15 + [5] * 15, dtype=object)
    assert make_dataset(X, mixed).classes == ("5", "low")


@pytest.mark.parametrize("minority", [2, "2", 2.0])
def test_named_minority_against_all_other_labels(minority):
    y = np.array([0] * 15 + [1] * 10 + [2] * 5)
    data = make_dataset(X, y, minority=minority)
    assert data.classes == ("not 2", "2")
    np.testing.assert_array_equal(data.y, y == 2)


def test_frame_gives_names_and_array_is_copied():
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(d=True, e=np.arange(30))
    data = make_dataset(frame, labels(1, 0))
    assert data.feature_names == ("a", "b", "c", "d", "e")
    array = X.copy()
    data = make_dataset(array, labels(1, 0))
    array[0] = 0
    np.testing.assert_array_equal(data.x, X)
    assert data.feature_names == ("x0", "x1", "x2")


def test_constant_columns_give_a_notice_after_the_loader():
    data = make_dataset(np.c_[X, np.ones(30)], labels(1, 0), notices=["loader notice"])
    assert data.notices == ("loader notice", "1 constant column scales to 0: x3")
    data = make_dataset(np.c_[X, np.ones((30, 7))], labels(1, 0))
    assert data.notices == ("7 constant columns scale to 0: x3, x4, x5, x6, x7 and 2 more",)


def test_groups_of_any_type_become_codes():
    groups = pd.DataFrame({"g": ["b", "a", "b"] * 10})
    for form in (groups["g"].to_list(), groups, groups.to_numpy()):
        data = make_dataset(X, labels(1, 0), groups=form)
        assert data.groups.tolist() == [0, 1, 0] * 10


def test_fingerprint_depends_only_on_the_data():
    y = labels(1, 0)
    base = make_dataset(X, y).fingerprint
    assert make_dataset(np.asfortranarray(X), y, name="other").fingerprint == base
    changed = X.copy()
    changed[3, 1] += 1e-12
    others = {
        make_dataset(changed, y).fingerprint,
        make_dataset(X, y[::-1]).fingerprint,
        make_dataset(X, y, groups=np.arange(30)).fingerprint,
        make_dataset(X[:, :2], y).fingerprint,
    }
    assert len(others | {base}) == 5


def with_value(value):
    x = X.copy()
    x[[2, 5], 1] = value
    return x


TEXT = pd.DataFrame({"age": X[:, 0], "city": ["a"] * 30})
GOOD = labels(1, 0)


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (with_value(np.nan), GOOD, {}, r"^data: missing, infinite .* column 'x1' \(2 rows\); fill"),
        (with_value(np.inf), GOOD, {"name": "t"}, r"^t: .* column 'x1' \(2 rows\); fill"),
        (with_value(1e305), GOOD, {}, r"huge values in column 'x1' \(2 rows\)"),
        (pd.DataFrame(with_value(None)), GOOD, {}, r"column '1' \(2 rows\)"),
        (TEXT, GOOD, {}, r"column 'city' holds (str|object), expected numbers; encode or drop"),
        (X.astype(str), GOOD, {}, r"x is not a table of numbers \(dtype <U\d+\); encode"),
        ({"a": X[:, 0]}, GOOD, {}, r"x is a dict, expected .*; give pandas.DataFrame\(x\)"),
        ([{"a": v} for v in X[:, 0]], GOOD, {}, r"x is a list of dict, .*; give pandas.DataFrame"),
        ([[1, 2]] * 9 + [[1]], GOOD, {}, "rows of x differ in length, expected a number for each"),
        (X + 0j, GOOD, {}, "x has complex numbers; give real and imaginary parts as columns"),
        (X[:, 0], GOOD, {}, r"expected \[rows, features\] .*; use x.reshape\(-1, 1\)"),
        (np.rec.fromarrays(X.T), GOOD, {}, r"x is a recarray, .*; give pandas.DataFrame\(x\)"),
        (X[:, 0], GOOD, {}, r"x has shape \(30,\), expected \[rows, features\]"),
        (X[:, :0], GOOD, {}, r"x has shape \(30, 0\), .* at least one feature"),
        (X, np.stack([GOOD] * 2, 1), {}, r"y has shape \(30, 2\), expected \[rows\], one column"),
        (X, GOOD[:25], {}, r"x has 30 rows and y has 25; give one entry per row"),
        (X, GOOD, {"groups": np.arange(29)}, r"x has 30 rows and groups has 29"),
        (X, GOOD, {"groups": X}, r"groups has shape \(30, 3\), expected \[rows\]"),
        (X, GOOD, {"groups": "a"}, r"groups is a str, expected one group per row; give x\['a'\], "),
        (X[:0], GOOD[:0], {}, r"y has no rows, expected one label for each row of x; check"),
        (X, GOOD, {"groups": [None] + [1] * 29}, r"1 rows have no group"),
        (X[:19], GOOD[:19], {}, r"19 rows, expected at least 20; add rows"),
        (X, np.ones(30), {}, r"y has one class \(1\), expected at least two"),
        (X, np.r_[np.nan, GOOD[1:]], {}, r"1 label is missing; drop these rows"),
        (
            X,
            np.arange(30) % 7,
            {},
            r"y has 7 distinct labels \(0, 1, 2, 3, 4 and 2 more\), expected 2; .*minority=",
        ),
        (X, GOOD, {"minority": 5}, r"no row has the label '5'; the labels are: 0, 1; .*minority=$"),
        (X, GOOD, {"minority": 0}, r"'0' named as minority has 24 of 30 rows; name the rarer"),
        (X, GOOD, {"feature_names": ["a", "b"]}, r"2 feature names for 3 columns"),
        (X, GOOD, {"feature_names": ["a", "b", "a"]}, r"two columns are called 'a'; rename"),
    ],
)
def test_errors_of_invalid_input_give_advice(x, y, options, message):
    with pytest.raises(InputError, match=message) as caught:
        make_dataset(x, y, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([str(i) for i in range(30)], "numbers as (str|object), such as '0', .*; use astype"),
        ([f"{i}%" for i in range(30)], r"numbers as \w+ \(percentages\), such as '0%'"),
        (["1", "2", "1,000"] * 10, "numbers as .*, such as '1,000', .*; convert it to numbers"),
        (["1", "2", "inf"] * 10, "because of entries such as 'inf'"),
        (["?"] + ["1"] * 29, r"numbers as \w+, and '\?' for missing ones, .*; fill and convert"),
        (["1"] * 29 + ["x"], "because of entries such as 'x'|numbers"),
        (["Jan 05 2020"] * 30, "dates or times as text, such as 'Jan 05 2020'"),
        (
            pd.date_range("2020-01-01", periods=30),
            r"dates or times \(datetime64.*; convert it, for",
        ),
        (pd.period_range("2020-01", periods=30, freq="M"), r"dates or times \(period"),
        (pd.Categorical(["a", "b"] * 15), "category, .*; encode or drop it, for example"),
        (pd.Categorical([1, 2] * 15), "numbers as category, such as '1', .*; use astype"),
        ([decimal.Decimal(1)] * 30, "numbers as object, .*; use astype"),
        (np.full(30, 1j), "complex128, expected numbers"),
    ],
)
def test_non_numeric_column_is_described(values, message):
    frame = pd.DataFrame({"a": X[:, 0], "c": values})
    with pytest.raises(InputError, match=f"^data: column 'c' holds .*{message}") as caught:
        make_dataset(frame, GOOD)
    assert "\n" not in str(caught.value)


def test_object_array_is_described_by_column():
    for value, message in (("?", r"'x1' holds numbers as \w+, and '\?'"), (pd.NaT, "'x1' holds")):
        x = np.array([[1.5, "2"]] * 29 + [[1.5, value]], object)
        with pytest.raises(InputError, match=message):
            make_dataset(x, GOOD)


def test_nullable_columns_are_numeric_or_missing():
    frame = pd.DataFrame({"a": pd.array(range(30), "Int64"), "b": pd.array([True] * 30, "boolean")})
    assert make_dataset(frame, GOOD).x[3].tolist() == [3, 1]
    with pytest.raises(InputError, match=r"missing, .* column 'a' \(1 rows\)"):
        make_dataset(frame.assign(a=frame["a"].mask(frame["a"] == 3)), GOOD)


def test_polars_frames_match_pandas():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": X[:, 0], "b": list(range(30))})
    data = make_dataset(frame, polars.Series(GOOD))
    assert data.feature_names == ("a", "b")
    np.testing.assert_array_equal(data.x, np.c_[X[:, 0], np.arange(30)])
    with pytest.raises(InputError, match=r"polars LazyFrame, .*x\.collect\(\)"):
        make_dataset(frame.lazy(), GOOD)
    with pytest.raises(InputError, match=r"column 'c' holds numbers as str \(percentages"):
        make_dataset(frame.with_columns(c=polars.lit("5%")), GOOD)


def test_saved_index_and_duplicate_rows_give_notices():
    index, copies = (
        make_dataset(pd.DataFrame({"Unnamed: 0": np.arange(30), "a": X[:, 0]}), GOOD),
        make_dataset(np.r_[X[:25], X[:5]], GOOD),
    )
    assert "column 'Unnamed: 0' only counts rows" in index.notices[0]
    assert copies.notices[0].startswith("10 of 30 rows have the same features as another row")


@pytest.mark.parametrize(
    ("rare", "common", "minority"),
    [
        ("true", "false", "TRUE"),
        (True, False, "true"),
        (True, False, 1),
        (1, 0, "01"),
        (1, 0, 1.0),
        ("1.0", "0.0", 1),
        ("01", "02", 1),
        ("yes", "no", " yes "),
        ("Yes ", "no", "yes"),
    ],
)
def test_minority_matches_other_spellings(rare, common, minority):
    data = make_dataset(X, labels(rare, common), minority=minority)
    np.testing.assert_array_equal(data.y, GOOD)


def test_ambiguous_minority_is_refused():
    y = np.array(["Yes"] * 5 + ["YES"] * 5 + ["no"] * 20)
    assert make_dataset(X, y, minority="YES").n_minority == 5
    with pytest.raises(InputError, match="no row has the label 'yes' alone; the labels are"):
        make_dataset(X, y, minority="yes")


def test_sparse_matrix_is_refused():
    from scipy.sparse import csr_array

    with pytest.raises(InputError, match=r"sparse matrix, .*x\.toarray\(\)"):
        make_dataset(csr_array(X), GOOD)


def test_facts_match_imbalanced_learn():
    from imblearn.datasets._zenodo import MAP_NAME_ID

    facts = imblearn27_facts()
    assert {f.name: f.id for f in facts} == dict(MAP_NAME_ID)
    assert facts[25][1:] == ("protein_homo", 74, 145751, 111.0)
    assert facts[0].ratio == 8.6


@pytest.mark.parametrize(("name", "minority"), [("ecoli", 35), ("abalone_19", 32)])
def test_real_sets_match_their_facts(data_home, name, minority):
    data = imblearn27(name, data_home)
    facts = next(f for f in imblearn27_facts() if f.name == name)
    assert data.x.shape == (facts.rows, facts.features)
    assert (data.n_minority, data.classes) == (minority, ("-1", "1"))
    assert data.imbalance_ratio == pytest.approx(facts.ratio, rel=0.01)


@pytest.mark.thorough
def test_protein_homo_is_read_from_a_made_file(tmp_path):
    path = write_protein_homo(tmp_path)
    data = imblearn27("protein_homo", tmp_path)
    assert (path.name, data.x.shape, data.n_minority) == ("x26data.npz", (145_751, 74), 1296)
    assert data.imbalance_ratio == pytest.approx(111, abs=0.5)
    np.testing.assert_array_equal(data.x[-2:, 0], [1 + 145_749 % 3, 1 + 145_750 % 3])


def test_missing_set_is_unavailable(tmp_path):
    missing = tmp_path / "none"
    with pytest.raises(DataUnavailable, match=r"^protein_homo: .*x26data\.npz does not exist; put"):
        imblearn27("protein_homo", missing)
    assert not missing.exists()


DAMAGE = ("empty", "cut", "flipped", "text", "other arrays", "other set")


# numpy leaves a truncated archive open; the file is collected within this test.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("damage", asked(DAMAGE, ("cut", "other set")))
def test_damaged_set_is_unavailable(data_home, tmp_path, damage):
    file = tmp_path / "zenodo" / "x1data.npz"
    file.parent.mkdir()
    raw = bytearray((data_home / "zenodo" / "x1data.npz").read_bytes())
    if damage == "flipped":
        raw[300:400] = bytes(255 - byte for byte in raw[300:400])
    texts = {"empty": b"", "cut": raw[: len(raw) // 2], "flipped": raw, "text": b"not found"}
    if damage == "other arrays":
        np.savez(file, rows=X)
    elif damage == "other set":
        shutil.copy(data_home / "zenodo" / "x27data.npz", file)
    else:
        file.write_bytes(texts[damage])
    message = (
        r"^ecoli: .*x1data\.npz (is damaged|holds data \(4177, 10\)).*; delete it and download"
    )
    with pytest.raises(DataUnavailable, match=message):
        imblearn27("ecoli", tmp_path)
    gc.collect()


def test_failed_download_is_unavailable(monkeypatch, tmp_path):
    def offline(url):
        raise urllib.error.URLError("no route")

    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    monkeypatch.setattr("imblearn.datasets._zenodo.urlopen", offline)
    with pytest.raises(DataUnavailable, match=r"^ecoli: .*download failed .*no route.*download it"):
        imblearn27("ecoli")


def test_unknown_set_suggests_the_nearest_name():
    with pytest.raises(
        InputError, match=r"unknown data set 'sick_eothyroid'.*mean 'sick_euthyroid'\?"
    ):
        imblearn27("sick_eothyroid")


@pytest.mark.parametrize(
    ("name", "shape", "minority", "classes"),
    [
        ("digits_8", (1797, 64), 174, ("not 8", "8")),
        ("breast_cancer_10", (392, 30), 35, ("benign", "malignant")),
        ("moons_20", (1200, 2), 57, ("0", "1")),
    ],
)
def test_quickstart_sets_are_fixed(name, shape, minority, classes):
    data = quickstart(name)
    assert name in QUICKSTART
    assert (data.x.shape, data.n_minority, data.classes) == (shape, minority, classes)
    assert quickstart(name).fingerprint == data.fingerprint


def test_unknown_quickstart_set_suggests_the_nearest_name():
    with pytest.raises(InputError, match=r"'moons'; did you mean 'moons_20'\? there are: digits_8"):
        quickstart("moons")


def test_module_imports_no_heavy_library():
    code = (
        "import sys, imbax.data.files, imbax.data.splits, imbax.data.preprocess\n"
        "print({'sklearn', 'pandas', 'imblearn', 'scipy', 'jax'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr.strip()) == ("set()", "")


def test_shuffled_saved_index_gives_a_notice():
    order = np.random.default_rng(0).permutation(30)
    data = make_dataset(pd.DataFrame({"Unnamed: 0.1": order, "a": X[:, 0]}), GOOD)
    assert "column 'Unnamed: 0.1' only counts rows" in data.notices[0]


@pytest.mark.parametrize("dtype", ["int64", "uint64", object, "Int64"])
def test_whole_numbers_that_float64_makes_equal_are_refused(dtype):
    column = pd.array([2**62 + v % 3 for v in range(30)], dtype=dtype)
    x = np.asarray(column)[:, None] if dtype != "Int64" else pd.DataFrame({"x0": column})
    with pytest.raises(InputError, match=rf"'x0' .* such as {2**62} and {2**62 + 1}; subtract"):
        make_dataset(x, GOOD)
    exact = make_dataset(np.array([[2**62 + 1024 * (v % 3)] for v in range(30)]), GOOD)
    assert len(np.unique(exact.x)) == 3


def test_text_nan_is_not_a_class():
    labels = np.array([np.nan if i < 8 else ["no", "yes"][i % 2] for i in range(30)])
    with pytest.raises(InputError, match="for a missing value, 'nan' in 8 of 30 rows"):
        make_dataset(X, labels, several_classes=True)
