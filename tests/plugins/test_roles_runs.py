"""Runs over situations: from published files to a picture, stopped and gone on with, and what is refused before."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import imsitu
from support.servers import serving
from typer.testing import CliRunner

from biasloop.cli.main import app
from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.contract.context import Work
from biasloop.contract.data import Samples
from biasloop.contract.randomness import Streams
from biasloop.datasets import catalogue, fetch
from biasloop.datasets.imsitu import IMSITU
from biasloop.errors import DamagedStore, InvalidInput, Mismatch
from biasloop.running.engine import Options, prepare, run
from biasloop.store.reader import Run
from biasloop_roles import labels, measures, metrics
from biasloop_roles.gender import Lists

SMALL = {("domain", "width"): 2, ("domain", "epochs"): 2, ("domain", "batch_size"): 8}
FOLDER = {**SMALL, ("domain", "data"): "folder", ("domain", "test_per_verb"): 4, ("domain", "side"): 16,
          ("domain", "pictures"): {}, ("loop", "start"): 8, ("loop", "rounds"): 3}  # fmt: skip


def made(place, changes, name="fig4-left-mini", stopping=lambda: False, **options):
    """A run, in `place`/run."""
    preset = presets.read(name).override(changes, "test")
    if changes.get(("domain", "pictures")) == {}:
        preset.values["domain"].pop("pictures")
    preset.values.pop("grid", None)
    chosen = Options(place / "data", threads=1, stopping=stopping, **options)
    run(prepare(arms_of(preset)[0][1], 0, chosen), place / "run", chosen)
    return Run.open(place / "run")


def cli(*words):
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_from_published_files_to_a_picture(tmp_path, monkeypatch):
    """`fetch`, a loop of three rounds, tables, a figure, labels, and the run measured again."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    records = imsitu.records(images_per_verb=30)
    with serving(imsitu.files(records, side=24)) as server:
        remotes = tuple(replace(one, urls=(server.url + one.filename,), size=60_000) for one in IMSITU.remotes)
        published = replace(IMSITU, remotes=remotes)
        fetch(published, tmp_path / "data")
    for module in ("biasloop_roles.sources", "biasloop_roles.pixels", "biasloop.datasets.catalogue"):
        monkeypatch.setattr(f"{module}.IMSITU", published)
    assert catalogue.requirement("imsitu", tmp_path / "data").present
    sets = {"domain.test_per_verb": 5, "domain.network": "small", "domain.pretrained": "false", "domain.side": 16,
            "domain.width": 2, "domain.epochs": 1, "loop.start": 20, "loop.human": 8, "loop.model": 20,
            "loop.rounds": 3}  # fmt: skip
    words = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    for name in ("fig4-left", "fig4-right"):
        cli("loop", "-p", name, *words, "--data", "data", "--threads", 1, "--out", f"runs/{name}")
    stored = Run.open(Path("runs/fig4-left/seed-0"))
    rounds = list(stored.summaries())
    assert [sizes["train"] for _, _, sizes, _ in rounds] == [20, 48, 76]
    measured = rounds[-1][1]
    assert {"verb", "value", "mean_score", "label_error", "label_error.verb", "label_error.roles", "women_test.overall",
            "women_predicted.interval_4", "women_bias.overall", "women_train.cooking"} <= measured.keys()  # fmt: skip
    assert measured["verb"].n == 20
    cli("plot", "runs/fig4-left/seed-0", "--metric", "verb", "--out", "verb.png")
    cli("plot", "fig8", "--out", "fig8.png")
    cli("plot", "fig4", "--out", "fig4.png")
    assert Path("fig8.png").stat().st_size > 5_000
    assert json.loads(cli("evaluate", "run", "runs/fig4-left/seed-0", "--json"))
    cli(
        "generate",
        "--run",
        "runs/fig4-left/seed-0",
        "--of",
        "test",
        "--count",
        7,
        "--data",
        "data",
        "-o",
        "given.jsonl",
    )
    given = [json.loads(line) for line in Path("given.jsonl").read_text().splitlines()]
    assert len(given) == 7
    assert given[0]["id"] in records
    assert {"prediction_verb", "verb", "confidence"} <= given[0].keys()


