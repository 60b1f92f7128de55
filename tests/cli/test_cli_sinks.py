"""`biasloop loop --sink`: also with several runs at once, and without what a sink needs."""

import json
import sys
from pathlib import Path

import pytest
from support import toy

from biasloop.errors import InvalidInput
from biasloop.store.reader import Run


def rounds(study: Path) -> dict[str, list[int]]:
    return {
        path.parent.name: [json.loads(line)["round"] for line in path.read_text().splitlines()]
        for path in sorted(study.rglob("rounds.jsonl"))
    }


def test_every_run_has_its_rounds_beside_it_and_the_answer_is_the_same(cli):
    result = cli("loop", "-p", "toy", "--seeds", "0-1", "--sink", "jsonl", "--json")
    assert result.exit_code == 0, result.stderr
    assert rounds(Path("runs/toy")) == {"seed-0": [0, 1, 2, 3], "seed-1": [0, 1, 2, 3]}
    printed = [json.loads(line) for line in result.stdout.splitlines()][:-1]
    written = [
        json.loads(line)
        for path in sorted(Path("runs/toy").rglob("rounds.jsonl"))
        for line in path.read_text().splitlines()
    ]
    assert [{key: row[key] for key in told} for row, told in zip(written, printed, strict=True)] == printed
    before = {path: path.read_bytes() for path in Path("runs/toy").rglob("rounds.jsonl")}
    assert cli("loop", "-p", "toy", "--seeds", "0-1", "--sink", "jsonl").exit_code == 0
    assert {path: path.read_bytes() for path in before} == before


def test_the_environment_names_sinks_too(cli, monkeypatch):
    monkeypatch.setenv("BIASLOOP_SINKS", "jsonl=logs")
    assert cli("loop", "-p", "toy").exit_code == 0
    assert rounds(Path("logs/runs/toy")) == {"seed-0": [0, 1, 2, 3]}


def test_a_missing_extra_is_told_before_anything_is_made(cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    result = cli("loop", "-p", "toy", "--sink", "tensorboard")
    assert isinstance(result.exception, InvalidInput)
    assert "pip install 'biasloop[tensorboard]'" in str(result.exception)
    assert not Path("runs").exists()


def test_runs_at_once_have_a_sink_each(cli):
    result = cli("loop", "-p", "toy", "--seeds", "0-1", "--jobs", "2", "--sink", "jsonl", "--sink", "tensorboard")
    assert result.exit_code == 0, result.stderr
    assert rounds(Path("runs/toy")) == {"seed-0": [0, 1, 2, 3], "seed-1": [0, 1, 2, 3]}
    for seed in (0, 1):
        assert len(list(Path(f"runs/toy/sinks/seed-{seed}").glob("events.out.tfevents.*"))) == 1
        assert Run.open(Path(f"runs/toy/seed-{seed}")).rounds == [0, 1, 2, 3]


# --- sinks of others


@pytest.fixture
def installed(tmp_path, monkeypatch, workplace) -> Path:
    """Distributions with a sink each: one that works, one that fails at every round, and some that are none."""
    sources = tmp_path / "sinks-of-others"
    sources.mkdir()
    (sources / "told_of_runs.py").write_text(
        "class Works:\n"
        "    def start(self, run):\n"
        "        self.path = run.output / 'mine.txt'; self.path.parent.mkdir(parents=True, exist_ok=True)\n"
        "    def round(self, number, metrics, sizes, seconds): self.path.open('a').write(f'{number} ')\n"
        "    def end(self, state, reason): self.path.open('a').write(state)\n"
        "class Fails(Works):\n"
        "    def round(self, number, metrics, sizes, seconds): raise SystemExit(3)\n"
        "class Half:\n"
        "    def start(self, run): pass\n"
        "number = 3\n"
    )
    (sources / "told_broken.py").write_text("raise RuntimeError('no licence key')\n")
    targets = {"works": "told_of_runs:Works", "fails": "told_of_runs:Fails", "half": "told_of_runs:Half",
               "number": "told_of_runs:number", "broken": "told_broken:Any"}  # fmt: skip
    for name, target in targets.items():
        toy.declare(sources, f"{name}-sink", name, target, group="biasloop.sinks")
    monkeypatch.syspath_prepend(sources)
    return sources


def test_a_sink_of_another_distribution_is_found_by_its_name(cli, installed):
    result = cli("loop", "-p", "toy", "--sink", "works", "--sink", "fails")
    assert result.exit_code == 0, result.stderr
    assert Path("runs/toy/sinks/seed-0/mine.txt").read_text() == "0 1 2 3 finished"
    assert result.stderr.count("the sink 'fails' failed at round 0 (SystemExit: 3); the run goes on without it") == 1


def test_a_failing_one_is_told_of_each_run_that_goes_on_at_once_with_others(cli, installed):
    result = cli("loop", "-p", "toy", "--seeds", "0-1", "--jobs", "2", "--sink", "fails", "--sink", "works")
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count("the sink 'fails' failed at round 0") == 2
    for seed in (0, 1):
        assert Path(f"runs/toy/sinks/seed-{seed}/mine.txt").read_text() == "0 1 2 3 finished"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("half", "the class of sink 'half' lacks end, round"),
        ("number", "the entry point of sink 'number' is not a class"),
        ("broken", "the plugin of sink 'broken' .* does not import: RuntimeError: no licence key"),
    ],
)
def test_one_that_does_not_work_is_refused_and_listed_by_its_name(cli, installed, name, words):
    result = cli("loop", "-p", "toy", "--sink", name)
    assert isinstance(result.exception, InvalidInput)
    assert result.exception.args[0]
    with pytest.raises(InvalidInput, match=words):
        raise result.exception
    states = {plugin["name"]: plugin for plugin in json.loads(cli("plugins", "--json").stdout)}
    assert states[name]["kind"] == "sink"
    assert states[name]["problem"]
    assert states["jsonl"]["problem"] is None
