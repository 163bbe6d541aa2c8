"""`imbax compare`: the page, its tables and figures, and one-line errors for invalid tables."""

import re

import numpy as np
import pandas as pd
import pytest

from imbax.cli import main
from imbax.data.score_files import read_scores
from imbax.errors import InputError
from imbax.reports import comparisons
from imbax.reports.compare import write_comparison
from imbax.reports.tabular import tables
from imbax.statistics import ranks

PAPER = tables.resources.files("imbax.reports") / "paper"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    out = tmp_path_factory.mktemp("page")
    arguments = ["compare", str(PAPER / "table_2.csv"), "--control", "explicit_gradient"]
    assert main([*arguments, "--out", str(out)]) == 0
    return out / "comparison.md"


def test_paper_table_2_gives_the_known_statistics(page):
    text = page.read_text(encoding="utf-8")
    assert "27 data sets, 6 methods" in text
    assert "gives F = 7.50, p = 3.2e-06" in text
    assert "level is 1.45: `explicit_gradient` is not significantly different from `ce`." in text
    assert "| ce | 27 | 5 | 3 | 19 | -0.030 | -0.040 to -0.010 | -0.76 | 0.0011 | 0.0011 |" in text
    friedman = pd.read_csv(page.parent / "tables" / "friedman.csv").loc[0]
    assert friedman["critical_difference"] == pytest.approx(1.451, abs=5e-4)
    assert friedman["chi2_corrected"] == pytest.approx(36.13, abs=5e-3)


def test_linked_files_exist_and_agree_with_the_page(page):
    links = re.findall(r"\]\((.+?)\)", page.read_text(encoding="utf-8"))
    stems = ("critical_difference", "win_rates", "profiles")
    assert {f"figures/{stem}.png" for stem in stems} < set(links) and len(links) == 7
    for link in links:
        assert (page.parent / link).is_file(), link
    stored = pd.read_csv(page.parent / "tables" / "contrasts.csv", index_col=["method", "against"])
    scores = read_scores(PAPER / "table_2.csv")
    wilcoxon = ranks.compare(scores, "smote", "explicit_gradient")
    row = stored.loc["smote", "explicit_gradient"]
    for name, value in wilcoxon._asdict().items():
        assert row[name] == pytest.approx(value), name
    assert row[["worse", "equal", "better"]].sum() == pytest.approx(1)
    np.testing.assert_allclose(stored["p_holm"], ranks.holm(stored["p_value"]))
    by_rank = ranks.rank_test(scores, "explicit_gradient")
    assert row["p_rank_holm"] == pytest.approx(by_rank.loc["smote", "p_holm"])
    methods = pd.read_csv(page.parent / "tables" / "methods.csv", index_col="method")
    assert methods["mean_rank"].round(2).to_dict()["explicit_gradient"] == 1.87
    assert methods.loc["explicit_gradient", "best"] == 21


def test_without_a_control_every_pair_is_compared(tmp_path):
    scores = read_scores(PAPER / "table_2.csv")
    text = write_comparison(scores, tmp_path, source="t").read_text(encoding="utf-8")
    stored = pd.read_csv(tmp_path / "tables" / "contrasts.csv")
    assert len(stored) == 6 * 5 // 2 and "p_rank" not in stored
    assert "## Every pair of methods" in text and "corrected for 15 comparisons" in text
    assert "| method | against |" in text
    np.testing.assert_allclose(stored["p_holm"], ranks.holm(stored["p_value"]))


