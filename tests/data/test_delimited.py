"""Text files in the dialects of spreadsheets, databases and hand-written tables."""

import bz2
import gzip
import lzma
import re
import zipfile

import numpy as np
import pandas as pd
import pytest

from imbax.data.files import read_table
from imbax.errors import InputError

N = 60
RNG = np.random.default_rng(0)
Y = (np.arange(N) % 5 == 0).astype(int)
BASE = pd.DataFrame({"x": RNG.normal(size=N), "y": Y})
AGES = RNG.integers(20, 70, N).astype(str)


@pytest.fixture
def read(tmp_path):
    """Returns a reader of bytes, or of columns added to `x` and the label `y`."""

    def read(content, target="y", *, file="t.csv", **options):
        path = tmp_path / file
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            BASE.assign(**content).to_csv(path, index=False)
        return read_table(path, target, **options)

    return read


def csv(frame=BASE, **options):
    return frame.to_csv(**({"index": False} | options)).encode()


def check_base(data):
    assert data.feature_names == ("x",)
    np.testing.assert_array_equal(data.x[:, 0], BASE["x"])
    np.testing.assert_array_equal(data.y, Y)


@pytest.mark.parametrize(
    ("content", "notice"),
    [
        (csv(), None),
        (csv(lineterminator="\r\n"), None),
        (csv(lineterminator="\r"), None),
        (csv(lineterminator="\n\n"), None),
        (csv(quoting=1), None),
        (csv().replace(b",", b" , "), None),
        (csv(sep="\t"), r"columns are separated by '\\t'"),
        (csv(sep="|"), r"columns are separated by '\|'"),
        (csv(sep=";"), "columns are separated by ';'"),
        (
            csv(sep=";", decimal=","),
            "1 column of text parsed as numbers: x .decimal commas, such as",
        ),
        (b"sep=;\r\n" + csv(sep=";", decimal=","), "decimal commas"),
        (b'"sep=,"\n' + csv(), None),
        (csv().replace(b",", b"   "), None),
        (csv().decode().encode("utf-8-sig"), None),
        (csv().decode().encode("utf-16"), None),
        (csv().decode().encode("utf-16-be"), None),
        (csv().decode().encode("utf-32"), None),
        (b"# made by x, y\n#\n" + csv() + b"# end\n", "3 comment lines left out"),
        (b"|made by, x\n" + csv(), "1 comment line left out"),
        (b"|x|y\n" + csv(header=False, index=True, sep="|"), "row index saved with the table"),
        (b"# x,y\n" + csv(header=False), None),
        (b"\n\n" + csv() + b"\n,\n,\n", "2 empty rows left out"),
        (csv(BASE.assign(e="")), "1 column empty, left out: e"),
        (csv().replace(b"\n", b",\n"), "1 column empty, left out: Unnamed: 2"),
    ],
)
def test_every_dialect_is_read(read, content, notice):
    data = read(content)
    if notice is None:
        assert data.notices == ()
    else:
        assert re.search(notice, " ".join(data.notices)), data.notices
    if "decimal" in str(notice):  # parsed by Python, not pandas, to the last digit of repr
        np.testing.assert_allclose(data.x[:, 0], BASE["x"], rtol=1e-15)
    else:
        check_base(data)


def test_numbers_match_pandas_bit_for_bit(read, tmp_path):
    """Values that pandas parses are equal to the last bit."""
    frame = pd.DataFrame(np.exp(RNG.normal(size=(N, 4)) * 40), columns=list("abcd")).assign(y=Y)
    data = read(csv(frame))
    np.testing.assert_array_equal(data.x, pd.read_csv(tmp_path / "t.csv")[list("abcd")])


@pytest.mark.parametrize(
    ("file", "pack"),
    [
        ("t.csv.gz", gzip.compress),
        ("t.csv.bz2", bz2.compress),
        ("t.csv.xz", lzma.compress),
        ("t.csv", gzip.compress),
        ("t.tsv", bytes),
        ("t.data", bytes),
        ("t.txt", bytes),
    ],
)
def test_compressed_files_and_other_suffixes_are_read(read, file, pack):
    data = read(pack(csv()), file=file)
    check_base(data)
    assert data.name == "t"


