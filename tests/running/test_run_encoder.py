"""The model of a run as an encoder: what the run stored comes out again, without its data; who is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from support import clip_shards, tiny_clip

from biasloop.contract.domains import missing_methods
from biasloop.contract.encoding import Embedding, EncoderSettings
from biasloop.datasets.mixing_shards import Keys
from biasloop.datasets.picture_files import pictures_at
from biasloop.errors import InvalidInput
from biasloop.running.embedding import embed
from biasloop.running.engine import Options
from biasloop.running.run_encoder import encoder_of_run
from biasloop.store.reader import Run
from biasloop_clip import ClipDomain

SETTINGS = EncoderSettings("", device="cpu", threads=1)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A run whose shards are gone, its test pictures as files, and the captions of these."""
    place = tmp_path_factory.mktemp("run")
    settings = clip_shards.both(place)
    run = clip_shards.made_run(place, settings)
    ids = run.read("setup").evaluations["test"].tables["test"]["ids"]
    originals = Keys.of(Path(settings["originals"]))
    (place / "images").mkdir()
    for sample in originals.read(originals.rows_of(ids)):
        (place / "images" / f"{int(sample.key):03d}.png").write_bytes(sample.parts["png"])
    for name in ("originals", "made"):
        shutil.rmtree(place / name)
    return run.directory, place / "images", {f"{key:03d}": clip_shards.caption(key) for key in ids.tolist()}


def test_a_model_gives_the_test_pictures_and_captions_the_embeddings_that_its_round_stored(measured, tmp_path):
    directory, folder, captions = measured
    stored = Run.open(directory).read("round-0000").evaluations["test"].tables["test"]
    encoder = encoder_of_run(directory, SETTINGS, Options(tmp_path, "cpu"))
    embeddings = embed(encoder, pictures_at(folder), captions, tmp_path / "e.safetensors")
    rows = [embeddings.keys.index(f"{key}.png") for key in captions]
    np.testing.assert_allclose(embeddings.features[rows], stored["picture_embedding"], atol=1e-5)
    np.testing.assert_allclose(embeddings.texts, stored["caption_embedding"], atol=1e-5)


def test_it_says_which_run_and_round_it_is_of(measured, tmp_path):
    about = encoder_of_run(measured[0], SETTINGS, Options(tmp_path, "cpu")).about()
    assert (about["run"], about["seed"], about["round"], about["made"]) == ("clip-cc3m", 0, 0, "stored")
    assert about["experiment"] == Run.open(measured[0]).manifest.experiment
    assert (about["model"], about["weights"][:7]) == ("tiny", "sha256:")
    json.dumps(about)


def test_a_run_is_measured_by_the_same_commands_as_a_published_model(measured, cli, workplace):
    _, names = tiny_clip.pictures(workplace / "images")
    lines = [f"{name},{'dog' if row % 2 else 'bag'},{name[0]}" for row, name in enumerate(names)]
    Path("index.csv").write_text("\n".join(["file,object,region", *lines]) + "\n")
    run = str(measured[0])
    made = cli("generate", "--embeddings", "--model", run, "--images", "images", "--texts", "geode:index.csv",
               "--output", "e.safetensors", "--device", "cpu", "--threads", "1", "--json")  # fmt: skip
    assert made.exit_code == 0, made.exception
    assert json.loads(made.stdout)["about"]["round"] == 0
    of_file = cli("evaluate", "geode", "e.safetensors", "--annotations", "index.csv", "--json")
    direct = cli("evaluate", "geode", run, "--pictures", "images", "--annotations", "index.csv", "--json",
                 "--device", "cpu", "--threads", "1")  # fmt: skip
    assert direct.exit_code == 0, direct.exception
    assert json.loads(direct.stdout)["groups"] == json.loads(of_file.stdout)["groups"]


def test_other_directories_and_runs_of_other_domains_are_refused(cli, workplace, tiny_run):
    tiny_clip.pictures(workplace / "images", 2)

    def refused(model):
        result = cli("generate", "--embeddings", "--model", model, "--images", "images", "--output", "e.safetensors")
        assert isinstance(result.exception, InvalidInput), result.exception
        return str(result.exception)

    assert "is a run of the domain 'images', whose models encode no pictures and texts but" in refused(str(tiny_run))
    assert "clip-shards" in refused(str(tiny_run))
    assert "images is no run (it has no experiment.toml); give a run's directory, or" in refused("images")
    result = cli("evaluate", "phase", "images", "--annotations", "regions.json")
    assert isinstance(result.exception, InvalidInput)


def test_a_network_that_knows_the_words_of_its_captions_alone_is_no_encoder_of_texts():
    assert missing_methods(ClipDomain, Embedding) == ["fitted_encoder"]


class Constant:
    """The encoder of a model of the toy domain."""

    def about(self):
        return {"model": "toy"}


def test_a_model_that_is_stored_no_longer_is_fitted_again(cli, workplace, monkeypatch):
    from biasloop_toy import ToyDomain

    assert cli("loop", "--preset", "toy").exit_code == 0
    (directory,) = (path.parent for path in Path("runs").rglob("experiment.toml"))
    monkeypatch.setattr(ToyDomain, "fitted_encoder", lambda self, model, settings: Constant(), raising=False)
    options = Options(workplace / "data")
    newest = Run.open(directory).rounds[-1]
    about = encoder_of_run(directory, SETTINGS, options).about()
    assert (about["round"], about["made"]) == (newest, "stored")
    monkeypatch.setattr("biasloop.feedback.accumulate.Accumulate.produced", lambda self: None)
    assert encoder_of_run(directory, SETTINGS, options).about()["made"] == "refitted"


def test_it_is_the_newest_rounds_model_whether_stored_or_fitted_again(cli, workplace, monkeypatch):
    from biasloop_toy import ToyDomain

    assert cli("loop", "-p", "toy", "--out", "out", "--seeds", "2", "--set", "loop.rounds=2").exit_code == 0
    directory, models = Path("out/seed-2"), []

    def fitted_encoder(self, model, settings):
        models.append(model)
        return Constant()

    monkeypatch.setattr(ToyDomain, "fitted_encoder", fitted_encoder, raising=False)
    about = encoder_of_run(directory, SETTINGS, Options(workplace / "data")).about()
    monkeypatch.setattr("biasloop.feedback.accumulate.Accumulate.produced", lambda self: None)
    again = encoder_of_run(directory, SETTINGS, Options(workplace / "data")).about()
    assert (about["seed"], about["made"], again) == (2, "stored", {**about, "made": "refitted"})
    test = Run.open(directory).read("round-0001").evaluations["test"].tables["test"]
    assert [model.share for model in models] == [test["prediction"][0]] * 2
