"""Published weights and files of weights in "clip-shards": where training begins, or what is measured as it is."""

import json
import time
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import numpy as np
import open_clip
import pytest
import torch
from open_clip import factory, pretrained
from PIL import Image
from safetensors.torch import save_file
from support import clip_shards, tiny_clip
from support.clip_shards import both, made_run

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.contract.context import Context, Work
from biasloop.contract.data import Samples
from biasloop.contract.domains import EPOCHS, INPUTS, Demands
from biasloop.contract.encoding import EncoderSettings
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput, Mismatch, SomethingToFetch
from biasloop_clip import ShardsDomain, encoding, published, stock_trainer, towers

TAGGED = "tiny-tagged"  # a network that the library knows for a test, with a tag
MEAN = (0.1, 0.2, 0.3)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of weights for the network "tiny"."""
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    state = tiny_clip.built("vit").state_dict()
    save_file({name: values.contiguous() for name, values in state.items()}, path)
    return path


@pytest.fixture
def tagged(monkeypatch, weights):
    """A tag whose weights are here, and whose pictures are prepared in another way."""
    config = json.loads((Path(towers.__file__).with_name(towers.TINY) / towers.CONFIG).read_text())["model_cfg"]
    monkeypatch.setitem(factory._MODEL_CONFIGS, TAGGED, config)
    tag = {"file": str(weights), "mean": MEAN, "quick_gelu": False}
    monkeypatch.setitem(pretrained._PRETRAINED, TAGGED, {"made": tag, "quick": {**tag, "quick_gelu": True}})


def built(data=None, notes=None, **settings):
    config = ShardsDomain.Config.model_validate({**clip_shards.TINY, **settings})
    context = Context(data, Streams((0, "data")), threads=1, on_note=(notes if notes is not None else []).append)
    return ShardsDomain(config, context)


def same(network, other):
    return all(torch.equal(values, other.state_dict()[name]) for name, values in network.state_dict().items())


def test_a_network_is_measured_as_it_is_where_nothing_is_trained(tmp_path, weights):
    settings = {**both(tmp_path), "weights": str(weights), "epochs": 0}
    run = made_run(tmp_path, settings, share=0.0)
    record = run.read("round-0000", models=True)
    (model,) = record.models.values()
    domain = built(**settings)
    assert same(domain.load(model.kind, model.arrays), tiny_clip.built("vit"))
    test = record.evaluations["test"]
    assert {"recall_at_1", "gender_words"} <= test.metrics.keys()
    assert "gender_words_train" not in test.metrics  # nothing was learnt from
    expected = domain._learner.embedded(towers.build("tiny", str(weights)), domain.splits().test)
    np.testing.assert_allclose(test.tables["test"]["picture_embedding"], expected, atol=1e-5)


def test_a_network_that_is_not_trained_is_given_in_evaluation_mode(tmp_path):
    domain = built(**{**both(tmp_path), "epochs": 0})
    pool = domain.splits().pool
    train = Samples(pool, np.zeros(len(pool), np.bool_), domain.human_labels(pool))
    assert not domain.fit(train, Work(Streams((0, "fit")))).training


def test_training_begins_with_a_file_of_weights(tmp_path, weights):
    settings = {**both(tmp_path), "weights": str(weights), "warm_up": 0, "learning_rate": 1e-12}
    run = made_run(tmp_path, settings)
    (model,) = run.read("round-0000", models=True).models.values()
    began = tiny_clip.built("vit").state_dict()
    for name, values in model.arrays.items():
        np.testing.assert_allclose(values, began[name].numpy(), atol=1e-8)
    assert any(not np.array_equal(values, began[name].numpy()) for name, values in model.arrays.items())


def test_a_run_that_began_with_a_file_and_was_stopped_goes_on_to_the_same_bits(tmp_path, weights):
    settings = {**both(tmp_path), "weights": str(weights), "learning_rate": 1e-3}
    ticks = iter(range(1000))
    stopped = made_run(tmp_path, settings, stopping=lambda: next(ticks) > 1, name="stopped")
    assert not stopped.rounds
    models = [
        made_run(tmp_path, settings, name=name).read("round-0000", models=True).models["model"]
        for name in ("stopped", "unbroken")
    ]
    for name, values in models[0].arrays.items():
        np.testing.assert_array_equal(values, models[1].arrays[name])


def test_a_tag_says_how_pictures_are_prepared_whether_its_weights_are_read_or_not(tagged):
    read, unread = towers.build(TAGGED, "made"), towers.build(TAGGED, "made", read=False)
    assert same(read, tiny_clip.built("vit"))
    assert not same(unread, read)
    for network in (read, unread):
        assert towers.preprocessing(network)[0].mean == MEAN
    with pytest.raises(InvalidInput, match=f"{TAGGED}:quick was trained with QuickGELU.*use {TAGGED}-quickgelu:quick"):
        towers.build(TAGGED, "quick")


@pytest.mark.parametrize(
    ("network", "name", "words"),
    [
        ("RN50", "openai", "RN50:openai was trained with QuickGELU.*use RN50-quickgelu:openai"),
        ("ViT-B-32", "laion400m_e32", "use ViT-B-32-quickgelu:laion400m_e32"),
        ("RN50", "nowhere.pt", "'nowhere.pt' is no file and no tag of RN50"),
        ("tiny", "openai", r"'openai' is no file and no tag of tiny \(tags: none\)"),
    ],
)
def test_weights_that_would_compute_something_else_are_refused_before_anything_is_spent(network, name, words):
    with pytest.raises(InvalidInput, match=words):
        built(network=network, weights=name, originals="cc3m", pictures="cc3m-sd").check(Demands())


def test_a_model_that_is_read_back_prepares_pictures_as_the_tag_that_it_began_with(tagged):
    domain, fitted = built(network=TAGGED, weights="made"), towers.build(TAGGED, "made")
    model = domain.load("model", domain.save("model", fitted))
    assert not model.training
    encoder = domain.fitted_encoder(model, EncoderSettings("", device="cpu", threads=1))
    assert encoder.about()["preprocess"]["mean"] == list(MEAN)
    picture = Image.new("RGB", (40, 32), (10, 20, 30))
    np.testing.assert_array_equal(encoder.prepare(picture), towers.preprocessing(fitted)[1](picture).numpy())


def test_files_that_do_not_fit_or_need_a_pickle_are_no_random_weights(tmp_path, weights):
    state = tiny_clip.built("vit").state_dict()
    state.pop("visual.conv1.weight")
    save_file({name: values.contiguous() for name, values in state.items()}, tmp_path / "less.safetensors")
    with pytest.raises(InvalidInput, match="model tiny:.*less.safetensors cannot be loaded"):
        towers.build("tiny", str(tmp_path / "less.safetensors"))

    torch.save({"state_dict": torch.nn.Linear(1, 1)}, tmp_path / "pickle.pt")
    with pytest.raises(InvalidInput, match="can be read by unpickling alone"):
        towers.build("tiny", str(tmp_path / "pickle.pt"))


def test_a_tag_that_is_not_here_is_told_with_what_to_type(tmp_path, monkeypatch):
    settings = {"network": "RN50-quickgelu", "weights": "cc12m", "originals": "cc3m", "pictures": "cc3m-sd"}
    command = "hf download timm/resnet50_clip.cc12m --include 'open_clip*'"
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    notes = []
    for name in ("BIASLOOP_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    built(tmp_path, notes, **settings).check(Demands())
    assert notes == [f"the run fetches the weights RN50-quickgelu:cc12m when it begins; before it: {command}"]
    monkeypatch.setenv("BIASLOOP_OFFLINE", "1")
    with pytest.raises(SomethingToFetch, match="must not be touched; type where it may be:\nhf download timm/"):
        built(tmp_path, **settings).check(Demands())
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *names: "/".join(names))
    built(tmp_path, notes[1:], **settings).check(Demands())
    assert published.to_fetch("RN50-quickgelu", "cc12m") is None


def test_tags_of_one_file_or_an_address_say_which(tmp_path, monkeypatch):
    tags = {"hub": {"hf_hub": "somebody/model/weights.bin"}, "web": {"url": "https://example.org/weights.pt"}}
    monkeypatch.setitem(pretrained._PRETRAINED, "RN50", tags)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert published.to_fetch("RN50", "hub") == "hf download somebody/model weights.bin"
    cached = tmp_path / ".cache/clip/weights.pt"
    assert published.to_fetch("RN50", "web") == f"curl --create-dirs -Lo {cached} https://example.org/weights.pt"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"")
    assert published.to_fetch("RN50", "web") is None


def test_weights_that_the_library_prefers_are_not_to_be_fetched_in_another_form(monkeypatch):
    tags = {name: {"hf_hub": f"somebody/model/weights.{name}"} for name in ("bin", "pth", "pt")}
    monkeypatch.setitem(pretrained._PRETRAINED, "RN50", tags)
    cached = {"weights.safetensors": "here"}
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda _, file: cached.get(file))
    assert [published.to_fetch("RN50", name) for name in tags] == [
        None, None, "hf download somebody/model weights.pt",
    ]  # fmt: skip


def test_a_repository_that_cannot_be_reached_is_told_with_what_fetches_it():
    told = published.why("hf-hub:somebody/model", ConnectionError("no route"))
    assert isinstance(told, SomethingToFetch)
    assert str(told).endswith(":\nhf download somebody/model")


def test_what_takes_long_to_come_is_told_once_and_what_is_here_is_not(monkeypatch, capsys):
    monkeypatch.setattr(published, "SILENT", 0.01)
    for waited_for in (None, "the weights of model RN50:web"):
        with published.quiet(waited_for):
            time.sleep(0.1)
    monkeypatch.setattr(published, "SILENT", 1.0)
    with pytest.raises(OSError), published.quiet("what fails at once"):
        raise OSError
    time.sleep(1.1)
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "waiting for the weights of model RN50:web over the network; a server that does not answer is given up after a "
        "minute or so"
    ]


def test_only_what_is_not_here_comes_over_the_network(monkeypatch, tmp_path):
    monkeypatch.setitem(pretrained._PRETRAINED, "RN50", {"web": {"url": "https://example.org/weights.pt"}})
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"")
    assert published.fetched("RN50", "web", offline=False) == "the weights of model RN50:web"
    assert published.fetched("RN50", "web", offline=True) is None
    assert published.fetched("RN50", str(file), offline=False) is None
    assert published.fetched("hf-hub:somebody/model", None, offline=False) == "model hf-hub:somebody/model"
    assert published.fetched("local-dir:mine", None, offline=False) is None


@pytest.mark.parametrize(
    ("hub", "ours", "expected"),
    [
        ("1", None, True),
        ("yes", None, True),
        ("0", None, False),
        (None, None, False),
        (None, "1", True),
        ("0", "1", True),
    ],
)
def test_the_network_is_left_alone_where_the_hub_or_biasloop_is_told_so(monkeypatch, hub, ours, expected):
    for name, value in (("HF_HUB_OFFLINE", hub), ("BIASLOOP_OFFLINE", ours)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert published.offline() is expected


@pytest.mark.parametrize(("asked", "words"), [(INPUTS, "set loop.share = 0"), (EPOCHS, "set no loop.snapshots")])
def test_what_training_alone_gives_is_refused_without_any(tmp_path, asked, words):
    domain = built(**{**both(tmp_path), "epochs": 0, "batch_size": 1000})
    domain.check(Demands())  # no batch is needed
    with pytest.raises(Mismatch, match=f"domain.epochs is 0, so that nothing is trained; {words}, or more epochs"):
        domain.check(Demands(frozenset({asked})))


def test_a_run_is_of_the_weights_in_a_file_and_without_them_as_before(tmp_path, weights):
    settings = both(tmp_path)
    plain = built(**settings).fingerprint()
    copied = tmp_path / "copied.safetensors"
    copied.write_bytes(weights.read_bytes())
    of_file, of_copy = (built(**{**settings, "weights": str(path)}).fingerprint() for path in (weights, copied))
    assert of_file == of_copy
    assert of_file.startswith(f"{plain} weights:")
    copied.write_bytes(weights.read_bytes() + b" ")
    assert built(**{**settings, "weights": str(copied)}).fingerprint() != of_file
    assert "weights" not in arms_of(presets.read("clip-cc3m-mini"))[0][1].identity(0)["domain"]


def test_a_tag_goes_before_a_file_of_its_name_and_a_file_before_a_tag_in_another_spelling(
    tmp_path, monkeypatch, tagged, weights
):
    settings = both(tmp_path) | {"network": TAGGED}
    (tmp_path / "files").mkdir()
    monkeypatch.chdir(tmp_path / "files")
    zeros = {key: torch.zeros_like(values) for key, values in tiny_clip.built("vit").state_dict().items()}
    for name in ("made", "Made"):  # the library takes both for the tag
        torch.save(zeros, name)
    assert same(towers.build(TAGGED, "made"), tiny_clip.built("vit"))
    assert not towers.build(TAGGED, "Made").logit_scale.any()
    assert towers.preprocessing(towers.build(TAGGED, "Made"))[0].mean != MEAN
    encoder = EncoderSettings(f"{TAGGED}:Made", device="cpu", threads=1)
    of_file, of_tag = (encoding.load(replace(encoder, name=f"{TAGGED}:{each}")).about() for each in ("Made", "made"))
    assert of_file["weights"] != of_tag["weights"]
    plain = built(**settings).fingerprint()
    assert built(**settings, weights="made").fingerprint() == plain
    assert built(**settings, weights="Made").fingerprint().startswith(f"{plain} weights:")
    configs = [built(**settings, weights=each).config for each in ("made", "Made")]
    assert [stock_trainer._pretrained(each) for each in configs] == [
        {"--pretrained": "made"}, {"--pretrained": str(tmp_path / "files/Made")},
    ]  # fmt: skip


def test_presets_of_published_weights_name_networks_of_the_trained_activation():
    expected = {
        "openai": [("RN50-quickgelu", "openai"), ("ViT-B-32-quickgelu", "openai")],
        "cc12m": [("RN50-quickgelu", "cc12m")],
        "laion400m": [("ViT-B-32-quickgelu", "laion400m_e32")],
    }
    for name, networks in expected.items():
        arms = [arm for _, arm in arms_of(presets.read(f"clip-ref-{name}"))]
        settings = [arm.domain.settings for arm in arms]
        assert [(each["network"], each["weights"]) for each in settings] == networks
        assert {each["epochs"] for each in settings} == {0}
        assert {arm.loop.share for arm in arms} == {0}
        for network, tag in networks:
            published.check(network, tag)
            assert open_clip.get_model_config(network)["quick_gelu"]
        ((_, mini),) = arms_of(presets.read(f"clip-ref-{name}-mini"))
        assert (mini.domain.settings["network"], mini.domain.settings["epochs"]) == ("tiny", 0)
        assert mini.domain.settings["weights"] is None