def test_zip_must_contain_one_table(read, tmp_path):
    for number in (1, 2):
        with zipfile.ZipFile(tmp_path / "t.csv.zip", "w") as archive:
            for i in range(number):
                archive.writestr(f"{i}.csv", csv())
        content = (tmp_path / "t.csv.zip").read_bytes()
        if number == 1:
            check_base(read(content, file="t.csv.zip"))
        else:
            with pytest.raises(InputError, match="contains 2 files, expected one table"):
                read(content, file="t.csv.zip")


def test_latin_1_gives_a_notice(read):
    data = read(csv(BASE.rename(columns={"x": "Größe"})).decode().encode("latin-1"))
    assert data.feature_names == ("Größe",)
    assert data.notices == ("the text is not UTF-8 and was read as Windows-1252 (Latin-1)",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("äöü,y\n".encode() + b"\xff,1\n", r"byte 9 is not UTF-8 although .*damaged"),
        (b"a,y\n1\x00,2\n", r"cannot be read as \.csv \(character 5 is NUL\)"),
        (b"PK\x03\x04", "is a spreadsheet or an archive; save the table as CSV"),
        (b"PAR1 ", r"is a Parquet file; end its name in \.parquet"),
        (b"\n<!DOCTYPE html><html>", "is a web page; download the table itself"),
        (gzip.compress(csv(), mtime=0)[:40], r"cannot be read as \.csv"),
        (b"a,b,y\n1,2,0\n1,2\n", "row 2 below the header has 2 cells, expected 3"),
        (b"title\na,b,y\n1,2,0\n", "more cells than .*; repair the file, .* above the header"),
        (b'a,y\n"1,2\n', "cannot be read as .csv .*EOF inside string"),
        (
            csv(header=False),
            r"first line, .*, looks like data, .*; give header=False if it is data",
        ),
        (b"39, State-gov, 77516\n50, Private, 83311\n38, Private, 12\n", "looks like data"),
        (b"a,b\nc,b\na,d\n", "looks like data"),
        (csv() * 2, "row 61 below the header repeats it, x, y, ...; remove this row, or .*header="),
        (b"a,y\n" + csv(index=True, header=False)[1:], "more cells than the header has names"),
        (csv(BASE[["y"]]), "one column was read, expected .*; separate .* commas, semicolons"),
        (csv(sep=":"), "one column was read"),
    ],
)
def test_files_without_a_table_are_refused(read, content, message):
    with pytest.raises(InputError, match=message) as caught:
        read(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("sep", [" ", "\t", ",", ";", "|"])
@pytest.mark.parametrize("names", [np.arange(1, N + 1), [f"row {i}" for i in range(N)]])
def test_row_names_without_a_header_are_left_out(read, sep, names):
    header, rows = csv(BASE.set_axis(names), index=True, sep=sep, quoting=2).split(b"\n", 1)
    content = header.removeprefix(b'""').removeprefix(sep.encode()) + b"\n" + rows
    data = read(content)
    check_base(data)
    assert "row index saved with the table, left out: Unnamed: 0" in data.notices
    assert "a row name, so 'x' is the name of the second cells" in str(data.notices)


@pytest.mark.parametrize(
    ("header", "row", "is_read"),
    [
        (b"id,age,y", "{n},{age},150,{y}", False),
        (b"id,y,age", "{n},{y},20,{age}", False),
        (b"id age y", "{n} {age} 150 {y}", False),
        (b"name,age,y", "Sur{n}, John,{age},{y}", False),
        (b'"name","age","y"', '"Sur{n}"," John","{age}","{y}"', False),
        (b'"id","age","y"', '"{n}","7{n}",{age},{y}', True),
        (b'"id" "age" "y"', '"{n}" 7{n} {age} {y}', True),
        (b"sex age y", "Sur{n} 1 {age} {y}", True),
    ],
)
def test_header_that_lacks_a_name_shifts_no_column(read, header, row, is_read):
    rows = (row.format(n=n, age=a, y=y) for n, (a, y) in enumerate(zip(AGES, Y, strict=True), 1))
    content = b"\n".join([header, *map(str.encode, rows)])
    if not is_read:
        with pytest.raises(InputError, match="more cells than the header has names"):
            read(content)
        return
    data = read(content)
    assert "the header has one name fewer than the rows have cells" in str(data.notices)
    np.testing.assert_array_equal(data.x[:, -1], AGES.astype(float))


def test_decimal_commas_are_not_row_names(read):
    content = "x,y\n" + "".join(f"{7 * i},5,{y}\n" for i, y in enumerate(Y))
    with pytest.raises(InputError, match="some rows have more cells than the header has names"):
        read(content.encode())


@pytest.mark.parametrize("target", ["x1", 1, -1, "-1", "1"])
def test_target_is_a_position_without_a_header(read, target):
    data = read(csv(header=False), target, header=False)
    assert data.feature_names == ("x0",)
    np.testing.assert_array_equal(data.x[:, 0], BASE["x"])


@pytest.mark.parametrize("names", [[0, 1, 2], [1, 2, 3], [2019, 2020, 2021], [400.5, 500.5, 600.5]])
def test_increasing_numbers_are_valid_column_names(read, names):
    frame = pd.DataFrame(RNG.normal(size=(N, 3)), columns=names).assign(y=Y)
    assert read(csv(frame)).feature_names == tuple(map(str, names))


def one_entry(word):
    return {"age": ["31", word, *AGES[2:]]}


@pytest.mark.parametrize("word", ["?", ".", "-", "n/a", "NA", "nan", "None", "null"])
def test_words_for_missing_values_among_numbers(read, word):
    data = read(one_entry(word))
    assert data.notices[0] == f"column 'age': {word!r} (1 rows) treated as missing"
    assert np.flatnonzero(data.frame["age"].isna()).tolist() == [1]
    as_levels = read(one_entry(word), categorical=["age"])
    assert as_levels.frame["age"].nunique() > 20


def test_other_words_among_numbers_are_refused(read):
    with pytest.raises(InputError) as caught:
        read(one_entry("abc"))
    message = "column 'age' is text because of 1 entry such as 'abc'; correct"
    assert message in str(caught.value) and "drop=['age']" in str(caught.value)
    assert read(one_entry("abc"), categorical=["age"]).frame["age"].nunique() > 20


def test_empty_cell_is_a_missing_value(read):
    data = read(one_entry(""))
    assert np.flatnonzero(data.frame["age"].isna()).tolist() == [1]
    assert data.notices == (
        "missing values in 1 column replaced with the median of a run's training rows: "
        "age (1 rows)",
    )


@pytest.mark.parametrize(
    ("form", "description"),
    [
        ("{}%", "percentages"),
        ("{},5", "decimal commas"),
        ("${}", r"all in \$"),
        ("{} kg", "all in kg"),
        ("1 {}1", "separators of thousands"),
    ],
)
def test_formatted_numbers_are_parsed_with_a_notice(read, form, description):
    data = read({"age": [form.format(age) for age in AGES]})
    expected = form.translate(dict.fromkeys(map(ord, "%$ kg"))).replace(",", ".")
    np.testing.assert_array_equal(data.x[:, 1], [float(expected.format(age)) for age in AGES])
    assert data.feature_names == ("x", "age")
    (notice,) = data.notices
    assert re.match(f"1 column of text parsed as numbers: age .{description}", notice)


def test_other_columns_determine_the_decimal_mark(read):
    pay = [f"{value:,}" for value in range(1000, 1000 + 7 * N, 7)]
    data = read({"pay": pay})  # x has decimal points
    assert data.x[:2, 1].tolist() == [1000, 1007]
    data = read(csv(BASE.assign(pay=pay), sep=";", decimal=","))
    assert data.x[:2, 1].tolist() == [1, 1.007]
    data = read(csv(BASE.assign(pay=[p.replace(",", ".") for p in pay]), sep=";", decimal=","))
    assert data.x[:2, 1].tolist() == [1000, 1007]
    whole = BASE.assign(x=np.arange(N) * 3, pay=pay)
    with pytest.raises(InputError, match=r"such as '1,000', which can be 1000 or 1; write them"):
        read(csv(whole[["pay", "x", "y"]]))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["20%", "20"], "numbers in several formats, such as '20' and '20%'|'20%' and '20'"),
        (["20k", "5M"], "numbers in several formats, such as '20k' and '5M'"),
        (["10:30", "11:30"], r"holds times of day .*'10:30'; convert .* hours .*drop=\['c'\]"),
        (["1 days 02:00:00", "0 days"], "holds .* durations .*'1 days 02:00:00'; convert"),
        (["3 mai 2020", "4 mai 2020"], "holds dates or times such as '3 mai 2020', which cannot"),
        (["01/02/2020", "02/03/2020"], "holds dates such as '01/02/2020', which can be"),
    ],
)
def test_mixed_or_ambiguous_formats_are_refused(read, values, message):
    with pytest.raises(InputError, match=f"column 'c' holds {message}|{message}"):
        read({"c": values * (N // 2)})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("0000-00-00", "holds dates such as '2020-01-01' and, .*, 1 entry such as '0000-00-00'; w"),
        ("2020-02-30", "1 entry such as '2020-02-30'; write all as 2020-01-31"),
        ("05/13/2020", "1 entry such as '05/13/2020'; write all as 2020-01-31"),
        ("12:30", "1 entry such as '12:30'; write all as 2020-01-31"),
        ("ongoing", "holds dates or times such as '2020-01-01', and 1 entry such as 'ongoing'; c"),
        ("7 days", "holds dates such as '2020-01-01' and, .*, 1 entry such as '7 days'; w"),
    ],
)
@pytest.mark.parametrize("days", [20, N])
def test_message_names_the_entry_that_is_no_date(read, entry, message, days):
    texts = [f"2020-{i % days // 28 + 1:02}-{i % days % 28 + 1:02}" for i in range(N)]
    texts[4:6] = ["?", entry]
    with pytest.raises(InputError, match=f"column 'c' {message}|{message}"):
        read({"c": texts})


def test_notice_of_thousands_shows_a_number_with_separator(read):
    (notice,) = read({"c": ["1", "2", "1,000"] * 20}).notices
    assert "(separators of thousands, such as '1,000')" in notice


def test_words_that_pandas_treats_as_missing_are_text(read):
    frame = BASE.assign(country=["NA", "DE", "null"] * 20, label=np.where(Y, "None", "yes"))
    data = read(csv(frame.drop(columns="y")), "label")
    assert data.classes == ("yes", "None")
    assert set(data.frame["country"]) == {"DE", "NA", "null"}
    notice = "column 'country': 'NA' (20 rows), 'null' (20 rows) treated as a level, not as missing"
    assert data.notices[0] == notice


@pytest.mark.parametrize("labels", [["a", "b", "?"], ["0", "1", "NA"], ["0", "1", "?"]])
def test_label_for_a_missing_value_is_refused(read, labels):
    frame = BASE.assign(y=labels * 20)
    with pytest.raises(InputError, match=r"missing value, '(\?|NA)' in 20 of 60 rows"):
        read(csv(frame), minority=labels[0])


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["no.", "no.", "yes."], ("no", "yes")),
        (["no.", "no", "yes"], ("no", "yes")),
        (["no.", "no", "yes."], ("no", "yes.")),
        (["no", "no", "etc."], ("no", "etc.")),
        (["a", "a", "."], None),
    ],
)
def test_trailing_full_stops_are_removed_from_labels(read, labels, classes):
    if classes is None:
        with pytest.raises(InputError, match=r"a missing value, '\.' in 20"):
            read(csv(BASE.assign(y=labels * 20)))
        return
    data = read(csv(BASE.assign(y=labels * 20)))
    assert data.classes == classes
    has_notice = "full stop removed from the end of labels: 'no.' as 'no'" in str(data.notices)
    assert has_notice == ("no." in labels)