def test_a_run_that_is_stopped_in_a_fit_goes_on_to_the_same_bits(tmp_path):
    imsitu.write(tmp_path / "own", images_per_verb=12, side=20)
    changes = {**FOLDER, ("domain", "path"): str(tmp_path / "own"), ("loop", "human"): 2, ("loop", "model"): 6,
               ("loop", "label_by"): "sample", ("domain", "precision"): "float32"}  # fmt: skip
    unbroken = made(tmp_path / "a", changes)
    updates = iter(range(10_000))
    stopped = made(tmp_path / "b", changes, stopping=lambda: next(updates) > 9, interval=0.0)
    assert "finished" not in stopped.manifest.about
    assert len(stopped.rounds) < 3
    went_on = made(tmp_path / "b", changes)
    for number in range(3):
        first, second = (each.read(f"round-{number:04d}") for each in (unbroken, went_on))
        tables = [each.evaluations["test"].tables["test"] for each in (first, second)]
        for name in tables[0].columns:
            np.testing.assert_array_equal(tables[0][name], tables[1][name])
        assert repr(first.evaluations["test"].metrics) == repr(second.evaluations["test"].metrics)


OWN = """
[domain]
name = "roles"
data = "folder"
path = "own"
test_per_verb = 4
width = 2
epochs = 1
batch_size = 8
side = 16
[loop]
rule = "accumulate"
start = 8
human = 2
model = 2
rounds = 2
"""


def test_other_pixels_under_the_same_names_are_refused_and_a_plan_decodes_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    imsitu.write(Path("own"), images_per_verb=12, side=20)
    Path("own.toml").write_text(OWN)
    words = ("loop", "-p", "own.toml", "--data", "data", "--threads", 1, "--out", "runs")
    cli(*words)
    stored = Run.open(Path("runs/seed-0")).read("setup").frames["fingerprint"].columns["data"].strings()[0]
    assert re.fullmatch("folder:[0-9a-f]{32} [0-9a-f]{32}", stored)  # annotations, then files
    first, second = sorted(Path("own").rglob("cooking_*.jpg"))[:2]
    before = first.read_bytes()
    monkeypatch.setattr("biasloop_roles.pixels._decoded", None)
    first.write_bytes(second.read_bytes())
    for more in ((), ("--dry-run",)):
        with pytest.raises(DamagedStore, match="runs/seed-0 was made from other data"):
            cli(*words, *more)
    first.write_bytes(before)  # at another time
    assert "finished" in cli(*words, "--dry-run")


DRAWN = {**SMALL, ("domain", "pictures"): {"pool": 2, "test": 2, "shares": [0.5]}, ("domain", "holdout"): 20,
         ("domain", "batch_size"): 16, ("loop", "start"): 32, ("loop", "human"): 8, ("loop", "model"): 24,
         ("loop", "rounds"): 2}  # fmt: skip


@pytest.mark.parametrize("name", ["rho", "train-loss"])
def test_a_loop_that_selects_goes_on_to_the_same_bits(tmp_path, name):
    changes = {**DRAWN, ("selection", "name"): name, ("selection", "share"): 0.5, ("selection", "best"): "accuracy"}
    unbroken = made(tmp_path / "a", changes)
    updates = iter(range(10_000))
    stopped = made(tmp_path / "b", changes, stopping=lambda: next(updates) > 9, interval=0.0)
    assert "finished" not in stopped.manifest.about
    went_on = made(tmp_path / "b", changes)
    for name_of_file in ("round-0000.h5", "round-0001.h5"):
        assert (went_on.directory / name_of_file).read_bytes() == (unbroken.directory / name_of_file).read_bytes()
    last = unbroken.read("round-0001")
    chosen, curve = (last.frames[f"fit.{table}"] for table in ("chosen", "selecting"))
    assert chosen["times"].sum() == 2 * 4 * 8  # half of each of four batches of sixteen, in two epochs
    assert (curve["judged_accuracy"] >= 0).all()
    assert set(last.evaluations["test"].metrics) > {"label_error", "wrong_selected", "wrong_offered", "best_epoch"}
    assert last.added is not None
    assert ("irreducible" in last.added.payload) == (name == "rho")


