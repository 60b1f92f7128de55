"""`biasloop report`: files, refusals and JSON."""

import json
from pathlib import Path

import pytest

from biasloop.errors import InvalidInput


@pytest.fixture
def studied(cli):
    """The command line in a place with one run of the toy."""
    assert cli("loop", "-p", "toy", "--set", "loop.rounds=2", "--output", "runs/toy").exit_code == 0
    return cli


def test_the_file_is_called_as_the_study_and_lies_here(studied):
    result = studied("report", "runs/toy")
    assert (result.exit_code, result.stdout) == (0, "wrote toy-report.html\n")
    assert Path("toy-report.html").read_text().startswith("<!DOCTYPE html>")
    assert [path.name for path in Path("runs/toy").iterdir()] == ["seed-0"]


def test_a_file_is_replaced_when_that_is_asked_for_alone(studied):
    Path("page.html").write_text("mine")
    refused = studied("report", "runs/toy", "-o", "page.html")
    assert isinstance(refused.exception, InvalidInput)
    assert "page.html: this file is there already; --force replaces it" in str(refused.exception)
    assert Path("page.html").read_text() == "mine"
    assert studied("report", "runs/toy", "-o", "page.html", "--force", "--title", "Mine").exit_code == 0
    assert "<title>Mine</title>" in Path("page.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("runs/toy", "-o", "page.txt"), "--output page.txt: a report is an .html file; end its name so"),
        (("runs/toy", "-o", "no/page.html"), "there is no directory no"),
        (("nowhere",), "there is no run at nowhere"),
        (("presets",), "there is no run at presets"),
        (("fig3",), "no run of fig3 was found in runs/; type:\n  biasloop loop --preset fig3-top-left"),
        (("ffl-single",), "ffl-single shows runs that you name, and none is given; type: biasloop report"),
    ],
)
def test_what_cannot_be_reported_is_refused_in_a_sentence(cli, arguments, words):
    result = cli("report", *arguments)
    assert isinstance(result.exception, InvalidInput)
    assert words in str(result.exception)
    assert not list(Path().glob("*.html"))


def test_json_is_the_content_and_no_file_is_written_unless_named(studied):
    result = studied("report", "runs/toy", "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    (study,) = told["studies"]
    assert study["repeat"]["command"] == "biasloop loop --preset toy --seeds 0 --set loop.rounds=2"
    assert study["runs"][0]["path"] == "runs/toy/seed-0"
    assert study["results"]["arms"][0]["last"]["share_predicted"]["n"] == 1
    assert not list(Path().glob("*.html"))
    assert json.loads(studied("report", "runs/toy", "--json", "-o", "page.html").stdout) == told
    assert Path("page.html").exists()


def test_samples_are_left_out_when_nobody_wants_them(studied):
    with_notes = json.loads(studied("report", "runs/toy", "--json").stdout)
    assert len(with_notes["studies"][0]["samples"]) == 1
    for options in (["--no-samples"], ["--samples", "0"]):
        told = json.loads(studied("report", "runs/toy", "--json", *options).stdout)
        assert told["studies"][0]["samples"] == []
    assert studied("report", "runs/toy", "--samples", "101").exit_code == 2
