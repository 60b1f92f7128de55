"""From stored runs to what people read: arms, statistics over seeds, live rows, and output that scripts can trust."""

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from support.studies import Recorder

from biasloop.bound import bound
from biasloop.config import presets
from biasloop.config.experiment import PlotSection
from biasloop.config.validation import arms_of
from biasloop.contract.data import Metric
from biasloop.errors import InvalidInput
from biasloop.feedback.accumulate_settings import AccumulateSettings
from biasloop.feedback.generations import GenerationsSettings
from biasloop.report import output
from biasloop.report.arms import Measured, arms, begun, open_runs
from biasloop.report.live.rows import Rows
from biasloop.report.live.scripts import JsonView
from biasloop.report.tables import summary
from biasloop.running import study
from biasloop.running.engine import Committed, Notice, Options, Step
from biasloop.running.executors import InProcess
from biasloop.store.reader import Run


def ran(seeds: list[int], out: str = "out", changes: dict | None = None, **grid: list) -> list[Run]:
    """Toy runs with sampled bits, so that seeds differ."""
    found = presets.read("toy").override({("domain", "labels"): "bits", **(changes or {})}, "--set")
    found = found.vary({key.replace("__", "."): values for key, values in grid.items()}, "--grid")
    options = Options(Path("data"))
    planned = study.plan(arms_of(found), seeds, Path(out), options)
    InProcess().run(planned, options, Recorder())
    return open_runs([Path(out)])


def test_runs_that_differ_in_the_seed_alone_are_one_arm(workplace):
    grouped = arms(ran([0, 2, 1], loop__human=[5, 25]))
    assert [[run.seed for run in arm.runs] for arm in grouped] == [[0, 1, 2], [0, 1, 2]]
    assert {arm.label for arm in grouped} == {"20 % human", "55.56 % human"}


@pytest.mark.parametrize(
    ("grid", "labels"),
    [
        ({}, [""]),
        ({"loop__keep": ["all", "replace"]}, ["loop.keep = all", "loop.keep = replace"]),
        ({"domain__delta": [0.1, 0.2], "loop__human": [5]}, ["domain.delta = 0.1", "domain.delta = 0.2"]),
        ({"loop__human": [0, 5]}, ["0 % human", "20 % human"]),
        ({"loop__label_by": ["sample"]}, [""]),
    ],
)
def test_an_arm_is_called_by_what_sets_it_apart(workplace, grid, labels):
    assert sorted(arm.label for arm in arms(ran([0], **grid))) == labels


def named(runs: list[Run], *arms: str | None) -> list[Run]:
    """The runs as if their preset called their arms so."""
    for run, arm in zip(runs, arms, strict=True):
        run.manifest.about |= {} if arm is None else {"arm": arm}
    return runs


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["a", "b", "c", "d"], ["a", "b", "c", "d"]),
        (["a", "a", "b", "b"], ["a, 20 % human", "a, 55.56 % human", "b, 20 % human", "b, 55.56 % human"]),
        (["a", "b", "a", "b"],
         ["a, domain.delta = 0.1", "b, domain.delta = 0.1", "a, domain.delta = 0.2", "b, domain.delta = 0.2"]),
        (["a", "b", "c", None],
         [f"domain.delta = {delta}, loop.human = {human}" for delta in (0.1, 0.2) for human in (5, 25)]),
    ],
)  # fmt: skip
def test_an_arm_is_called_as_its_preset_does_if_all_have_names(workplace, names, labels):
    runs = ran([0], domain__delta=[0.1, 0.2], loop__human=[5, 25])
    runs = sorted(runs, key=lambda run: (run.identity["domain"]["delta"], run.identity["loop"]["human"]))
    grouped = arms(named(runs, *names))
    assert [arm.label for arm in grouped] == labels
    assert [row[0] for row in summary.rows(grouped)] == labels


def test_seeds_of_an_arm_have_its_name_and_one_alone_has_it_too(workplace):
    runs = ran([0, 1])
    assert [arm.label for arm in arms(named(runs, "a", "a"))] == ["a"]
    assert [arm.label for arm in arms(named(runs, "a", "b"))] == [""]  # two presets call one and the same so