def test_losses_are_those_that_are_trained_on_and_categories_are_verbs(tmp_path):
    preset = presets.read("fig4-left-mini").override({**DRAWN, ("domain", "epochs"): 1}, "test")
    domain = prepare(arms_of(preset)[0][1], 0, Options(tmp_path, threads=1)).domain
    parts = domain.splits()
    assert len(parts.holdout) == 20
    assert not set(parts.holdout) & (set(parts.pool) | set(parts.test))
    human = Samples(parts.holdout, np.zeros(20, bool), domain.human_labels(parts.holdout))
    model = domain.fit(human, Work(Streams((0, "fit"))))
    sure = domain.label(model, parts.holdout, "argmax", Work(Streams((0, "label"))))
    given = Samples(parts.holdout, np.ones(20, bool), sure)
    assert np.exp(-domain.losses(model, given, Work(Streams((0,))))) == pytest.approx(sure["confidence"], rel=1e-4)
    assert domain.categories(human).tolist() == human.labels["verb"].tolist()
    assert list(domain.category_names()) == domain.vocabularies()["verbs"].strings()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({("domain", "holdout"): 96}, "domain.holdout is 96, and 96 images are not in the test set"),
        ({("domain", "holdout"): 0, ("selection", "name"): "rho"}, "there are none; set domain.holdout"),
        ({("selection", "name"): "reducr"}, "the domain 'roles' cannot have .*: it has no fit_heads"),
        (
            {("selection", "name"): "rho", ("selection", "proxy"): {"width": 2}},
            "cannot have selection.proxy: it has no",
        ),
    ],
)
def test_selection_that_cannot_be_had_is_refused(tmp_path, changes, words):
    with pytest.raises((InvalidInput, Mismatch), match=words):
        made(tmp_path, {**DRAWN, **changes})
    assert not list((tmp_path / "run").glob("*.h5"))


def test_missing_images_are_told_before_anything_is_trained(tmp_path):
    imsitu.write(tmp_path / "own", images_per_verb=12, side=20)
    for name in ("cooking_3.jpg", "riding_1.jpg"):
        next((tmp_path / "own").rglob(name)).unlink()
    changes = {**FOLDER, ("domain", "path"): str(tmp_path / "own"), ("loop", "human"): 2, ("loop", "model"): 2}
    with pytest.raises(InvalidInput, match="2 are missing .*'cooking_3.jpg'"):
        made(tmp_path / "a", changes)
    assert not list((tmp_path / "a" / "run").glob("*.h5"))
    stored = made(tmp_path / "b", {**changes, ("domain", "skip_missing"): True})
    entered = {int(i) for step in stored.manifest.steps() if (added := stored.read(step).added) for i in added.ids}
    assert len(entered) <= 48 - 2 - 16


def test_labels_read_as_verbs_and_nouns(tmp_path):
    stored = made(tmp_path, {**SMALL, ("domain", "pictures"): {"pool": 10, "test": 10}, ("loop", "start"): 40,
                             ("loop", "human"): 5, ("loop", "model"): 20, ("loop", "rounds"): 2,
                             ("domain", "width"): 2})  # fmt: skip
    truth = stored.read("round-0001").frames["truth"]
    assert truth["error"] == pytest.approx((truth["error.verb"] + 2 * truth["error.roles"]) / 3)
    (test,) = [stored.read("setup").evaluations["test"].tables["test"]]
    assert {"verb", "nouns", "frames", "picture", "ids"} == set(test.columns)
    known = labels.named(stored.read("setup").vocabularies())
    assert known.role_of("agent").tolist() == [0] * len(known.verbs)