def test_spaces_around_text_are_removed(read):
    frame = BASE.assign(c=["a", "a ", " a", "b"] * 15, y=np.where(Y, " yes ", "no"))
    data = read(csv(frame))
    assert set(data.frame["c"]) == {"a", "b"} and data.classes == ("no", "yes")


@pytest.mark.parametrize(
    ("frame", "names"),
    [
        (BASE, {"index": True}),
        (BASE.sample(frac=1, random_state=0), {"index": True}),
        (BASE.set_index(RNG.permutation(1000)[:N]), {"index": True}),
        (BASE.set_axis([f"r{i}" for i in range(N)]), {"index": True}),
        (BASE.reset_index(), {}),
        (BASE.assign(ID=np.arange(1, N + 1)), {}),
        (BASE.assign(**{"Row_ID": RNG.permutation(N)}), {}),
        (pd.concat([BASE, BASE.add([1, 0])]), {"index": True}),
    ],
)
def test_saved_row_index_is_left_out_with_a_notice(read, frame, names):
    data = read(csv(frame, **names))
    assert data.feature_names == ("x",)
    assert data.notices[0].startswith("row index saved with the table, left out: ")


def test_integer_identifier_gives_a_notice(read):
    data = read({"id": RNG.permutation(1000)[:N]})
    assert data.feature_names == ("x", "id")
    assert "an identifier; drop=['id'] leaves it out" in data.notices[0]