def test_datasets_with_gaps_are_dropped_and_reported(capsys, tmp_path):
    assert main(["compare", str(PAPER / "table_3.csv"), "--out", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert "22 of 27 data sets left out" in output
    text = (tmp_path / "comparison.md").read_text(encoding="utf-8")
    assert "5 data sets, 5 methods" in text and "(gaps by method: `mesa` 22): ecoli, " in text
    assert "A test over 5 data sets is not meaningful" in text
    assert "Wilcoxon" not in text and "nan" not in text and ".png" not in text
    assert pd.read_csv(tmp_path / "tables" / "contrasts.csv")["p_value"].isna().all()


def test_rope_has_the_units_of_the_scores(tmp_path):
    percent = 100 * read_scores(PAPER / "table_2.csv")
    table = comparisons.against_control(percent, "ce", rope=1.0)
    same = comparisons.against_control(percent / 100, "ce", rope=0.01)
    np.testing.assert_allclose(table["equal"], same["equal"], atol=1e-12)
    narrow = comparisons.against_control(percent, "ce", rope=0.01)
    assert (narrow["equal"] < table["equal"]).all()


def test_negative_scores_have_no_profiles(tmp_path):
    scores = -(1 - read_scores(PAPER / "table_2.csv"))
    text = write_comparison(scores, tmp_path, source="t").read_text(encoding="utf-8")
    assert "need scores of 0 or more" in text and "profiles.png" not in text
    assert "profiles.csv" not in text and "profile area" not in text


def test_names_written_by_spreadsheets_are_cleaned(tmp_path):
    file = tmp_path / "t.csv"
    file.write_bytes("\ufeff, my  net ,a|b\nset 1,.5,.6\n2,.7,\nset|3,.8,.9\n".encode())
    scores = read_scores(file)
    assert scores.to_dict() == {
        "my net": {"set 1": 0.5, "2": 0.7, "set|3": 0.8},
        "a|b": {"set 1": 0.6, "2": pytest.approx(np.nan, nan_ok=True), "set|3": 0.9},
    }
    text = write_comparison(scores, tmp_path, source=file.name).read_text()
    assert "(gaps by method: `a|b` 1): 2." in text and "| a\\|b |" in text


def test_names_keep_leading_zeros(tmp_path):
    scores, notices = read(tmp_path, "d,a,b\n01,.5,.6\n1,.7,.8\n02,.6,.9\n")
    assert scores.index.tolist() == ["01", "1", "02"] and not notices


GOOD = "d,a,b\nx,.5,.6\ny,.7,.8\nz,.7,.9\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "does not exist"),
        ("", "is empty"),
        ("d,a,b\n", "a header but no rows"),
        ("a\n.5\n.6\n", "one column was read"),
        ("d,a\nx,.5\ny,.6\n", "has 2 columns"),
        ("a,b,c\n.5,.6,.7\n.6,.7,.8\n", "add a first column with names"),
        ("d,a,b\nx,.5,.6\nx,.7,.8\n", "'x' has two rows"),
        ("d,a,b\nx,.5,.6\n,.7,.8\n", "line 3 has no data set name"),
        ("d,a,a\nx,.5,.6\ny,.7,.8\n", "two columns are called 'a'"),
        ("d,a,a \nx,.5,.6\ny,.7,.8\n", "two columns are called 'a'"),
        ("d,a,b,\nx,.5,.6,\ny,.7,.8,\n", "column 4 has no name"),
        ("d,a,b\nx,.5,0.6+0.1\ny,.7,.8\n", "'b' on 'x' is '0.6+0.1', expected a number"),
        ("d,a,b\nx,no,yes\ny,low,high\n", "'a' on 'x' is 'no', expected a number"),
        ("d,a,b\nx,True,.6\ny,False,.8\n", "'a' on 'x' is 'True', expected a number"),
        ("d,a,b\nx,2020-01-01,.6\ny,2020-01-02,.8\n", "'2020-01-01', expected a number"),
        ("d,a,b\nx,inf,.6\ny,.7,.8\n", "'a' on 'x' is infinite or huge"),
        ("d,a,b\nx,.5,.6\ny,.7,-1e999\n", "'b' on 'y' is infinite or huge"),
        ("d,a,b\nx,.5,.6\ny,.7,\n", "score of every method: 1, expected at least 2; fill gaps"),
        ("d,a,b\nx,.5,.6\n", "score of every method: 1, expected at least 2; add more rows"),
        ("d,a,b\nx,.5,\ny,.7,\n", "method 'b' has no score;"),
        ("d,a,b\nx,.5,.6,.7\ny,.7,.8\n", "more cells than the header"),
        ("dataset,method,mean\nx,a,.6\nx,b,.8\n", "tables/scores.csv"),
        (b"d,a,b\nx,\xff\xfe,.6\n", "'a' on 'x' is 'ÿþ', expected a number"),
        (b"\x00\x01\x02", "t.csv"),
    ],
)
def test_invalid_tables_give_one_line_errors(capsys, tmp_path, monkeypatch, content, says):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        raw = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "t.csv").write_bytes(raw)
    assert says in error_line(capsys, "t.csv")
    assert not (tmp_path / "results").exists()


