"""Models of open_clip that encode: evaluation mode, weights that are really there, the trained activations."""

import logging
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from support import tiny_clip

from biasloop.contract.encoding import EncoderSettings
from biasloop.errors import InvalidInput, SomethingToFetch
from biasloop_clip import encoding


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("clip")
    return {kind: tiny_clip.saved(place / kind, kind) for kind in tiny_clip.CONFIGS}


def loaded(folder, **settings):
    return encoding.load(EncoderSettings(f"local-dir:{folder}", device="cpu", threads=1, offline=True, **settings))


def prepared(encoder, count=4, side=70):
    rng = np.random.default_rng(1)
    images = [Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)) for _ in range(count)]
    return np.stack([encoder.prepare(image) for image in images])


@pytest.mark.parametrize("kind", ["vit", "rn"])
def test_features_are_those_of_the_model_in_evaluation_mode(folders, kind):
    encoder = loaded(folders[kind])
    inputs = prepared(encoder)
    model = tiny_clip.built(kind)
    with torch.no_grad():
        expected = model.eval().encode_image(torch.from_numpy(inputs)).numpy()
        texts = model.encode_text(encoder._tokenizer(["a dog", "two cats"])).numpy()
    np.testing.assert_allclose(encoder.images(inputs), expected, atol=1e-5)
    np.testing.assert_allclose(encoder.texts(["a dog", "two cats"]), texts, atol=1e-5)


def test_batch_norm_neither_looks_at_the_batch_nor_learns_from_it(folders):
    encoder = loaded(folders["rn"])
    inputs = prepared(encoder)
    before = {name: buffer.clone() for name, buffer in encoder._model.named_buffers()}
    together = encoder.images(inputs)
    alone = np.concatenate([encoder.images(inputs[row : row + 1]) for row in range(len(inputs))])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert all(torch.equal(buffer, before[name]) for name, buffer in encoder._model.named_buffers())
    training = tiny_clip.built("rn").train()
    with torch.no_grad():
        assert not np.allclose(training.encode_image(torch.from_numpy(inputs)).numpy(), together, atol=1e-2)


def test_padding_is_not_computed_and_changes_nothing(folders):
    encoder = loaded(folders["vit"])
    texts = ["a", "a photo of ! ! a dog that is long enough to be cut off at the end of the context of the model", ""]
    lengths = []
    encoder._model.ln_final.register_forward_hook(lambda _, __, output: lengths.append(output.shape[1]))
    together = encoder.texts(texts)
    alone = np.concatenate([encoder.texts([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert lengths == [16, 3, 16, 2]
    with torch.no_grad():
        whole = encoder._model.encode_text(encoder._tokenizer(texts)).numpy()
    np.testing.assert_allclose(together, whole, atol=1e-5)
    assert lengths[-1] == 16


def test_it_says_what_it_is(folders, tmp_path):
    about = loaded(folders["vit"]).about()
    again = loaded(tiny_clip.saved(tmp_path / "other", "vit", weights="open_clip_pytorch_model.bin")).about()
    assert about["weights"] == again["weights"]  # whatever the file
    assert (about["model"], again["model"]) == ("local-dir:vit", "local-dir:other")  # wherever they lie
    assert about["weights"] != loaded(folders["rn"]).about()["weights"]
    assert about["preprocess"]["size"] in (32, [32, 32])
    assert (about["device"], about["threads"], about["precision"]) == ("cpu", "1", "float32")
    assert about["versions"]["open_clip_torch"] == "3.3.0"


def test_other_precisions_are_near(folders):
    encoder, exact = loaded(folders["vit"], precision="bfloat16"), loaded(folders["vit"])
    inputs = prepared(exact)
    near, features = encoder.images(inputs), exact.images(inputs)
    assert near.dtype == np.float32
    assert 0 < np.abs(near - features).max() < 0.1 * np.abs(features).max()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("RN50:openai", "was trained with QuickGELU.*use RN50-quickgelu:openai"),
        ("RN50:cc12m", "use RN50-quickgelu:cc12m"),
        ("ViT-B-32:laion400m_e32", "use ViT-B-32-quickgelu:laion400m_e32"),
        ("ViT-B-32-quickgelu:laion2b_s34b_b79k", "no file and no tag of ViT-B-32-quickgelu"),
        ("RN50", "says no weights; expected NAME:TAG"),
        ("RN5O:openai", "no model 'RN5O'; did you mean 'RN50'"),
        ("RN50:nowhere.pt", "no file and no tag of RN50"),
        ("local-dir:nowhere", "has no open_clip_config.json"),
    ],
)
def test_names_that_would_compute_something_else_are_refused(name, words):
    with pytest.raises(InvalidInput, match=words):
        encoding.load(EncoderSettings(name, device="cpu", offline=True))


def test_a_directory_without_weights_is_no_random_model(folders, tmp_path):
    (tmp_path / "open_clip_config.json").write_text((folders["vit"] / "open_clip_config.json").read_text())
    with pytest.raises(InvalidInput, match="has no weights"):
        loaded(tmp_path)
    (tmp_path / "open_clip_model.safetensors").write_bytes(b"nothing")
    with pytest.raises(InvalidInput, match="cannot be loaded"):
        loaded(tmp_path)


class Exploding:
    """Says so if anybody unpickles it."""

    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


@pytest.mark.parametrize("name", ["open_clip_pytorch_model.bin", "model.pth"])
def test_weights_that_need_a_pickle_are_refused(folders, tmp_path, name):
    (tmp_path / "open_clip_config.json").write_text((folders["vit"] / "open_clip_config.json").read_text())
    torch.save({"state_dict": Exploding()}, tmp_path / name)
    with pytest.raises(InvalidInput, match="can be read by unpickling alone"):
        loaded(tmp_path)
    (tmp_path / name).write_bytes(pickle.dumps({"state_dict": Exploding()}))
    with pytest.raises(InvalidInput, match=r"unpickling alone|cannot be loaded"):
        loaded(tmp_path)


def test_weights_of_another_model_are_refused(folders, tmp_path):
    shutil.copy(folders["vit"] / "open_clip_config.json", tmp_path)
    shutil.copy(folders["rn"] / "open_clip_model.safetensors", tmp_path)
    with pytest.raises(InvalidInput, match="cannot be loaded"):
        loaded(tmp_path)


def test_a_model_is_recorded_by_its_name_and_not_by_where_it_lies():
    assert encoding.recorded("RN50:/a/b/epoch_50.pt") == "RN50:epoch_50.pt"
    assert encoding.recorded("hf-hub:a/b") == "hf-hub:a/b"


def test_published_weights_that_are_not_here_are_told(monkeypatch, caplog):
    import open_clip

    def failing(*_, **__):
        logging.error("what the library says")
        raise RuntimeError("Failed to download weights") from ConnectionError("offline")

    monkeypatch.setattr(open_clip, "create_model_and_transforms", failing)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    settings = EncoderSettings("RN50-quickgelu:openai", device="cpu", offline=True)
    with pytest.raises(SomethingToFetch, match="network must not be touched; type where it may be:\nhf download timm/"):
        encoding.load(settings)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with pytest.raises(SomethingToFetch, match="could not be fetched; .*\nhf download timm/"):
        encoding.load(replace(settings, offline=False))
    assert not caplog.records


def test_an_unknown_precision_is_refused(folders):
    with pytest.raises(InvalidInput, match="expected float32"):
        loaded(folders["vit"], precision="half")
    with pytest.raises(InvalidInput, match="expected float32"):
        encoding.fitted("tiny", tiny_clip.built("vit"), EncoderSettings("", precision="half", device="cpu"))
