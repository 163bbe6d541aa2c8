"""Readers on random bytes, and round trips of tables written in random dialects."""

import csv
import io

import numpy as np
import pytest
from fuzzing import examples
from hypothesis import given
from hypothesis import strategies as st

from imbax.data.features import tidied
from imbax.data.files import read_frame, read_table
from imbax.data.kinds import kinds_of_columns
from imbax.data.score_files import read_scores
from imbax.errors import InputError

CELLS = [
    *("1", "-2.5", "4,5", "1.234", "2,000", "1e5", "?", "NA", "nan", "None", ".", "-", "inf"),
    *("20%", "$5", "Jan 05 2020", "2020-01-05", "10:30", "a", "b c", " yes ", "#x", "0", "\ufeff"),
    *('"', '"q"', "'s'", "Unnamed: 0", "index", "sep=;", "\x00", "é", "", "  ", "True", "9" * 25),
]
MARKS = [",", ";", "\t", "|", " ", "\n", "\r\n", "\r", "\n\n", '"', "#"]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1"]

tables_of_pieces = st.builds(
    lambda pieces, encoding: "".join(pieces).encode(encoding, "replace"),
    st.lists(st.sampled_from(CELLS + MARKS * 3), max_size=60),
    st.sampled_from(ENCODINGS),
)
grids = st.builds(
    lambda rows, mark: "\n".join(mark.join(row) for row in [["a", "b", "y"], *rows]).encode(),
    st.lists(st.lists(st.sampled_from(CELLS), min_size=3, max_size=3), max_size=30),
    st.sampled_from([",", ";", "\t"]),
)
any_file = st.one_of(st.binary(max_size=200), tables_of_pieces, grids)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def check_any_file(folder, content, has_header):
    path = folder / "t.csv"
    path.write_bytes(content)
    for read in (
        lambda: read_table(path, "y", header=has_header),
        lambda: read_table(path, -1, header=False),
        lambda: read_scores(path),
    ):
        try:
            read()
        except InputError as error:
            assert len(str(error).splitlines()) == 1


@examples(10)
@given(content=any_file, has_header=st.booleans())
def test_random_bytes_are_read_or_refused(folder, content, has_header):
    check_any_file(folder, content, has_header)


@pytest.mark.thorough
@examples(200)
@given(content=any_file, has_header=st.booleans())
def test_many_random_bytes_are_read_or_refused(folder, content, has_header):
    check_any_file(folder, content, has_header)


texts = st.text(st.sampled_from("abcxyzÄé ,;\"'\n|#"), min_size=1, max_size=6).map(str.strip)
words = texts.filter(lambda text: any(map(str.isalpha, text)) and text[0] != "#")
numbers = st.one_of(
    st.integers(-(10**6), 10**6).map(float),
    st.floats(-1e9, 1e9).filter(lambda value: value == 0 or abs(value) > 1e-9),
)
columns = st.one_of(
    st.tuples(st.just("numbers"), st.lists(numbers, min_size=8, max_size=8)),
    st.tuples(st.just("words"), st.lists(words, min_size=8, max_size=8)),
    st.tuples(st.just("gaps"), st.lists(st.one_of(numbers, st.just(None)), min_size=8, max_size=8)),
)
dialects = st.fixed_dictionaries(
    {
        "separator": st.sampled_from([",", ";", "\t", "|"]),
        "decimal": st.sampled_from([".", ","]),
        "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"]),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        "end": st.sampled_from(["\n", "\r\n"]),
        "gap": st.sampled_from(["", "?", "NA", "-"]),
        "index": st.booleans(),
        "sep_line": st.booleans(),
        "blank": st.booleans(),
    }
)


def written(table, how):
    """Returns the bytes of a table; numbers are written with the digits of repr."""

    def cell(value):
        if value is None or isinstance(value, str):
            return how["gap"] if value is None else value
        return repr(int(value) if value.is_integer() else value).replace(".", how["decimal"])

    out = io.StringIO(newline="")
    writer = csv.writer(
        out, delimiter=how["separator"], quoting=how["quoting"], lineterminator=how["end"]
    )
    rows = list(zip(*(column for _, column in table), strict=True))
    names = [f"column {i}" for i in range(len(table))]
    for i, row in enumerate([names, *rows]):
        index = ["" if i == 0 else str(i - 1)] if how["index"] else []
        writer.writerow([*index, *map(cell, row)] if i else [*index, *row])
    lines = out.getvalue()
    if how["blank"]:
        lines += how["end"] * 2
    if how["sep_line"]:
        lines = f"sep={how['separator']}{how['end']}" + lines
    return lines.encode(how["encoding"])


def check_dialect(folder, table, how):
    path = folder / "d.csv"
    path.write_bytes(written(table, how))
    try:
        frame, _, separator = read_frame(path)
        tidy, _ = tidied(frame)
        found = kinds_of_columns(tidy, name="d.csv", separator=separator).read(tidy)
    except InputError as error:
        assert len(str(error).splitlines()) == 1
        return False
    has_cells = how["index"] or how["gap"]
    kept = [r for r in range(8) if has_cells or any(v[r] is not None for _, v in table)]
    assert len(frame) == len(kept)
    for i, (kind, values) in enumerate(table):
        name, values = f"column {i}", [values[r] for r in kept]
        if kind == "words":
            assert found[name].tolist() == values
        elif all(value is None for value in values):
            assert name not in found
        else:
            expected = [np.nan if value is None else value for value in values]
            np.testing.assert_allclose(found[name], expected, rtol=1e-14)
    return True


tables = st.lists(columns, min_size=2, max_size=5)


@examples(10)
@given(table=tables, how=dialects)
def test_random_dialect_is_read_back_or_refused(folder, table, how):
    check_dialect(folder, table, how)


@pytest.mark.thorough
@examples(200)
@given(table=tables, how=dialects)
def test_random_dialect_is_read_back_or_refused_often(folder, table, how):
    check_dialect(folder, table, how)
