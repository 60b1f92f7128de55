"""A run as a task: what travels comes back the same, and every kind of end is told in words."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from support.studies import planned_toys

from biasloop.config import preset_files, presets
from biasloop.config.experiment import Experiment
from biasloop.config.validation import arms_of
from biasloop.contract.data import Metric
from biasloop.errors import Diverged, Held, Interrupted, Lost, SomethingToFetch
from biasloop.running import engine
from biasloop.running.engine import Committed, Notice, Options, Outcome, Step
from biasloop.running.study import Planned
from biasloop.running.tasks import Ended, Task, event_dumps, event_loads, perform

OPTIONS = Options(Path("data"), interval=1e9)


def arms_at_both_ends(preset: presets.Preset) -> list[Experiment]:
    """The first and the last of its grid."""
    experiments = [experiment for _, experiment in arms_of(preset)]
    return [experiments[0], *experiments[1:][-1:]]


@pytest.mark.parametrize("name", sorted(preset_files.files()))
def test_a_shipped_presets_runs_travel_with_their_identity(name):
    for experiment in arms_at_both_ends(presets.read(name)) + arms_at_both_ends(presets.read(f"{name}-mini")):
        planned = Planned("loop.human=5", 3, Path("runs/x"), experiment, 12, 4)
        there = Task.loads(Task(planned, OPTIONS).dumps()).planned
        assert there.experiment.identity(3) == experiment.identity(3)
        assert (there.experiment.plot, there.experiment.bound) == (experiment.plot, experiment.bound)
        assert type(there.experiment.loop) is type(experiment.loop)
        assert engine.about(there.experiment) == engine.about(experiment)
        assert replace(there, experiment=experiment) == planned


def test_an_arm_travels_with_its_name(workplace):
    preset = presets.read("toy")
    preset.values["arms"] = {"uniform, equal seconds": {"loop": {"human": 9}}}
    ((_, experiment),) = arms_of(preset)
    planned = Planned("uniform, equal seconds", 3, Path("runs/x"), experiment, 12, 4)
    there = Task.loads(Task(planned, OPTIONS).dumps()).planned
    assert there == planned
    assert engine.about(there.experiment)["arm"] == "uniform, equal seconds"


def test_options_travel_without_what_they_call():
    options = Options(Path("d \udcff/x"), "cuda:0", 3, True, 0.5, print, lambda: True, False, True)
    experiment = arms_of(presets.read("quickstart"))[0][1]
    there = Task.loads(Task(Planned("", 0, Path("runs/\udcff"), experiment, 1), options).dumps())
    assert replace(there.options, on_event=print, stopping=options.stopping) == options
    assert there.planned.directory == Path("runs/\udcff")
    assert not there.options.stopping()


@pytest.mark.parametrize(
    "event",
    [
        Step("round-3/fit", 4, 100),
        Notice("reads\nthe data \udcff"),
        Committed(-1, {}, {}, None, 0, resumed=True),
        Committed(3, {"a": Metric(0.1 + 0.2, 7, 1e-300), "b": Metric(math.inf, 0, 0.0)}, {"train": 5}, 1.25, 2**40),
    ],
)
def test_an_event_comes_back_the_same(event):
    line = event_dumps(event)
    assert "\n" not in line
    assert event_loads(line) == event


def test_what_is_not_a_number_travels():
    there = event_loads(event_dumps(Committed(0, {"a": Metric(math.nan, 0)}, {}, 1.0, 1)))
    assert isinstance(there, Committed)
    assert math.isnan(there.metrics["a"].value)


@pytest.mark.parametrize(
    "ended",
    [
        (Outcome(Path("runs/x"), "all rounds", 4), "", "", 0),
        (Outcome(Path("runs/x"), "", 0), "", "", 0),
        (None, "loss is not finite", "", 1),
        (None, "", "runs/x is being made by process 4711 on node7", 0),
    ],
)
def test_an_end_comes_back_the_same(ended, workplace):
    (planned,) = planned_toys([0], Path("out"), OPTIONS)
    assert Ended.loads(Ended(planned, *ended).dumps(), planned) == Ended(planned, *ended)


def performed(workplace, monkeypatch, error, **options) -> Ended:
    def run(*_):
        raise error

    monkeypatch.setattr(engine, "run", run)
    (planned,) = planned_toys([0], Path("out"), OPTIONS)
    return perform(Task(planned, replace(OPTIONS, **options)), lambda event: None, lambda: False)


def test_a_run_that_is_made_ends_with_its_outcome(workplace):
    (planned,) = planned_toys([0], Path("out"), OPTIONS)
    told = []
    ended = perform(Task(planned, OPTIONS), told.append, lambda: False)
    assert ended.outcome == Outcome(Path("out/seed-0"), "4 rounds", 4)
    assert [event.number for event in told if isinstance(event, Committed)] == [0, 1, 2, 3]


def test_a_run_that_is_stopped_has_an_outcome_without_a_reason(workplace):
    (planned,) = planned_toys([0], Path("out"), OPTIONS)
    assert perform(Task(planned, OPTIONS), lambda event: None, lambda: True).stopped


def test_who_stops_while_it_waits_for_what_another_process_prepares_has_stopped(workplace, monkeypatch):
    def prepare(*_):
        raise Interrupted

    monkeypatch.setattr(engine, "prepare", prepare)
    (planned,) = planned_toys([0], Path("out"), OPTIONS)
    ended = perform(Task(replace(planned, done=2), OPTIONS), lambda event: None, lambda: True)
    assert (ended.outcome, ended.error) == (Outcome(Path("out/seed-0"), "", 2), "")


@pytest.mark.parametrize(("error", "code"), [(Diverged("no number"), 1), (SomethingToFetch("fetch it"), 3)])
def test_an_error_of_ours_is_its_sentence_and_its_exit_code(workplace, monkeypatch, error, code):
    ended = performed(workplace, monkeypatch, error)
    assert (ended.outcome, ended.error, ended.code, ended.cause) == (None, str(error), code, error)


@pytest.mark.parametrize("error", [Held("process 1 on node7"), Lost("process 1 on node7 has it")])
def test_a_run_of_another_process_is_no_error(workplace, monkeypatch, error):
    ended = performed(workplace, monkeypatch, error)
    assert (ended.error, ended.held, ended.code) == ("", str(error), 0)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError("for an array"), "there is not enough memory"),
        (OSError(28, "No space left on device", "runs/x"), "runs/x: No space left on device"),
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero; this is a defect of biasloop or of a plugin"),
    ],
)
def test_what_is_unexpected_is_told(workplace, monkeypatch, error, words):
    ended = performed(workplace, monkeypatch, error)
    assert words in ended.error
    assert ended.code == 1


def test_a_defect_is_raised_when_its_traceback_is_asked_for(workplace, monkeypatch):
    with pytest.raises(ZeroDivisionError):
        performed(workplace, monkeypatch, ZeroDivisionError(), debug=True)


def test_who_cannot_be_told_ends_everything(workplace):
    def closed(event):
        raise BrokenPipeError

    (planned,) = planned_toys([0], Path("out"), OPTIONS)
    with pytest.raises(BrokenPipeError):
        perform(Task(planned, OPTIONS), closed, lambda: False)