def test_original_adult_files_are_read(data_home):
    path = data_home / "adult" / "adult.data"
    with pytest.raises(InputError, match=r"the first line, 39, State-gov, 77516, .*, looks like"):
        read_table(path, "class")
    data = read_table(path, -1, header=False)
    assert data.frame.shape == (32561, 14) and data.classes == ("<=50K", ">50K")
    assert data.frame.select_dtypes("number").shape[1] == 6
    assert data.notices[0].startswith("column 'x1': '?' (1836 rows) treated as a level")
    test = read_table(path.with_name("adult.test"), -1, header=False)
    assert test.frame.shape == (16281, 14) and test.classes == data.classes
    assert test.notices[0] == "1 comment line left out"
    stops = "full stop removed from the end of labels: '<=50K.' as '<=50K', '>50K.' as"
    assert test.notices[1].startswith(stops)
    assert (test.frame.dtypes == data.frame.dtypes).all()


def test_index_that_was_saved_several_times_is_left_out(read, tmp_path):
    frame = BASE.sort_values("y", ignore_index=True)
    for _ in range(2):
        frame.to_csv(tmp_path / "again.csv")
        frame = pd.read_csv(tmp_path / "again.csv")
    assert list(frame.columns[:2]) == ["Unnamed: 0.1", "Unnamed: 0"]
    data = read(csv(frame.sample(frac=1, random_state=0)))
    assert data.feature_names == ("x",)
    assert "row index saved with the table, left out: Unnamed: 0.1, Unnamed: 0" in data.notices


