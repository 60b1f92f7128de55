"""Generations of small networks on coloured fashion: whole runs, resumed runs, refusals before anything is trained."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from PIL import Image
from support import toy
from support.loops import assert_same_run, records
from support.standard_errors import assert_checked

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.contract.context import Work
from biasloop.contract.data import Column, Frame
from biasloop.contract.domains import Showing, missing_methods
from biasloop.contract.randomness import Streams
from biasloop.errors import BiasloopError
from biasloop.running import engine
from biasloop.running.engine import Options, Step
from biasloop.store.reader import Run
from biasloop_generators.measures import measure

TINY = {
    "domain.images": 64, "domain.generator_epochs": 2, "domain.classifier_epochs": 2, "domain.generator_batch": 32,
    "domain.classifier_batch": 32, "domain.population": 64, "loop.rounds": 2,
}  # fmt: skip


def prepared(tmp_path, **changes):
    values = {**TINY, "loop.star_budget": 8, **{key.replace("__", "."): value for key, value in changes.items()}}
    found = presets.read("quickstart-generations")
    found = found.override({tuple(key.split(".")): value for key, value in values.items()}, "test")
    found.values.pop("grid", None)
    ((_, experiment),) = arms_of(found)
    return engine.prepare(experiment, 0, options(tmp_path))


def options(tmp_path, **changes):
    return replace(Options(tmp_path / "data", device="cpu", threads=1, interval=1e9), **changes)


def ran(tmp_path, name="run", *, how=None, **changes):
    run = prepared(tmp_path, **changes)
    outcome = engine.run(run, tmp_path / name, options(tmp_path, **(how or {})))
    return Run.open(tmp_path / name), outcome


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return ran(tmp_path_factory.mktemp("generations"), loop__star="both")[0]


def test_every_generation_is_measured(run):
    setup, *generations = records(run)
    assert setup.evaluations["annotator"].metrics["accuracy"].n == 2000
    for one in generations:
        metrics = one.evaluations["test"].metrics
        assert {"accuracy", "tpr.green", "equalized_odds_difference", "valid.accuracy", "population.share_label.1"} <= (
            metrics.keys()
        )
        strata = [value.value for name, value in metrics.items() if name.startswith("population.count.")]
        assert (len(strata), sum(strata)) == (4, 64)
        predicted = [value.value for name, value in metrics.items() if name.startswith("count.")]
        assert (len(predicted), sum(predicted)) == (4, 2000)
    assert_checked(run)


def test_samples_and_what_star_drew_are_in_the_store(run):
    _, first, second = records(run)
    assert first.evaluations["test"].tables["samples"]["image"].shape == (64, 28, 28, 3)
    star = second.frames["generator.star"]
    assert star["epoch"].tolist() == [1, 1, 2, 2]
    assert star["batch"].tolist() == [0, 1, 0, 1]
    assert "generator.star" not in first.frames  # the first generator learns from real images
    for table in (star, first.frames["classifier.star"]):
        drawn, placed = (np.stack([table[f"{name}.{k}"] for k in range(4)], 1) for name in ("drawn", "placed"))
        assert drawn.shape == (4, 4)
        assert (placed.sum(1) == 32).all()
        assert (table["draws"] == drawn.sum(1)).all()  # "until-met": all that is drawn is stratified
        assert (table["draws"] >= 40).all()
        quotas = np.minimum(placed, 8).sum(1)
        assert (quotas >= 32 - table["shortfall"]).all()
        assert {table[name].dtype for name in table.columns} == {np.dtype(np.int32)}


@pytest.mark.parametrize(("match", "batches"), [(False, [0, 1, 0, 1]), (True, [0, 1, 2, 0, 1, 2])])
def test_matched_classifiers_take_the_steps_that_their_batches_need(tmp_path, match, batches):
    changes = {"domain__classifier_steps": "loader", "domain__classifier_batch": 24, "domain__match_samples": match}
    found, _ = ran(tmp_path, loop__star="classifier", loop__rounds=1, **changes)
    assert records(found)[1].frames["classifier.star"]["batch"].tolist() == batches  # of 64 images: 2 of 32, 3 of 24


def test_how_the_training_of_a_generator_ended_is_a_metric(run):
    for record in records(run)[1:]:
        evaluation, curve = record.evaluations["test"], record.frames["generator.curve"]
        loss, each = (evaluation.metrics[name] for name in ("generator_loss", "generator_loss_per_image"))
        assert loss.value == curve["loss"][-1]
        assert each.value == pytest.approx(curve["loss"][-1] / 32)  # two batches of 32 images
        assert loss.n == each.n == 64


def test_a_page_shows_training_images_and_counts_every_split(tmp_path):
    domain = prepared(tmp_path, domain__images=3000).domain
    assert not missing_methods(type(domain), Showing)
    page = domain.page(49, Work(Streams((0, "page"))))
    assert page.pictures.shape == (49, 28, 28, 3)
    data = domain._data
    assert {name: counts.sum() for name, counts in page.counts.items()} == {"train": 3000, "valid": 1000, "test": 2000}
    for split, counts in page.counts.items():
        rows = getattr(data, split)
        expected = [[((data.labels[rows] == i) & (data.groups[rows, 0] == j)).sum() for j in (0, 1)] for i in (0, 1)]
        assert counts.tolist() == expected
    known = {image.tobytes() for image in data.images[data.train]}
    assert {picture.tobytes() for picture in page.pictures} <= known
    other = domain.page(49, Work(Streams((1, "page"))))
    assert not np.array_equal(other.pictures, page.pictures)


def test_a_loss_that_is_a_mean_has_none_by_image():
    table = {"generator": Frame({name: Column(np.array([value])) for name, value in
                                 {"loss": 6.0, "batches": 2, "images": 5}.items()})}  # fmt: skip
    found = {summed: measure(table, [], [], summed=summed) for summed in (True, False)}
    assert {name: (one.value, one.n) for name, one in found[True].items()} == {
        "generator_loss": (6.0, 5), "generator_loss_per_image": (2.4, 5),
    }  # fmt: skip
    assert list(found[False]) == ["generator_loss"]


@pytest.mark.parametrize("at", [9, 17])
def test_a_chain_stopped_anywhere_goes_on_bit_for_bit(tmp_path, run, at):
    seen = [0]

    def watch(event):
        seen[0] += isinstance(event, Step) and event.call.startswith("round")

    how = {"interval": -1, "on_event": watch, "stopping": lambda: seen[0] >= at}
    _, outcome = ran(tmp_path, loop__star="both", how=how)
    assert outcome.reason == ""
    again, outcome = ran(tmp_path, loop__star="both", how={"interval": -1})
    assert outcome.reason == "2 generations"
    assert_same_run(again.directory, run.directory)


def test_frozen_and_annotated_chains_run(tmp_path):
    frozen, _ = ran(tmp_path, "frozen", loop__generator="frozen")
    plain, _ = ran(tmp_path, "plain", loop__labels="annotator", loop__synthetic=0.5, loop__classifier_synthetic=0.5)
    first, second = (record.evaluations["test"] for record in records(frozen)[1:])
    assert len(first.tables["population"]) == len(second.tables["population"]) == 64
    assert first.metrics["generator_loss"].value == second.metrics["generator_loss"].value
    assert [sorted(record.evaluations["test"].metrics) for record in records(plain)[1:]] == [sorted(first.metrics)] * 2
    last = {name.partition(".")[2] for name in second.metrics if name.startswith("final_population.")}
    assert last == {name.partition(".")[2] for name in second.metrics if name.startswith("population.")}
    assert second.metrics.keys() - first.metrics.keys() == {f"final_population.{name}" for name in last}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"domain__latent": 7}, "domain.latent is 7 and the latent space of domain.generator 'vae' has 20"),
        ({"domain__classifier": "lenet"}, "only takes 32x32 images"),
        ({"loop__star": "classifier", "loop__star_budget": 0}, "the budget of STAR is 0"),
        ({"loop__star": "classifier", "loop__star_ideal": [1.0]}, "1 ideal shares for 4 strata"),
        ({"loop__star": "both", "domain__classifier_batch": 3}, "a batch of 3 is too small for STAR over 4 strata"),
        ({"domain__green": [0.0, 0.0], "domain__noise": 0.0}, "has no image among the"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_trained(tmp_path, changes, message):
    steps = []
    with pytest.raises(BiasloopError, match=message):
        ran(tmp_path, **changes, how={"on_event": steps.append})
    assert not steps


def test_the_program_prints_a_table_of_both_arms_and_objects_for_scripts(workplace, cli):
    sets = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
    loop = ["loop", "--preset", "quickstart-generations", *sets, "--out", "runs/q", "--data", "data", "--threads", "1"]
    done = toy.biasloop(*loop, "--device", "cpu", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert "Equalised odds" in done.stdout
    assert "loop.star = classifier" in done.stdout
    again = cli(*loop, "--device", "cpu", "--json")
    rounds = [json.loads(line) for line in again.stdout.splitlines()][:-1]
    assert [(one["arm"], one["round"]) for one in rounds] == [
        ("loop.star=none", 0), ("loop.star=none", 1), ("loop.star=classifier", 0), ("loop.star=classifier", 1),
    ]  # fmt: skip
    drawn = cli("plot", "runs/q", "--out", "q.png")
    assert drawn.exit_code == 0, drawn.output
    one = "runs/q/loop.star=none/seed-0"
    for output in ("grid.png", "samples.h5"):
        made = cli("generate", "--run", one, "--count", "10", "--output", output, "--data", "data")
        assert made.exit_code == 0, made.output
    with Image.open("grid.png") as grid, h5py.File("samples.h5") as file:
        assert grid.size == (4 * 28, 3 * 28)
        assert np.array_equal(np.asarray(grid)[:28, 28:56], file["images"][1])
    labels = cli("generate", "--run", one, "--output", "x.csv", "--data", "data")
    assert isinstance(labels.exception, BiasloopError)
    assert "labels nothing" in str(labels.exception)
    wrong = cli("loop", "--preset", "quickstart-generations", "--set", "loop.stra=both")
    assert isinstance(wrong.exception, BiasloopError)
    assert "did you mean 'star'?" in str(wrong.exception)


def test_snapshots_look_at_the_classifier_and_change_nothing(tmp_path, run):
    looked, _ = ran(tmp_path, loop__star="both", loop__snapshots=1, domain__classifier_epochs=2)
    for number, plain in enumerate(records(run)[1:]):
        record = looked.read(f"round-{number:04}")
        assert set(record.evaluations) == {"test", "epoch-0001", "epoch-0002"}
        assert repr(record.evaluations["test"].metrics) == repr(plain.evaluations["test"].metrics)  # NaN equals NaN
        last = record.evaluations["epoch-0002"]
        assert last.metrics["accuracy"] == record.evaluations["test"].metrics["accuracy"]
        margins = [record.evaluations[name].tables["test"]["margin"] for name in ("epoch-0001", "epoch-0002", "test")]
        assert np.array_equal(margins[1], margins[2])
        assert not np.array_equal(margins[0], margins[1])
        assert record.frames.keys() == plain.frames.keys()


def test_snapshots_of_a_generator_are_refused_by_name(tmp_path):
    with pytest.raises(BiasloopError, match=r"`generator_snapshots` is no setting"):
        prepared(tmp_path, loop__generator_snapshots=1)
