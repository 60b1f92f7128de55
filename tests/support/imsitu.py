"""Situations in imSitu's format, made without the code that reads them: JSON and small JPEG files."""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

VERBS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "cooking": {"agent": ("n10787470", "n10287213"), "food": ("n07840804", "n07679356", ""), "place": ("n03619890",)},
    "raining": {"place": ("n04334599", "n08598301")},
    "riding": {"agent": ("n10287213", "n10787470"), "vehicle": ("n02834778", "n03790512"), "place": ("n04334599", "")},
    "curtsying": {"place": ("n03619890", "n04334599"), "agent": ("n10787470", "n10129825")},
}
"""Verbs, their roles, and nouns of each: n10787470 is a woman, n10287213 a man, n10129825 a girl."""

Records = dict[str, dict[str, object]]


def records(
    verbs: Mapping[str, Mapping[str, Sequence[str]]] = VERBS,
    images_per_verb: int = 6,
    *,
    frames: int = 3,
    seed: int = 0,
) -> Records:
    """Annotations as `json.loads` gives them, image names shuffled; all annotators agree on most agents."""
    draws = np.random.default_rng(seed)
    made: Records = {}
    names = [(verb, number) for verb in verbs for number in range(images_per_verb)]
    for row in draws.permutation(len(names)).tolist():
        verb, number = names[row]
        agreed = {role: str(draws.choice(list(nouns))) for role, nouns in verbs[verb].items()}
        other = {role: str(draws.choice(list(nouns))) for role, nouns in verbs[verb].items()}
        three = [agreed if number or frame else other for frame in range(frames)]
        made[f"{verb}_{number}.jpg"] = {"verb": verb, "frames": [dict(frame) for frame in three]}
    return made


def jpeg(seed: int, side: int = 8, kind: str = "JPEG") -> bytes:
    """A file of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def parts(made: Records) -> dict[str, Records]:
    """train, dev and test as published: three fifths, one, one."""
    names = list(made)
    cuts = [0, len(names) * 3 // 5, len(names) * 4 // 5, len(names)]
    return {
        part: {name: made[name] for name in names[cuts[number] : cuts[number + 1]]}
        for number, part in enumerate(("train", "dev", "test"))
    }


def files(made: Records, *, side: int = 8) -> dict[str, bytes]:
    """What is published: three JSON files, and a tar of images in a folder."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        folder = tarfile.TarInfo("of500_images_resized")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        for seed, name in sorted(enumerate(made), key=lambda pair: pair[1]):
            content = jpeg(seed, side)
            member = tarfile.TarInfo(f"of500_images_resized/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    jsons = {f"{part}.json": json.dumps(some).encode() for part, some in parts(made).items()}
    return {**jsons, "of500_images_resized.tar": stream.getvalue()}


def write(
    folder: Path,
    verbs: Mapping[str, Mapping[str, Sequence[str]]] = VERBS,
    images_per_verb: int = 6,
    *,
    side: int = 8,
    archive: bool = False,
    seed: int = 0,
) -> Records:
    """A data set in a folder: train.json, dev.json, test.json, and images in `of500_images_resized` or its archive.

    Args:
        folder: made if it is not there.
        verbs: verbs, their roles, and nouns of each.
        images_per_verb: in all three files together.
        side: pixels of an image.
        archive: leave images in the published archive, as `biasloop fetch` does.
        seed: of annotations; the i-th image in the order of the result is `jpeg(i, side)`.

    Returns:
        All annotations, in the order in which they are merged.
    """
    made = records(verbs, images_per_verb, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files(made, side=side).items():
        if archive or name.endswith(".json"):
            (folder / name).write_bytes(content)
    if not archive:
        images = folder / "of500_images_resized"
        images.mkdir()
        for number, name in enumerate(made):
            (images / name).write_bytes(jpeg(number, side))
    return made