def test_metrics_say_nothing_of_too_few_agents_and_everything_as_released(tmp_path):
    known = labels.named({"verbs": ["cook", "rain"], "roles": ["agent", "place"], "nouns": ["m", "w", "x"],
                          "pairs": ["0 0", "1 1"]})  # fmt: skip
    padding = [-1] * 5
    nouns = np.array([[0, *padding]] * 20 + [[1, *padding]] * 20 + [[2, *padding]] * 3)
    verb = np.array([0] * 40 + [1] * 3)
    frames = np.stack([nouns, np.where(nouns == 0, 1, nouns)], 1)  # by any of both, men are women as well
    test = _frame(
        verb=verb, nouns=nouns, frames=frames, predicted_verb=verb, predicted_nouns=nouns, nouns_of_verb=nouns
    )
    lists, none = Lists(frozenset("m"), frozenset("w")), Samples(np.zeros(0, np.int64), np.zeros(0, bool), _frame())
    fixed = metrics.measure(test, none, known, lists, None, released=False)
    assert (fixed["women_test.overall"].value, fixed["women_bias.overall"].value) == (0.5, 0)
    assert fixed["verb"].value == fixed["mean_score"].value == 1
    released = metrics.measure(test, none, known, lists, None, released=True)
    assert released["women_test.overall"].value == pytest.approx(1)  # of 20 the others have both
    few = _frame(**{name: column.values[:25] for name, column in test.columns.items()})
    assert math.isnan(metrics.measure(few, none, known, lists, None, released=False)["women_test.overall"].value)
    assert "polarisation_predicted" not in fixed
    shares = metrics.measure(test, none, known, lists, np.array([0.4, 0.5]), released=False)
    assert shares["polarisation_predicted"].value == pytest.approx(0.4 - 0.5)


def test_labels_of_the_reserve_are_measured_beside_those_of_humans(tmp_path):
    stored = made(tmp_path, {**SMALL, ("domain", "pictures"): {"pool": 40, "test": 10}, ("loop", "start"): 480,
                             ("loop", "human"): 5, ("loop", "model"): 960, ("loop", "rounds"): 2},
                  "quickstart-roles-mini")  # fmt: skip
    first, second = (stored.read(f"round-000{number}") for number in (0, 1))
    assert not any(name.startswith("given") for name in first.evaluations["test"].metrics)
    truth, measured = second.frames["truth"], second.evaluations["test"].metrics
    assert measured["given.polarisation"].n <= 960
    shares = np.resize([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9], 48)
    nouns = stored.read("setup").vocabularies()["nouns"]
    woman = truth["nouns"][:, 0] == nouns.index("woman")
    counts = np.bincount(truth["verb"], minlength=48)
    known = np.flatnonzero(counts >= metrics.FEWEST)
    seen = np.array([woman[truth["verb"] == verb].mean() for verb in known])
    by_hand = np.mean(np.sign(shares[known] - 0.5) * (seen - shares[known]))
    assert measured["given_truth.polarisation"].value == pytest.approx(by_hand)
    assert measured["given_truth.polarisation"].n == counts[known].sum()


def test_the_error_of_predicted_polarisation_is_by_drawing_within_verb_and_gender():
    known = labels.named({"verbs": ["cook"], "roles": ["agent"], "nouns": ["m", "w"], "pairs": ["0 0"]})
    lists, none = Lists(frozenset("m"), frozenset("w")), Samples(np.zeros(0, np.int64), np.zeros(0, bool), _frame())
    verb, picture = np.zeros(48, np.int64), np.arange(48) // 4
    nouns, predicted = np.full((2, 48, 6), -1)
    nouns[:, 0] = picture % 2
    predicted[:, 0] = np.where(picture < 3, 1 - picture % 2, picture % 2)  # all variants of three drawings are wrong
    share = np.array([0.4])

    def measured(seen):
        test = _frame(verb=verb, nouns=nouns, frames=nouns[:, None], picture=picture, predicted_verb=verb,
                      predicted_nouns=seen, nouns_of_verb=seen)  # fmt: skip
        return metrics.measure(test, none, known, lists, share, released=False)["polarisation_predicted"]

    assert measured(nouns).error == pytest.approx(0, abs=1e-12)  # as many women by design
    expected = measures.polarisation(verb, predicted[:, 0] == 1, share, picture, nouns[:, 0])
    assert measured(predicted).value == expected.value
    assert measured(predicted).error == pytest.approx(expected.error)
    assert expected.error > measures.polarisation(verb, predicted[:, 0] == 1, share).error


