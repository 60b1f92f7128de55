"""Folders of images as people have them: hidden ones, links, other files, names, splits, depths, orientations."""

import os

import numpy as np
import pytest
from PIL import Image
from support.pictures import EPS, animated, png16, put, tiff, turned, written

from biasloop.contract.context import Context
from biasloop.contract.domains import Demands
from biasloop.contract.randomness import Streams
from biasloop.errors import BiasloopError
from biasloop_images import ImagesDomain

SETTINGS = {"data": "folder", "test": 4, "width": 2, "epochs": 1, "batch_size": 4}
PIXELS = np.random.default_rng(0).integers(0, 256, (8, 6, 3), np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Six cats and six dogs, 8x6 pixels, in colour."""
    draws = np.random.default_rng(0)
    for name in ("cat", "dog"):
        for number in range(6):
            pixels = draws.integers(0, 256, (8, 6, 3), np.uint8)
            put(tmp_path / "own" / name / f"{number:02}.png", written(pixels, "PNG"))
    return tmp_path / "own"


@pytest.fixture
def said():
    return []


def opened(path, said=None, **settings):
    config = ImagesDomain.Config.model_validate({**SETTINGS, "path": str(path), **settings})
    note = (lambda _: None) if said is None else said.append
    return ImagesDomain(config, Context(path.parent / "data", Streams((0, "data")), threads=1, on_note=note))


def images(path, said=None, **settings):
    return opened(path, said, **settings)._pictures[0].images


def refused(action, *arguments, **settings) -> str:
    with pytest.raises(BiasloopError) as error:
        action(*arguments, **settings)
    assert "\n" not in str(error.value)
    str(error.value).encode()  # can be printed anywhere
    return str(error.value)


def test_hidden_files_and_folders_inside_a_class_are_left_out_without_a_word(folder, said):
    before = opened(folder).fingerprint()
    for hidden in (
        "cat/.ipynb_checkpoints/00-checkpoint.png", "cat/deeper/.cache/a/b.png", "cat/.x.png", "cat/__MACOSX/._00.png",
        "cat/__MACOSX/00.png", "__MACOSX/cat/00.png", "dog/Thumbs.db", "dog/.DS_Store", "dog/desktop.ini", ".git/x.png",
        "dog/@eaDir/00.png/thumb.jpg",
    ):  # fmt: skip
        put(folder / hidden, written(PIXELS, "PNG"))
    assert opened(folder, said).vocabularies()["classes"].strings() == ["cat", "dog"]
    assert opened(folder, said).fingerprint() == before
    assert said == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("deep.png", png16(2)),
        ("deep.png", png16(4)),
        ("deep.png", png16(6)),
        ("deep.ppm", b"P6 6 8 65535\n" + bytes(6 * 8 * 6)),
        ("deep.ppm", b"P3 6 8 1023\n" + b"1 " * (6 * 8 * 3)),
        ("deep.tif", tiff(16)),
        ("deep.jpg", png16(2)),
    ],
)
def test_colour_images_of_sixteen_bits_are_refused(folder, name, content):
    put(folder / "dog" / name, content)
    assert f"dog/{name} has 16 bits a channel; save it with 8 bits a channel" in refused(images, folder)


@pytest.mark.parametrize("content", [png16(0), b"P5 6 8 65535\n" + bytes(6 * 8 * 2)])
def test_grey_images_of_sixteen_bits_are_refused(folder, content):
    put(folder / "dog" / "deep.png", content)
    assert "save it with 8 bits a channel" in refused(images, folder)


def test_files_of_other_kinds_are_counted_and_named(folder, said):
    for name in ("cat/a.heic", "cat/notes.txt", "dog/b.svg", "dog/more/c.mp4", "README.md"):
        put(folder / name, b"x")
    assert len(images(folder, said)) == 12
    assert said == [
        f"{folder}: 5 files left out for a suffix that is not read (README.md, cat/a.heic, cat/notes.txt, ...)"
    ]


def test_links_are_followed_to_files_and_else_counted_and_named(folder, said, tmp_path):
    put(tmp_path / "elsewhere" / "one.png", written(PIXELS, "PNG"))
    (folder / "cat" / "linked.png").symlink_to(tmp_path / "elsewhere" / "one.png")
    assert len(images(folder, said)) == 13
    assert said == []
    (folder / "cat" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (folder / "gone").symlink_to(tmp_path / "nowhere")
    (folder / "dog" / "round").symlink_to(folder)
    (folder / "dog" / "more").symlink_to(tmp_path / "elsewhere")
    (folder / "dog" / "circle").symlink_to(folder / "dog" / "circle")
    assert len(images(folder, said)) == 13
    assert said == [
        f"{folder}: 3 links left out that cannot be followed (cat/gone.png, dog/circle, gone)",
        f"{folder}: 2 linked folders left out (dog/more, dog/round): links to folders inside a class are not followed; "
        "link the images, or move them there",
    ]


def test_a_linked_class_folder_is_a_class(folder, said, tmp_path):
    put(tmp_path / "elsewhere" / "one.png", written(PIXELS, "PNG"))
    (folder / "bird").symlink_to(tmp_path / "elsewhere")
    assert opened(folder, said).vocabularies()["classes"].strings() == ["bird", "cat", "dog"]
    assert len(images(folder, said)) == 13
    assert said == []


def test_a_class_that_has_only_files_of_other_kinds_says_so(folder):
    put(folder / "bird" / "a.heic", b"x")
    message = refused(images, folder)
    assert f"{folder / 'bird'} has no images (.png, " in message
    assert "1 file left out for a suffix that is not read (a.heic)" in message


def test_a_pipe_among_images_is_refused(folder):
    os.mkfifo(folder / "cat" / "x.png")
    assert "cat/x.png is a pipe" in refused(images, folder)


def test_a_file_name_that_is_no_text_is_read_and_shown(folder, said):
    odd = put(folder / "cat" / os.fsdecode(b"caf\xe9.png"), written(PIXELS, "PNG"))
    assert len(images(folder, said)) == 13
    put(folder / "cat" / "two\nlines\x1b[2J.txt", b"")
    images(folder, said)
    assert r"(cat/two\nlines\x1b[2J.txt)" in said.pop()
    (folder / "cat" / "two\nlines\x1b[2J.txt").unlink()
    odd.write_bytes(b"no image")
    assert r"cat/caf\xe9.png does not read as an image" in refused(images, folder)
    odd.rename(folder / "cat" / os.fsdecode(b"\xff.txt"))
    images(folder, said)
    assert r"1 file left out for a suffix that is not read (cat/\xff.txt)" in said[0]


def test_a_class_name_that_is_no_text_is_refused(folder, tmp_path):
    (folder / "cat").rename(folder / os.fsdecode(b"caf\xe9"))
    assert r"caf\xe9 names a class, and its name is not UTF-8 text" in refused(images, folder)
    folder.rename(tmp_path / os.fsdecode(b"\xff"))
    assert r"\xff', which is not UTF-8 text" in refused(images, tmp_path / os.fsdecode(b"\xff"))


@pytest.mark.parametrize("suffix", ["jfif", "JFIF", "jpe", "pnm", "apng"])
def test_more_suffixes_are_read(folder, suffix):
    kind = {"pnm": "PPM", "apng": "PNG"}.get(suffix, "JPEG")
    put(folder / "cat" / f"x.{suffix}", written(np.full((8, 6, 3), 90, np.uint8), kind))
    assert abs(images(folder)[6].astype(int) - 90).max() < 3


@pytest.mark.parametrize("orientation", [2, 3, 4, 5, 6, 7, 8])
def test_images_are_turned_upright(folder, orientation):
    stored = PIXELS if orientation < 5 else np.ascontiguousarray(PIXELS.swapaxes(0, 1))
    path = put(folder / "cat" / "zz.png", turned(stored, orientation))
    shown = images(folder)[6]
    assert shown.shape == (8, 6, 3)
    assert not np.array_equal(shown, np.asarray(Image.open(path)))
    assert sorted(map(tuple, shown.reshape(-1, 3))) == sorted(map(tuple, PIXELS.reshape(-1, 3)))
    assert images(folder, size=4).shape == (13, 4, 4, 3)


def test_an_image_that_lies_is_of_another_size(folder):
    put(folder / "dog" / "turned.jpg", turned(PIXELS, 6, "JPEG"))
    assert "dog/turned.jpg has 6x8 pixels (height x width) and" in refused(images, folder)


def test_what_was_decoded_before_images_stood_upright_is_not_used(folder, monkeypatch):
    prepared = folder.parent / "data" / "prepared"
    images(folder)
    (current,) = prepared.iterdir()
    monkeypatch.setattr("biasloop_images.folder._DECODING", "as they lie")
    images(folder)
    assert {place.name for place in prepared.iterdir()} > {current.name}


def test_the_data_are_those_of_runs_made_before(tmp_path):
    """The fingerprint is of pixels, labels and names: images that need no turning keep it."""
    for number in range(10):
        pixels = (np.arange(48).reshape(8, 6) * 5 + number).astype(np.uint8)
        put(tmp_path / "own" / ("a", "b")[number % 2] / f"{number}.png", written(pixels, "PNG"))
    assert opened(tmp_path / "own").fingerprint() == "folder:7258fa311bc942aaea5a57117f7834f6"


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_several_pictures_in_a_file_are_said_at_every_reading(folder, said, kind):
    pixels = np.full((8, 6, 3), 20, np.uint8)
    put(folder / "cat" / "moving.gif", animated(pixels, kind))
    for _ in range(2):
        assert np.array_equal(images(folder, said)[6], pixels)
    assert said == 2 * [f"{folder}: 1 file with several pictures (cat/moving.gif); the first picture of each is used"]


@pytest.mark.parametrize("names", [("train", "test"), ("Train", "val", "test"), ("training", "validation"), ("train",)])
def test_folders_that_look_like_splits_are_refused_with_what_to_do(tmp_path, names):
    for name in names:
        for kind in ("cat", "dog"):
            put(tmp_path / "own" / name / kind / "x.png", written(PIXELS, "PNG"))
    message = refused(images, tmp_path / "own")
    assert "look like splits, not like classes (they have folders of their own: cat, dog)" in message
    assert f"domain.path = '{tmp_path / 'own' / sorted(names)[0]}'" in message
    assert "one folder for each class" in message


def test_splits_without_classes_and_splits_beside_other_folders_are_refused(tmp_path):
    for name in ("train", "test"):
        put(tmp_path / "flat" / name / "x.png", written(PIXELS, "PNG"))
    assert "test and train in" in refused(images, tmp_path / "flat")
    for name in ("train/cat", "test/cat", "extra"):
        put(tmp_path / "more" / name / "x.png", written(PIXELS, "PNG"))
    assert "look like splits" in refused(images, tmp_path / "more")


def test_a_class_may_be_called_train(tmp_path):
    for name in ("train/old", "train/new", "plane", "test"):
        for number in range(3):
            put(tmp_path / "own" / name / f"{number}.png", written(PIXELS, "PNG"))
    assert opened(tmp_path / "own").vocabularies()["classes"].strings() == ["plane", "test", "train"]
    assert len(images(tmp_path / "own")) == 12


def test_an_eps_file_and_a_bomb_are_named(folder):
    path = put(folder / "cat" / "zz.png", EPS)
    assert f"{path} does not read as an image (it is none of PNG, JPEG, " in refused(images, folder)
    put(path, b"P6 100000 100000 255\n")
    assert "zz.png does not read as an image (it says that it has more than 67,108,864 pixels" in refused(
        images, folder
    )


@pytest.mark.parametrize("given", ["1", 1, "dog"])
def test_a_class_may_be_given_by_name_or_number(folder, given):
    made = opened(folder, imbalance={"class": given, "factor": 2}, test=2)
    assert made._chosen == 1


def test_a_class_that_is_called_by_a_number_comes_before_the_number_of_a_class(folder):
    (folder / "cat").rename(folder / "7")
    (folder / "dog").rename(folder / "0")
    assert opened(folder, imbalance={"class": 7, "factor": 2}, test=2)._chosen == 1
    assert opened(folder, imbalance={"class": 0, "factor": 2}, test=2)._chosen == 0
    assert "domain.imbalance.class is '2', which" in refused(
        opened(folder, imbalance={"class": 2, "factor": 2}).check, Demands()
    )


def test_the_program_says_what_is_left_out_and_takes_a_number(cli, workplace, folder):
    put(folder / "cat" / "a.heic", b"x")
    put(folder / "cat" / "moving.gif", animated(np.full((8, 6, 3), 20, np.uint8), "GIF"))
    sets = {"domain.data": "folder", "domain.path": folder, "domain.imbalance.class": 1, "domain.imbalance.factor": 1,
            "domain.test": 2}  # fmt: skip
    options = [part for key, value in sets.items() for part in ("--set", f"{key}={value}")]
    done = cli("page", "-p", "tiny", "-o", "page.png", *options)
    assert done.exit_code == 0, done.output
    assert "1 file left out for a suffix that is not read (cat/a.heic)" in done.stderr
    assert "1 file with several pictures (cat/moving.gif)" in done.stderr
