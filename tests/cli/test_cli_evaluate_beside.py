"""`biasloop evaluate METRIC`: other files, training rows, several labels, tables, figures and stored runs."""

import csv
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from biasloop.errors import InvalidInput
from biasloop.metrics import amplification as measuring

COLUMNS = ("--task", "y", "--predicted", "p")
GROUPED = (*COLUMNS, "--attribute", "a")


def drawn(name, seed=0, n=600, shift=0.1, groups=("f", "m")):
    """A file of predictions whose confidences are `shift` too high."""
    rng = np.random.default_rng(seed)
    a = rng.choice(groups, n)
    y = (rng.random(n) < np.where(a == groups[0], 0.7, 0.3)).astype(int)
    c = rng.uniform(0.5, 1, n)
    p = np.where(rng.random(n) < c - shift, y, 1 - y)
    pl.DataFrame({"a": a, "y": y, "p": p.astype(float), "c": c}).write_parquet(name)
    return name


def answer(result, code=0):
    assert result.exit_code == code, result.exception
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("command", "options", "metrics"),
    [
        ("amplification", GROUPED, ["bias_amp"]),
        ("calibration", (*COLUMNS, "--confidence", "c"), ["ece", "mce", "gap", "overconfidence"]),
        ("fairness", GROUPED, ["demographic_parity_difference", "equalized_odds_difference", "accuracy_difference",
                               "demographic_parity_ratio", "equalized_odds_ratio"]),
        ("shares", COLUMNS, ["share.0", "share.1", "total_variation", "largest_bias"]),
    ],
)  # fmt: skip
def test_beside_another_file(cli, command, options, metrics):
    first, second = drawn("p.parquet", 0, shift=0.25), drawn("q.parquet", 1, shift=0.0)
    found = answer(cli("evaluate", command, first, *options, "--against", second, "--json"))
    alone = answer(cli("evaluate", command, second, *options, "--json"))
    assert list(found["difference"]) == metrics
    for name, one in found["difference"].items():
        low, high = one["interval"]
        assert low < high
        if name.startswith("share."):
            continue
        assert one["value"] == pytest.approx(found[name] - found["against"][name])
        assert found["against"][name] == alone[name]
    text = cli("evaluate", command, first, *options, "--against", second).stdout
    assert "difference" in text
    assert "q.parquet" in text


def test_a_real_difference_is_told_from_none(cli):
    first, second, third = drawn("p.parquet", 0, 2000, 0.25), drawn("q.parquet", 1, 2000, 0), drawn("r.parquet", 2, 2000, 0.25)  # fmt: skip # noqa: E501
    options = ("calibration", first, *COLUMNS, "--confidence", "c", "--json", "--against")
    ece = answer(cli("evaluate", *options, second))["difference"]["ece"]
    assert ece["interval"][0] > 0.15
    ece = answer(cli("evaluate", *options, third))["difference"]["ece"]
    assert ece["interval"][0] < 0 < ece["interval"][1]


@pytest.mark.parametrize(
    ("command", "options", "rows", "columns"),
    [
        ("amplification", GROUPED, 4, {"attribute", "task", "amplification", "accuracy"}),
        ("calibration", (*COLUMNS, "--confidence", "c", "--attribute", "a", "--bins", "5"), 15, {"group", "gap"}),
        ("fairness", GROUPED, 18, {"group", "rate", "low", "high"}),
        ("shares", COLUMNS, 2, {"value", "predicted", "bias"}),
    ],
)
def test_tables_and_figures_are_written(cli, command, options, rows, columns):
    result = cli("evaluate", command, drawn("p.parquet"), *options, "--csv", "t.csv", "--plot", "t.svg", "--json")
    assert answer(result)["n"] == 600
    with Path("t.csv").open() as file:
        table = list(csv.DictReader(file))
    assert len(table) == rows
    assert columns <= set(table[0])
    assert Path("t.svg").read_bytes().startswith(b"<?xml")
    for suffix, start in ((".png", b"\x89PNG"), (".pdf", b"%PDF")):
        cli("evaluate", command, "p.parquet", *options, "--plot", f"t{suffix}")
        assert Path(f"t{suffix}").read_bytes().startswith(start)