def test_a_verb_that_is_hardly_named_does_not_count_for_polarisation():
    known = labels.named({"verbs": ["cook", "swim"], "roles": ["agent"], "nouns": ["m", "w"], "pairs": ["0 0", "1 0"]})
    lists, none = Lists(frozenset("m"), frozenset("w")), Samples(np.zeros(0, np.int64), np.zeros(0, bool), _frame())
    verb = np.array([0] * 40 + [1] * 9)
    nouns = np.full((49, 6), -1)
    nouns[:, 0] = np.arange(49) % 2
    test = _frame(verb=verb, nouns=nouns, frames=nouns[:, None], picture=np.arange(49), predicted_verb=verb,
                  predicted_nouns=nouns, nouns_of_verb=nouns)  # fmt: skip
    measured = metrics.measure(test, none, known, lists, np.array([0.4, 0.9]), released=False)
    assert measured["polarisation_predicted"].value == pytest.approx(0.4 - 0.5)
    assert measured["polarisation_predicted"].n == 40
    assert measured["women_test.overall"].error == pytest.approx(0, abs=1e-12)  # as many women by design
    assert measured["women_test.overall"].n == 49


@pytest.mark.parametrize(
    ("genders", "words"),
    [
        (
            {"male": ["n10287213", "mann"], "female": ["n10787470"]},
            "domain.genders names 'mann', which is none of the nouns of the data",
        ),
        (
            {"male": ["n10287213"], "female": ["n10787470"], "followed": ["coking"]},
            "'coking'.*; did you mean 'cooking'",
        ),
        ({"male": ["x"], "female": ["x"]}, "'x' is on the list of men and on that of women"),
    ],
)
def test_lists_of_men_and_women_that_do_not_fit_the_data_are_refused(tmp_path, genders, words):
    imsitu.write(tmp_path / "own", images_per_verb=12, side=20)
    changes = {**FOLDER, ("domain", "path"): str(tmp_path / "own"), ("loop", "human"): 2, ("loop", "model"): 2,
               ("domain", "genders"): genders}  # fmt: skip
    with pytest.raises(InvalidInput, match=words):
        made(tmp_path, changes)


def _frame(**columns):
    from biasloop.contract.data import Column, Frame

    return Frame({name: Column(values) for name, values in columns.items()})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"data": "folder"}, 'data = "folder" needs path'),
        ({"path": "x"}, "path goes with data"),
        ({"data": "imsitu", "network": "resnet18"}, "resnet18 needs side"),
        ({"pretrained": True}, "`pretrained` needs a residual network"),
        ({"data": "imsitu", "pictures": {"pool": 10}}, "`pictures` is of data"),
        ({"pictures": {"pool": 15}}, "no whole number of 15 samples"),
        ({"frames": 2}, '`frames` is of data = "folder"'),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, words):
    preset = presets.read("quickstart-roles")
    preset = preset.override({("domain", name): value for name, value in settings.items()}, "test")
    with pytest.raises(InvalidInput, match=words):
        arms_of(preset)


def test_epochs_go_by_size_as_published():
    from biasloop_roles.recipes import epochs_by_size

    published = {20: 50, 25: 46, 30: 43, 35: 40, 40: 38, 45: 36, 50: 35, 55: 34, 60: 33, 65: 32, 70: 31, 75: 30, 80: 30}
    assert {n: epochs_by_size(1000 * n) for n in published} == published
