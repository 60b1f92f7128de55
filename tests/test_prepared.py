"""Prepared data are made once, and anew when they are not as they were made."""

import os
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from biasloop import prepared
from biasloop.contract.context import Context
from biasloop.contract.data import Column, Frame
from biasloop.contract.randomness import Streams
from biasloop.errors import DownloadError, SomethingToFetch


class Place:
    """A context, how often it built something, and what it was told."""

    def __init__(self, data):
        self.built, self.notes = 0, []
        self.context = Context(data, Streams((0, "data")), on_note=self.notes.append)
        self.directory = data / "prepared" / "thing"

    def build(self, directory):
        self.built += 1
        (directory / "inner").mkdir()
        (directory / "a.bin").write_bytes(bytes(range(256)) * 5000)
        (directory / "inner" / "b.txt").write_text("text")

    def take(self):
        prepared._checked.clear()  # as another process
        return self.context.prepared("thing", self.build)


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    place.take()
    return place


def flip(path, at, bit=1):
    data = bytearray(path.read_bytes())
    data[at] ^= bit
    path.write_bytes(bytes(data))


def test_prepared_data_are_made_once_and_their_digests_are_those_of_sha256sum(place):
    assert place.take() == place.directory
    assert (place.built, place.notes) == (1, [])
    assert place.context.is_prepared("thing")
    assert not place.context.is_prepared("other")
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=place.directory, check=True)


@pytest.mark.parametrize(
    "hurt",
    [
        lambda at: flip(at / "a.bin", 1_000_000, 8),
        lambda at: flip(at / "inner" / "b.txt", 0),
        lambda at: flip(at / "SHA256SUMS", 3),
        lambda at: flip(at / "SHA256SUMS", -3),
        lambda at: (at / "a.bin").write_bytes((at / "a.bin").read_bytes()[:-1]),
        lambda at: (at / "a.bin").unlink(),
        lambda at: (at / "stranger").write_text(""),
        lambda at: (at / "SHA256SUMS").write_text(""),
    ],
)
def test_what_was_altered_counts_as_absent_with_a_notice(place, hurt):
    hurt(place.directory)
    place.take()
    assert place.built == 2
    assert place.notes == [
        f"{place.directory} is damaged (it does not match its digests); it counts as absent and is made anew"
    ]
    assert (place.directory / "a.bin").read_bytes() == bytes(range(256)) * 5000
    place.take()
    assert place.built == 2
    assert [path.name for path in place.directory.parent.iterdir()] == ["thing"]


def test_what_an_earlier_biasloop_made_has_no_digests_and_is_made_anew(place):
    (place.directory / "SHA256SUMS").unlink()
    assert not place.context.is_prepared("thing")
    place.take()
    assert place.built == 2
    assert "was made by an earlier biasloop, without SHA256SUMS" in place.notes[0]


def test_one_process_compares_unaltered_data_once_and_altered_data_again(place, monkeypatch):
    hashed = []
    monkeypatch.setattr(prepared, "_sha256", lambda path: hashed.append(path) or "")
    place.context.prepared("thing", place.build)
    assert not hashed
    monkeypatch.undo()
    flip(place.directory / "a.bin", 7)
    place.context.prepared("thing", place.build)
    assert place.built == 2


def test_a_damaged_directory_that_cannot_be_removed_is_named(place, monkeypatch):
    def refuse(self, target):
        raise PermissionError(13, "Permission denied")

    flip(place.directory / "a.bin", 7)
    monkeypatch.setattr(type(place.directory), "rename", refuse)
    with pytest.raises(DownloadError, match=r"thing is damaged and cannot be removed \(Permission denied\); delete it"):
        place.take()


def test_a_build_that_fails_leaves_nothing_that_looks_prepared(place):
    flip(place.directory / "a.bin", 7)

    def fail(directory):
        raise SomethingToFetch("fetch it")

    prepared._checked.clear()
    with pytest.raises(SomethingToFetch):
        place.context.prepared("thing", fail)
    assert not place.context.is_prepared("thing")


