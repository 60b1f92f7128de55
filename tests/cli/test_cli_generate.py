"""`biasloop generate`: labels by the model of a stored round; one that is no longer stored is fitted again."""

import csv
import json
from pathlib import Path

import pytest
from support.loops import cut

from biasloop.errors import BiasloopError, InvalidInput
from biasloop.running.generate import write_table
from biasloop.store.reader import Run


def rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def generated(cli, run: Path | str, *arguments: str, out: str = "labels.csv") -> tuple[dict, list[dict[str, str]]]:
    result = cli("generate", "--run", str(run), "--output", out, "--force", "--json", *arguments)
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout), rows(out)


def test_the_newest_model_labels_the_test_set(cli):
    cli("loop", "-p", "toy")
    found, labels = generated(cli, "runs/toy/seed-0")
    assert found == {"file": "labels.csv", "rows": 100, "model": "stored"}
    assert list(labels[0]) == ["id", "prediction", "target"]
    assert [int(row["id"]) for row in labels] == list(range(100))
    newest = list(Run.open(Path("runs/toy/seed-0")).summaries())[-1][1]
    assert float(labels[0]["prediction"]) == pytest.approx(newest["share_predicted"].value)
    assert len({row["prediction"] for row in labels}) == 1


def test_an_older_rounds_model_is_fitted_again_to_the_same_bits(cli):
    cli("loop", "-p", "toy", "--out", "newest", "--set", "domain.labels=bits")
    cli("loop", "-p", "toy", "--out", "every", "--set", "domain.labels=bits", "--keep-models")
    for number in "0123":
        kept, stored = generated(cli, "every/seed-0", "--round", number, "--of", "pool")
        made, again = generated(cli, "newest/seed-0", "--round", number, "--of", "pool")
        assert kept["model"] == "stored"
        assert made["model"] == ("stored" if number == "3" else "refitted")
        assert again == stored
    assert len(stored) == 1000


def test_text_says_when_a_model_was_fitted_again(cli):
    cli("loop", "-p", "toy")
    result = cli("generate", "--run", "runs/toy/seed-0", "--output", "x.csv", "--round", "0")
    assert "fitted again" in result.stderr
    assert result.stdout == "wrote 100 labels to x.csv\n"


def test_the_reserve_is_what_no_model_was_trained_on(cli):
    cli("loop", "-p", "toy", "--keep-models")
    pool = {row["id"] for row in generated(cli, "runs/toy/seed-0", "--of", "pool")[1]}
    for number in range(4):
        reserve = {row["id"] for row in generated(cli, "runs/toy/seed-0", "--of", "reserve", "--round", str(number))[1]}
        assert reserve < pool
        assert len(reserve) == 900 - 25 * number


def test_an_empty_reserve_gives_an_empty_file(cli):
    cli("loop", "-p", "toy", "--set", "domain.pool=175", "--out", "out")
    found, labels = generated(cli, "out/seed-0", "--of", "reserve")
    assert (found["rows"], labels) == (0, [])
    assert Path("labels.csv").read_text().startswith("id,prediction")


def test_count_takes_the_first_of_them(cli):
    cli("loop", "-p", "toy")
    _, every = generated(cli, "runs/toy/seed-0", "--of", "pool")
    _, some = generated(cli, "runs/toy/seed-0", "--of", "pool", "--count", "7")
    assert some == every[:7]


def test_where_no_human_has_labelled_the_truth_is_left_blank(cli):
    cli("loop", "-p", "toy", "--set", "domain.unlabelled=300", "--out", "out")
    _, labels = generated(cli, "out/seed-0", "--of", "pool")
    assert [row["target"] == "" for row in labels] == [False] * 700 + [True] * 300
    assert all(row["prediction"] for row in labels)


