"""`biasloop evaluate`: files that other programs wrote, values written in two ways, rows without a value."""

import json
import unicodedata
from pathlib import Path

import polars as pl
import pytest

from biasloop.errors import InvalidInput

METRICS = {
    "amplification": ("--task", "y", "--predicted", "p", "--attribute", "a"),
    "calibration": ("--task", "y", "--predicted", "p", "--confidence", "c"),
    "fairness": ("--task", "y", "--predicted", "p", "--attribute", "a"),
    "shares": ("--task", "y", "--predicted", "p"),
}


def written(rows, header="y,p,a,c", name="p.csv"):
    Path(name).write_text("".join(f"{line}\n" for line in [header, *(",".join(map(str, row)) for row in rows)]))
    return name


def answer(result):
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


def refused(result) -> str:
    assert isinstance(result.exception, InvalidInput), result.exception
    assert not result.stdout
    return str(result.exception)


@pytest.mark.parametrize("metric", METRICS)
def test_true_and_predicted_values_without_one_in_common_are_refused_everywhere(cli, metric):
    file = written([("cat", "0", "f", 0.5), ("dog", "1", "m", 0.5), ("cat", "1", "m", 0.5)])
    text = refused(cli("evaluate", metric, file, *METRICS[metric], "--json"))
    assert "columns 'y' (cat, dog) and 'p' (0, 1) have no value in common" in text
    file = written([("cat", "dog", "f", 0.5), ("dog", "cat", "m", 0.5), ("dog", "cat", "f", 0.5)])
    assert answer(cli("evaluate", metric, file, *METRICS[metric], "--json"))["n"] == 3


@pytest.mark.parametrize("metric", METRICS)
def test_numbers_that_are_written_otherwise_in_the_two_columns_are_refused_or_the_same(cli, metric):
    file = written([(1, "1.0", "a", 0.5), (1, "0.0", "a", 0.5), (0, "0.0", "b", 0.5), (1, "1.0", "b", 0.5)])
    text = refused(cli("evaluate", metric, file, *METRICS[metric]))
    assert "have no value in common" in text
    assert "--same" in text
    assert answer(cli("evaluate", metric, file, *METRICS[metric], "--same", "--json"))["n"] == 4
    assert "no value in common" in refused(cli("evaluate", metric, file, *METRICS[metric], "--different"))


def test_a_column_of_whole_and_other_floats_is_not_half_wrong(cli):
    rows = [(1, "1.0"), (0, "0")] * 40 + [(0, "0.0"), (1, "1")] * 5 + [(0, "1")] * 7 + [(1, "1.0")] * 3
    rows = [(*row, "x", 0.9) for row in rows]
    text = refused(cli("evaluate", "calibration", written(rows), *METRICS["calibration"]))
    assert "'1' in column 'y' of p.csv and '1.0' in column 'p' of p.csv look like one value written in two ways" in text
    assert "--same" in text
    assert "--different" in text
    same = answer(cli("evaluate", "calibration", written(rows), *METRICS["calibration"], "--same", "--json"))
    assert (same["accuracy"], same["ece"]) == (pytest.approx(0.93), pytest.approx(0.03))


WAYS = [
    ("1", "1.0"), ("1", "1e0"), ("1", "01"), ("10", "1E+1"), ("0", "-0.0"), ("0.5", ".50"),
    ("Yes", "yes"), ("yes", "yes "), ("yes", "\u00a0yes"),
    ("true", "True"), (unicodedata.normalize("NFC", "Jäger"), unicodedata.normalize("NFD", "Jäger")),
    ("STRASSE", "straße"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), WAYS)
@pytest.mark.parametrize("column", ["y", "p", "a"])
def test_one_value_in_two_ways_is_refused_naming_both_or_read_as_one(cli, first, second, column):
    rows = [[first, first, first, 0.5]] * 3 + [["other", "other", "other", 0.5], [first, "other", "other", 0.5]]
    rows = [list(row) for row in rows]
    rows[0]["ypa".index(column)] = second
    file = written(rows)
    for metric in ("fairness", "calibration", "amplification"):
        arguments = METRICS[metric] + (("--attribute", "a") if metric == "calibration" else ())
        text = refused(cli("evaluate", metric, file, *arguments))
        assert repr(first) in text
        assert repr(second) in text
    same = answer(cli("evaluate", "fairness", file, *METRICS["fairness"], "--same", "--json"))
    assert list(same["by_group"]) == sorted([first, "other"])
    assert same["overall"]["accuracy"]["value"] == pytest.approx(0.8)
    # As different values they are one more group.
    if column == "a":
        apart = answer(cli("evaluate", "fairness", file, *METRICS["fairness"], "--different", "--json"))
        assert list(apart["by_group"]) == sorted([first, second, "other"])


def test_values_that_only_look_alike_are_left_alone(cli):
    rows = [
        ("a-1", "a-1", "1.5"),
        ("a 1", "a 1", "15"),
        ("1a", "1a", "1.5.0"),
        ("e1", "e1", "0x1"),
        ("inf", "inf", "+"),
        (".", ".", "-"),
    ]
    file = written([(*row, 0.5) for row in rows])
    assert answer(cli("evaluate", "shares", file, *METRICS["shares"], "--json"))["total_variation"] == 0
    assert answer(cli("evaluate", "shares", file, "--predicted", "a", "--json"))["n"] == 6


