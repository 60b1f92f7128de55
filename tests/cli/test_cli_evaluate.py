"""`biasloop evaluate`: somebody's predictions, and a stored run without its models."""

import json
import math
import re
from pathlib import Path

import pytest

from biasloop.contract.data import Metric
from biasloop.errors import InvalidInput
from biasloop.store.reader import Run

CSV = "id,guess,truth\n1,cat,cat\n2,cat,dog\n3,dog,dog\n4,cat,cat\n"


def written(name: str, text: str | bytes) -> str:
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return name


def shares(result) -> dict[str, dict]:
    assert result.exit_code == 0, result.exception
    found = json.loads(result.stdout)
    return {"n": found["n"]} | {one["value"]: one for one in found["shares"]}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", CSV),
        ("p.tsv", CSV.replace(",", "\t")),
        ("p.CSV", CSV.replace("\n", "\r\n")),
        ("bom.csv", b"\xef\xbb\xbfguess,truth\ncat,cat\ncat,dog\ndog,dog\ncat,cat\n"),
        ("quoted.csv", CSV.replace("cat", '"cat"')),
        ("p.jsonl", "".join(f'{{"guess": "{a}", "truth": "{b}"}}\n\n' for a, b in
                            [("cat", "cat"), ("cat", "dog"), ("dog", "dog"), ("cat", "cat")])),
    ],
)  # fmt: skip
def test_shares_of_every_format(cli, name, text):
    found = shares(cli("evaluate", "shares", written(name, text), "--predicted", "guess", "--task", "truth", "--json"))
    assert found["n"] == 4
    cat = found["cat"]
    assert cat["predicted"] == 0.75
    assert cat["true"] == 0.5
    assert cat["bias"] == 0.25
    assert cat["se"] == pytest.approx(math.sqrt(0.75 * 0.25 / 4))
    # Paired: the mean of the differences +1, 0, 0, 0 over four rows.
    assert cat["bias_se"] == pytest.approx(math.sqrt((1 / 4 - 1 / 16) / 4))
    # Wilson's interval as the roots of (p - x)^2 = z^2 x (1 - x) / n.
    for end in cat["interval"]:
        assert (0.75 - end) ** 2 == pytest.approx(1.959963984540054**2 * end * (1 - end) / 4)
    assert found["dog"]["predicted"] == 0.25


def test_without_true_labels_there_is_no_bias(cli):
    found = shares(cli("evaluate", "shares", written("p.csv", CSV), "--predicted", "guess", "--json"))
    assert "bias" not in found["cat"]
    text = cli("evaluate", "shares", "p.csv", "--predicted", "guess").stdout
    assert "bias" not in text
    assert "75.0 %" in text


def test_one_column_can_be_both(cli):
    found = shares(
        cli("evaluate", "shares", written("p.csv", CSV), "--predicted", "guess", "--task", "guess", "--json")
    )
    assert (found["n"], found["cat"]["bias"]) == (4, 0)