def test_unnamed_column_gets_a_name_of_its_own(read):
    rows = "".join(f"{a},{b / 7},{c}\n" for a, b, c in zip(BASE["x"], range(N), Y, strict=True))
    data = read(f"Unnamed: 1,,y\n{rows}".encode())
    assert data.feature_names == ("Unnamed: 1", "Unnamed: 1.1")


@pytest.mark.parametrize("word", ["NA", "unknown", "None"])
def test_word_for_a_missing_value_as_a_class_gives_a_notice(read, word):
    data = read(csv(BASE.assign(y=["no", "yes", word] * 20)))
    assert len(data.classes) == 3
    assert f"label {word!r} is a class of its own" in str(data.notices)


@pytest.mark.parametrize("word", ["nan", "#N/A", "?"])
def test_missing_label_beside_text_is_refused(read, word):
    with pytest.raises(InputError, match="labels that stand for a missing value"):
        read(csv(BASE.assign(y=["no", "yes", word] * 20)))


def test_minus_is_a_class_beside_plus(read):
    data = read(csv(BASE.assign(y=["+", "-", "-"] * 20)))
    assert data.classes == ("-", "+") and "a class of its own" not in str(data.notices)


def test_leading_zeros_give_a_notice(read):
    data = read({"code": [f"0{1000 + v % 9}" for v in range(N)], "n": range(N)})
    (notice,) = (line for line in data.notices if "leading zeros" in line)
    assert "'code'" in notice and "'01000'" in notice and "categorical=['code']" in notice
    assert "leading zeros" not in str(read({"f": [0.05] * 30 + [10.01] * 30}).notices)


CODES = [f"{'0' * (v % 2)}{1 + v % 3}" for v in range(N)]


def test_leading_zeros_are_kept_in_categories(read):
    (notice,) = (line for line in read({"code": CODES}).notices if "leading zeros" in line)
    assert "'code'" in notice and "'02'" in notice and "categorical=['code']" in notice
    data = read({"code": CODES}, categorical=["code"])
    assert set(data.frame["code"]) == set(CODES) and "leading zeros" not in str(data.notices)


@pytest.mark.parametrize(
    "options", [{"target": "code"}, {"groups": "code"}, {"drop": ["code"]}], ids=str
)
def test_leading_zeros_are_kept_in_labels_and_groups(read, options):
    data = read({"code": CODES}, **options)
    assert "leading zeros" not in str(data.notices)
    if "target" in options:
        assert set(data.classes) == set(CODES)
    if "groups" in options:
        assert len(np.unique(data.groups)) == len(set(CODES))


def test_row_index_with_leading_zeros_is_left_out(read):
    assert read({"id": [f"{v:03}" for v in range(N)]}).feature_names == ("x",)