def test_the_files_of_one_command_write_values_alike(cli):
    first = written([(1, 1, "f"), (0, 0, "m"), (0, 1, "m"), (1, 1, "m")], "y,p,a", "first.csv")
    other = written(
        [("1.0", "1.0", "F"), ("0.0", "0.0", "m"), ("0.0", "1.0", "m"), ("1.0", "1.0", "m")], "y,p,a", "other.csv"
    )
    for option in ("--train", "--against"):
        text = refused(cli("evaluate", "amplification", first, *METRICS["amplification"], option, other))
        assert "of first.csv" in text
        assert "of other.csv" in text
    both = answer(cli("evaluate", "shares", first, *METRICS["shares"], "--against", other, "--same", "--json"))
    assert [row["value"] for row in both["against"]["shares"]] == ["0", "1"]
    assert both["difference"]["share.1"]["value"] == 0


def test_decimals_of_parquet_are_numbers(cli):
    frame = pl.DataFrame(
        {"y": [1, 0, 1, 0, 1, 0], "p": ["1.00", "0.00", "1.00", "1.00", "0.00", "0.00"], "c": 0.9, "a": list("ababab")}
    )
    frame.with_columns(pl.col("p").cast(pl.Decimal(10, 2))).write_parquet("p.parquet")
    assert answer(cli("evaluate", "calibration", "p.parquet", *METRICS["calibration"], "--json"))[
        "accuracy"
    ] == pytest.approx(4 / 6)
    assert answer(cli("evaluate", "fairness", "p.parquet", *METRICS["fairness"], "--json"))["n"] == 6


def test_rows_without_a_group_are_counted_and_left_out_if_that_is_asked(cli):
    file = written([(1, 1, "a"), (1, 0, "a"), (0, 0, "b"), (1, 1, "b"), (1, 1, ""), (0, 1, "NA")], "y,p,a")
    text = refused(cli("evaluate", "fairness", file, *METRICS["fairness"]))
    assert "p.csv, line 6: no value in column 'a' (2 rows have none)" in text
    left = answer(cli("evaluate", "fairness", file, *METRICS["fairness"], "--missing", "skip", "--json"))
    assert (left["n"], left["skipped"], left["attributes"]) == (4, 2, ["a", "b"])
    assert "2 rows without a value left out" in left["notes"]
    assert (
        "2 rows without a value left out"
        in cli("evaluate", "fairness", file, *METRICS["fairness"], "--missing", "skip").stdout
    )
    assert "--missing drop: expected" in refused(
        cli("evaluate", "fairness", file, *METRICS["fairness"], "--missing", "drop")
    )


def test_confidences_that_are_missing_are_left_out_too(cli):
    file = written([(1, 1, "a", 0.5), (0, 0, "a", ""), (1, 0, "b", "nan"), (0, 0, "b", 1)])
    left = answer(cli("evaluate", "calibration", file, *METRICS["calibration"], "--missing", "skip", "--json"))
    assert (left["n"], left["skipped"]) == (2, 2)


def test_nested_values_are_refused_or_read_by_a_path(cli):
    rows = [
        {"label": "A", "gold": "A", "meta": {"group": "f", "n": 1}},
        {"label": "B", "gold": "A", "meta": {"n": 1, "group": "m"}},
        {"label": "B", "gold": "B", "meta": {"n": 2, "group": "m"}},
    ]
    Path("hf.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ("--task", "gold", "--predicted", "label", "--attribute")
    text = refused(cli("evaluate", "fairness", "hf.jsonl", *arguments, "meta"))
    assert "line 1: column 'meta' holds an object" in text
    assert "meta.group" in text
    assert list(answer(cli("evaluate", "fairness", "hf.jsonl", *arguments, "meta.group", "--json"))["by_group"]) == [
        "f",
        "m",
    ]


def test_standard_input_is_a_file_called_dash(cli):
    from typer.testing import CliRunner

    from biasloop.cli.main import app

    def piped(text, *arguments):
        return CliRunner().invoke(
            app, ["evaluate", "shares", "-", *METRICS["shares"], "--json", *arguments], input=text
        )

    assert answer(piped("y,p\n1,1\n0,0\n"))["n"] == 2
    assert answer(piped('{"y": 1, "p": 1}\n', "--format", "jsonl"))["n"] == 1
    assert "standard input, line 2: 1 values in 2 columns" in refused(piped("y,p\n1\n"))
    assert "can be read once" in refused(piped("y,p\n1,1\n", "--against", "-"))


def test_texts_are_no_labels(cli):
    Path("t.csv").write_text('text\n"yes a b c d e"\n"Yes a b c d e"\nNA\nNone\n')
    found = answer(
        cli("evaluate", "memorization", "t.csv", "--train", "t.csv", "--text", "text", "--ngrams", "2", "--json")
    )
    assert (found["n"], found["memorization.2"]) == (4, 1.0)
