"""What a person sees while several runs go on: one table in the height of the terminal, lines that name their run."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from support.studies import planned_toys

from biasloop.contract.data import Metric
from biasloop.report.live import several, view
from biasloop.report.live.pace import Pace
from biasloop.report.live.plain import PlainView
from biasloop.report.live.rows import Rows
from biasloop.report.live.several import StudyView
from biasloop.running.engine import Committed, Notice, Options, Outcome, Step
from biasloop.running.tasks import Ended

OPTIONS = Options(Path("data"))


@pytest.fixture
def planned(workplace):
    return planned_toys(list(range(6)), Path("out"), OPTIONS)


def committed(number: int, seconds: float | None = 2.0, **more) -> Committed:
    metrics = {"share_predicted": Metric(0.55, 100), "share_target": Metric(0.5, 100), "accuracy": Metric(0.81, 100)}
    return Committed(number, metrics, {"train": 100 + 25 * number}, seconds, 1000, **more)


def done(planned) -> Ended:
    return Ended(planned, Outcome(planned.directory, "4 rounds", 4))


# --- how long it takes

ALL = 100 + 125 + 150 + 175  # rows that the rounds of a run train on


def test_nothing_is_known_before_a_round_was_measured(planned):
    assert Pace(planned, 2).left() is None


@pytest.mark.parametrize(("at_once", "share"), [(1, 1.0), (2, 0.5), (3, 1 / 3)])
def test_the_rest_of_a_study_weighs_rounds_by_their_rows_and_goes_as_many_at_once(planned, at_once, share):
    pace = Pace(planned, at_once)
    pace.add(planned[0], committed(0))
    assert pace.left() == pytest.approx(2.0 / 100 * (6 * ALL - 100) * share)


def test_one_long_run_cannot_be_shared(planned):
    pace = Pace(planned[:2], 2)
    pace.add(planned[0], committed(0))
    pace.end(done(planned[0]))
    assert pace.left() == pytest.approx(2.0 / 100 * ALL)


def test_an_arm_has_its_own_pace_once_it_was_measured(workplace):
    slow, fast = planned_toys([0], Path("out"), OPTIONS, loop__human=[5, 6])
    pace = Pace([slow, fast])
    pace.add(slow, committed(0, 10.0))
    pace.add(fast, committed(0, 1.0))
    rest = sum(fast.experiment.loop.trained(number) for number in (1, 2, 3))
    assert pace.left() == pytest.approx(10.0 / 100 * (ALL - 100) + 1.0 / 100 * rest)


def test_rounds_that_were_there_already_are_not_ahead(planned):
    begun = replace(planned[0], done=2)
    pace = Pace([begun])
    pace.add(begun, committed(0, resumed=True))
    assert pace.left() == pytest.approx(2.0 / 100 * (150 + 175))


def test_failed_runs_and_those_of_others_are_not_ahead(planned):
    pace = Pace(planned)
    pace.add(planned[0], committed(0))
    for item in planned[:5]:
        pace.end(Ended(item, None, error="no number") if item.seed % 2 else Ended(item, None, held="node7 makes it"))
    assert pace.left() == pytest.approx(2.0 / 100 * ALL)
    assert (pace.counts.done, pace.counts.failed) == (0, 2)


# --- on a terminal


@pytest.fixture
def screen(monkeypatch):
    text = io.StringIO()
    drawn = Console(file=text, width=150, height=24, force_terminal=True, highlight=False, color_system=None)
    monkeypatch.setattr(several, "console", lambda: drawn)
    return text


def picture(shown: StudyView) -> list[str]:
    """Lines that stand on the screen now, empty ones among them."""
    drawn = Console(file=io.StringIO(), width=150, height=24, highlight=False)
    with drawn.capture() as captured:
        drawn.print(shown._draw())
    return [line.rstrip() for line in captured.get().splitlines()]


def rows(shown: StudyView) -> list[list[str]]:
    """Words of the heading and of each row."""
    return [line.split() for line in picture(shown) if line.startswith(" ") and "──" not in line]


def test_every_run_under_way_has_a_row_with_its_newest_round(planned, screen):
    shown = StudyView(planned, 2)
    for item in planned[:2]:
        shown.start(item)
    shown.event(planned[0], committed(0))
    shown.event(planned[0], Step("round-0001/fit", 30, 60))
    heading, first, second = rows(shown)
    last = picture(shown)[-1]
    shown.close()
    assert heading == ["run", "rounds", "accuracy", "bias", "bound", "doing", "left"]
    assert " ".join(first) == "seed 0 1 of 4 81.0 % +0.050 +0.050 round 0001 fit 50 % 9.0 s"
    assert " ".join(second) == "seed 1 0 of 4 – – – starting"
    assert last == "0 of 6 runs done, about 32 s left; 4 waiting"


def test_runs_of_others_and_failed_and_finished_ones_are_told(planned, screen):
    shown = StudyView(planned, 2)
    for item in planned[:4]:
        shown.start(item)
    shown.event(planned[0], committed(0))
    shown.end(done(planned[0]))
    shown.end(Ended(planned[1], None, error="loss is\nnot a number"))
    for _ in range(2):
        shown.end(Ended(planned[2], None, held="process 7 on node7 makes it"))
        shown.start(planned[2])
        assert "made by other processes" not in picture(shown)[-1]
    shown.end(Ended(planned[2], None, held="process 7 on node7 makes it"))
    lines, drawn = picture(shown), rows(shown)
    shown.close()
    assert [row[1] for row in drawn[1:]] == ["3", "2", "0"]
    assert [row[-1] for row in drawn[2:]] == ["elsewhere", "done"]
    assert lines[-2] == "seed 1 failed: loss is not a number"
    assert lines[-1].startswith("1 of 6 runs done, 1 failed, 1 made by other processes, about ")
    assert screen.getvalue().count("process 7 on node7 makes it") == 1


def test_the_table_of_660_runs_fits_the_terminal(workplace, screen):
    planned = planned_toys(list(range(660)), Path("out"), OPTIONS)
    shown = StudyView(planned, 64)
    for item in planned[:100]:
        shown.start(item)
    for item in planned[:36]:
        shown.end(done(item) if item.seed % 3 else Ended(item, None, error="x" * 500))
    lines = picture(shown)
    shown.close()
    assert 20 < len(lines) < 24
    assert all(len(line) <= 150 for line in lines)
    assert any("more runs under way or elsewhere" in line for line in lines)
    assert lines[-1] == "24 of 660 runs done, 12 failed; 560 waiting"


def test_a_wish_to_stop_stands_below_the_table(planned, screen):
    asked: list[int] = []
    shown = StudyView(planned, 2, lambda: bool(asked))
    shown.start(planned[0])
    assert view.STOPPING not in picture(shown)
    asked.append(2)
    assert picture(shown)[-1] == view.STOPPING
    shown.close()
    assert len(picture(shown)) == 1


def test_notices_name_their_run_and_stand_above_the_table(planned, screen):
    shown = StudyView(planned, 2)
    shown.start(planned[0])
    shown.event(planned[0], Notice("adopted \x1b[31m"))
    shown.close()
    assert r"seed 0: adopted \x1b[31m" in screen.getvalue()


# --- in a log


def test_lines_of_runs_that_go_on_side_by_side_name_their_run(planned, capsys):
    shown = PlainView(planned, 2, several=True)
    for item in planned[:2]:
        shown.start(item)
    shown.event(planned[1], committed(0))
    shown.event(planned[0], committed(0))
    shown.event(planned[1], Notice("a warning"))
    shown.end(done(planned[1]))
    shown.end(Ended(planned[0], None, error="no number"))
    shown.end(Ended(planned[2], None, held="process 7 on node7 makes it"))
    shown.end(Ended(planned[3], Outcome(planned[3].directory, "", 1)))
    said = capsys.readouterr()
    assert [line.split()[:3] for line in said.out.splitlines()] == [
        ["round", "train", "human"], ["seed", "0", "->"], ["seed", "1", "->"], ["seed", "1", "0"], ["seed", "0", "0"],
    ]  # fmt: skip
    assert said.err.splitlines() == [
        "seed 1: a warning", "1 of 6 runs done, about 26 s left", "toy, seed 0 failed: no number",
        "1 of 6 runs done, 1 failed, about 22 s left", "process 7 on node7 makes it",
    ]  # fmt: skip


def test_lines_of_the_only_run_are_bare(planned, capsys):
    shown = PlainView(planned[:1])
    shown.start(planned[0])
    shown.event(planned[0], committed(0))
    shown.end(Ended(planned[0], None, error="told at the end"))
    said = capsys.readouterr()
    assert said.out.splitlines()[3].split()[0] == "0"
    assert not said.err


def test_without_a_bound_bias_is_the_one_that_the_run_measured(planned):
    item = replace(planned[0], experiment=planned[0].experiment.model_copy(update={"bound": None}))
    event = committed(0)
    assert Rows.of(item).add(event)[-3:-1] == ("–", "–")
    event.metrics["bias"] = Metric(-0.05, 100)
    assert Rows.of(item).add(event)[-3:-1] == ("-0.050", "–")


def test_headers_of_any_length_stand_above_their_columns(planned, capsys):
    item = planned[0]
    labels = {"label_error": "Wrong labels of all"}
    plot = item.experiment.plot.model_copy(update={"series": ["label_error"], "labels": labels})
    item = replace(item, experiment=item.experiment.model_copy(update={"plot": plot, "bound": None}))
    shown = PlainView([item])
    shown.start(item)
    shown.event(item, committed(0))
    *_, header, row = capsys.readouterr().out.splitlines()
    assert "Wrong labels of all" in header
    assert len(header) == len(row)
    ends = [header.index(word) + len(word) for word in ("Wrong labels of all", "seconds")]
    assert [row[end - 1] != " " for end in ends] == [True, True]
