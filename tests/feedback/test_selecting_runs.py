"""Stored runs that select: stopped and gone on with, measured again, and beside runs that take every sample."""

import numpy as np
import pytest
from support import toy
from support.loops import assert_same_run, cut, stored_bytes
from support.selecting_toy import CLASSES, LineDomain, line_experiment, line_prepared, walk

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.contract.data import Column, Evaluation, Frame, Metric
from biasloop.contract.names import MAIN
from biasloop.contract.randomness import Streams
from biasloop.feedback.selecting import COLUMN, beside_epochs
from biasloop.feedback.snapshots import late, of_last_half
from biasloop.feedback.work import RoundWork, Session
from biasloop.running import engine
from biasloop.running.engine import Options
from biasloop.running.remeasure import remeasured
from biasloop.running.reopen import reopen, reread
from biasloop.store.claims import claimed
from biasloop.store.manifest import read_manifest
from biasloop.store.reader import Run

REDUCR = line_experiment(
    {"name": "reducr", "best": "worst_class", "judge": 0.25, "irreducible": {"models": "heads"}},
    {"rounds": 2, "snapshots": 1, "keep": "subsample"},
)
UPDATING = line_experiment({"name": "rho", "irreducible": {"updating": 0.01}}, {"rounds": 2})
TWINS = line_experiment({"name": "rho", "irreducible": {"twins": 2}}, {"rounds": 2})


