"""Shards of originals and generated pictures whose colour says what they are, and settings that fit in a moment."""

import json

import numpy as np

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.datasets.encoding import encode
from biasloop.datasets.shards import Sample, ShardWriter
from biasloop.running.engine import Options, prepare, run
from biasloop.store.reader import Run

TINY = {"network": "tiny", "epochs": 1, "batch_size": 8, "warm_up": 2, "test": 4, "readers": 2}
"""Of the domain "clip-shards"."""
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
RESIDUAL = {
    "embed_dim": 32, "text_cfg": TEXT,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
}  # fmt: skip
"""A network with batch norm, as open_clip describes it."""
_WORDS = ("a man rowing", "the woman smiles", "two dogs", "bride and groom")


def caption(key):
    return f"{_WORDS[key % 4]} {key}"


def picture(key, *, generated):
    """Of one colour: generated ones are blue, originals red, and how green they are says the key."""
    pixels = np.zeros((40, 32, 3), np.uint8)
    pixels[:] = (0, key, 255) if generated else (255, key, 0)
    return encode(pixels, "png")


def write(folder, keys, *, generated=False, unpictured=(), uncaptioned=()):
    """A directory of two shards."""
    folder.mkdir(parents=True)
    for number, part in enumerate(np.array_split(np.array(keys), 2)):
        with (folder / f"{number:05d}.tar").open("wb") as file:
            shard = ShardWriter(file.write)
            for key in part.tolist():
                parts = {} if key in unpictured else {"png": picture(key, generated=generated)}
                parts |= {} if key in uncaptioned else {"txt": caption(key).encode()}
                shard.add(Sample(f"{key:09d}", parts | {"json": b"{}"}))
            shard.end()
    return folder


def both(place, count=28):
    """Settings that name two directories in a place, with as many keys in common."""
    originals, pictures = write(place / "originals", range(count)), write(place / "made", range(count), generated=True)
    return {**TINY, "originals": str(originals), "pictures": str(pictures)}


def network(folder, described):
    """A directory with a network of open_clip; what names it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": described, "preprocess_cfg": {}}))
    return f"local-dir:{folder}"


def made_run(place, settings, share=1.0, stopping=lambda: False, name="run", **loop):
    """A run in `place`/`name`."""
    changes = {
        ("domain", key): value for key, value in {"epoch_samples": None, **settings, "precision": "auto"}.items()
    }
    changes |= {("loop", key): value for key, value in {"share": share, **loop}.items()}
    preset = presets.read("clip-cc3m").override(changes, "test")
    preset.values.pop("grid", None)
    preset.values["resources"] = {"threads": 1}
    chosen = Options(place / "data", threads=1, stopping=stopping, interval=0.0)
    run(prepare(arms_of(preset)[0][1], 0, chosen), place / name, chosen)
    return Run.open(place / name)
