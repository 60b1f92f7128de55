"""Labels that are more than a class a row, through the command line: padding is never printed as a class."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from support import scenes, toy

from biasloop.errors import InvalidInput
from biasloop.metrics.label_error import mean_error
from biasloop.store.reader import Run

RUN = Path("run/seed-0")


@pytest.fixture
def run(cli, tmp_path, monkeypatch):
    """A finished run of scenes, some of which nobody has labelled; the program."""
    monkeypatch.syspath_prepend(scenes.declare(tmp_path / "installed"))
    Path("presets/scenes.toml").write_text(scenes.PRESET)
    made = cli("loop", "-p", "scenes", "--set", "domain.unlabelled=10", "--out", "run")
    assert made.exit_code == 0, made.exception
    return cli


def human():
    """The domain as the run has it."""
    from biasloop.running.engine import Options
    from biasloop.running.reopen import reopen

    return reopen(RUN, Options(Path("data")))[1].domain


def rows(cli, output, *arguments):
    """What `generate` writes of the pool."""
    made = cli("generate", "--run", str(RUN), "--of", "pool", "--output", output, *arguments)
    assert made.exit_code == 0, made.exception
    if output.endswith(".csv"):
        with Path(output).open(newline="") as file:
            return list(csv.DictReader(file))
    return [json.loads(line) for line in Path(output).read_text().splitlines()]


def test_a_label_is_wrong_by_the_share_that_its_domain_says(run):
    stored, domain = Run.open(RUN), human()
    shares = []
    for number in stored.rounds[1:]:
        record = stored.read(f"round-{number:04}")
        machine = record.added.take(np.flatnonzero(record.added.origin >= 0))
        known = ~np.isin(machine.ids, domain.splits().unlabelled)
        errors = domain.errors(machine.payload.take(known), domain.human_labels(machine.ids[known]))
        np.testing.assert_array_equal(record.frames["truth"]["error"][known], errors)
        assert np.isnan(record.frames["truth"]["error"][~known]).all()
        metric = record.evaluations["test"].metrics["label_error"]
        assert (metric.value, metric.n) == (pytest.approx(errors.mean()), len(errors))
        assert metric.error == pytest.approx(errors.std(ddof=1) / len(errors) ** 0.5)
        shares += errors.tolist()
    assert len(set(shares) - {0.0, 1.0}) > 3


@pytest.mark.parametrize("output", ["labels.csv", "labels.jsonl"])
def test_labels_are_written_in_the_domains_words(run, output):
    written, domain = rows(run, output), human()
    assert len(written) == 200
    assert list(written[0]) == ["id", "prediction_verb", "prediction_with", "verb", "with"]
    splits = domain.splits()
    labelled = np.setdiff1d(splits.pool, splits.unlabelled)
    expected = dict(zip(labelled.tolist(), domain.describe(labelled, domain.human_labels(labelled)), strict=True))
    empty = "" if output.endswith("csv") else None
    for row in written:
        words = expected.get(int(row["id"]), {})
        assert (row["verb"], row["with"]) == (words.get("verb", empty), words.get("with", empty))
        assert row["prediction_verb"] in scenes.VERBS
    assert {row["with"] for row in written if row["verb"]} > {empty, "pot"}
    assert not any(str(cell).startswith("-1") for row in written for name, cell in row.items() if name != "id")


def test_without_such_words_labels_are_the_names_of_classes_and_padding_is_none(cli, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(toy.declare(tmp_path / "i", "biasloop-plain", "scenes", "support.scenes:PlainScenes"))
    Path("presets/scenes.toml").write_text(scenes.PRESET)
    assert cli("loop", "-p", "scenes", "--out", "run").exit_code == 0
    written, domain = rows(cli, "labels.jsonl"), human()
    assert list(written[0]) == ["id", "prediction_verb", "prediction_nouns", "verb", "nouns"]
    nouns = domain.human_labels(domain.splits().pool)["nouns"]
    assert [row["nouns"] for row in written] == [
        "; ".join(scenes.NOUNS[noun] for noun in row if noun >= 0) or None for row in nouns
    ]
    record = Run.open(RUN).read("round-0001")
    errors = record.frames["truth"]["error"]
    assert set(errors) <= {0.0, 1.0}
    assert record.evaluations["test"].metrics["label_error"] == mean_error(errors)
    assert rows(cli, "none.csv", "--count", "1")[0]["id"] == "30"


def test_an_empty_reserve_has_a_header_of_what_is_known(cli, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(scenes.declare(tmp_path / "installed"))
    Path("presets/scenes.toml").write_text(scenes.PRESET)
    cli("loop", "-p", "scenes", "--set", "domain.pool=90", "--out", "run")
    made = cli("generate", "--run", str(RUN), "--of", "reserve", "--output", "labels.csv")
    assert (made.exit_code, Path("labels.csv").read_text()) == (0, "id\n")


def test_a_run_is_shown_and_measured_again(run):
    shown = json.loads(run("runs", "show", str(RUN), "--json").stdout)
    metrics = shown["rounds"][-1]["metrics"]
    assert metrics.keys() == {"share_target", "share_train", "share_predicted", "label_error"}
    again = json.loads(run("evaluate", "run", str(RUN), "--json").stdout)["rounds"][-1]["metrics"]
    assert metrics.items() <= again.items()
    tables = Run.open(RUN).read("round-0003").evaluations["test"].tables["test"]
    verb = Run.open(RUN).read("setup").evaluations["test"].tables["test"]["verb"]
    # Of the verb alone, as the only label that is a class a row; saying nothing is wrong.
    assert again["accuracy"]["value"] == pytest.approx((tables["given_verb"] == verb).mean())
    assert again["bias_amp"]["n"] == np.sum((tables["given_verb"] >= 0) & (np.arange(30) % 5 > 0))
    for command in (("runs", "show"), ("evaluate", "run")):
        result = run(*command, str(RUN))
        assert (result.exit_code, "label_error" in result.stdout) == (0, True)


def test_what_a_run_stores_is_evaluated_as_a_file_of_predictions_is(run):
    counted = ("evaluate", "shares", str(RUN), "--predicted", "given_verb", "--task", "verb")
    refused = run(*counted)
    assert isinstance(refused.exception, InvalidInput)
    assert "given_verb" in str(refused.exception)
    assert "--missing skip" in str(refused.exception)
    answer = run(*counted, "--missing", "skip", "--json")
    assert answer.exit_code == 0, answer.exception
    assert '"-1"' not in answer.stdout
    assert json.loads(answer.stdout)["n"] == np.sum(np.arange(30) % 7 > 0)
    columns = ("--task", "verb", "--predicted", "given_verb", "--attribute", "room")
    for metric in ("fairness", "amplification"):
        answer = run("evaluate", metric, str(RUN), *columns, "--missing", "skip", "--json")
        assert answer.exit_code == 0, answer.exception
        assert '"-1"' not in answer.stdout
        assert "kitchen" in answer.stdout
    unknown = run("evaluate", "shares", str(RUN), "--predicted", "given_nouns")
    assert "no column 'given_nouns'" in str(unknown.exception)  # several a row
