"""CSV, Parquet and npz files, and the messages for faulty ones."""

import datetime
import decimal
import re

import numpy as np
import pandas as pd
import pytest

from imbax.data.files import read_table
from imbax.errors import InputError

N = 40
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "age": RNG.normal(size=N),
        "color": ["red", "green", "blue", "red"] * (N // 4),
        "member": [True, False] * (N // 2),
        "visits": np.tile([3, 1], N // 2),
        "clinic": np.repeat(np.arange(10), 4),
        "outcome": ["sick"] * 8 + ["fine"] * 32,
    }
)


def matrix(data):
    """Returns all rows, encoded with an encoder fitted on them, and the names of the columns."""
    fitted = data.transformer.fit(data.frame)
    return fitted.transform(data.frame), fitted.get_feature_names_out().tolist()


def write(frame, path):
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path


@pytest.mark.parametrize("file", ["patients.csv", "patients.CSV", "patients.parquet"])
def test_table_is_read_as_frame_with_encoder(tmp_path, file):
    path = tmp_path / file
    FRAME.to_parquet(path) if file.endswith("parquet") else FRAME.to_csv(path, index=False)
    data = read_table(path, "outcome", groups="clinic", drop=["visits"])
    assert data.name == "patients"
    assert data.feature_names == ("age", "color", "member")
    assert data.classes == ("fine", "sick")
    encoding = "one-hot encoded in each run, fitted on its training rows"
    assert data.notices == (f"1 column {encoding}: color (3 levels)",)
    x, names = matrix(data)
    assert names == ["age", "member", "color=blue", "color=green", "color=red"]
    np.testing.assert_array_equal(x[:, 0], FRAME["age"])
    np.testing.assert_array_equal(x[:, 1], FRAME["member"])
    np.testing.assert_array_equal(x[:, 4], FRAME["color"] == "red")
    np.testing.assert_array_equal(data.y, FRAME["outcome"] == "sick")
    np.testing.assert_array_equal(data.groups, FRAME["clinic"])


def test_parquet_types_that_csv_lacks_are_read(tmp_path):
    frame = pd.DataFrame(
        {
            "kind": pd.Categorical(["a", "b"] * 20, categories=["a", "b", "never"]),
            "price": [decimal.Decimal("1.5"), decimal.Decimal("2")] * 20,
            "count": pd.array([1, 2] * 19 + [1, None], dtype="Int64"),
            "label": pd.Categorical(["x"] * 5 + ["y"] * 35),
        }
    )
    data = read_table(write(frame, tmp_path / "t.parquet"), "label")
    x, names = matrix(data)
    assert names == ["price", "count", "count missing", "kind=a", "kind=b"]
    assert x[[0, -1]].tolist() == [[1.5, 1, 0, 1, 0], [2, 1, 1, 0, 1]]
    assert data.classes == ("y", "x")


def test_npz_needs_no_target(tmp_path):
    x, y = RNG.normal(size=(N, 3)), np.arange(N) % 5 == 0
    np.savez(tmp_path / "a.npz", data=x, label=y, site=np.arange(N) // 2)
    data = read_table(tmp_path / "a.npz")
    np.testing.assert_array_equal(data.x, x)
    np.testing.assert_array_equal(data.y, y)
    assert data.groups is None
    data = read_table(tmp_path / "a.npz", "label", groups="site", drop=["x1"], minority=True)
    assert data.feature_names == ("x0", "x2")
    np.testing.assert_array_equal(data.groups, np.arange(N) // 2)


def test_minority_option_and_byte_order_mark(tmp_path):
    path = tmp_path / "t.csv"
    FRAME.drop(columns="color").to_csv(path, index=False, encoding="utf-8-sig")
    assert read_table(path, "outcome", minority="sick").feature_names[0] == "age"


def test_column_that_counts_rows_gives_a_notice(tmp_path):
    path = write(FRAME.assign(row=np.arange(7, 7 + N)), tmp_path / "t.csv")
    assert read_table(path, "outcome").notices[0] == (
        "column 'row' only counts rows; drop=['row'] leaves it out"
    )


DATES = pd.date_range("2024-01-01", periods=N)
DAYS = ["c: days", "c: year sin", "c: year cos", "c: week sin", "c: week cos"]
WORDS = [f"user {i}" for i in range(N)]
NEARLY = [str(i / 7) for i in range(N - 2)] + ["much", "much"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({}, {"target": "outcom"}, r"^t\.\w+: no column 'outcom'; did you mean 'outcome'\? there"),
        ({}, {"groups": "klinic"}, r"no column 'klinic'; did you mean 'clinic'"),
        ({}, {"drop": ["aeg"]}, r"no column 'aeg'; did you mean 'age'"),
        ({}, {"drop": ["qqq"]}, r"no column 'qqq'; there are: age, color, member"),
        ({}, {"target": None}, r"column of labels is not named; name it with target="),
        ({}, {"drop": ["outcome"]}, r"'outcome' is the target column and in drop; use one"),
        ({}, {"groups": "age", "drop": ["age"]}, r"'age' is the groups column and in drop"),
        ({}, {"groups": "outcome"}, r"'outcome' is both target and groups"),
        (
            {},
            {"minority": "ill"},
            r"target column 'outcome': no row has the label 'ill'; the labels are: fine, sick",
        ),
        (
            {"outcome": [None] + ["x"] * (N - 1)},
            {},
            r"column 'outcome' .1 rows.; fill them or remove these rows$",
        ),
        ({"clinic": [None] + [1] * (N - 1)}, {"groups": "clinic"}, r"values in column 'clinic'"),
        ({"seen": ["1/2/2020"] * N}, {}, r"'seen' holds dates such as .*or.*drop=\['seen'\]"),
        (
            {"user": WORDS},
            {},
            r"column 'user' holds 40 distinct texts in 40 rows, .*identifier.*drop=\['user'\]",
        ),
        ({"dose": NEARLY}, {}, r"'dose' is text because of 2 entries such as 'much'; correct"),
        ({"age": [np.inf] + [1.0] * (N - 1)}, {}, r"^t\.\w+ has infinite values in column 'age'"),
        ({}, {"drop": list(FRAME.columns[:-1])}, r"^t\.\w+ has no column left as a feature"),
        ({}, {"drop": ["age, color"]}, r"one name; give 'age' and 'color' as separate names$"),
        ({}, {"target": "age, color"}, r"expected one name; give one of 'age' and 'color'$"),
        ({}, {"groups": "age,color"}, r"expected one name; give one of 'age' and 'color'$"),
    ],
)
def test_faulty_table_is_refused_in_one_line(tmp_path, suffix, columns, options, message):
    path = write(FRAME.assign(**columns), tmp_path / f"t{suffix}")
    with pytest.raises(InputError, match=message) as caught:
        read_table(path, **({"target": "outcome"} | options))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "names", "notice"),
    [
        ([None] * 3 + [1.5] * (N - 3), ["c", "c missing"], r"median .*: c \(3 rows\)"),
        ([None] * 5 + ["x"] * (N - 5), ["c=x", "c missing"], r"one-hot .*, c \(1 levels\)"),
        (["?"] * 5 + ["1", "2"] * 17 + ["3"], ["c", "c missing"], r"'c': '\?' \(5 .* as missing"),
        (["?"] * 5 + ["x"] * (N - 5), ["c=?", "c=x"], r"'c': '\?' \(5 rows\) treated as a level"),
        (DATES, DAYS, "1 column of dates encoded as days and cycles: c"),
        ([str(d) for d in DATES], DAYS, "dates encoded as days and cycles: c"),
        (DATES.strftime("%d.%m.%Y"), DAYS, "dates encoded as days and cycles: c"),
        ([datetime.date(2024, 1, 1)] * N, DAYS, "dates encoded as days and cycles: c"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_missing_dates_and_text_are_encoded_with_a_notice(tmp_path, suffix, values, names, notice):
    data = read_table(write(FRAME.assign(c=values), tmp_path / f"t{suffix}"), "outcome")
    assert re.search(notice, " ".join(data.notices)), data.notices
    _, names_out = matrix(data)
    assert [name for name in names_out if re.match("c[^a-z]|c missing|c$", name)] == names


def test_more_than_1000_levels_are_refused_as_identifier(tmp_path):
    frame = pd.DataFrame({"zip": [f"z{i // 3}" for i in range(3003)], "y": [1, 0, 0] * 1001})
    with pytest.raises(InputError, match=r"'zip' holds 1001 distinct texts in 3003 rows"):
        read_table(write(frame, tmp_path / "t.csv"), "y")
    frame["zip"] = [f"z{i // 30}" for i in range(3003)]
    data = read_table(write(frame, tmp_path / "t.csv"), "y")
    assert "zip (101 levels)" in data.notices[0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1, 2]] * N, r"column 'c' holds mixed values, expected numbers or text.*drop=\['c'\]"),
        ([b"ab"] * N, r"column 'c' holds bytes values"),
    ],
)
def test_unsupported_parquet_types_are_refused(tmp_path, values, message):
    path = write(FRAME.assign(c=values), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=message):
        read_table(path, "outcome")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("t.csv", b"", r"^t\.csv is empty, expected a table"),
        ("t.csv", b"\n\n", r"t\.csv cannot be read as \.csv \(No columns"),
        ("t.csv", b"a,y\n", r"t\.csv has a header but no rows"),
        ("t.csv", b"a,b,a,y\n1,2,3,0\n", r"two columns are called 'a'; rename one"),
        ("t.csv", b"a,y\n1,0\n1,2,3\n", r"cannot be read as \.csv .*Expected 2 fields"),
        ("t.csv", b"a,y\n1,0,5\n1,2,3\n", r"more cells than the header has names; repair"),
        ("t.csv", b"\xff\xfe\x00", r"cannot be read as \.csv \(byte 2 is not utf-16\); save"),
        ("t.parquet", b"PAR1 nothing", r"cannot be read as \.parquet .*; write it again"),
        ("t.npz", b"nothing", r"cannot be read as \.npz"),
        ("t.npz", b"PK\x03\x04 nothing", r"cannot be read as \.npz"),
        ("t.xlsx", b"1", r"suffix '\.xlsx', expected \.csv, \.parquet or \.npz"),
        ("t", b"1", r"suffix '', expected"),
    ],
)
def test_unreadable_files_are_refused_in_one_line(tmp_path, file, content, message):
    path = tmp_path / file
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_table(path, "y")
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"file .*none\.csv does not exist; check its name"):
        read_table(tmp_path / "none.csv", "y")
    with pytest.raises(InputError, match=r"is a folder, expected a file"):
        read_table(tmp_path, "y")