SCORES = pd.DataFrame(
    {"a": [0.51, 0.72, 0.73, 0.4], "b": [0.62, 0.8, 0.91, 0.3]}, index=["w", "x", "y", "z"]
).rename_axis("d")


def read(tmp_path, content):
    (tmp_path / "t.csv").write_text(content, encoding="utf-8")
    notices = []
    return read_scores(tmp_path / "t.csv", notices), notices


@pytest.mark.parametrize(
    "content",
    [
        SCORES.to_csv(sep=";", decimal=","),
        SCORES.to_csv(sep="\t"),
        SCORES.map("{:,}".format).to_csv(sep=";").replace(".", ","),
        "# of 2024\n" + SCORES.to_csv(),
        SCORES.reset_index().to_csv(),
        SCORES.reset_index().iloc[[2, 0, 3, 1]].to_csv(),
        SCORES.reset_index().reset_index(names="").to_csv(),
    ],
)
def test_csv_dialects_are_read(tmp_path, content):
    scores, _ = read(tmp_path, content)
    pd.testing.assert_frame_equal(scores.sort_index(), SCORES.rename_axis("dataset"))


def test_numbers_without_a_header_name_the_data_sets(tmp_path):
    numbered = SCORES.assign(c=SCORES["a"]).reset_index(drop=True)
    scores, _ = read(tmp_path, numbered.to_csv(sep=";", decimal=","))
    assert scores.index.tolist() == ["0", "1", "2", "3"] and list(scores) == ["a", "b", "c"]


def test_percentages_and_missing_value_markers_are_read(tmp_path):
    scores, _ = read(tmp_path, "d,a,b\nx,51%,60%\nNA,70%,81%\ny,-,90%\n")
    assert scores["a"].dropna().to_dict() == {"x": 51, "NA": 70} and len(scores) == 3


@pytest.mark.parametrize(
    "name", ["Mean", "average", "Avg. rank", "Median", "Mean over 4 data sets", "STD", "# wins"]
)
def test_summary_rows_are_left_out(tmp_path, name):
    content = SCORES.to_csv() + f"{name},.5,.6\n"
    scores, notices = read(tmp_path, content)
    pd.testing.assert_frame_equal(scores.sort_index(), SCORES.rename_axis("dataset"))
    assert notices == [f"rows left out as statistics over the data sets: {name!r}"]


def test_a_last_row_or_column_of_means_is_left_out(tmp_path):
    content = SCORES.to_csv() + "alle,.59,.6575\n"
    scores, notices = read(tmp_path, content)
    assert len(scores) == 4 and notices == ["row left out as the mean of the other rows: 'alle'"]
    wide = SCORES.assign(c=[0.1, 0.2, 0.3, 0.4])
    scores, notices = read(tmp_path, wide.assign(Mean=wide.mean(axis=1).round(3)).to_csv())
    assert list(scores) == ["a", "b", "c"] and "the mean of the other columns" in notices[0]
    scores, notices = read(tmp_path, wide.assign(mean=[0.3, 0.2, 0.5, 0.6]).to_csv())
    assert list(scores) == ["a", "b", "c", "mean"] and notices == []


