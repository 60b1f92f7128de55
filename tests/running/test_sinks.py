"""Sinks are told what runs measure, and nothing that they do changes a run."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support import telling
from support.studies import planned_toys

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.errors import Diverged, Held, InvalidInput, Lost
from biasloop.running import engine
from biasloop.running.engine import Committed, Notice, Options, Step
from biasloop.running.sinks import guarding
from biasloop.running.sinks.choosing import Choice, chosen
from biasloop.running.study import Planned
from biasloop.running.tasks import Ended, Task, perform
from biasloop.store.finding import find_runs
from biasloop.store.manifest import read_manifest
from biasloop.store.repair import verify

OPTIONS = Options(Path("data"), interval=1e9)


def made(place: str, *names: str, stopping=lambda: False, planned: Planned | None = None) -> tuple[Ended, list[str]]:
    """How a run of the toy ends that these sinks are told of, and its notices."""
    (planned,) = [planned] if planned else planned_toys([0], Path(place), OPTIONS)
    notices: list[str] = []
    options = replace(OPTIONS, sinks=tuple(map(Choice, names)))
    told = perform(Task(planned, options), lambda e: notices.append(e.text) if isinstance(e, Notice) else 0, stopping)
    return told, notices


def bits(directory: Path) -> dict[str, str]:
    """Digests of the files of a run."""
    return {name: entry.sha256 for name, entry in read_manifest(directory).files.items()}


_UNDISTURBED: dict[str, str] = {}  # of the first test that asks


@pytest.fixture
def undisturbed(workplace) -> dict[str, str]:
    """Digests of the toy's files without any sink."""
    if not _UNDISTURBED:
        made("undisturbed")
        _UNDISTURBED.update(bits(Path("undisturbed/seed-0")))
    return _UNDISTURBED


# --- what they are told


def test_a_sink_is_told_of_a_run_from_its_start_to_its_end(workplace, monkeypatch):
    recording, told = telling.recording()
    telling.known(monkeypatch, mine=recording)
    (planned,) = planned_toys([3], Path("out"), OPTIONS, loop__human=[25])
    ended, notices = made("", "mine", planned=planned)
    assert notices == []
    assert [call for call, *_ in told if call != "curve"] == ["make", "start", *["round"] * 4, "end"]
    run = told[1][1]
    assert (run.directory, run.output) == (Path("out/loop.human=25/seed-3"), Path("out/loop.human=25/sinks/seed-3"))
    assert (run.preset, run.arm, run.seed, run.rounds) == ("toy", "loop.human=25", 3, 4)
    assert run.settings["loop.human"] == 25
    assert "seed" not in run.settings
    numbers = [arguments for call, *arguments in told if call == "round"]
    stored = list(read_rounds(ended))
    assert [number for number, *_ in numbers] == [0, 1, 2, 3]
    assert repr([tuple(each) for each in numbers]) == repr(stored)  # by their words: NaN is not NaN
    assert told[-1] == ("end", "finished", "4 rounds")


def read_rounds(ended: Ended):
    from biasloop.store.reader import Run

    return Run.open(ended.planned.directory).summaries()


def test_curves_are_told_before_their_round_as_they_are_stored(tmp_path, monkeypatch, tiny_run):
    recording, told = telling.recording()
    telling.known(monkeypatch, mine=recording)
    ended = perform(Task(tiny(tiny_run), options_of(tiny_run, "mine")), lambda event: None, lambda: False)
    assert ended.outcome is not None
    calls = [call for call, *_ in told]
    assert calls[:4] == ["make", "start", "curve", "round"]
    assert calls.count("curve") == calls.count("round")
    _, number, fit, columns = told[2]
    assert (number, fit) == (0, "fit")
    assert columns["epoch"] == [float(epoch + 1) for epoch in range(len(columns["epoch"]))]
    assert all(loss > 0 for loss in columns["loss"])


def tiny(run: Path, directory: Path | None = None) -> Planned:
    ((_, experiment),) = arms_of(presets.read(str(run.parent / "tiny.toml")))
    return Planned("", 0, directory or run, experiment, 2)


def options_of(run: Path, name: str) -> Options:
    return Options(run.parent / "data", device="cpu", threads=1, keep_models=True, sinks=(Choice(name),))