def test_statistics_are_those_of_the_last_round_over_seeds(workplace):
    runs = ran([0, 1, 2, 3])
    (arm,) = arms(runs)
    last = [list(run.summaries())[-1][1] for run in runs]
    bias = np.array([row["share_predicted"].value - row["share_target"].value for row in last])
    found = summary.arm_statistics(arm)["metrics"]["bias"]
    low, high = stats.t.interval(0.95, 3, bias.mean(), stats.sem(bias))
    assert found == {
        "mean": pytest.approx(bias.mean()), "std": pytest.approx(bias.std(ddof=1)), "low": pytest.approx(low),
        "high": pytest.approx(high), "n": 4,
    }  # fmt: skip
    (cells,) = summary.rows([arm])
    assert cells[1:3] == ("4", "4")
    assert cells[5] == f"{bias.mean():+.3f} ± {bias.std(ddof=1):.3f}"


def test_without_a_bound_bias_is_the_one_that_runs_measured(workplace):
    grouped = arms(ran([0, 1]))
    for run in grouped[0].runs:
        del run.run.manifest.about["bound"]
    (cells,) = summary.rows(grouped)
    assert cells[4:] == ("–", "–", "–", "–")
    for run in grouped[0].runs:
        run.metrics[0]["bias"], run.metrics[-1]["bias"] = Metric(0.1 + run.seed / 10, 50), Metric(0.3, 50)
    (cells,) = summary.rows(grouped)
    assert cells[4:] == ("+0.150 ± 0.071", "+0.300 ± 0.000", "–", "–")


def test_one_seed_has_no_spread(workplace):
    (cells,) = summary.rows(arms(ran([0])))
    assert "±" not in "".join(cells)
    assert cells[6] == "–"


def test_an_arm_ends_where_its_shortest_run_does(workplace):
    ran([0], changes={("loop", "rounds"): 2})
    ran([1], changes={("loop", "rounds"): 6})
    (arm,) = arms(open_runs([Path("out")]))
    assert arm.rounds == 2
    assert summary.arm_statistics(arm)["rounds"] == 2


@pytest.mark.parametrize("keep", ["all", "subsample", "replace"])
def test_the_bound_of_a_run_is_that_of_its_loop(workplace, keep):
    (run,) = ran([0], loop__keep=[keep])
    measured = Measured.read(run)
    first = measured.metrics[0]
    delta = first["share_predicted"].value - first["share_target"].value
    assert measured.bound() == pytest.approx(bound(100, 5, 20, delta, 3, replace=keep == "replace"))
    assert measured.bound(0.5)[0] == 0.5
    assert math.isnan(measured.values("label_error")[0])


def test_a_run_is_opened_once_however_often_it_is_named(workplace):
    ran([0, 1])
    places = [Path("out"), Path("out/seed-0"), Path("out").resolve(), Path("./out/../out")]
    assert len(open_runs(places)) == 2
    with pytest.raises(InvalidInput, match="nowhere"):
        open_runs([Path("out"), Path("nowhere")])


def test_runs_without_a_round_have_not_begun(workplace):
    (run,) = ran([0])
    empty = SimpleNamespace(rounds=[], directory=Path("x"))
    assert begun([empty, run]) == [run]
    with pytest.raises(InvalidInput, match="no finished round"):
        begun([empty])


# --- while runs go on


def planned_toy(**changes) -> study.Planned:
    found = presets.read("toy").override({tuple(k.split("__")): v for k, v in changes.items()}, "--set")
    return study.plan(arms_of(found), [0], Path("out"), Options(Path("data")))[0]


def committed(number: int, value: float, seconds: float | None = 2.0) -> Committed:
    size = 100 + 25 * number
    metrics = {"share_predicted": Metric(value, 100), "share_target": Metric(0.5, 100)}
    sizes = {"train": size, "human": 100 + 5 * number, "model": 20 * number, "trained": size}
    return Committed(number, metrics, sizes, seconds, 1000)


