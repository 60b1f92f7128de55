"""`biasloop generate --pipeline`: shards of pictures, what they take said first, refusals before anything is drawn."""

import json
from pathlib import Path

import pytest
from support import toy
from support.drawing import captioned, left_over, tars

from biasloop.cli.stopping import Stopping
from biasloop.errors import InvalidInput, StoreError
from biasloop.running import drawing_pace


@pytest.fixture
def generate(cli, workplace, monkeypatch):
    """The command with an illustrator that draws noise: `generate("out", "--seed", "1")` gives typer's result."""
    monkeypatch.syspath_prepend(
        toy.declare(workplace / "noise", "biasloop-noise", "noise", "support.drawing:NoiseDomain")
    )
    captioned(workplace, 12, frozenset({3}))
    common = ("--pipeline", "noise:any", "--input", "captions.tsv", "--shard-size", "5", "--batch", "2")
    return lambda output, *more: cli("generate", "--output", output, *common, *more)


def test_pictures_are_drawn_and_what_they_take_is_said_first(generate):
    result = generate("out")
    assert result.exit_code == 0, result.exception
    assert result.stdout == ("11 pictures in 3 shards are in out; a safety checker flagged 1, which were dropped with "
                             "their captions\n")  # fmt: skip
    lines = result.stderr.splitlines()
    assert lines[0].startswith("10 of 12 captions are left: about ")
    assert "by a first batch" in lines[0]
    assert [line.split(":")[0] for line in lines[1:]] == ["shard 00000", "shard 00001", "shard 00002"]
    assert "1 flagged" in lines[1]
    assert "left" in lines[1]


def test_a_second_call_does_nothing(generate):
    generate("out")
    before = tars(Path("out"))
    result = generate("out", "--json")
    assert json.loads(result.stdout) == {
        "directory": "out", "shards": 3, "captions": 12, "samples": 11, "pictures": 11, "flagged": 1,
        "bytes": sum(map(len, before.values())),
    }  # fmt: skip
    assert result.stderr == ""
    assert tars(Path("out")) == before


def test_two_processes_make_the_bytes_that_one_makes(generate):
    generate("alone")
    result = generate("both", "--jobs", "2")
    assert result.exit_code == 0, (result.exception, result.stderr)
    assert tars(Path("both")) == tars(Path("alone"))
    assert left_over(Path("both")) == []
    assert "with 2 processes" in result.stderr


def test_stopping_says_what_is_done(generate, monkeypatch):
    calls = []

    def stop(self):
        calls.append(1)
        self.signal = 2 if len(calls) > 6 else 0
        return bool(self.signal)

    monkeypatch.setattr(Stopping, "__call__", stop)
    result = generate("out")
    assert result.exit_code == 130
    assert "stopped; 1 of 3 shards are done; the same command goes on with the others" in result.stderr
    monkeypatch.undo()


def test_what_the_disk_cannot_hold_is_refused_after_a_first_batch(generate, monkeypatch):
    monkeypatch.setattr(drawing_pace.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10}))
    result = generate("out")
    assert isinstance(result.exception, StoreError)
    assert "10 pictures need about" in str(result.exception)
    assert "10 B are free" in str(result.exception)
    assert tars(Path("out")) == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--size", "30"), "multiples of 8 pixels"),
        (("--format", "gif"), "jpg, png, webp"),
        (("--flagged", "hide"), "keep, drop, original"),
        (("--run", "somewhere"), "--run, --preset, --round, --count and --set do not go with --pipeline"),
    ],
)
def test_options_that_cannot_be_are_refused(generate, arguments, words):
    result = generate("out", *arguments)
    assert isinstance(result.exception, InvalidInput)
    assert words in str(result.exception)
    assert not Path("out").exists()


def test_a_directory_of_something_else_is_refused(generate):
    generate("out")
    result = generate("out", "--seed", "4")
    assert "seed 0 (now 4); choose another --output" in str(result.exception)
    Path("others").mkdir()
    Path("others/00000.tar").write_bytes(b"")
    assert "made by another program" in str(generate("others").exception)
    Path("file").write_bytes(b"")
    assert "is a file" in str(generate("file").exception)


def test_options_of_pictures_need_a_pipeline(cli):
    result = cli("generate", "--run", "x", "--output", "labels.csv", "--shard-size", "3")
    assert str(result.exception) == "--shard-size goes with --pipeline NAME; add it, or leave --shard-size out"
    result = cli("generate", "--pipeline", "x", "--output", "out")
    assert "--input FILE" in str(result.exception)


@pytest.mark.slow
def test_two_processes_draw_with_a_pipeline_of_diffusers_what_one_draws(cli, workplace, monkeypatch):
    from support import tiny_diffusion

    declared = toy.declare(workplace / "declared", "biasloop-drawing", "drawing", "support.drawing:DiffusionDomain")
    monkeypatch.syspath_prepend(declared)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    tiny_diffusion.build(workplace / "tiny")
    captioned(workplace, 14)
    options = ("--input", "captions.tsv", "--shard-size", "4", "--batch", "3", "--steps", "2", "--threads", "1",
               "--device", "cpu", "--format", "png", "--json")  # fmt: skip
    for output, jobs in (("alone", "1"), ("both", "2")):
        result = cli("generate", "--pipeline", "drawing:./tiny", "--output", output, "--jobs", jobs, *options)
        assert result.exit_code == 0, (result.exception, result.stderr)
        assert json.loads(result.stdout)["pictures"] == 14
    assert tars(Path("both")) == tars(Path("alone"))
    assert len(tars(Path("alone"))) == 4
