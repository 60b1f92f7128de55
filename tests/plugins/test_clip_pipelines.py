"""Pipelines of diffusers: noise by seed alone, flags told and nothing blackened, no pickle, no network."""

import json
import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest
from support import tiny_diffusion
from support.drawing import captioned, settings, tars

from biasloop.contract.illustrating import PipelineSettings
from biasloop.datasets.encoding import decode
from biasloop.datasets.shards import samples
from biasloop.errors import Interrupted, InvalidInput, SomethingToFetch
from biasloop.running.drawing import work
from biasloop.running.shards import manifest

CAPTIONS = ["a dog", "a cat", "a tab\there", "a line\u2028apart", ""]
SEEDS = np.arange(5) * 7_000_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_diffusion.build(tmp_path_factory.mktemp("diffusion") / "tiny")


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def of(folder, **changes):
    return PipelineSettings(**({"name": str(folder), "steps": 2, "device": "cpu", "threads": 1} | changes))


def loaded(settings):
    from biasloop_clip.pipelines import DiffusersIllustrator

    return DiffusersIllustrator(settings)


@pytest.fixture(scope="module")
def illustrator(folder):
    return loaded(of(folder))


def never():
    return False


def test_a_picture_depends_on_caption_and_seed_and_not_on_its_batch(illustrator):
    whole = illustrator.draw(CAPTIONS, SEEDS, never)
    assert whole.pixels.shape == (5, tiny_diffusion.SIZE, tiny_diffusion.SIZE, 3)
    assert whole.pixels.std() > 10
    assert whole.flagged is None
    again = illustrator.draw(CAPTIONS, SEEDS, never)
    assert np.array_equal(again.pixels, whole.pixels)
    for rows in ([3], [4, 0], [2, 1, 0]):
        part = illustrator.draw([CAPTIONS[row] for row in rows], SEEDS[rows], never)
        assert np.abs(part.pixels.astype(int) - whole.pixels[rows]).max() <= 2
    other = illustrator.draw(["a dog"], SEEDS[:1] + 1, never)
    assert np.abs(other.pixels.astype(int) - whole.pixels[:1]).mean() > 5


def test_what_draws_is_told(illustrator, folder):
    about = illustrator.about()
    assert (about.generator, about.precision, about.device, about.threads) == (folder.name, "float32", "cpu", 1)
    assert about.revision.startswith("sha256:")
    assert {"diffusers", "torch", "transformers"} <= about.versions.keys()


def test_size_steps_and_guidance_reach_the_pipeline(folder, illustrator):
    plain = illustrator.draw(CAPTIONS[:1], SEEDS[:1], never).pixels
    small = loaded(of(folder, size=16)).draw(CAPTIONS[:1], SEEDS[:1], never)
    assert small.pixels.shape == (1, 16, 16, 3)
    for changes in ({"steps": 3}, {"guidance": 1.0}):
        assert not np.array_equal(loaded(of(folder, **changes)).draw(CAPTIONS[:1], SEEDS[:1], never).pixels, plain)


def test_it_stops_after_a_step(illustrator):
    calls = []
    with pytest.raises(Interrupted):
        illustrator.draw(CAPTIONS, SEEDS, lambda: bool(calls.append(1)) or len(calls) == 2)
    assert len(calls) == 2


def test_flags_of_a_safety_checker_are_told_and_nothing_is_blackened(tmp_path):
    checked = loaded(of(tiny_diffusion.build(tmp_path / "checked", checked=True)))
    drawn = checked.draw(CAPTIONS, SEEDS, never)
    assert drawn.flagged.tolist() == [True] * 5
    assert (drawn.pixels.reshape(5, -1).std(1) > 10).all()


def test_shards_of_another_batch_size_hold_the_same_pictures(tmp_path, illustrator, folder):
    texts = captioned(tmp_path, 5)
    generation = settings(pipeline=of(folder), batch=4, format="png")
    for name, batch in (("a", 4), ("b", 4), ("c", 3)):
        (tmp_path / name).mkdir()
        chosen = replace(generation, batch=batch)
        work(tmp_path / name, chosen, texts, lambda: illustrator, lambda event: None, never)
    assert tars(tmp_path / "a") == tars(tmp_path / "b")
    for first, second in zip(samples(tmp_path / "a/00000.tar"), samples(tmp_path / "c/00000.tar"), strict=True):
        assert json.loads(first.parts["json"]) == json.loads(second.parts["json"])
        difference = decode(first.parts["png"]).astype(int) - decode(second.parts["png"])
        assert np.abs(difference).max() <= 2
    assert manifest(tmp_path / "c", 0)["versions"].keys() >= {"diffusers", "torch", "pillow", "zlib"}


def test_weights_that_are_a_pickle_are_refused(folder, tmp_path):
    pickled = tmp_path / "pickled"
    shutil.copytree(folder, pickled)
    weights = pickled / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(InvalidInput, match="pickle .diffusion_pytorch_model.bin., which can run code"):
        loaded(of(pickled))


def test_a_published_pipeline_is_taken_from_the_cache_with_its_commit(folder, tmp_path, monkeypatch):
    commit, cache = "0123456789abcdef0123456789abcdef01234567", tmp_path / "models--someone--tiny"
    shutil.copytree(folder, cache / "snapshots" / commit)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(commit)
    monkeypatch.setattr("diffusers.pipelines.pipeline_utils.HF_HUB_CACHE", str(tmp_path), raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    about = loaded(of("someone/tiny")).about()
    assert (about.generator, about.revision) == ("someone/tiny", commit)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"name": "nobody/nothing"}, SomethingToFetch, "hf download nobody/nothing"),
        ({"name": "./missing"}, InvalidInput, "no model_index.json"),
        ({"precision": "int8"}, InvalidInput, "--precision int8"),
        ({"device": "tpu"}, InvalidInput, "tpu"),
    ],
)
def test_what_is_not_there_is_told(folder, tmp_path, monkeypatch, changes, error, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words):
        loaded(of(folder, **changes))


def test_a_directory_here_without_its_dot_is_told_before_the_hub_is_asked(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("diffusers.DiffusionPipeline.download", lambda *_, **__: pytest.fail("the hub was asked"))
    with pytest.raises(InvalidInput, match="write ./tiny"):
        loaded(of("tiny"))


def test_a_hub_that_is_not_reached_is_told_without_the_librarys_words(monkeypatch, caplog):
    def failing(*_, **__):
        logging.getLogger("diffusers").warning("Couldn't connect to the Hub")
        raise OSError("Please check out the root cause in the stacktrace above.") from ConnectionError("offline")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("diffusers.DiffusionPipeline.download", failing)
    with pytest.raises(SomethingToFetch, match="hub cannot be reached; .*\nhf download nobody/nothing") as told:
        loaded(of("nobody/nothing", offline=False))
    assert "stacktrace" not in str(told.value)
    assert not caplog.records
