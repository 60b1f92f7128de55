"""What the rest of a study takes is told from rounds that were measured."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.chains import chain
from support.loops import toy_experiment
from support.selecting_toy import line_experiment, line_prepared

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.feedback import rules
from biasloop.feedback.selection_settings import SelectionSettings
from biasloop.running import engine, estimate, study
from biasloop.running.engine import Options
from biasloop.running.estimate import Estimate, Measured, Sources, estimates, wall_seconds
from biasloop.running.room import Needs, Room
from biasloop.running.round_times import RoundTime, fitted
from biasloop.store import index
from biasloop.store.claims import claimed
from biasloop.store.manifest import read_manifest, round_name
from biasloop.store.reader import Run

OPTIONS = Options(Path("data"), "cpu")


def planned(directory="out", seeds=(0,), **grid):
    varied = {key.replace("__", "."): values for key, values in grid.items()}
    return study.plan(arms_of(presets.read("toy").vary(varied, "--grid")), seeds, Path(directory), OPTIONS)


def make(item, rounds=None, options=OPTIONS):
    """Make a planned run, or only so many of its rounds."""
    experiment = item.experiment
    if rounds is not None:
        loop = experiment.loop.model_copy(update={"rounds": rounds})
        experiment = experiment.model_copy(update={"loop": loop})
    engine.run(engine.prepare(experiment, item.seed, options), item.directory, options)


MEASURED = Measured(Path("x"), 4, 3.0, RoundTime(0.0, 0.01), 2.0, 9.0, 1000, 100, 10, memory=7)


def test_nothing_is_made_up_where_nothing_was_measured(workplace):
    plan = planned(seeds=(0, 1))
    assert estimates(plan, Sources(plan, OPTIONS)) == [Estimate()] * 2


@pytest.mark.parametrize("case", ["itself", "arm", "study", "earlier"])
def test_a_run_is_judged_by_the_measured_one_that_is_most_like_it(workplace, case):
    plan = planned("runs/earlier" if case == "earlier" else "out", seeds=(0, 1), loop__human=[5, 6])
    wanted = plan[1]  # human = 6, seed 0
    sources = {"itself": [plan[0], plan[3], plan[1]], "arm": [plan[0], plan[3]], "study": [plan[0]],
               "earlier": [plan[0]]}[case]  # fmt: skip
    for item in sources:
        make(item, rounds=2)
    again = planned("out", seeds=(0, 1), loop__human=[5, 6])
    estimated = estimates(again, Sources(again, OPTIONS))[again.index(replace(wanted, directory=again[1].directory,
                                                                              done=again[1].done))]  # fmt: skip
    assert estimated.source is not None
    assert estimated.source.run == sources[-1].directory


def test_runs_that_select_otherwise_are_not_alike():
    plain = toy_experiment()
    sections = [
        SelectionSettings(name=name, share=share) for name, share in (("rho", 0.1), ("reducr", 0.1), ("rho", 1.0))
    ]
    arms = [plain, *(plain.model_copy(update={"selection": section}) for section in sections)]
    sources = Sources([], OPTIONS)
    assert [sources.alike(arm) for arm in arms] == [index.alike(arm.identity(0)) for arm in arms]
    assert len({sources.alike(arm) for arm in arms}) == len(arms)


def test_a_run_with_other_settings_of_the_domain_judges_nothing(workplace):
    make(planned("runs/other")[0])
    plan = planned("out", domain__delta=[0.1])
    assert estimates(plan, Sources(plan, OPTIONS))[0].source is None
    plan = planned("out", loop__keep=["replace"])
    assert estimates(plan, Sources(plan, OPTIONS))[0].source is None
    plan = planned("out", loop__start=[50, 150])
    assert all(each.source for each in estimates(plan, Sources(plan, OPTIONS)))


def test_rounds_are_weighed_by_the_rows_that_they_train_on(workplace):
    (item,) = planned()
    sources = Sources([item], OPTIONS)
    sources.measured[sources.alike(item.experiment)] = MEASURED
    (whole_run,) = estimates([item], sources)
    rows = sum(100 + 25 * number for number in range(4))
    assert whole_run.seconds == pytest.approx(3.0 + rows * 0.01)
    assert whole_run.bytes == 1000 + 4 * 100 + 10
    assert whole_run.memory == 7
    slower = Sources([item], OPTIONS)
    slower.take(item.experiment, replace(MEASURED, round_time=RoundTime(5.0, 0.01)))
    assert estimates([item], slower)[0].seconds == pytest.approx(3.0 + 4 * 5.0 + rows * 0.01)
    (rest,) = estimates([replace(item, done=3)], sources)
    assert rest.seconds == pytest.approx(175 * 0.01)
    assert rest.bytes == 100
    (kept,) = estimates([item], replace(sources, options=replace(OPTIONS, keep_models=True)))
    assert kept.bytes == 1000 + 4 * 110
    assert estimates([replace(item, done=4)], sources) == [Estimate(0.0, 0)]


def test_what_a_stored_run_took_is_read_from_its_manifest(workplace):
    (item,) = planned()
    make(item)
    measured = Measured.read(item.directory)
    files = Run.open(item.directory).manifest.files
    assert measured.round_time == fitted([(100 + 25 * n, files[f"{round_name(n)}.h5"].seconds) for n in range(1, 4)])
    assert measured.setup_bytes == files["setup.h5"].bytes
    assert (measured.rounds, measured.threads, measured.all_models) == (4, "1", False)
    make(planned("kept")[0], options=replace(OPTIONS, keep_models=True))
    assert Measured.read(Path("kept/seed-0")).all_models
    assert Measured.read(Path("nowhere")) is None


def test_runs_go_on_at_once_as_far_as_jobs_and_room_allow():
    source = replace(MEASURED, loading=0.0)
    estimated = [Estimate(float(seconds), source=source) for seconds in (4, 2, 2, 0, 3)]
    one = [Needs(1)] * 5
    room = Room(2, {}, 100)
    assert wall_seconds(estimated, one, room, 1) == 11
    assert wall_seconds(estimated, one, room, 2) == 7
    assert wall_seconds(estimated, one, room, 9) == 7
    assert wall_seconds(estimated, [Needs(2)] * 5, room, 2) == 11
    assert wall_seconds(estimated, [Needs(1, memory=60)] * 5, room, 2) == 11
    assert room == Room(2, {}, 100)
    loading = [replace(each, source=MEASURED) for each in estimated]
    assert wall_seconds(loading, one, room, 1) == 13
    assert wall_seconds([], [], room, 2) == 0


@pytest.mark.parametrize(("enough", "least", "rounds"), [(0.0, 1, 2), (0.0, 2, 3), (1e9, 1, 4)])
def test_measured_rounds_tell_the_time_and_leave_nothing(workplace, monkeypatch, enough, least, rounds):
    monkeypatch.setattr(estimate, "_ENOUGH", enough)
    monkeypatch.setattr(estimate, "_LEAST", least)
    plan = planned(seeds=(0, 1), loop__human=[5, 6])
    sources = Sources(plan, OPTIONS)
    before = sorted(workplace.iterdir())
    made = estimate.measure(plan, sources, OPTIONS)
    assert made == [plan[0]]
    estimated = estimates(plan, sources)
    assert all(each.seconds is not None and each.source.rounds == rounds for each in estimated)
    assert sorted(path for path in workplace.iterdir() if path.name != "data") == before
    assert estimate.measure(plan, sources, OPTIONS) == []


@pytest.mark.parametrize(
    ("start", "human", "rounds"), [(100, 5, 4), (100, 0, 3), (60, 30, 1), ("all", 0, 2), (100, 20, None)]
)
def test_human_labels_are_those_that_a_finished_run_holds(workplace, start, human, rounds):
    model = 0 if start == "all" else 20
    changes = {("loop", "start"): start, ("loop", "human"): human, ("loop", "model"): model,
               ("domain", "pool"): 300}  # fmt: skip
    preset = presets.read("toy").override(changes, "--set")
    preset.values.pop("bound")
    if rounds is None:
        preset.values["loop"].pop("rounds")
    else:
        preset = preset.override({("loop", "rounds"): rounds}, "--set")
    ((_, experiment),) = arms_of(preset)
    plan = study.plan([({}, experiment)], [0], Path("out"), OPTIONS)
    make(plan[0])
    assert plan[0].labels == human_rows(Run.open(Path("out/seed-0")))
    (after,) = study.plan([({}, experiment)], [0], Path("out"), OPTIONS)
    assert (after.done, after.bought) == (after.rounds, after.labels)


def human_rows(run: Run) -> int:
    """Distinct samples that have a human label in a store."""
    ids = set()
    for step in run.manifest.steps():
        added = run.read(step).added
        if added is not None:
            ids |= {int(i) for i, origin in zip(added.ids, added.origin, strict=True) if origin == -2}
    return len(ids)


def test_a_chain_of_generations_buys_none(tmp_path):
    prepared = chain({"rounds": 2})
    engine.run(prepared, tmp_path / "run", OPTIONS)
    assert prepared.rule.human_labels(2) == human_rows(Run.open(tmp_path / "run")) == 0
    assert {*rules.RULES} == {"accumulate", "generations", "mixing"}, "one more rule to compare with what it stores"


def test_each_run_has_the_rest_that_it_has_left(workplace):
    (item,) = planned()
    sources = Sources([item], OPTIONS)
    sources.measured[sources.alike(item.experiment)] = MEASURED
    begun = [replace(item, done=done, directory=Path(f"nowhere-{done}")) for done in (3, 1)]
    assert [each.seconds for each in estimates(begun, sources)] == pytest.approx([1.75, 1.25 + 1.5 + 1.75])


def test_models_of_the_set_up_are_those_of_no_round(tmp_path):
    experiment = line_experiment({"name": "rho"}, {"rounds": 2})
    engine.run(line_prepared(experiment), tmp_path / "run", Options(tmp_path / "data", interval=1e9))
    files, measured = Run.open(tmp_path / "run").manifest.files, Measured.read(tmp_path / "run")
    assert {name for name in files if name.startswith("model-")} == {"model-setup.h5", "model-0001.h5"}
    assert (measured.model_bytes, measured.all_models) == (files["model-0001.h5"].bytes, False)
    assert measured.setup_bytes == files["setup.h5"].bytes + files["model-setup.h5"].bytes


def test_of_earlier_runs_the_one_with_most_rounds_judges(workplace):
    for name, rounds in (("a", 1), ("b", 3), ("c", 2)):
        make(planned(f"runs/{name}")[0], rounds=rounds)
    plan = planned("out")
    assert Sources(plan, OPTIONS).of(plan[0]).run == Path("runs/b/seed-0")


def test_what_the_first_round_took_beyond_its_work_is_loading(workplace):
    (item,) = planned()
    make(item)
    manifest = read_manifest(item.directory)
    for number in range(4):
        name, extra = f"{round_name(number)}.h5", 0 if number else 4.0
        manifest.add(replace(manifest.files[name], seconds=1 + 0.01 * (100 + 25 * number) + extra))
    with claimed(item.directory) as claim:
        manifest.write(item.directory, claim)
    measured = Measured.read(item.directory)
    assert measured.loading == pytest.approx(4)
    assert measured.round_time.of(0) == pytest.approx(1)