def test_a_run_that_goes_on_is_told_from_its_first_round(workplace, monkeypatch):
    recording, told = telling.recording()
    telling.known(monkeypatch, mine=recording)
    made("out", "mine", stopping=lambda: any(call == "round" for call, *_ in told))
    assert told[-1] == ("end", "stopped", "")
    assert [arguments[0] for call, *arguments in told if call == "round"] == [0]
    told.clear()
    made("out", "mine")
    first = [arguments[0] for call, *arguments in told if call == "round"]
    told.clear()
    made("out", "mine")  # finished: told from its store
    assert first == [arguments[0] for call, *arguments in told if call == "round"] == [0, 1, 2, 3]
    assert told[-1] == ("end", "finished", "4 rounds")


def test_how_a_run_ends_is_told(workplace, monkeypatch):
    recording, told = telling.recording()
    telling.known(monkeypatch, mine=recording)
    ends = [(Diverged("no number"), "failed"), (Lost("process 1 has it"), "elsewhere")]
    for error, state in ends:

        def run(prepared, directory, options, error=error):
            options.on_event(Step("fit", 1, 2))
            raise error

        monkeypatch.setattr(engine, "run", run)
        made("out", "mine")
        assert told[-1] == ("end", state, str(error))


def test_a_run_that_another_process_makes_has_no_sink_here(workplace, monkeypatch):
    recording, told = telling.recording()
    telling.known(monkeypatch, mine=recording)

    def run(*_):
        raise Held("process 1 makes it")

    monkeypatch.setattr(engine, "run", run)
    assert made("out", "mine")[0].held
    assert told == []


def test_a_defect_that_is_raised_is_told_as_an_end(workplace, monkeypatch):
    recording, told = telling.recording()
    telling.known(monkeypatch, mine=recording)

    def run(prepared, directory, options):
        options.on_event(Step("fit", 1, 2))
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(engine, "run", run)
    (planned,) = planned_toys([0], Path("out"), OPTIONS)
    options = replace(OPTIONS, debug=True, sinks=(Choice("mine"),))
    with pytest.raises(ZeroDivisionError):
        perform(Task(planned, options), lambda event: None, lambda: False)
    assert told[-1][:2] == ("end", "failed")


# --- what they cannot do


@pytest.mark.parametrize("way", telling.WAYS)
@pytest.mark.parametrize("call", [call for call in telling.CALLS if call != "curve"])
def test_a_sink_that_fails_is_left_out_with_one_notice_and_the_run_has_the_same_bits(
    undisturbed, monkeypatch, call, way
):
    failing, told = telling.failing(call, way)
    recording, others = telling.recording()
    telling.known(monkeypatch, mine=failing, other=recording)
    ended, notices = made("out", "mine", "other")
    assert ended.outcome is not None
    assert ended.outcome.reason == "4 rounds"
    (notice,) = notices
    assert notice.startswith("the sink 'mine' failed at ")
    assert way in notice  # and not that it took too long, its thread being gone
    assert notice.endswith("; the run goes on without it")
    assert [name for name, *_ in told].count(call) == 1
    assert [name for name, *_ in others].count("round") == 4
    assert bits(Path("out/seed-0")) == undisturbed


def test_a_sink_that_fails_at_a_curve_is_left_out(tmp_path, tiny_run, monkeypatch):
    failing, told = telling.failing("curve", "OSError")
    telling.known(monkeypatch, mine=failing)
    notices = []
    task = Task(tiny(tiny_run), options_of(tiny_run, "mine"))
    perform(task, lambda e: notices.append(e.text) if isinstance(e, Notice) else 0, lambda: False)
    assert notices == [
        "the sink 'mine' failed at the curve of round 0 (OSError: [Errno 28] No space left on device); the run goes on "
        "without it"
    ]
    assert [call for call, *_ in told] == ["make", "start", "curve"]


@pytest.mark.parametrize("call", ["start", "round", "end"])
def test_a_sink_that_hangs_is_left_behind(undisturbed, monkeypatch, call):
    hanging, _ = telling.hanging(call, 1.0)
    telling.known(monkeypatch, mine=hanging)
    monkeypatch.setattr(guarding, "PATIENCE", 0.05)
    ended, notices = made("out", "mine")
    assert ended.outcome is not None
    (notice,) = notices
    assert "(no answer for 0.05 s)" in notice
    assert bits(Path("out/seed-0")) == undisturbed