def test_another_process_that_wants_the_same_waits_and_makes_nothing(tmp_path):
    first, second, begun, going_on = Place(tmp_path), Place(tmp_path), threading.Event(), threading.Event()
    waiting = threading.Event()
    second.context = Context(tmp_path, Streams((0,)), on_note=lambda text: (second.notes.append(text), waiting.set()))

    def slow(directory):
        begun.set()
        assert going_on.wait(30)
        first.build(directory)

    one = threading.Thread(target=first.context.prepared, args=("thing", slow))
    two = threading.Thread(target=second.context.prepared, args=("thing", second.build))
    one.start()
    assert begun.wait(30)
    two.start()
    assert waiting.wait(30)
    going_on.set()
    one.join(30)
    two.join(30)
    assert (first.built, second.built) == (1, 0)
    (sentence,) = second.notes
    assert sentence.endswith(" is preparing thing; waiting for it to finish")
    assert [path.name for path in (tmp_path / "prepared").iterdir()] == ["thing"]


def test_of_two_processes_that_see_the_same_damage_one_makes_it_anew(place, monkeypatch):
    """The second has looked before the first was done, and must not take away what that has made."""
    flip(place.directory / "a.bin", 7)
    other, why = Place(place.directory.parent.parent), prepared._why_damaged

    def late(directory):
        reason = why(directory)
        monkeypatch.setattr(prepared, "_why_damaged", why)
        other.take()
        return reason

    monkeypatch.setattr(prepared, "_why_damaged", late)
    place.take()
    assert (place.built, other.built) == (1, 1)
    assert place.take() == place.directory
    assert len(place.notes) == len(other.notes) == 1
    assert [path.name for path in place.directory.parent.iterdir()] == ["thing"]


def test_what_goes_away_while_it_is_looked_at_is_made_anew(place, monkeypatch):
    flip(place.directory / "a.bin", 7)
    other, stat = Place(place.directory.parent.parent), Path.stat

    def late(path, **named):
        if path.name == "b.txt":
            monkeypatch.setattr(Path, "stat", stat)
            shutil.rmtree(place.directory)
        return stat(path, **named)

    monkeypatch.setattr(Path, "stat", late)
    place.take()
    assert place.built == 2
    other.take()
    assert not other.notes


def test_a_build_that_failed_lets_the_next_begin(tmp_path):
    place = Place(tmp_path)
    with pytest.raises(ZeroDivisionError):
        place.context.prepared("thing", lambda directory: 1 / 0)
    place.take()
    assert (place.built, place.notes) == (1, [])


def test_a_process_that_was_taken_for_dead_takes_what_another_made(tmp_path):
    """It was suspended for too long while it made the same."""
    first, second = Place(tmp_path), Place(tmp_path)

    def slow(directory):
        first.build(directory)
        os.utime(directory.parent.parent / "holder.json", (1, 1))
        second.take()

    first.context.prepared("thing", slow)
    assert (first.built, second.built) == (1, 1)
    first.take()
    assert (first.built, first.notes) == (1, [])
    assert [path.name for path in (tmp_path / "prepared").iterdir()] == ["thing"]


def test_decoded_images_of_a_folder_are_decoded_anew_when_a_bit_of_them_is_flipped(tmp_path):
    from biasloop_images.folder import Folder

    draws = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "own" / name).mkdir(parents=True)
        for number in range(4):
            pixels = draws.integers(0, 256, (8, 6, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "own" / name / f"{number}.png")
    notes = []
    context = Context(tmp_path, Streams((0, "data")), on_note=notes.append)
    whole = Folder(tmp_path / "own", None, context).read()
    (file,) = (tmp_path / "prepared").rglob("images.npy")
    pixels, size = np.array(whole.take(np.arange(8))), file.stat().st_size
    for number, at in enumerate(draws.integers(0, size, 8).tolist(), 1):
        flip(file, at, 1 << (at % 8))
        images = Folder(tmp_path / "own", None, context).read()
        assert np.array_equal(images.take(np.arange(8)), pixels)
        assert (images.classes, images.known) == (whole.classes, whole.known)
        assert len(notes) == number


def test_columns_of_texts_are_made_anew_when_a_bit_of_them_is_flipped(tmp_path):
    from biasloop_language.prepared import prepared as columns

    frame = Frame({"text": Column.text(["ab", "", "cde"]), "n": Column(np.arange(3))})
    notes = []
    context = Context(tmp_path, Streams((0, "data")), on_note=notes.append)
    columns(context, "texts", lambda: frame)
    (file,) = (tmp_path / "prepared").rglob("text.npy")
    for number, at in enumerate(np.random.default_rng(1).integers(0, file.stat().st_size, 8).tolist(), 1):
        flip(file, at)
        assert columns(context, "texts", lambda: frame).columns["text"].strings() == ["ab", "", "cde"]
        assert len(notes) == number