def test_what_is_no_number_has_no_value(tmp_path):
    table = {"id": [3, 4], "prediction": ["a", None], "confidence": [float("nan"), 0.5]}
    write_table(table, tmp_path / "labels.csv")
    assert (tmp_path / "labels.csv").read_text() == "id,prediction,confidence\n3,a,\n4,,0.5\n"
    write_table(table, tmp_path / "labels.jsonl")
    assert (tmp_path / "labels.jsonl").read_text() == (
        '{"id": 3, "prediction": "a", "confidence": null}\n{"id": 4, "prediction": null, "confidence": 0.5}\n'
    )


def test_pictures_get_the_names_of_their_classes(cli, tiny_run):
    found, labels = generated(cli, tiny_run, "--device", "cpu", "--threads", "1")
    assert found["rows"] == 60
    assert list(labels[0]) == ["id", "prediction", "confidence", "target"]
    assert {row["target"] for row in labels} > {"shirt", "trouser"}
    assert all(0 < float(row["confidence"]) <= 1 for row in labels)
    tables = Run.open(tiny_run).read("round-0001").evaluations["test"].tables["test"]
    setup = Run.open(tiny_run).read("setup")
    names = setup.frames["vocabulary.classes"].columns["name"].strings()
    assert [row["prediction"] for row in labels] == [names[i] for i in tables["prediction"]]
    options = ("--task", "target", "--predicted", "prediction", "--confidence", "confidence", "--json")
    of_labels = json.loads(cli("evaluate", "calibration", "labels.csv", *options).stdout)
    of_run = json.loads(cli("evaluate", "calibration", str(tiny_run), *options).stdout)
    assert of_labels["accuracy"] == of_run["accuracy"]
    assert of_labels["ece"] == pytest.approx(of_run["ece"], abs=1e-6)


def test_a_network_that_is_no_longer_stored_is_trained_again_to_the_same_bits(cli, tiny_run):
    device = ("--device", "cpu", "--threads", "1")
    cli("loop", "-p", "tiny", *device)
    _, stored = generated(cli, tiny_run, "--round", "0", "--of", "pool", "--count", "300", *device)
    found, again = generated(cli, "runs/tiny/seed-0", "--round", "0", "--of", "pool", "--count", "300", *device)
    assert found["model"] == "refitted"
    assert again == stored  # confidences too, which are printed in full


def test_wrong_usage_is_refused_in_a_sentence(cli):
    cli("loop", "-p", "toy")
    for arguments, words in (
        (("--run", "nowhere", "-o", "x.csv"), "nowhere"),
        (("--run", "runs/toy/seed-0", "-o", "x.csv", "--round", "9"), "rounds 0 to 3"),
        (("--run", "runs/toy/seed-0", "-o", "x.csv", "--of", "train"), '"test", "pool" or "reserve"'),
        (("--run", "runs/toy/seed-0", "-o", "x.txt"), ".csv"),
        (("--run", "runs/toy/seed-0", "-o", "no/x.csv"), "no directory no"),
        (("--run", "runs/toy", "-o", "x.csv"), "runs/toy is a folder of runs and not a run"),
    ):
        result = cli("generate", *arguments)
        assert isinstance(result.exception, BiasloopError), result.exception
        assert words in str(result.exception)
        assert not Path("x.csv").exists()


def test_a_run_without_a_round_is_refused(cli):
    result = cli("loop", "-p", "toy")
    directory = Path("runs/toy/seed-0")
    cut(directory)
    for command in (("generate", "-o", "x.csv", "--run"), ("evaluate", "run"), ("bound", "--from"), ("plot",)):
        result = cli(*command, str(directory))
        assert isinstance(result.exception, InvalidInput), (command, result.exception)
        assert "no finished round yet" in str(result.exception)


def test_a_run_and_a_preset_are_both_said_to_be_given(cli):
    result = cli("generate", "--run", "a", "--preset", "toy", "--output", "labels.csv")
    assert str(result.exception).startswith("--run and --preset are both given")
    assert str(cli("generate", "--output", "labels.csv").exception) == "give --run RUN or --preset NAME"