def test_a_sink_that_draws_from_every_generator_changes_no_bit_of_a_trained_run(tmp_path, tiny_run, monkeypatch):
    disturbing, told = telling.disturbing()
    telling.known(monkeypatch, mine=disturbing)
    task = Task(tiny(tiny_run, tmp_path / "seed-0"), options_of(tiny_run, "mine"))
    assert perform(task, lambda event: None, lambda: False).outcome
    assert [call for call, *_ in told].count("round") >= 2
    assert bits(tmp_path / "seed-0") == bits(tiny_run)


def test_what_a_sink_prints_goes_to_stderr(workplace, monkeypatch, capfd):
    printing, _ = telling.recording(lambda call: print(f"here is {call}"))
    telling.known(monkeypatch, mine=printing)
    made("out", "mine")
    out, err = capfd.readouterr()
    assert "here is" not in out
    assert err.count("here is round") == 4


# --- beside the store


def test_a_runs_directory_holds_its_store_alone(workplace):
    made("out", "jsonl", "tensorboard")
    directory = Path("out/seed-0")
    assert verify(directory) == []
    listed = {path.name for path in directory.iterdir() if not path.name.startswith(".")}
    assert listed == {"manifest.json", "experiment.toml", *read_manifest(directory).files}
    assert find_runs(Path("out")) == [directory]
    assert {path.name for path in Path("out").iterdir()} == {"seed-0", "sinks"}


@pytest.mark.parametrize(
    ("text", "run", "output"),
    [
        ("jsonl", "runs/toy/seed-0", "runs/toy/sinks/seed-0"),
        ("jsonl=logs", "runs/toy/seed-0", "logs/runs/toy/seed-0"),
        ("jsonl=/var/logs", "/far/toy/seed-0", "/var/logs/far/toy/seed-0"),
        ("jsonl=logs", "../beside/seed-0", None),
    ],
)
def test_where_a_sink_writes(workplace, text, run, output):
    if output is None:
        output = f"logs/{str(workplace.parent / 'beside' / 'seed-0').lstrip('/')}"
    assert Choice.of(text).output(Path(run)) == Path(output)


# --- which


def test_sinks_are_named_once_each_on_the_command_line_or_else_in_the_environment(workplace):
    both = {"BIASLOOP_SINKS": " jsonl, tensorboard=logs ,"}
    assert chosen(None, both) == (Choice("jsonl"), Choice("tensorboard", Path("logs")))
    assert chosen(["jsonl", "jsonl"], both) == (Choice("jsonl"),)
    assert chosen(None, {}) == ()


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["jsonk"], r"no sink is called 'jsonk' \(installed: .*jsonl.*\); did you mean 'jsonl'\?"),
        (["jsonl="], "--sink 'jsonl=': expected NAME or NAME=DIR"),
        (["=logs"], "--sink '=logs': expected NAME or NAME=DIR"),
        (["jsonl=a", "jsonl=b"], "--sink jsonl is given with two directories"),
    ],
)
def test_a_sink_that_is_none_is_refused(workplace, texts, words):
    with pytest.raises(InvalidInput, match=words):
        chosen(texts, {})


def test_what_a_sink_needs_is_looked_for_before_anything_is_spent(workplace, monkeypatch):
    failing, _ = telling.failing("make", "ZeroDivisionError")
    telling.known(monkeypatch, mine=failing)
    with pytest.raises(InvalidInput, match="the sink 'mine' cannot be made: ZeroDivisionError: .*; leave it out"):
        chosen(["mine"], {})


def test_without_tensorboard_the_sink_says_what_to_type(workplace, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(InvalidInput, match=r"pip install 'biasloop\[tensorboard\]'"):
        chosen(["tensorboard"], {})


def test_choices_travel(workplace):
    choices = (Choice("jsonl"), Choice("tensorboard", Path("logs")))
    (planned,) = planned_toys([0], Path("out"), OPTIONS)
    there = Task.loads(Task(planned, replace(OPTIONS, sinks=choices)).dumps())
    assert there.options.sinks == choices


def test_a_view_hears_of_a_round_before_the_sinks(workplace, monkeypatch):
    told: list[str] = []
    recording, _ = telling.recording(lambda call: told.append(call))
    telling.known(monkeypatch, mine=recording)
    (planned,) = planned_toys([0], Path("out"), OPTIONS)

    def on_event(event):
        if isinstance(event, Committed):
            told.append("shown")

    perform(Task(planned, replace(OPTIONS, sinks=(Choice("mine"),))), on_event, lambda: False)
    assert [word for word in told if word in ("shown", "round")] == ["shown", "round"] * 4