def test_lower_is_better_negates_scores_in_statistics(tmp_path):
    errors = 1 - SCORES
    expected = write_comparison(SCORES, tmp_path / "a", source="t").read_text(encoding="utf-8")
    errors.to_csv(tmp_path / "errors.csv")
    arguments = [str(tmp_path / "errors.csv"), "--lower-is-better", "--out", str(tmp_path / "b")]
    assert main(["compare", *arguments]) == 0
    text = (tmp_path / "b" / "comparison.md").read_text(encoding="utf-8")
    assert "lower scores are better" in text
    # Wins and ranks are computed from negated errors, means from the errors.
    ranks = "Mean rank over 4 data sets, 1 = best: `b` 1.25, `a` 1.75."
    assert ranks in expected and ranks in text
    pairs = [
        page.partition("## Every pair")[2].partition("Machine-readable tables")[0]
        for page in (expected, text)
    ]
    assert pairs[0]
    assert pairs[0] == pairs[1]
    methods = pd.read_csv(tmp_path / "b" / "tables" / "methods.csv", index_col="method")
    np.testing.assert_allclose(methods["mean_score"], errors.mean()[methods.index])


def test_files_of_error_rates_suggest_lower_is_better(tmp_path, capsys):
    SCORES.to_csv(tmp_path / "error_rates.csv")
    for flags, count in (([], 1), (["--lower-is-better"], 0)):
        arguments = ["compare", str(tmp_path / "error_rates.csv"), "--out", str(tmp_path), *flags]
        assert main(arguments) == 0
        assert capsys.readouterr().out.count("if lower scores are better, use --lower") == count
        text = (tmp_path / "comparison.md").read_text(encoding="utf-8")
        assert text.count("if lower scores are better") == count


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--control", "aa"], "no method 'aa'; did you mean 'a'? there are: a, b"),
        (["--rope", "-1"], "rope -1"),
        (["--rope", "nan"], "rope nan"),
        (["--out", "t.csv/below"], "--out t.csv/below cannot be written"),
    ],
)
def test_invalid_options_give_one_line_errors(capsys, tmp_path, monkeypatch, options, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(GOOD)
    assert says in error_line(capsys, "t.csv", *options)


def test_folders_and_other_file_types_are_rejected(capsys, tmp_path):
    assert "is a folder" in error_line(capsys, str(tmp_path))
    (tmp_path / "t.xlsx").write_text("x")
    assert "expected .csv or .parquet" in error_line(capsys, str(tmp_path / "t.xlsx"))


def error_line(capsys, *arguments):
    status = main(["compare", *arguments])
    error = capsys.readouterr().err.strip()
    assert status == 2
    assert error.startswith("imbax: error: ") and "\n" not in error
    return error


def test_scores_in_different_units_are_refused(tmp_path):
    table = pd.DataFrame(
        {"data": list("abc"), "A": ["91.2%", "80.5%", "70.1%"], "B": [0.9, 0.8, 0.7]}
    )
    table.assign(C=table["B"]).to_csv(tmp_path / "s.csv", index=False)
    with pytest.raises(InputError, match=r"scores of 'A' have '%', those of 'B' have no unit"):
        read_scores(tmp_path / "s.csv")


def test_column_above_the_range_of_scores_gives_a_notice(tmp_path):
    table = pd.DataFrame({"data": list("abc"), "A": [0.1, 0.5, 1], "B": [0.9, 0.8, 0.7]})
    notices = []
    table.to_csv(tmp_path / "s.csv", index=False)
    read_scores(tmp_path / "s.csv", notices)
    assert not notices
    table.assign(ratio=[9.1, 8, 30]).to_csv(tmp_path / "s.csv", index=False)
    read_scores(tmp_path / "s.csv", notices)
    assert "column 'ratio' is above 1 in each row" in notices[0]
    assert notices[0].endswith("or write it in the unit of the others")