def test_parquet_with_duplicate_column_names_is_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table([pa.array([1]), pa.array([2]), pa.array([0])], names=["a", "a", "y"])
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"two columns are called 'a'; rename one"):
        read_table(tmp_path / "t.parquet", "y")


def test_damaged_parquet_file_is_refused(tmp_path):
    path = write(FRAME, tmp_path / "t.parquet")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"t\.parquet cannot be read"):
        read_table(path, "outcome")


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({"data": np.ones((N, 2))}, {}, r"no array 'label'; there are: data"),
        ({"dat": np.ones((N, 2)), "label": np.ones(N)}, {}, r"'data'; did you mean 'dat'"),
        ({"data": np.ones(N), "label": np.ones(N)}, {}, r"'data' is float64 of shape \(40,\)"),
        ({"data": np.full((N, 2), "a"), "label": np.ones(N)}, {}, r"'data' is <U1 .*expected num"),
        (
            {"data": np.ones((N, 2)), "label": np.ones(9)},
            {},
            r"'label' has shape \(9,\), .*\(40,\)",
        ),
        (
            {"data": np.full((N, 2), None), "label": np.ones(N)},
            {},
            r"cannot be read as \.npz \(Object arrays .* 'data' is one: save data\.astype",
        ),
        (
            {"data": np.ones((N, 2)), "label": np.array(["a", None] * 20, object)},
            {},
            r"cannot be read as \.npz .* 'label' is one: save label\.astype\(str\)",
        ),
        (
            {"data": np.ones((N, 2)), "label": np.ones(N)},
            {"groups": "site"},
            r"no array 'site'; there are: data, label",
        ),
        (
            {"data": np.ones((N, 2)), "label": np.ones(N)},
            {"drop": ["x2"]},
            r"no column 'x2'; there are: x0, x1, label",
        ),
    ],
)
def test_npz_with_wrong_arrays_is_refused(tmp_path, arrays, options, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / "a.npz", **options)


