"""`manifest.json` edited by hand: an edit changes nothing, or every command says in a sentence how to go on."""

import copy
import hashlib
import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.loops import OPTIONS, assert_same_run, toy_experiment, toy_prepared

from biasloop.errors import BiasloopError, DamagedStore, NewerFormat
from biasloop.running import engine
from biasloop.store.index import listed
from biasloop.store.manifest import MEMORY, read_manifest
from biasloop.store.reader import Run
from biasloop.store.repair import repair, verify
from biasloop.store.shapes import check as check_shape

EXPERIMENT = toy_experiment(loop={"rounds": 2}, pool=200, epochs=1)
NESTED = json.loads("[" * 60 + "]" * 60)
VALUES = (None, True, -1, 7, 1e308, 10**40, "", "x", "\x1b[31m", "a\ud800", [], {}, [None], {"x": None}, NESTED)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    directory = tmp_path_factory.mktemp("reference") / "run"
    engine.run(toy_prepared(EXPERIMENT), directory, OPTIONS)
    return directory


@pytest.fixture
def run(reference, tmp_path):
    return Path(shutil.copytree(reference, tmp_path / "run"))


def manifest_of(run):
    return json.loads((run / "manifest.json").read_text())


def write(run, manifest):
    (run / "manifest.json").write_text(json.dumps(manifest))