def run(experiment, directory, **options):
    """A run with a data directory beside it; the domain that made it, and how it ended."""
    prepared = line_prepared(experiment)
    options = {"interval": 1e9, **options}
    outcome = engine.run(prepared, directory, Options(directory.parent / f"{directory.name}-data", **options))
    return prepared.domain, outcome


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The domain `line` looks installed."""
    place = toy.declare(tmp_path / "installed", "biasloop-line", "line", "support.selecting_toy:LineDomain")
    monkeypatch.syspath_prepend(place)


def shorten(directory, rounds):
    """Make a run what it was when it had so many rounds."""
    cut(directory, rounds)
    for path in [*directory.glob("round-*.h5"), *directory.glob("model-0*.h5")]:
        if int(path.stem.partition("-")[2]) >= rounds:
            path.unlink()


@pytest.mark.parametrize(
    ("experiment", "stride"),
    [(REDUCR, 7), (TWINS, 9), *(pytest.param(each, 1, marks=pytest.mark.slow) for each in (REDUCR, TWINS))],
    ids=["heads", "twins", "heads-at-all", "twins-at-all"],
)
def test_stopping_at_any_moment_changes_no_bit(tmp_path, experiment, stride):
    run(experiment, tmp_path / "reference")
    at, reason = 1 - stride, ""
    while not reason:
        at += stride
        asked = iter(range(10_000))
        directory = tmp_path / f"stopped-{at}"
        reason = run(experiment, directory, stopping=lambda at=at, asked=asked: next(asked) >= at)[1].reason
        if not reason:
            run(experiment, directory)
        assert_same_run(directory, tmp_path / "reference")
    assert at > 8


@pytest.mark.parametrize(("experiment", "rounds"), [(REDUCR, 1), (TWINS, 0)], ids=["heads", "twins"])
def test_a_run_goes_on_with_the_models_that_its_set_up_stored(tmp_path, experiment, rounds):
    first, _ = run(experiment, tmp_path / "run")
    assert (len(first.seen.heads), len(first.seen.fits)) == ((1, 2) if experiment is REDUCR else (0, 4))
    before = stored_bytes(tmp_path / "run")
    shorten(tmp_path / "run", rounds)
    again, _ = run(experiment, tmp_path / "run")
    assert (len(again.seen.heads), len(again.seen.fits)) == (0, 2)  # a model of round 0 is fitted again to label
    assert stored_bytes(tmp_path / "run") == before


def test_a_run_goes_on_beyond_its_cap_where_shared_calls_are_gone(tmp_path):
    longer = replace_rounds(REDUCR, 3)
    run(longer, tmp_path / "reference")
    run(REDUCR, tmp_path / "run")
    for path in (tmp_path / "run-data" / "shared").iterdir():
        path.unlink()
    domain, _ = run(longer, tmp_path / "run")
    assert not domain.seen.heads and len(domain.seen.fits) == 1
    ours, theirs = stored_bytes(tmp_path / "run"), stored_bytes(tmp_path / "reference")
    assert ours == theirs


def replace_rounds(experiment, rounds):
    return experiment.model_copy(update={"loop": experiment.loop.model_copy(update={"rounds": rounds})})


@pytest.mark.parametrize("experiment", [REDUCR, TWINS], ids=["heads", "twins"])
def test_what_is_stored_is_measured_again_without_data(tmp_path, installed, monkeypatch, experiment):
    run(experiment, tmp_path / "run")

    def read(self, *args):
        raise AssertionError("data are read")

    for name in ("splits", "human_labels", "at", "classes_of", "categories", "category_names", "references"):
        monkeypatch.setattr(LineDomain, name, read)
    again = remeasured(tmp_path / "run", Options(tmp_path / "nothing"))
    stored = Run.open(tmp_path / "run")
    for number in range(2):
        metrics = stored.read(f"round-{number:04}").evaluations[MAIN].metrics
        assert again[number].as_stored == []
        assert told(again[number].metrics, metrics) == told(metrics, metrics)
        assert {"selected_share.a", "recall_gap"} <= metrics.keys()
        assert ("late_accuracy" in metrics) == (experiment is REDUCR)
    _, rule = reread(tmp_path / "run", Options(tmp_path / "nothing"))
    assert rule.selecting.settings.identity() == experiment.selection.identity()


def told(metrics, names):
    """Of each name all that is stored, where NaN equals NaN."""
    return {name: repr((float(metrics[name].value), metrics[name].n, float(metrics[name].error))) for name in names}


def test_a_model_that_is_fitted_again_has_selected(tmp_path, installed):
    run(TWINS, tmp_path / "run")
    stored = Run.open(tmp_path / "run")
    _, prepared = reopen(tmp_path / "run", Options(tmp_path / "data"))
    for step in stored.manifest.steps():
        prepared.rule.absorb(stored.read(step))
    work = RoundWork(Streams((0,)).at(1), Session(), "round-0001")
    model = prepared.rule.refit(1, work)
    assert prepared.domain.seen.fits[-1].samples.selection is not None
    assert np.array_equal(model.values, stored.read("round-0001", models=True).models["model"].arrays["values"])


def test_a_lost_model_is_fitted_again_to_the_same_bits(tmp_path):
    run(replace_rounds(REDUCR, 3), tmp_path / "reference")
    directory = tmp_path / "run"
    run(REDUCR, directory)
    manifest = read_manifest(directory)
    manifest.drop("model-0001.h5")
    with claimed(directory) as claim:
        manifest.write(directory, claim)
    (directory / "model-0001.h5").unlink()
    run(replace_rounds(REDUCR, 3), directory)
    assert_same_run(directory, tmp_path / "reference")


@pytest.mark.parametrize(
    ("experiment", "shared"),
    [(REDUCR, True), (TWINS, False), (UPDATING, False)],
    ids=["heads-shared", "twins-alone", "updating-alone"],
)
def test_lost_models_of_the_set_up_are_fitted_again_to_the_same_bits(tmp_path, experiment, shared):
    experiment = replace_rounds(experiment, 3)
    run(experiment, tmp_path / "reference")
    directory = tmp_path / "run"
    run(experiment, directory)
    shorten(directory, 2 - shared)
    manifest = read_manifest(directory)
    manifest.drop("model-setup.h5")
    with claimed(directory) as claim:
        manifest.write(directory, claim)
    for path in [] if shared else (tmp_path / "run-data").rglob("*.h5"):
        path.unlink()
    notes = []
    run(experiment, directory, on_event=notes.append)
    assert len([note for note in notes if "irreducible losses are not stored any more" in str(note)]) == 1
    ours, theirs = stored_bytes(directory), stored_bytes(tmp_path / "reference")
    assert {name for name in theirs if ours.get(name) != theirs[name]} == {"model-setup.h5"}


def test_all_of_every_batch_selected_by_chance_is_a_plain_run(tmp_path):
    run(line_experiment({"name": "uniform", "share": 1.0}, {"snapshots": 2}), tmp_path / "selecting")
    run(line_experiment(None, {"snapshots": 2}), tmp_path / "plain")
    selecting, plain = Run.open(tmp_path / "selecting"), Run.open(tmp_path / "plain")
    assert selecting.manifest.steps() == plain.manifest.steps()
    for step in plain.manifest.steps():
        ours, theirs = selecting.read(step, models=True), plain.read(step, models=True)
        assert bits(ours.models) == bits(theirs.models)
        assert ours.sizes == theirs.sizes
        assert {*ours.frames} - {*theirs.frames} <= {"fit.selecting", "fit.chosen", "vocabulary.categories"}
        assert all(repr(ours.frames[name]) == repr(frame) for name, frame in theirs.frames.items())
        assert repr(ours.added) == repr(theirs.added)
        for name, evaluation in theirs.evaluations.items():
            assert repr(ours.evaluations[name].tables) == repr(evaluation.tables)
            assert told(ours.evaluations[name].metrics, evaluation.metrics) == told(
                evaluation.metrics, evaluation.metrics
            )


def test_a_store_says_what_belongs_to_selection(tmp_path):
    run(REDUCR, tmp_path / "run")
    stored = Run.open(tmp_path / "run")
    setup, *rounds = (stored.read(step, models=True) for step in stored.manifest.steps())
    assert {*setup.models} == {"irreducible-heads"}
    assert setup.vocabularies()["categories"] == [*CLASSES]
    assert setup.added.payload[COLUMN].dtype == np.float32
    assert setup.added.payload[COLUMN].shape == (20, 3)
    for record in rounds:
        assert {"fit.selecting", "fit.chosen"} <= {*record.frames}
        assert record.frames["fit.chosen"]["times"].dtype.kind == "i"
        assert len(record.frames["fit.chosen"]) == record.sizes["trained"] == 20


def test_a_plain_run_stores_nothing_of_selection(tmp_path):
    run(line_experiment(None), tmp_path / "run")
    stored = Run.open(tmp_path / "run")
    for step in stored.manifest.steps():
        record = stored.read(step, models=True)
        assert not {"vocabulary.categories", "fit.selecting"} & {*record.frames}
        assert {*record.models} <= {"model"}
        assert record.added is None or COLUMN not in record.added.payload
    assert "selection" not in stored.identity


def test_late_metrics_are_means_over_the_last_half_of_a_fit():
    records = walk(line_prepared(line_experiment({"name": "uniform"}, {"snapshots": 2, "rounds": 1}, epochs=9)))
    evaluations = records[1].evaluations
    assert {*of_last_half(evaluations, 9)} == {"epoch-0006", "epoch-0008"}
    metrics = evaluations[MAIN].metrics
    for name in ("accuracy", "worst_class_recall"):
        values = [evaluations[f"epoch-000{n}"].metrics[name].value for n in (6, 8)]
        assert metrics[f"late_{name}"].value == pytest.approx(sum(values) / 2, abs=1e-15)
        assert metrics[f"late_{name}"].n == 2 and np.isnan(metrics[f"late_{name}"].error)


def test_the_middle_of_a_fit_is_not_late():
    evaluations = {name: Evaluation({}) for name in (MAIN, "epoch-0004", "epoch-0005", "epoch-10000")}
    assert {*of_last_half(evaluations, 8)} == {"epoch-0005", "epoch-10000"}
    assert {*of_last_half(evaluations, 7)} == {"epoch-0004", "epoch-0005", "epoch-10000"}
    assert of_last_half({}, 3) == {}


def test_epochs_that_say_nothing_are_left_out_of_late_metrics():
    nothing = Metric(float("nan"), 0)
    told = late([{"accuracy": Metric(0.5, 9), "worst_class_recall": nothing}, {"accuracy": nothing}, {}])
    assert {name: (metric.value, metric.n) for name, metric in told.items()} == {"late_accuracy": (0.5, 1)}
    assert late([]) == {}


@pytest.mark.parametrize(
    ("selection", "loop"), [({"name": "uniform"}, {}), (None, {"snapshots": 1})], ids=["no snapshots", "no selection"]
)
def test_without_snapshots_or_selection_there_are_no_late_metrics(selection, loop):
    records = walk(line_prepared(line_experiment(selection, {"rounds": 1, **loop})))
    assert not [name for name in records[1].evaluations[MAIN].metrics if name.startswith("late_")]


def test_pictures_that_are_all_selected_by_chance_train_the_same_network(tmp_path, tiny_run):
    (tmp_path / "tiny.toml").write_text(f'{toy.IMAGES_PRESET}\n[selection]\nname = "uniform"\nshare = 1.0\n')
    ((_, experiment),) = arms_of(presets.read(str(tmp_path / "tiny.toml")))
    options = Options(tmp_path / "data", device="cpu", threads=1, keep_models=True)
    engine.run(engine.prepare(experiment, 0, options), tmp_path / "run", options)
    selecting, plain = Run.open(tmp_path / "run"), Run.open(tiny_run)
    assert selecting.manifest.steps() == plain.manifest.steps()
    for step in plain.manifest.steps():
        ours, theirs = selecting.read(step, models=True), plain.read(step, models=True)
        assert bits(ours.models) == bits(theirs.models)
        metrics = theirs.evaluations[MAIN].metrics
        assert told(ours.evaluations[MAIN].metrics, metrics) == told(metrics, metrics)


def bits(models):
    return {name: {key: array.tobytes() for key, array in model.arrays.items()} for name, model in models.items()}


@pytest.mark.parametrize(("epochs", "late_ones"), [(4, 2), (5, 3)])
def test_the_last_half_is_of_the_epochs_that_a_fit_had(epochs, late_ones):
    experiment = line_experiment({"name": "uniform"}, {"snapshots": 1, "rounds": 1}, epochs=epochs)
    metrics = walk(line_prepared(experiment))[1].evaluations[MAIN].metrics
    assert metrics["late_accuracy"].n == late_ones


def test_an_evaluation_after_an_epoch_says_what_was_selected_in_that_epoch():
    columns = {"epoch": [1, 2, 3], "offered.0": [4, 4, 4], "offered.3": [4, 4, 4], "taken.0": [1, 2, 3],
               "taken.3": [3, 2, 1]}  # fmt: skip
    table = Frame({name: Column(np.array(values, np.float64)) for name, values in columns.items()})
    evaluations = {f"epoch-000{n}": Evaluation({"accuracy": Metric(0.5, 9)}) for n in (1, 2, 3)}
    told_of = beside_epochs(evaluations, {"fit.selecting": table}, {"categories": ["a", "b"]})
    assert [evaluation.metrics["selected_share.a"].value for evaluation in told_of.values()] == [0.25, 0.5, 0.75]
    assert all(evaluation.metrics["accuracy"].value == 0.5 for evaluation in told_of.values())


def test_the_gap_of_recalls_is_over_true_classes():
    prepared = line_prepared(line_experiment({"name": "uniform"}, {"rounds": 1}))
    record, target = walk(prepared)[1], prepared.domain.classes_of(prepared.domain.splits().test)
    prediction = record.evaluations[MAIN].tables["test"]["prediction"]
    recalls, precisions = (
        [(prediction == target)[of == c].mean() for c in range(len(CLASSES))] for of in (target, prediction)
    )
    assert record.evaluations[MAIN].metrics["recall_gap"].value == pytest.approx(max(recalls) - min(recalls))
    assert max(recalls) - min(recalls) != pytest.approx(max(precisions) - min(precisions))