def test_a_live_row_holds_bias_and_bound_from_the_error_of_round_0(workplace):
    rows = Rows.of(planned_toy())
    first, second = rows.add(committed(0, 0.55)), rows.add(committed(1, 0.553, None))
    assert first == ("0", "100", "100", "0", "–", "+0.050", "+0.050", "2.0")
    assert second == ("1", "125", "105", "20", "–", "+0.053", f"{bound(100, 5, 20, 0.05, 1)[1]:+.3f}", "–")
    assert rows.delta == pytest.approx(0.05)


def test_the_untouched_model_has_a_row_without_a_bound_and_counts_as_no_round(workplace):
    rows = Rows.of(planned_toy())
    untouched = rows.add(replace(committed(-1, 0.7, 60.0), sizes={}))
    assert untouched == ("-1", "0", "0", "0", "–", "+0.200", "–", "60.0")
    assert rows.seconds_left() is None
    assert rows.add(committed(0, 0.55))[5:7] == ("+0.050", "+0.050")
    assert rows.seconds_left() == pytest.approx(2.0 / 100 * (125 + 150 + 175))


def test_the_time_left_grows_with_the_rows_to_train_on(workplace):
    rows = Rows.of(planned_toy())
    assert rows.seconds_left() is None
    rows.add(committed(0, 0.5, 2.0))
    assert rows.seconds_left() == pytest.approx(2.0 / 100 * (125 + 150 + 175))
    rows.add(committed(1, 0.5, 3.0))
    assert rows.seconds_left() == pytest.approx(5.0 / 225 * (150 + 175))
    rows.add(committed(2, 0.5, None))
    assert rows.seconds_left() == pytest.approx(5.0 / 225 * 175)


def test_a_rule_without_a_bound_shows_what_it_counts_and_the_series_of_the_preset(workplace):
    loop = GenerationsSettings(rule="generations", rounds=4, keep="all")
    rows = Rows(loop, None, 4, PlotSection(series=["share_predicted", "accuracy"]))
    assert rows.headers == ["round", "accuracy", "share predicted", "seconds"]
    assert rows.add(committed(0, 0.5, 2.0)) == ("0", "–", "0.500", "2.0")
    assert rows.seconds_left() == pytest.approx(2.0 * (2 + 3 + 4))  # every generation learns from all before it


def test_time_left_is_told_where_the_size_of_the_pool_is_not_known():
    rows = Rows(AccumulateSettings(start="all", rounds=3), None, 3)
    assert rows.headers == ["round", "train", "human", "model", "accuracy", "seconds"]
    rows.add(committed(0, 0.5, 2.0))
    assert rows.seconds_left() == pytest.approx(2.0 * 2)


def test_a_run_of_a_rule_without_a_bound_has_none():
    identity = {"loop": {"rule": "generations"}}
    measured = Measured(SimpleNamespace(identity=identity, directory="runs/x"), [{}, {}], [], [])
    assert measured.loop.rounds == 2
    with pytest.raises(InvalidInput, match='runs/x: no bound is known of loop.rule = "generations"'):
        _ = measured.loop_bound


def test_scripts_get_rounds_on_stdout_and_notices_on_stderr(workplace, capsys):
    view = JsonView()
    planned = planned_toy()
    view.start(planned)
    for event in (Notice("adopted"), Step("fit", 1, 3), committed(0, float("nan"))):
        view.event(planned, event)
    said = capsys.readouterr()
    (line,) = said.out.splitlines()
    assert json.loads(line)["metrics"]["share_predicted"] == {"value": None, "n": 100, "se": None}
    assert said.err == "adopted\n"


# --- output


def test_what_is_not_finite_is_null_all_the_way_down():
    value = {"a": [1.5, float("nan"), (float("inf"), -float("inf"))], "b": {"c": float("nan")}, "d": "nan", "e": None}
    assert output.finite(value) == {"a": [1.5, None, [None, None]], "b": {"c": None}, "d": "nan", "e": None}


def test_cells_are_printed_as_they_are_and_never_broken_where_there_is_no_terminal(capsys):
    words = ["[PAD]", "[/x] [bold]b[/bold]", ":dog:", "runs/" + "x" * 500, "größer –"]
    output.show(output.table(["value"], [[word] for word in words], title="of [mini]"))
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [word for word in [*words, "of [mini]"] if word not in lines] == []