def test_a_figure_that_cannot_be_written_is_refused_before_anything_is_read(cli):
    result = cli("evaluate", "shares", "nowhere.csv", "--predicted", "p", "--plot", "t.gif")
    assert isinstance(result.exception, InvalidInput)
    assert "t.gif" in str(result.exception)


def test_accuracy_by_cell_is_null_with_a_reason_where_there_are_no_rows(cli):
    Path("p.csv").write_text("a,y,p\nf,0,0\nf,0,1\nm,0,0\nm,1,1\n")
    result = cli("evaluate", "amplification", "p.csv", *GROUPED, "--json")
    found = answer(result)
    assert found["accuracy_by_cell"] == [[0.5, None], [1.0, 1.0]]
    assert "no rows" in found["reason"]["accuracy_by_cell"]
    assert found["accuracy"] == 0.75
    assert "NaN" not in result.stdout


# --- training rows


def tables(path):
    frame = pl.read_parquet(path)
    joint = np.zeros((2, 2, 2), int)
    np.add.at(
        joint, tuple(column.cast(pl.Int64).to_numpy() for column in (frame["a"] == "m", frame["y"], frame["p"])), 1
    )
    return measuring.tables(joint)


def test_training_rows_decide_the_signs(cli):
    drawn("p.parquet")
    rows = [("f", 1)] * 2 + [("f", 0)] * 8 + [("m", 1)] * 8 + [("m", 0)] * 2
    pl.DataFrame(rows, schema=["a", "y"], orient="row").write_csv("train.csv")
    found = answer(cli("evaluate", "amplification", "p.parquet", *GROUPED, "--train", "train.csv", "--json"))
    expected = measuring.amplification(*tables("p.parquet"), train=np.array([[8, 2], [2, 8]]))
    assert found["bias_amp"] == pytest.approx(expected.total, abs=1e-12)
    assert found["associated"] == expected.y.tolist()


def test_an_attribute_value_that_only_training_rows_have(cli):
    drawn("p.parquet")
    text = "a,y\n" + "f,1\n" * 6 + "f,0\n" * 3 + "m,0\n" * 5 + "m,1\n" + "x,0\nx,1\nm,7\n"
    Path("train.csv").write_text(text)
    options = ("evaluate", "amplification", "p.parquet", *GROUPED, "--train", "train.csv", "--json")
    found = answer(cli(*options))
    assert found["attributes"] == ["f", "m", "x"]
    assert found["cells"][2] == [None, None]
    assert any("1 training rows left out" in note for note in found["notes"])
    missing = answer(cli(*options, "--empty", "nan"))
    assert missing["bias_amp"] is None
    assert "no rows" in missing["reason"]["bias_amp"]
    result = cli(*options, "--empty", "nan", "--fail-above", "bias_amp=1")
    assert result.exit_code == 4
    Path("train.csv").write_text("a,y\nf,1\nf,0\n")
    result = cli(*options)
    assert isinstance(result.exception, InvalidInput)
    assert "no rows with a m" in str(result.exception)


def test_ties_can_count_nothing(cli):
    Path("p.csv").write_text("a,y,p\n" + "f,0,0\nf,1,0\nf,2,2\nf,2,0\nm,0,0\nm,1,1\n")
    assert answer(cli("evaluate", "amplification", "p.csv", *GROUPED, "--json"))["n"] == 6
    true = np.array([[1, 1, 2], [1, 1, 0]])
    guess = np.array([[3, 0, 1], [1, 1, 0]])
    for tie in ("minus", "zero"):
        found = answer(cli("evaluate", "amplification", "p.csv", *GROUPED, "--tie", tie, "--json"))
        assert found["bias_amp"] == pytest.approx(measuring.amplification(true, guess, tie=tie).total, abs=1e-12)
    for option in ("--tie", "--empty"):
        result = cli("evaluate", "amplification", "p.csv", *GROUPED, option, "x")
        assert isinstance(result.exception, InvalidInput)


