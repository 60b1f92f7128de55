"""`biasloop generate --embeddings`: images once, both towers as unit rows, metrics on what was written, refusals."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import tiny_clip

from biasloop import discovery
from biasloop.errors import InvalidInput
from biasloop.predictions.embeddings import read
from biasloop_clip import encoding


class Counting:
    """Mean colours, and lengths of words; counts what it is asked for."""

    def __init__(self, zero=False):
        self.prepared, self.batches, self.zero = 0, [], zero

    def about(self):
        return {"model": "counting"}

    def prepare(self, picture):
        self.prepared += 1
        assert picture.mode == "RGB"
        return np.asarray(picture.resize((2, 2)), np.float32)

    def images(self, prepared):
        self.batches.append(len(prepared))
        return prepared.mean(axis=(1, 2)) * (0 if self.zero else 1)

    def texts(self, texts):
        return np.array([[len(text), len(text.split()), 1] for text in texts], np.float32)


@pytest.fixture
def counting(monkeypatch):
    encoder = Counting()
    monkeypatch.setattr(discovery, "encoding", lambda: type("D", (), {"encoder": staticmethod(lambda _: encoder)}))
    return encoder


@pytest.fixture
def tiny(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("BIASLOOP_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(discovery, "encoding", lambda: type("D", (), {"encoder": staticmethod(encoding.load)}))
    return f"local-dir:{tiny_clip.saved(tmp_path_factory.mktemp('vit'), 'vit')}"


def encoded(cli, *arguments, model="m"):
    result = cli(
        "generate", "--embeddings", "--model", model, "--output", "e.safetensors", "--force", "--device", "cpu",
        "--threads", "1", *arguments,
    )  # fmt: skip
    assert result.exit_code == 0, result.exception
    return read(Path("e.safetensors"))


def test_each_image_is_read_and_encoded_once_whatever_asks_for_it(cli, workplace, counting):
    _, names = tiny_clip.pictures(workplace / "images", 70)
    Path("captions.jsonl").write_text(
        "".join(json.dumps({"caption": f"text {n % 3}\t\u2028"}) + "\n" for n in range(5))
    )
    embeddings = encoded(cli, "--images", "images", "--texts", "captions.jsonl")
    assert embeddings.keys == tuple(sorted(names))
    assert (counting.prepared, counting.batches) == (70, [64, 6])
    assert embeddings.text_keys == ("0", "1", "2", "3", "4")
    np.testing.assert_allclose(np.linalg.norm(embeddings.texts, axis=1), 1, atol=1e-6)
    pixels = np.asarray(Image.open(workplace / "images" / sorted(names)[0]).convert("RGB").resize((2, 2)), np.float32)
    assert embeddings.features[0] * embeddings.norms[0] == pytest.approx(pixels.mean(axis=(0, 1)), rel=1e-5)
    assert (embeddings.about["model"], embeddings.about["batch"]) == ("counting", 64)


def test_a_model_of_open_clip_through_to_a_metric(cli, workplace, tiny):
    _, names = tiny_clip.pictures(workplace / "images")
    lines = [f"{name},{'dog' if row % 2 else 'bag'},{name[0]}" for row, name in enumerate(names)]
    Path("index.csv").write_text("\n".join(["file,object,region", *lines]) + "\n")
    embeddings = encoded(
        cli, "--images", "images", "--texts", "geode:index.csv", "--texts", "person-preference", model=tiny
    )
    assert len(embeddings.text_keys) == 2 + 19
    assert embeddings.features.shape == (7, 32)
    assert embeddings.about["weights"].startswith("sha256:")
    result = cli("evaluate", "geode", "e.safetensors", "--annotations", "index.csv", "--json")
    assert json.loads(result.stdout)["n"] == 7
    first = Path("e.safetensors").read_bytes()
    encoded(cli, "--images", "images", "--texts", "geode:index.csv", "--texts", "person-preference", model=tiny)
    assert Path("e.safetensors").read_bytes() == first


def test_a_model_is_measured_without_a_file(cli, workplace, counting):
    _, names = tiny_clip.pictures(workplace / "images")
    Path("regions.json").write_text(json.dumps({name: {"caption": f"caption of {name}"} for name in names[:5]}))
    encoded(cli, "--images", "images", "--texts", "regions.json")
    stored = cli("evaluate", "phase", "e.safetensors", "--annotations", "regions.json", "--json")
    counting.prepared = 0
    direct = cli("evaluate", "phase", "m", "--pictures", "images", "--annotations", "regions.json", "--json")
    assert counting.prepared == 5  # those that are annotated
    assert json.loads(direct.stdout)["groups"] == json.loads(stored.stdout)["groups"]
    result = cli("evaluate", "phase", "m", "--annotations", "regions.json")
    assert "--pictures DIR" in str(result.exception)


def shard(path, folder, names, first=0):
    """A shard as webdataset has them, of image files."""
    with tarfile.open(path, "w") as tar:
        for number, name in enumerate(names, first):
            for ending, content in (("png", (folder / name).read_bytes()), ("txt", b"a caption")):
                member = tarfile.TarInfo(f"{number:09}.{ending}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


def test_shards_are_encoded_as_the_files_in_them(cli, workplace, counting):
    folder, names = tiny_clip.pictures(workplace / "images", 6)
    Path("shards").mkdir()
    shard("shards/00000.tar", folder, names[:4])
    shard("shards/00001.tar", folder, names[4:], 4)
    of_files = encoded(cli, "--images", "images")
    of_shards = encoded(cli, "--images", "shards")
    assert of_shards.keys == tuple(f"{number:09}" for number in range(6))
    rows = [of_files.keys.index(name) for name in names]
    assert of_shards.features.tolist() == of_files.features[rows].tolist()
    assert encoded(cli, "--images", "shards/00001.tar", "--batch", "1").keys == ("000000004", "000000005")
    assert counting.batches[-2:] == [1, 1]
    shard("shards/00002.tar", folder, names[:1])
    for source, words in (("shards", "comes twice"), ("cut.tar", "is cut off")):
        Path("cut.tar").write_bytes(Path("shards/00001.tar").read_bytes()[:1500])
        result = cli("generate", "--embeddings", "--model", "m", "--images", source, "--output", "f.safetensors")
        assert isinstance(result.exception, InvalidInput)
        assert words in str(result.exception)


def test_captions_of_annotations_are_texts(cli, workplace, counting):
    tiny_clip.pictures(workplace / "images", 2)
    Path("phase.json").write_text('{"7": {"caption": "a b"}, "8": {"caption": "c"}}')
    assert encoded(cli, "--images", "images", "--texts", "phase.json").text_keys == ("7", "8")
    Path("coco.json").write_text('{"annotations": [{"id": 5, "image_id": 1, "caption": "x"}]}')
    assert encoded(cli, "--images", "images", "--texts", "coco.json").text_keys == ("5",)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--images", "images"), "--embeddings needs --model"),
        (("--model", "m"), "--embeddings needs --model"),
        (("--model", "m", "--images", "nowhere"), "no folder or shard nowhere"),
        (("--model", "m", "--images", "empty"), "empty has no images"),
        (("--model", "m", "--images", "images", "--texts", "twice.csv"), "key '1' is there twice"),
        (("--model", "m", "--images", "images", "--texts", "a.csv", "--texts", "b.csv"), "that of another text"),
        (("--model", "m", "--images", "images", "--texts", "none.json"), "has no captions"),
        (("--model", "m", "--images", "bad"), "bad/x.png is no image that can be read"),
    ],
)
def test_what_cannot_be_encoded_is_refused(cli, workplace, counting, arguments, words):
    tiny_clip.pictures(workplace / "images", 2)
    for name in ("empty", "bad"):
        Path(name).mkdir()
    Path("bad/x.png").write_bytes(b"no image")
    Path("twice.csv").write_text("key,caption\n1,a\n1,b\n")
    Path("a.csv").write_text("key,caption\n1,a\n")
    Path("b.csv").write_text("key,caption\n1,b\n")
    Path("none.json").write_text('{"a": 1}')
    result = cli("generate", "--embeddings", "--output", "e.safetensors", *arguments)
    assert isinstance(result.exception, InvalidInput), result.exception
    assert words in str(result.exception)
    assert not Path("e.safetensors").exists()


def test_features_without_a_direction_are_refused(cli, workplace, counting):
    counting.zero = True
    tiny_clip.pictures(workplace / "images", 3)
    result = cli("generate", "--embeddings", "--model", "m", "--images", "images", "--output", "e.safetensors")
    assert "images/a/p0.png features of length 0, which have no direction, and 2 others" in str(result.exception)


def test_options_of_embeddings_go_with_embeddings(cli):
    result = cli("generate", "--embeddings", "--model", "m", "--images", "x", "--output", "e.safetensors", "--run", "r")
    assert "leave the options of runs and pictures out" in str(result.exception)
    result = cli("generate", "--preset", "toy", "--model", "m", "--output", "e.csv")
    assert "go with --embeddings" in str(result.exception)
    result = cli("generate", "--embeddings", "--model", "m", "--images", "x", "--output", "e.npy")
    assert "written as a .safetensors file" in str(result.exception)


def test_the_domain_that_encodes_is_found_among_those_installed(toy_metadata, monkeypatch):
    from support import toy

    monkeypatch.setattr(discovery, "entries", lambda group="": {"toy": []})
    monkeypatch.setattr(discovery, "load", lambda name: toy)
    with pytest.raises(InvalidInput, match=r"no installed domain encodes images and texts \(installed: toy\)"):
        discovery.encoding()
    encodes = type("Encodes", (), {"encoder": staticmethod(encoding.load)})
    monkeypatch.setattr(discovery, "load", lambda name: encodes)
    assert discovery.encoding() is encodes
