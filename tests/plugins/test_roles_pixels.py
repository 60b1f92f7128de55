"""Pixels of annotated images: decoded once, mapped, and what is missing or does not read said before training."""

import io
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from support import imsitu
from support.pictures import turned, written
from support.servers import serving

from biasloop.contract.context import Context
from biasloop.contract.randomness import Streams
from biasloop.datasets import asset, fetch
from biasloop.errors import DownloadError, InvalidInput
from biasloop.training.prefetching import Stored, StoredRows
from biasloop.training.recipe import Recipe
from biasloop_roles import pixels
from biasloop_roles.annotations import files_in, read
from biasloop_roles.collapsing import collapsed
from biasloop_roles.splits import draw

SIDE = 8


@pytest.fixture
def said():
    return []


@pytest.fixture
def context(tmp_path, said):
    return Context(tmp_path / "data", Streams((0, "data")), on_note=said.append, threads=2)


def opened(context, folder, *, skip=False, side=SIDE):
    names = read(files_in(folder)).names
    return pixels.opened(names, pixels.source(folder), context, side=side, skip_missing=skip)


def decoded(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


@pytest.mark.parametrize("archive", [False, True])
def test_images_are_decoded_once_and_mapped(tmp_path, context, said, archive, monkeypatch):
    folder = tmp_path / "imsitu"
    made = imsitu.write(folder, archive=archive, side=SIDE)
    images = opened(context, folder)
    assert isinstance(images.images.base, np.memmap)
    assert not images.images.flags.writeable
    assert images.images.shape == (24, SIDE, SIDE, 3)
    assert images.usable.all()
    for row in images.of(np.arange(24)).tolist():
        assert row in range(24)
    for id_ in range(24):
        assert np.array_equal(images.images[images.rows[id_]], decoded(imsitu.jpeg(id_, SIDE)))
    order = sorted(range(24), key=list(made).__getitem__) if archive else list(range(24))
    assert np.argsort(images.rows).tolist() == order  # as files are read
    monkeypatch.setattr(pixels, "_decoded", None)  # is not asked for again
    again = opened(context, folder)
    assert again.digest == images.digest
    assert again.rows.tolist() == images.rows.tolist()
    assert said == []


def test_image_files_are_told_apart_by_what_they_contain_and_read_once(tmp_path, context, monkeypatch):
    def digest(folder):
        return pixels.digest(read(files_in(folder)).names, pixels.source(folder), context)

    imsitu.write(tmp_path / "a", side=SIDE)
    first = digest(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")  # with other times
    shutil.copytree(tmp_path / "a", tmp_path / "c")
    imsitu.write(tmp_path / "d", side=SIDE, archive=True)
    assert digest(tmp_path / "b") == digest(tmp_path / "d") == first
    one, other = sorted((tmp_path / "c").rglob("cooking_*.jpg"))[:2]
    one.write_bytes(other.read_bytes())
    changed = digest(tmp_path / "c")
    assert changed != first
    one.unlink()
    assert digest(tmp_path / "c") not in {first, changed}
    monkeypatch.setattr(pixels.InFolder, "contents", None)
    assert digest(tmp_path / "a") == first
    assert list((tmp_path / "data" / "prepared").glob("situations-files-*"))  # nothing else: none was decoded
    assert not list((tmp_path / "data" / "prepared").glob("situations-*mapped*"))


def test_a_file_that_lies_under_the_name_of_a_missing_one_is_told_apart(tmp_path, context):
    for folder in ("a", "b"):
        imsitu.write(tmp_path / folder, side=SIDE)
    names = read(files_in(tmp_path / "a")).names
    first, second = names[:2]
    images = "of500_images_resized"
    (tmp_path / "a" / images / first).unlink()
    (tmp_path / "b" / images / second).rename(tmp_path / "b" / images / first)
    one, other = (pixels.digest(names, pixels.source(tmp_path / folder), context) for folder in ("a", "b"))
    assert one != other


def test_pixels_depend_on_no_number_of_threads(tmp_path):
    folder = tmp_path / "imsitu"
    imsitu.write(folder)
    digests = [
        opened(Context(tmp_path / str(threads), Streams((0,)), threads=threads), folder).digest for threads in (1, 2, 7)
    ]
    assert len(set(digests)) == 1


def test_a_changed_file_or_side_is_decoded_anew(tmp_path, context):
    folder = tmp_path / "imsitu"
    made = imsitu.write(folder)
    first = opened(context, folder)
    assert opened(context, folder, side=16).images.shape[1:] == (16, 16, 3)
    name = next(iter(made))
    (folder / "of500_images_resized" / name).write_bytes(imsitu.jpeg(99, SIDE))
    changed = opened(context, folder)
    assert changed.digest != first.digest
    assert np.array_equal(changed.images[changed.rows[0]], decoded(imsitu.jpeg(99, SIDE)))


def test_images_of_any_form_become_squares_of_colour(tmp_path, context):
    grey = np.tile(np.arange(0, 240, 20, dtype=np.uint8), (4, 1))  # 4 rows, 12 columns
    forms = {
        "grey.png": written(grey, "PNG"),
        "turned.png": turned(np.repeat(grey[..., None], 3, 2), 6),
        "wide.jpg": written(np.repeat(grey[..., None], 3, 2), "JPEG", quality=95),
        "same.png": written(np.full((SIDE, SIDE, 3), 7, np.uint8), "PNG"),
    }
    records = {name: {"verb": "x", "frames": [{"agent": ""}] * 3} for name in forms}
    (tmp_path / "own.json").write_text(json.dumps(records))
    for name, content in forms.items():
        (tmp_path / name).write_bytes(content)
    images = opened(context, tmp_path)
    first, upright, wide, same = images.images[images.rows]
    assert (first[..., 0] == first[..., 2]).all()
    assert np.array_equal(
        first[..., 0], np.asarray(Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    )
    assert (np.diff(first[0, :, 0].astype(int)) > 0).all()  # squashed, not cut
    assert (np.diff(upright[:, 0, 0].astype(int)) > 0).all()
    assert np.abs(wide.astype(int) - first).max() < 20
    assert (same == 7).all()


@pytest.mark.parametrize("archive", [False, True])
def test_missing_images_are_counted_and_named_before_anything_is_decoded(tmp_path, context, said, archive, monkeypatch):
    folder = tmp_path / "imsitu"
    made = imsitu.write(folder, archive=archive)
    lost = {f"lost_{number}.jpg": next(iter(made.values())) for number in range(5)}
    (folder / "zoo.json").write_text(json.dumps(lost))
    with monkeypatch.context() as patched:
        patched.setattr(pixels, "_decoded", None)
        with pytest.raises(InvalidInput, match=(
            r"of 29 annotated images 5 are missing \('lost_0\.jpg', 'lost_1\.jpg', 'lost_2\.jpg', \.\.\.\); get them "
            r"anew, or set domain\.skip_missing = true to leave them out"
        )):  # fmt: skip
            opened(context, folder)
    images = opened(context, folder, skip=True)
    assert np.flatnonzero(~images.usable).tolist() == [24, 25, 26, 27, 28]
    assert images.images.shape[0] == 24
    assert [sentence.partition(": ")[2] for sentence in said] == [
        "5 of 29 images are left out, missing or not readable"
    ]
    with pytest.raises(ValueError, match="image 25 has no pixels"):
        images.of(np.array([3, 25]))
    with pytest.raises(InvalidInput, match="5 are missing"):  # they are decoded now, and still refused
        opened(context, folder)


def test_images_that_do_not_read_are_named_with_the_reason_and_decoded_once(tmp_path, context, monkeypatch):
    folder = tmp_path / "imsitu"
    made = imsitu.write(folder)
    names = list(made)
    (folder / "of500_images_resized" / names[2]).write_bytes(b"no image")
    (folder / "of500_images_resized" / names[5]).write_bytes(imsitu.jpeg(5)[:-60])
    (folder / "of500_images_resized" / names[7]).unlink()
    with pytest.raises(InvalidInput, match=rf"1 is missing \('{names[7]}'\); get"):
        opened(context, folder)
    (folder / "of500_images_resized" / names[7]).write_bytes(imsitu.jpeg(7))
    with pytest.raises(InvalidInput, match=rf"2 are not readable \('{names[2]}': it is none of PNG, .*'{names[5]}': "):
        opened(context, folder)
    monkeypatch.setattr(pixels, "_decoded", None)
    images = opened(context, folder, skip=True)
    assert np.flatnonzero(~images.usable).tolist() == [2, 5]
    assert sorted(images.unreadable) == sorted([names[2], names[5]])


def test_without_any_image_there_is_nothing_to_leave_out(tmp_path, context):
    imsitu.write(tmp_path / "imsitu")
    shutil.rmtree(tmp_path / "imsitu" / "of500_images_resized")
    with pytest.raises(InvalidInput, match=r"24 are missing \(.*\); get them anew, or name the folder that has them"):
        opened(context, tmp_path / "imsitu", skip=True)


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/passwd", "pipe.jpg", "a\0b.jpg", "\ud800.jpg", "folder.jpg"])
def test_names_that_lead_elsewhere_are_missing(tmp_path, context, name):
    (tmp_path / "secret.jpg").write_bytes(imsitu.jpeg(0))
    folder = tmp_path / "own"
    (folder / "images" / "folder.jpg").mkdir(parents=True)
    os.mkfifo(folder / "images" / "pipe.jpg")
    (folder / "images" / "good.jpg").write_bytes(imsitu.jpeg(1))
    records = {some: {"verb": "x", "frames": [{"agent": ""}] * 3} for some in ("good.jpg", name)}
    (folder / "own.json").write_text(json.dumps(records))
    with pytest.raises(InvalidInput, match="1 is missing") as error:
        opened(context, folder)
    str(error.value).encode()
    assert opened(context, folder, skip=True).usable.tolist() == [True, False]


def test_where_images_are_looked_for(tmp_path):
    assert pixels.source(tmp_path).path == tmp_path
    (tmp_path / "of500_images_resized.tar").write_bytes(b"")
    assert pixels.source(tmp_path).path == tmp_path / "of500_images_resized.tar"
    for name in ("images", "images_512", "of500_images_resized"):
        (tmp_path / name).mkdir()
        assert pixels.source(tmp_path).path == tmp_path / name


def test_an_archive_that_was_damaged_since_is_named(tmp_path, context):
    folder = tmp_path / "imsitu"
    imsitu.write(folder, archive=True)
    archive = folder / "of500_images_resized.tar"
    archive.write_bytes(archive.read_bytes()[:3000])
    with pytest.raises(DownloadError, match=r"resized\.tar is damaged: .*; `biasloop fetch imsitu` gets it anew"):
        opened(context, folder)


def test_a_disk_without_room_is_refused_before_decoding(tmp_path, context, monkeypatch):
    imsitu.write(tmp_path / "imsitu")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 50, 50))
    with pytest.raises(DownloadError, match="needs 4,608 more bytes"):
        opened(context, tmp_path / "imsitu")


def test_from_a_server_to_batches(tmp_path, context, monkeypatch):
    """All steps that data take, on a data set as it is published, in small."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = imsitu.records(images_per_verb=6)
    published = asset("imsitu")
    with serving(imsitu.files(made)) as server:
        remotes = tuple(replace(one, urls=(server.url + one.filename,), size=20_000) for one in published.remotes)
        dataset = replace(published, remotes=remotes)
        fetch(dataset, context.data)
    folder = dataset.require(context.data)
    annotations = read(files_in(folder))
    images = pixels.opened(annotations.names, pixels.source(folder), context, side=SIDE, skip_missing=False)
    splits = draw(annotations.verb, annotations.vocabulary.verbs, context.streams.at("split"), 2)
    assert (len(splits.test), len(splits.pool)) == (8, 16)
    nouns = collapsed(annotations.frames[splits.pool], annotations.vocabulary, splits.pool, context.streams.at("frame"))
    assert (annotations.vocabulary.slots(annotations.verb[splits.pool], nouns)[:, 0] >= 0).all()
    stored = Stored(images.images, torch.device("cpu"))
    labels = torch.from_numpy(nouns)

    def make(inputs, positions, augment):
        return inputs, labels[positions], splits.pool[positions.numpy()]

    source = StoredRows(stored, images.of(splits.pool), Recipe(batch_size=5), Streams((0, "fit")), make)
    seen = []
    for ((inputs, _, ids),) in source.epoch(0):
        seen += ids.tolist()
        for image, id_ in zip(inputs, ids.tolist(), strict=True):
            assert np.array_equal(image.numpy(), decoded(imsitu.jpeg(id_, SIDE)))
    assert sorted(seen) == splits.pool.tolist()
