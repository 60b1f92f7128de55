"""Annotation files of PHASE, COCO bias, FairFace and GeoDE: read as published, others refused."""

import doctest
import json

import numpy as np
import pytest
from support.embedded_images import RETRIEVAL, coco_files, golden_regions, person, regions

from biasloop.datasets import coco_bias, fairface, geode, phase
from biasloop.datasets.annotated import NONE, read_json, read_rows
from biasloop.errors import InvalidInput


def written(path, text):
    path.write_text(text)
    return path


def phase_file(tmp_path, *images):
    return written(tmp_path / "regions.json", json.dumps(regions(*images)))


def named(annotated, attribute):
    """The class of each image, by name."""
    names = [*annotated.classes[attribute], None]
    return [names[code] for code in annotated.codes[attribute]]


# --- PHASE


def test_phase_groups_are_the_published_ones(tmp_path):
    path = written(tmp_path / "r.json", json.dumps(golden_regions()))
    fixed, released = phase.read(path), phase.read(path, "released")
    assert list(fixed.keys) == list(map(str, RETRIEVAL["image_ids"]))
    assert fixed.caption_keys == fixed.keys
    for name, result in RETRIEVAL["results"].items():
        if name == "global":
            continue
        attribute, class_name = name.removesuffix("_fixed").split("/")
        way = fixed if name.endswith("_fixed") or class_name != phase.CHILDREN else released
        rows = np.flatnonzero(way.codes[attribute] == way.classes[attribute].index(class_name))
        assert rows.tolist() == result["index"], name


def test_an_image_is_of_a_class_if_all_of_its_people_are(tmp_path):
    path = phase_file(
        tmp_path,
        [person(age="child"), person(age="children")],
        [person(age="baby"), person(age="child")],
        [person(gender="male"), person(gender="female")],
        [person(gender="unsure", emotion="anger")],
        [],
    )
    annotated = phase.read(path)
    assert named(annotated, "age") == [phase.CHILDREN, None, "adult", "adult", None]
    assert named(annotated, "gender") == ["male", "male", None, None, None]
    assert named(annotated, "emotion") == ["neutral", "neutral", "neutral", "anger", None]
    assert annotated.left["gender"] == {"several values": 1, "unsure": 1, "no people": 1}
    assert annotated.left["age"] == {"several values": 1, "no people": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "no JSON object"),
        ("{", "is no JSON"),
        ('{"1": {"caption": "a"}, "1": {"caption": "b"}}', "the key '1' stands twice"),
        ('{"1": {"person0": {}}}', "no object with a caption"),
        ('{"1": {"caption": "a", "person0": {"region": []}}}', "'person0' of image '1' has no annotations"),
        (json.dumps(regions([person(age="teenager")])), "age of 'person0' of image '100' is 'teenager'; expected one"),
        (json.dumps(regions([person(gender="Male")])), "gender of 'person0' of image '100' is 'Male'"),
    ],
)
def test_what_is_no_phase_file_is_refused(tmp_path, text, words):
    with pytest.raises(InvalidInput, match=words):
        phase.read(written(tmp_path / "regions.json", text))


# --- FairFace

HEADER = "file,age,gender,race,service_test\n"


def test_fairface_labels_are_read_with_a_spreadsheets_dates(tmp_path):
    text = HEADER + "train/1.jpg,9-Mar,Male,White,True\ntrain/2.jpg,19-Oct,Female,Latino_Hispanic,False\n"
    annotated = fairface.read(written(tmp_path / "l.csv", text))
    assert annotated.keys == ("train/1.jpg", "train/2.jpg")
    assert named(annotated, "age") == ["3-9", "10-19"]
    assert named(annotated, "race") == ["White", "Latino_Hispanic"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,age,gender\n1,0-2,Male\n", "no column 'race'"),
        (HEADER + "1,0-2,Male,White,True\n1,0-2,Male,White,True\n", "file '1' is there twice"),
        (HEADER + "1,0-2,male,White,True\n", "gender is 'male' .1 times., which is none of Female, Male"),
        (HEADER + "1,0-2,,White,True\n", "line 2 has no value in column 'gender'"),
        (HEADER, "has no rows"),
    ],
)
def test_what_are_no_fairface_labels_is_refused(tmp_path, text, words):
    with pytest.raises(InvalidInput, match=words):
        fairface.read(written(tmp_path / "l.csv", text))


# --- GeoDE


def test_geode_is_a_table_or_folders(tmp_path):
    text = "file_path,object,region\na.jpg,dog,Africa\nb.jpg,bag,Europe\n"
    table = geode.read(written(tmp_path / "index.csv", text))
    assert (named(table, "object"), named(table, "region")) == (["dog", "bag"], ["Africa", "Europe"])
    for name in ("Africa/dog/a.jpg", "Europe/bag/b.jpg", "Europe/bag/.hidden"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).touch()
    folders = geode.read(tmp_path / "images")
    assert folders.keys == ("Africa/dog/a.jpg", "Europe/bag/b.jpg")
    assert named(folders, "object") == ["dog", "bag"]