# --- several labels


CARD = "a,t,p,u,q\n" + "".join(
    f"{a},{t},{p},{t},{t}\n" for a, t, p in zip("bbbaaaaa", "01100001", "11100000", strict=True)
)


@pytest.mark.parametrize(
    "options", [("--task", "t,u", "--predicted", "p,q"), ("--task", "t", "--task", "u", "--predicted", "p,q")]
)
def test_several_labels(cli, options):
    Path("p.csv").write_text(CARD)
    found = answer(cli("evaluate", "amplification", "p.csv", *options, "--attribute", "a", "--json"))
    assert (found["attributes"], found["tasks"]) == (["a", "b"], ["t", "u"])
    np.testing.assert_allclose(found["cells"], [[0.2, 0], [1 / 3, 0]], atol=1e-12)
    assert found["bias_amp"] == pytest.approx((0.2 + 1 / 3) / 4, abs=1e-12)
    text = cli("evaluate", "amplification", "p.csv", *options, "--attribute", "a", "--plot", "x.png").stdout
    assert "bias_amp +0.1333" in text


def test_labels_and_predictions_must_be_as_many(cli):
    Path("p.csv").write_text(CARD)
    result = cli("evaluate", "amplification", "p.csv", "--task", "t,u", "--predicted", "p", "--attribute", "a")
    assert isinstance(result.exception, InvalidInput)
    assert "2 columns of --task (t, u) and 1 of --predicted (p)" in str(result.exception)


# --- calibration and shares


def test_calibration_by_group_has_the_numbers_of_each_group_alone(cli):
    path = drawn("p.parquet")
    options = (*COLUMNS, "--confidence", "c", "--json")
    found = answer(cli("evaluate", "calibration", path, *options, "--attribute", "a"))
    whole = answer(cli("evaluate", "calibration", path, *options))
    assert found["ece"] == pytest.approx(whole["ece"], abs=1e-12)
    assert list(found["by_group"]) == ["f", "m"]
    for name, group in found["by_group"].items():
        pl.read_parquet(path).filter(pl.col("a") == name).write_parquet("one.parquet")
        alone = answer(cli("evaluate", "calibration", "one.parquet", *options))
        assert group["ece"] == pytest.approx(alone["ece"], abs=1e-12)
        assert group["n"] == alone["n"]


def test_a_single_row_has_no_interval_of_width_0(cli):
    Path("p.csv").write_text("a,y,p,c\nf,1,1,0.9\nf,0,1,0.8\nm,1,1,1\n")
    result = cli("evaluate", "calibration", "p.csv", *COLUMNS, "--confidence", "c", "--attribute", "a", "--json")
    one = answer(result)["by_group"]["m"]
    assert one["flag"] == "one row"
    assert one["intervals"]["ece"] is None
    assert "one row" in one["reason"]["intervals.ece"]
    low, high = one["intervals"]["gap"]
    assert high - low > 0.5
    assert "1 (!)" in cli("evaluate", "calibration", "p.csv", *COLUMNS, "--confidence", "c", "--attribute", "a").stdout


def test_gates_on_shares(cli):
    Path("p.csv").write_text("y,p\n" + "cat,cat\n" * 3 + "dog,cat\n" + "fox,fox\n")
    found = answer(cli("evaluate", "shares", "p.csv", *COLUMNS, "--json"))
    assert found["total_variation"] == pytest.approx(0.2)
    assert found["largest_bias"] == pytest.approx(0.2)
    assert cli("evaluate", "shares", "p.csv", *COLUMNS, "--fail-above", "total_variation=0.1").exit_code == 4
    result = cli("evaluate", "shares", "p.csv", "--predicted", "p", "--fail-above", "total_variation=0.1")
    assert isinstance(result.exception, InvalidInput)
    assert "--task" in str(result.exception)


