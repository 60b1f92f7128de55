"""Annotation files in their publishers' formats, and embeddings of what they name."""

import json
from pathlib import Path

import numpy as np

from biasloop.evaluations.person_preference import prompts
from biasloop.predictions.embeddings import Embeddings, write

_GOLDEN = json.loads((Path(__file__).parents[1] / "metrics" / "clip_golden.json").read_text())
RETRIEVAL, SIMILARITY = _GOLDEN["retrieval_phase"], _GOLDEN["self_similarity"]
PREFERENCE = _GOLDEN["person_preference"]
RACES = ("East Asian", "Indian", "Southeast Asian", "White", "Middle Eastern", "Latino_Hispanic", "Black")
GENDERS = ("Female", "Male")
AGES = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70")


def person(**values):
    """What a PHASE file says of a person."""
    plain = {
        "age": "adult", "gender": "male", "skintone": "lighter", "ethnicity": "white", "emotion": "neutral",
        "activity": "work",
    }  # fmt: skip
    return {"region": [0, 0, 1, 1], "annotations": plain | values}


def regions(*images):
    """A PHASE file: of each image its people."""
    return {
        f"{100 + number}": {"caption": f"caption {number}", **{f"person{k}": one for k, one in enumerate(people)}}
        for number, people in enumerate(images)
    }


def golden_regions():
    """The PHASE file of the published values."""
    names = {attribute: list(codes) for attribute, codes in RETRIEVAL["codes"].items()}
    images = [
        [person(**{a: names[a][code] for a, code in zip(names, codes, strict=True)}) for codes in people]
        for people in RETRIEVAL["regions_codes_age_gender_skintone_ethnicity"]
    ]
    by_id = regions(*images)
    return dict(zip(map(str, RETRIEVAL["image_ids"]), by_id.values(), strict=True))


def rows_of(features):
    """Unit rows and their lengths."""
    rows = np.asarray(features, np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    return (rows / lengths[:, None]).astype(np.float32), lengths.astype(np.float32)


def stored(path, keys, features, text_keys=(), texts=None):
    """A file of embeddings."""
    units, lengths = rows_of(features)
    write(
        Embeddings(
            Path(path), tuple(keys), units, tuple(text_keys), None if texts is None else rows_of(texts)[0], lengths,
            {"model": "tiny"},
        )
    )  # fmt: skip
    return str(path)


def golden_phase(folder, name="golden"):
    """The embeddings and the PHASE file of the published values."""
    keys = [str(key) for key in RETRIEVAL["image_ids"]]
    annotations = folder / "regions.json"
    annotations.write_text(json.dumps(golden_regions()))
    file = stored(folder / f"{name}.safetensors", keys, RETRIEVAL["image_features"], keys, RETRIEVAL["text_features"])
    return file, str(annotations)


def golden_faces(folder):
    """The embeddings, with prompts, and the FairFace labels of the published values."""
    lines = ["file,age,gender,race,service_test"]
    codes = SIMILARITY["cell_codes_race_gender_age"]
    for number, (race, gender, age) in enumerate(codes, 1):
        lines.append(f"train/{number}.jpg,{AGES[age]},{GENDERS[gender]},{RACES[race]},True")
    labels = folder / "label_train.csv"
    labels.write_text("\n".join(lines) + "\n")
    keys = [f"{number}.jpg" for number in range(1, len(codes) + 1)]
    file = stored(folder / "faces.safetensors", keys, SIMILARITY["features"], prompts(), PREFERENCE["text_features"])
    return file, str(labels)


def coco_files(folder, images, captions):
    """COCO-bias's table of (id, split, gender, skins, bb_skin), and COCO's captions of (image id, caption id)."""
    lines = ["id,file_name,skin,ratio,bb_skin,bb_gender,split"]
    for number, split, gender, skins, skin in images:
        listed = skins if isinstance(skins, str) else repr(skins)
        lines.append(f'{number},COCO_val2014_{number:012d}.jpg,"{listed}","[1.0]",{skin},{gender},{split}')
    table, texts = folder / "images_val2014.csv", folder / "captions_val2014.json"
    table.write_text("\n".join(lines) + "\n")
    entries = [{"image_id": image, "id": key, "caption": f" caption, {key}"} for image, key in captions]
    texts.write_text(json.dumps({"info": {}, "annotations": entries}))
    return table, texts