def test_bytes_labels_become_text(tmp_path):
    np.savez(
        tmp_path / "a.npz", data=RNG.normal(size=(N, 2)), label=np.array([b"a"] * 30 + [b"b"] * 10)
    )
    assert read_table(tmp_path / "a.npz", minority="b").classes == ("a", "b")


def test_named_index_of_parquet_is_a_column_as_in_csv(tmp_path):
    index = pd.MultiIndex.from_arrays([np.arange(N) // 5, np.arange(N)], names=["patient", None])
    frame = FRAME[["age", "outcome"]].set_index(index)
    frame.to_parquet(tmp_path / "t.parquet")
    data = read_table(tmp_path / "t.parquet", "outcome", groups="patient")
    assert data.feature_names == ("age",) and len(np.unique(data.groups)) == N // 5
    FRAME[["age", "outcome"]].iloc[::-1].to_parquet(tmp_path / "r.parquet")
    assert "row index saved" in str(read_table(tmp_path / "r.parquet", "outcome").notices)


def test_array_with_the_name_of_a_feature_is_refused(tmp_path):
    arrays = {"data": RNG.normal(size=(N, 2)), "label": np.arange(N) % 2, "x1": np.arange(N) // 4}
    np.savez(tmp_path / "t.npz", **arrays)
    assert read_table(tmp_path / "t.npz").n_features == 2
    with pytest.raises(InputError, match=r"array 'x1' has the name of a column"):
        read_table(tmp_path / "t.npz", groups="x1")


@pytest.mark.parametrize("file", ["t.parquet", "t.csv", "t.npz"])
def test_large_whole_numbers_that_become_equal_are_refused(tmp_path, file):
    number = np.array([2**60 + v % 2 for v in range(N)])
    if file == "t.npz":
        np.savez(tmp_path / file, data=number[:, None], label=FRAME["outcome"].to_numpy(str))
    else:
        write(FRAME[["outcome"]].assign(x0=number), tmp_path / file)
    with pytest.raises(InputError, match="'x0' holds different whole numbers beyond"):
        read_table(tmp_path / file, None if file == "t.npz" else "outcome")


@pytest.mark.parametrize("form", ["{}", "{:,}"])
@pytest.mark.parametrize("gap", ["", "?", "1"])
def test_large_whole_numbers_beside_gaps_are_refused(tmp_path, form, gap):
    numbers = [gap, *(form.format(-(2**60) - v % 2) for v in range(N - 1))]
    write(FRAME[["age", "outcome"]].assign(c=numbers), tmp_path / "t.csv")
    with pytest.raises(
        InputError, match=r"'c' holds .* as -11529215046068469(76 and .*77|77 and .*76);"
    ):
        read_table(tmp_path / "t.csv", "outcome")


def test_large_numbers_written_in_two_ways_are_read(tmp_path):
    numbers = [f"{2**60:,}", str(2**60), f"{2**60}.0", "7"] * (N // 4)
    write(FRAME[["age", "outcome"]].assign(c=numbers), tmp_path / "t.csv")
    assert set(read_table(tmp_path / "t.csv", "outcome").x[:, 1]) == {2.0**60, 7.0}


def test_leading_zeros_of_text_give_a_notice(tmp_path):
    frame = FRAME[["age", "outcome"]].assign(code=[f"0{1000 + v % 9}" for v in range(N)])
    data = read_table(write(frame, tmp_path / "t.parquet"), "outcome")
    assert "'code': numbers with leading zeros, such as '01000'" in str(data.notices)