# --- memorisation


def by_sets(texts, train, n):
    grams = [[tuple(words[i : i + n]) for i in range(len(words) - n + 1)] for words in map(str.split, texts)]
    known = {tuple(words[i : i + n]) for words in map(str.split, train) for i in range(len(words) - n + 1)}
    hits = sum(gram in known for one in grams for gram in one)
    return hits, sum(map(len, grams))


def test_memorization_equals_sets_of_words(cli):
    rng = np.random.default_rng(0)
    words = ["a", "the", "Cat", "cat", "sat,", "on", "mat\n", "é", "ran"]
    texts, train = ([" ".join(rng.choice(words, rng.integers(1, 15))) for _ in range(size)] for size in (40, 60))
    Path("t.jsonl").write_text("".join(json.dumps({"text": one}) + "\n" for one in texts))
    pl.DataFrame({"text": train}).write_csv("train.csv")
    command = ("evaluate", "memorization", "t.jsonl", "--train", "train.csv", "--text", "text", "--ngrams", "1,2,4,20")
    found = answer(cli(*command, "--json"))
    assert (found["n"], found["train"]["n"]) == (40, 60)
    for row in found["ngrams"]:
        hits, n = by_sets(texts, train, row["ngram"])
        assert row["n"] == n
        assert row["share"] == (pytest.approx(hits / n) if n else None)
    assert found["memorization.20"] is None
    assert "20 words" in found["reason"]["memorization.20"]
    text = cli(*command, "--plot", "m.svg", "--csv", "m.csv").stdout
    assert "40 texts of t.jsonl, against 60 texts of train.csv" in text
    assert Path("m.svg").exists()
    assert len(Path("m.csv").read_text().splitlines()) == 5
    assert cli(*command, "--fail-above", "memorization.2=0").exit_code == 4
    result = cli(*command, "--fail-above", "memorization.5=0")
    assert "memorization.1, memorization.2" in str(result.exception)


@pytest.mark.parametrize("sizes", ["0", "five", "5,", "-1"])
def test_lengths_are_whole_numbers_from_1(cli, sizes):
    result = cli("evaluate", "memorization", "t.csv", "--train", "u.csv", "--text", "t", f"--ngrams={sizes}")
    assert isinstance(result.exception, InvalidInput)
    assert "--ngrams" in str(result.exception)


# --- stored runs


def test_a_stored_run_is_evaluated_like_a_file(cli, tiny_run):
    columns = ("--task", "target", "--predicted", "prediction", "--json")
    found = answer(cli("evaluate", "calibration", str(tiny_run), *columns, "--confidence", "confidence"))
    stored = answer(cli("evaluate", "run", str(tiny_run), "--metric", "ece", "--metric", "accuracy", "--json"))
    newest = stored["rounds"][-1]["metrics"]
    assert found["ece"] == pytest.approx(newest["ece"]["value"], abs=1e-12)
    assert found["accuracy"] == pytest.approx(newest["accuracy"]["value"], abs=1e-12)
    first = answer(cli("evaluate", "shares", str(tiny_run), *columns, "--round", "0"))
    assert first["n"] == newest["accuracy"]["n"]
    beside = answer(cli("evaluate", "shares", str(tiny_run), *columns, "--against", str(tiny_run / "round-0000.h5")))
    assert beside["against"]["shares"] == first["shares"]


def test_rates_of_0_over_0_are_null_with_a_reason_in_stored_metrics():
    from biasloop.contract.data import Metric
    from biasloop.report.output import measurement

    assert measurement(Metric(0.0, 0)) == {
        "value": None,
        "n": 0,
        "se": None,
        "reason": "0/0: there are no rows that it could rest on",
    }
    assert measurement(Metric(0.5, 4, 0.25)) == {"value": 0.5, "n": 4, "se": 0.25}
