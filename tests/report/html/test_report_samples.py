"""Samples: what a run stores, and what its data show where they are here and are the run's."""

import base64
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.reports import Page

from biasloop.contract.names import TRUTH
from biasloop.report.html.content import Asked, gather
from biasloop.report.html.page import page
from biasloop.report.html.pictures import Room, data_uri
from biasloop.report.html.samples import SampleSet, _beside
from biasloop.running.engine import Options
from biasloop.running.reopen import without_data
from biasloop.store.reader import Run

pytestmark = pytest.mark.usefixtures("undrawn")

OPTIONS = Options(Path("data"))


def sets(folder: Path, count: int = 8, room: Room | None = None) -> list[SampleSet]:
    (study,) = gather([folder], Asked(OPTIONS, count, room=room or Room())).studies
    return list(study.samples)


def pixels(uri: str) -> np.ndarray:
    """A picture of a page, read back."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition("base64,")[2]))))


@pytest.fixture(scope="module")
def of_images(tiny_run) -> list[SampleSet]:
    return sets(tiny_run)


def test_test_samples_are_the_datas_own_pictures_with_what_models_say(of_images, tiny_run):
    run, prepared = without_data(tiny_run, OPTIONS)
    record, setup = run.read("round-0001"), run.read("setup")
    names = setup.vocabularies()["classes"]
    test = setup.evaluations["test"].tables["test"]
    ids, target = test["ids"].tolist(), test["target"]
    said = record.evaluations["test"].tables["test"]["prediction"]
    shown = of_images[0]
    assert (shown.title, len(shown.samples)) == ("Test samples", 8)
    for sample in shown.samples:
        row = ids.index(sample.id)
        assert sample.said["truth"] == names[target[row]]
        assert sample.said["round 1"] == names[said[row]]
        assert ("round 1" in sample.wrong) == (said[row] != target[row])
        (picture,) = prepared.domain.pictures(np.array([sample.id]))
        assert np.array_equal(pixels(sample.picture), picture[..., 0])


def test_samples_that_a_model_labelled_stand_beside_their_truth(of_images, tiny_run):
    record, names = Run.open(tiny_run).read("round-0001"), Run.open(tiny_run).read("setup").vocabularies()["classes"]
    by_model = np.flatnonzero(record.added.origin == 0)
    given = dict(zip(record.added.ids[by_model].tolist(), record.added.payload["target"][by_model], strict=True))
    true = dict(zip(record.added.ids[by_model].tolist(), record.frames["truth"]["target"], strict=True))
    (shown,) = [each for each in of_images if each.title == "Labelled by the model of round 0 for round 1"]
    assert len(shown.samples) == 8
    for sample in shown.samples:
        assert sample.said == {"truth": names[true[sample.id]], "the model": names[given[sample.id]]}
        assert list(sample.wrong) == (["the model"] if given[sample.id] != true[sample.id] else [])


def test_what_nobody_knows_is_neither_right_nor_wrong():
    class Texts:
        def texts(self, ids):
            return [f"row {number}" for number in ids]

    shown = _beside(Texts(), np.array([7, 2, 5]), ["cat", None, "dog"], {"the model": ["dog", "cat", "dog"]})
    assert [(sample.id, sample.text, sample.said[TRUTH]) for sample in shown] == [
        (7, "row 7", "cat"), (2, "row 2", "not known"), (5, "row 5", "dog"),
    ]  # fmt: skip
    assert [list(sample.wrong) for sample in shown] == [["the model"], [], []]
    (unknown,) = _beside(Texts(), np.array([7]), None, {"round 0": ["cat"], "round 1": [None]})
    assert (unknown.said, unknown.wrong) == ({"round 0": "cat", "round 1": "none"}, [])


def test_pictures_that_generators_made_are_those_that_are_stored(before):
    folder = before / "generators" / "unbroken" / "seed-0"
    first, last = sets(folder)[:2]
    assert [each.title for each in (first, last)] == [f"Made by the generator of round {number}" for number in (0, 2)]
    stored = Run.open(folder).read("round-0002").evaluations["test"].tables["samples"]["image"]
    for sample in last.samples:
        assert np.array_equal(pixels(sample.picture), stored[sample.id])


def test_texts_that_models_wrote_are_those_that_are_stored(before, tmp_path, monkeypatch):
    folder = before / "language" / "unbroken" / "seed-0"
    run = Run.open(folder)
    texts = [run.read(step).evaluations["test"].tables["test"].columns["text"].strings() for step in
             ("round-0000", "round-0002")]  # fmt: skip
    monkeypatch.chdir(tmp_path)  # where none of its data are
    (shown,) = sets(folder)
    for sample in shown.samples:
        assert [sample.said["round 0"], sample.said["round 2"]] == [t[sample.id] or "no text" for t in texts]
        assert sample.text == ""
    assert "Prompts cannot be shown" in shown.note
    monkeypatch.chdir(before / "language")
    (shown,) = sets(folder)
    assert all(sample.text for sample in shown.samples)
    assert "cannot be shown" not in shown.note


def test_rows_of_a_table_are_shown_and_no_program_is_run(before, tmp_path, monkeypatch):
    shutil.copytree(before / "command", tmp_path / "command")
    monkeypatch.chdir(tmp_path / "command")
    Path("program.py").write_text("import pathlib; pathlib.Path('ran').touch()")
    shown = sets(Path("unbroken"))[0]
    assert shown.samples
    assert all("\n" in sample.text or ":" in sample.text for sample in shown.samples)
    assert not Path("ran").exists()


def test_other_data_of_the_same_name_are_not_shown(before, tmp_path, monkeypatch):
    shutil.copytree(before / "command", tmp_path / "command")
    monkeypatch.chdir(tmp_path / "command")
    Path("table.csv").write_text(Path("table.csv").read_text().replace("23,n79", "24,n79"))
    (shown,) = sets(Path("unbroken"))
    assert shown.samples == ()
    assert "was made from other data" in shown.note
    Path("table.csv").unlink()
    (shown,) = sets(Path("unbroken"))
    assert shown.samples == ()
    assert shown.note.startswith("Its samples cannot be shown: ")
    assert "table.csv" in shown.note


def test_a_domain_that_shows_nothing_is_said_to(study):
    shown = sets(study)
    assert [each.samples for each in shown] == [(), ()]
    assert shown[0].note == "Its samples cannot be shown: the domain 'toy' has neither pictures nor texts of them."


def test_none_are_shown_where_nobody_wants_any(tiny_run):
    (study,) = gather([tiny_run], Asked(OPTIONS, 0)).studies
    assert study.samples == []
    assert "<img" not in page(gather([tiny_run], Asked(OPTIONS, 0))).decode()


@pytest.mark.parametrize("count", [1, 3, 60, 100])
def test_as_many_are_shown_as_are_asked_for_and_there_are(tiny_run, count):
    shown = sets(tiny_run, count)
    assert [len(each.samples) for each in shown] == [min(count, 60), min(count, 10)]
    assert len({sample.id for sample in shown[0].samples}) == min(count, 60)


def test_no_more_are_shown_than_the_page_has_room_for(tiny_run):
    shown = sets(tiny_run, room=Room(3_000))
    assert 0 < sum(len(each.samples) for each in shown) < 16
    assert any("The page has no room for" in each.note for each in shown)


def test_large_pictures_are_scaled_down_and_photographs_packed():
    noise = np.random.default_rng(0).integers(0, 256, (300, 200, 3)).astype(np.uint8)
    uri = data_uri(noise)
    assert uri.startswith("data:image/jpeg;base64,")
    assert max(pixels(uri).shape[:2]) == 96
    assert len(uri) < 20_000
    grey = np.arange(16, dtype=np.uint8).reshape(4, 4, 1)
    assert np.array_equal(pixels(data_uri(grey)), grey[..., 0])


def test_pictures_have_words_for_those_who_do_not_see_them(tiny_run):
    parsed = Page(page(gather([tiny_run], Asked(OPTIONS))).decode())
    assert parsed.named("img")
    assert all(str(attributes.get("alt", "")).startswith("sample ") for attributes in parsed.named("img"))


def test_real_pictures_stand_after_those_that_generators_made_where_they_are_here(before, tmp_path, monkeypatch):
    folder = before / "generators" / "unbroken" / "seed-0"
    monkeypatch.chdir(tmp_path)
    assert len(sets(folder)) == 2
    monkeypatch.chdir(before / "generators")
    shown = sets(folder)[2]
    assert shown.title == "Test samples"
    setup = Run.open(folder).read("setup")
    test, names = setup.evaluations["test"].tables["test"], setup.vocabularies()["label"]
    said = Run.open(folder).read("round-0002").evaluations["test"].tables["test"]["prediction"]
    for sample in shown.samples:
        row = test["ids"].tolist().index(sample.id)
        assert (sample.said["truth"], sample.said["round 2"]) == (names[test["target"][row]], names[said[row]])