def test_what_is_no_geode_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="no images in folders region/object"):
        geode.read(tmp_path / "empty")
    with pytest.raises(InvalidInput, match="no column of images"):
        geode.read(written(tmp_path / "i.csv", "object,region\ndog,Africa\n"))
    with pytest.raises(InvalidInput, match="image 'a' is there twice"):
        geode.read(written(tmp_path / "i.csv", "file,object,region\na,dog,Africa\na,dog,Asia\n"))


# --- COCO

IMAGES = [
    (9, "val", "Male", ["Light"], "Light"),
    (5, "val", "Female", ["Light", "Dark"], "Light"),
    (7, "train", "Male", ["Dark"], "Dark"),
    (3, "val", "Both", [], "Unsure"),
]
CAPTIONS = [(5, 50), (9, 90), (7, 70), (5, 51), (1, 10)]


def test_coco_is_joined_by_id_whatever_the_order(tmp_path):
    annotated = coco_bias.read(*coco_files(tmp_path, IMAGES, CAPTIONS))
    assert annotated.keys == tuple(f"COCO_val2014_{number:012d}.jpg" for number in (9, 5, 3))
    assert annotated.caption_keys == ("90", "50", "51")
    assert annotated.image_of.tolist() == [0, 1, 1]
    assert named(annotated, "gender") == ["Male", "Female", None]
    assert named(annotated, "skin") == ["Light", None, None]
    assert named(annotated, "bb_skin") == ["Light", "Light", None]
    assert annotated.left["skin"] == {"mixed": 1, "nobody": 1}
    other = coco_bias.read(*coco_files(tmp_path, IMAGES[::-1], CAPTIONS[::-1]))
    pairs = [set(zip((a.keys[i] for i in a.image_of), a.caption_keys, strict=True)) for a in (annotated, other)]
    assert pairs[0] == pairs[1]


def test_what_is_made_of_coco_reads_back(tmp_path):
    annotated = coco_bias.read(*coco_files(tmp_path, IMAGES, CAPTIONS))
    for name, content in coco_bias.written(annotated).items():
        (tmp_path / name).write_bytes(content)
    again = coco_bias.read_made(tmp_path)
    assert (again.keys, again.captions, again.caption_keys) == (
        annotated.keys, annotated.captions, annotated.caption_keys
    )  # fmt: skip
    assert again.image_of.tolist() == annotated.image_of.tolist()
    for attribute in coco_bias.CLASSES:
        assert again.codes[attribute].tolist() == annotated.codes[attribute].tolist()
    (tmp_path / coco_bias.TEXTS).write_text('{"key": "1", "image": "other.jpg", "caption": "a"}\n')
    with pytest.raises(InvalidInput, match="image 'other.jpg' is not in"):
        coco_bias.read_made(tmp_path)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ((9, "val", "male", ["Light"], "Light"), "gender is 'male', and not Male or Female"),
        ((9, "train", "Male", ["Light"], "Light"), "no row has split val .there are train"),
        ((9, "val", "Male", "__import__('os')", "Light"), "expected a list with an entry for each person"),
        ((9, "val", "Male", [1], "Light"), "expected a list"),
        ((9, "val", "Male", ["III"], "Light"), "skin is 'III', and not Light or Dark"),
        (("x", "val", "Male", ["Light"], "Light"), "whole numbers"),
    ],
)
def test_what_is_no_coco_table_is_refused(tmp_path, image, words):
    table, texts = coco_files(tmp_path, [(1, *image[1:])], CAPTIONS)
    if image[0] == "x":
        table.write_text(table.read_text().replace("\n1,", "\nx,"))
    with pytest.raises(InvalidInput, match=words):
        coco_bias.read(table, texts)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"images": []}, "no list of annotations"),
        ({"annotations": [{"image_id": 9, "id": 1}]}, "no list of annotations with image_id"),
        ({"annotations": [{"image_id": 9, "id": 1, "caption": "a"}] * 2}, "caption '1' is there twice"),
    ],
)
def test_what_are_no_captions_is_refused(tmp_path, document, words):
    table, texts = coco_files(tmp_path, IMAGES, CAPTIONS)
    texts.write_text(json.dumps(document))
    with pytest.raises(InvalidInput, match=words):
        coco_bias.read(table, texts)


def test_aligning_needs_no_order():
    assert doctest.testmod(coco_bias, extraglobs={"np": np}).failed == 0
    positions, captions = coco_bias.aligned(np.zeros(0, np.int64), np.array([1]))
    assert len(positions) == len(captions) == 0


# --- what they share


def test_a_blank_line_is_no_row_and_a_long_one_is_refused(tmp_path):
    assert read_rows(written(tmp_path / "a.csv", "a,b\n1, x\n\n2,y\n"), ["b", "a"]) == [[" x", "y"], ["1", "2"]]
    with pytest.raises(InvalidInput, match="line 3"):
        read_rows(written(tmp_path / "a.csv", "a,b\n1,x\n2,y,z\n"), ["a"])


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InvalidInput, match=r"there is no file|cannot be read|no such"):
        read_json(tmp_path / "nothing.json")
    assert NONE == -1