def paths(value, path=()):
    """The way to every value in JSON."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield (*path, key)
        yield from paths(value[key], (*path, key))


def edits(manifest):
    """Every value deleted, doubled, or replaced by others."""
    for path in paths(manifest):
        for value in ("deleted", "doubled", *VALUES):
            edited = copy.deepcopy(manifest)
            inner = edited
            for key in path[:-1]:
                inner = inner[key]
            if value == "deleted":
                del inner[path[-1]]
            elif value == "doubled":
                if not isinstance(inner, list):
                    continue
                inner.append(inner[path[-1]])
            else:
                inner[path[-1]] = value
            yield path, value, edited


def check(run, reference, edited):
    """One edit: harmless, or a sentence; after a repair the run opens and has all its rounds."""
    write(run, edited)
    try:
        opened = Run.open(run)
    except NewerFormat as error:
        assert "install a newer biasloop" in str(error)
        assert verify(run) == [listed(run)[0].problem]
        return
    except DamagedStore as error:
        assert str(error).count("\n") == 0
        assert str(error).endswith(f"type: biasloop runs repair {run}")
        assert verify(run) == [listed(run)[0].problem] == [str(error)]
    else:
        if "sha256" in edited:
            assert opened.manifest == read_manifest(reference)
    before = (run / "manifest.json").read_bytes()
    report = repair(run)
    assert report.kept == 2
    assert verify(run) == []
    assert Run.open(run).rounds == [0, 1]
    assert not report.anew or (report.folder / "manifest.json").read_bytes() == before
    shutil.rmtree(run / "aside", ignore_errors=True)


def sampled(manifest, count, seed):
    every = list(edits(manifest))
    return random.Random(seed).sample(every, min(count, len(every)))


def test_some_edits_by_hand_are_harmless_or_said_and_mended(run, reference):
    manifest = manifest_of(run)
    for _, _, edited in sampled(manifest, 16, 1):
        check(run, reference, edited)
    del manifest["sha256"]  # as in a manifest from before there was a digest
    for _, _, edited in sampled(manifest, 10, 2):
        check(run, reference, edited)


@pytest.mark.slow
def test_every_edit_by_hand_is_harmless_or_said_and_mended(run, reference):
    manifest = manifest_of(run)
    for _, _, edited in sampled(manifest, 1000, 3):
        check(run, reference, edited)
    del manifest["sha256"]
    for _, _, edited in sampled(manifest, 1000, 4):
        check(run, reference, edited)


def in_sentences(cli, manifest, wanted, seed):
    """Commands on a run with an edited manifest, beside a neighbour."""
    for _, _, edited in sampled(manifest, wanted, seed):
        write(Path("runs/toy/seed-0"), edited)
        listed = cli("runs", "list", "--json")
        assert listed.exit_code == 0, listed.exception
        neighbour = [line for line in json.loads(listed.stdout) if line["run"].endswith("seed-1")]
        assert [line["state"] for line in neighbour] == ["finished (4 rounds)"]
        for command in (("runs", "show"), ("bound", "--from"), ("runs", "verify")):
            result = cli(*command, "runs/toy/seed-0")
            assert isinstance(result.exception, BiasloopError | SystemExit | None), (edited, result.exception)


def test_commands_on_an_edited_manifest_end_in_a_sentence_and_its_neighbour_is_listed(cli):
    cli("loop", "-p", "toy", "--seeds", "0-1")
    manifest = manifest_of(Path("runs/toy/seed-0"))
    in_sentences(cli, manifest, 4, 5)
    del manifest["sha256"]
    in_sentences(cli, manifest, 6, 6)


@pytest.mark.slow
def test_commands_on_many_edited_manifests_end_in_a_sentence(cli):
    cli("loop", "-p", "toy", "--seeds", "0-1")
    manifest = manifest_of(Path("runs/toy/seed-0"))
    in_sentences(cli, manifest, 200, 7)
    del manifest["sha256"]
    in_sentences(cli, manifest, 200, 8)


def told(run: Path) -> dict[str, object]:
    """What a manifest says about a run, without how much memory the process took that made it."""
    return {key: value for key, value in read_manifest(run).about.items() if key != MEMORY}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("about", "bound", "metric"), "share_target"),
        (("about", "summary"), "better"),
        (("about", "plot", "series"), ["accuracy"]),
        (("about", "rounds"), 99),
        (("environments", 0, "torch"), "0.0"),
        (("files", 0, "seconds"), 1000.0),
        (("files", 1, "environment"), None),
        (("experiment",), "0" * 64),
    ],
)
def test_altered_text_is_refused_by_every_reader_and_made_anew_by_repair_and_loop(run, reference, path, value):
    manifest = manifest_of(run)
    inner = manifest
    for key in path[:-1]:
        inner = inner[key]
    assert inner[path[-1]] != value
    inner[path[-1]] = value
    write(run, manifest)
    with pytest.raises(DamagedStore, match=r"was altered: its content does not match its digest; type: .* repair"):
        Run.open(run)
    assert len(verify(run)) == 1
    with pytest.raises(DamagedStore, match="does not match its digest"):
        engine.run(toy_prepared(EXPERIMENT), run, OPTIONS)
    assert repair(run).anew
    engine.run(toy_prepared(EXPERIMENT), run, OPTIONS)
    assert_same_run(run, reference)
    assert told(run) == told(reference)


def test_the_digest_is_what_the_docs_say(run):
    manifest = manifest_of(run)
    head = {key: value for key, value in manifest.items() if key not in ("files", "sha256")}
    lines = [json.dumps(head, sort_keys=True), *(json.dumps(entry) for entry in manifest["files"])]
    assert manifest["sha256"] == hashlib.sha256("\n".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("layout", [{"indent": 4}, {"sort_keys": True}, {"separators": (",", ":")}])
def test_another_layout_of_the_same_manifest_is_harmless(run, reference, layout):
    (run / "manifest.json").write_text(json.dumps(manifest_of(run), **layout))
    assert Run.open(run).manifest == read_manifest(reference)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("[" * 100_000, "recursion"),
        ('{"format": "biasloop-run", "version": 1, "about": NaN}', "it holds NaN, which is no number"),
        ("9" * 5_000, "digits"),
        ("null", "it is null; expected a mapping"),
        ('{"format": "biasloop-run", "version": true}', "version is true; expected a whole number"),
        ('{"version": 1}', "format is missing"),
        ("\xff", "decode"),
    ],
)
def test_what_is_no_manifest_is_said(run, text, reason):
    (run / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DamagedStore, match=rf"manifest.json is damaged \(.*{reason}.*\); type: biasloop runs repair"):
        Run.open(run)
    assert repair(run).kept == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bytes": None}, "files\\[1\\].bytes is null; expected a whole number"),
        ({"bytes": -1}, "a size or time of round-0000.h5 is below 0"),
        ({"seconds": "1"}, 'files\\[1\\].seconds is "1"; expected a number or null'),
        ({"environment": 4}, "round-0000.h5 has environment 4 of 1, counted from 0"),
        ({"environment": -1}, "round-0000.h5 has environment -1 of 1, counted from 0"),
        ({"sha256": "A" * 64}, "sha256 of round-0000.h5 is not 64 hexadecimal digits"),
        ({"name": "setup.h5"}, "it names setup.h5 twice"),
        ({"name": "round-0004.h5"}, "it names round-0001 and not the step before it"),
        ({"name": "model-0009.h5"}, "it names round-0001 and not the step before it"),
        ({"colour": 1}, "files\\[1\\].colour is not known"),
    ],
)
def test_what_is_wrong_with_a_file_of_the_list_is_named(run, change, reason):
    manifest = manifest_of(run)
    manifest["files"][1] |= change
    write(run, manifest)
    with pytest.raises(DamagedStore, match=rf"manifest.json is damaged \({reason}\); type: biasloop runs repair"):
        Run.open(run)


def test_a_manifest_that_is_a_directory_is_set_aside(run):
    (run / "manifest.json").unlink()
    (run / "manifest.json").mkdir()
    with pytest.raises(DamagedStore, match=r"manifest.json is a directory and not a file; type: biasloop runs repair"):
        Run.open(run)
    assert repair(run).aside == ["manifest.json"]
    assert verify(run) == []


def test_without_a_manifest_an_altered_file_is_told_by_the_step_after_it(run, reference):
    (run / "manifest.json").unlink()
    data = bytearray((run / "round-0000.h5").read_bytes())
    data[len(data) // 2] ^= 1  # the file still reads
    (run / "round-0000.h5").write_bytes(data)
    assert repair(run).kept == 0
    engine.run(toy_prepared(EXPERIMENT), run, replace(OPTIONS))
    assert_same_run(run, reference)


@pytest.mark.parametrize("shape", [float, int, (float, None)])
def test_a_truth_value_is_no_number(shape):
    with pytest.raises(ValueError, match="is true; expected"):
        check_shape(True, shape, "seconds")


@pytest.mark.parametrize("name", ["setup.h5", "round-0001.h5", "model-0001.h5"])
def test_a_size_edited_in_an_old_manifest_is_mended_and_no_file_is_moved(run, name):
    """One from before there was a digest: that somebody edited it shows in the file's size alone."""
    manifest = manifest_of(run)
    del manifest["sha256"]
    (entry,) = [entry for entry in manifest["files"] if entry["name"] == name]
    entry["bytes"] = 7
    write(run, manifest)
    with pytest.raises(DamagedStore, match=f"{name} has .* bytes instead of 7"):
        Run.open(run)
    report = repair(run)
    assert (report.kept, report.aside, report.anew) == (2, [], False)
    assert verify(run) == []