def test_text_has_bias_with_its_interval(cli):
    text = cli("evaluate", "shares", written("p.csv", CSV), "--predicted", "guess", "--task", "truth").stdout
    assert "4 rows of p.csv" in text
    assert re.search(r"\+0\.2500 +\[-0\.\d+, 0\.\d+\]", text)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("nothing.csv", None, "nothing.csv"),
        ("p.xlsx", b"", ".csv, .tsv, .parquet, .jsonl or .json"),
        ("p.csv", "id,label\n1,cat\n", "'guess' (there are id, label)"),
        ("p.csv", 'guess\ncat\n""\n', "p.csv, line 3"),
        ("p.csv", "guess,b\n", "no rows"),
        ("p.csv", "", "no rows"),
        ("p.csv", "guess\n\xe9\n".encode("latin-1"), "UTF-8"),
        ("p.csv", 'guess\n"x\n', "p.csv, line 2: not valid CSV"),
        ("p.jsonl", '{"guess": "a"}\n{"guess": \n', "p.jsonl, line 2"),
        ("p.jsonl", "[1]\n", "p.jsonl, line 1"),
        ("p.jsonl", '{"guess": null}\n', "line 1"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(cli, name, text, words):
    if text is not None:
        written(name, text)
    result = cli("evaluate", "shares", name, "--predicted", "guess")
    assert isinstance(result.exception, InvalidInput), result.exception
    assert words in str(result.exception)


# --- a stored run


def bits(metrics: dict) -> dict[str, tuple]:
    """Metrics as exact numbers, NaN equal to itself."""
    return {name: tuple(repr(part) for part in (m["value"], m["n"], m["se"])) for name, m in metrics.items()}


def stored_metrics(directory: Path) -> list[dict[str, Metric]]:
    return [row[1] for row in Run.open(directory).summaries()]


def as_json(metrics: dict[str, Metric]) -> dict[str, dict]:
    finite = {name: [m.value, m.n, m.error] for name, m in metrics.items()}
    clean = {n: [None if isinstance(x, float) and math.isnan(x) else x for x in row] for n, row in finite.items()}
    return {name: dict(zip(("value", "n", "se"), row, strict=True)) for name, row in clean.items()}


def assert_recomputed(result, directory: Path) -> None:
    assert result.exit_code == 0, result.exception
    found = json.loads(result.stdout)
    stored = stored_metrics(directory)
    assert found["run"] == str(directory)
    assert [row["round"] for row in found["rounds"]] == list(range(len(stored)))
    for row, metrics in zip(found["rounds"], stored, strict=True):
        again = {name: row["metrics"][name] for name in metrics}  # there are more, of the roles of columns
        assert bits(again) == bits(as_json(metrics))


@pytest.mark.parametrize("keep", ["all", "subsample", "replace"])
def test_every_metric_of_every_round_is_recomputed_bit_for_bit(cli, keep):
    cli("loop", "-p", "toy", "--out", "out", "--set", f"loop.keep={keep}", "--set", "domain.labels=bits")
    assert_recomputed(cli("evaluate", "run", "out/seed-0", "--json"), Path("out/seed-0"))


def test_the_same_for_pictures_without_any_model(cli, tiny_run, tmp_path):
    assert_recomputed(cli("evaluate", "run", str(tiny_run), "--json"), tiny_run)


def test_single_metrics_can_be_asked_for(cli):
    cli("loop", "-p", "toy")
    result = cli("evaluate", "run", "runs/toy/seed-0", "--metric", "label_error", "--metric", "share_train", "--json")
    rounds = json.loads(result.stdout)["rounds"]
    assert [sorted(row["metrics"]) for row in rounds] == [["share_train"]] + [["label_error", "share_train"]] * 3
    text = cli("evaluate", "run", "runs/toy/seed-0", "--metric", "share_train").stdout
    assert "share_train" in text
    assert "share_predicted" not in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--metric", "label_error", "--metric", "nope"), "'nope'; it has share_target"),
        (("--metric", "nope", "--metric", "label_error"), "'nope'"),
    ],
)
def test_an_unknown_metric_is_refused_with_those_there_are(cli, arguments, words):
    cli("loop", "-p", "toy")
    result = cli("evaluate", "run", "runs/toy/seed-0", *arguments)
    assert isinstance(result.exception, InvalidInput)
    assert words in str(result.exception)


def test_what_is_no_run_is_refused(cli, workplace):
    result = cli("evaluate", "run", "nowhere")
    assert isinstance(result.exception, InvalidInput)
    assert "nowhere" in str(result.exception)


def test_a_metric_that_a_run_lacks_is_refused_with_near_ones(cli):
    cli("loop", "-p", "toy")
    refused = cli("evaluate", "run", "runs/toy/seed-0", "--metric", "SHARE_predictd")
    assert "has no metric 'SHARE_predictd'; it has " in str(refused.exception)
    assert str(refused.exception).endswith("did you mean 'share_predicted'?")
