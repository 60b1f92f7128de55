"""Whatever happens to a run's files: one sentence that names the way on, and nothing committed is lost."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
from support.loops import OPTIONS, assert_same_run, toy_experiment, toy_prepared

from biasloop.errors import DamagedStore, InvalidInput, NewerFormat, StoreError
from biasloop.running import engine, provenance
from biasloop.running.engine import Notice, Options
from biasloop.store import codec
from biasloop.store.claims import claimed
from biasloop.store.finding import find_runs
from biasloop.store.manifest import read_manifest
from biasloop.store.reader import Run
from biasloop.store.repair import repair, verify

EXPERIMENT = toy_experiment(loop={"rounds": 6}, pool=400)


def run(directory, experiment=EXPERIMENT, seed=0, options=OPTIONS):
    return engine.run(toy_prepared(experiment, seed), directory, options)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    directory = tmp_path_factory.mktemp("reference") / "run"
    run(directory)
    return directory


@pytest.fixture
def copy(reference, tmp_path):
    return Path(shutil.copytree(reference, tmp_path / "run"))


def flip(path, at=0.5):
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 1
    path.write_bytes(bytes(data))


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("hurt", [flip, truncate, Path.unlink])
@pytest.mark.parametrize(("name", "kept"), [("setup.h5", 0), ("round-0002.h5", 2), ("model-0005.h5", 6)])
def test_damage_is_named_repaired_and_made_again(copy, tmp_path, hurt, name, kept):
    hurt(copy / name)
    before = {path.name for path in copy.glob("*.h5")}
    with pytest.raises(DamagedStore, match=rf"{name} .*; type: biasloop runs repair {copy}$"):
        run(copy, toy_experiment(loop={"rounds": 8}, pool=400))
    assert any(name in problem for problem in verify(copy))
    report = repair(copy)
    assert report.kept == kept
    moved = {path.name for path in report.folder.glob("*.h5")} if report.folder else set()
    assert moved | {path.name for path in copy.glob("*.h5")} == before  # nothing is deleted
    assert verify(copy) == []
    longer = toy_experiment(loop={"rounds": 8}, pool=400)
    run(copy, longer)
    run(tmp_path / "longer", longer)
    assert_same_run(copy, tmp_path / "longer")


def test_a_whole_run_needs_no_repair(copy, reference):
    assert verify(copy) == []
    report = repair(copy)
    assert (report.kept, report.aside, report.folder) == (6, [], None)
    assert (copy / "manifest.json").read_bytes() == (reference / "manifest.json").read_bytes()


def test_a_missing_manifest_is_made_anew(copy, reference):
    (copy / "manifest.json").unlink()
    with pytest.raises(DamagedStore, match=r"manifest.json is missing; type: biasloop runs repair"):
        Run.open(copy)
    with pytest.raises(DamagedStore, match=r"manifest.json is missing; type: biasloop runs repair"):
        run(copy)
    assert repair(copy).kept == 6
    run(copy)
    assert_same_run(copy, reference)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "biasloop-run", "version": 1}'])
def test_a_damaged_manifest_is_set_aside(copy, reference, text):
    (copy / "manifest.json").write_text(text)
    with pytest.raises(DamagedStore, match=r"manifest.json is damaged \(.*\); type: biasloop runs repair"):
        run(copy)
    assert repair(copy).kept == 6
    assert (copy / "aside" / "001" / "manifest.json").read_text() == text
    run(copy)
    assert_same_run(copy, reference)


def test_a_manifest_that_reaches_outside_is_refused(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"][0]["name"] = "../../secret.h5"
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DamagedStore, match="names a file '../../secret.h5' that no run has"):
        Run.open(copy)


def test_a_newer_manifest_is_neither_read_nor_moved(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["version"] = 9
    (copy / "manifest.json").write_text(json.dumps(manifest))
    for attempt in (lambda: run(copy), lambda: repair(copy), lambda: Run.open(copy)):
        with pytest.raises(NewerFormat, match="has version 9, this biasloop reads up to 1; install a newer biasloop"):
            attempt()
    assert not (copy / "aside").exists()


def test_a_newer_round_file_is_neither_read_nor_moved(copy):
    from biasloop.store import codec

    with h5py.File(copy / "round-0005.h5", "r+") as file:
        file.attrs["format-version"] = codec.VERSION + 1
    with pytest.raises(NewerFormat, match="round-0005.h5 has store format 3"):
        repair(copy)
    assert not (copy / "aside").exists()


def test_another_experiment_is_refused_with_the_differing_keys(copy):
    other = toy_experiment(loop={"rounds": 6, "human": 7}, pool=400, delta=0.1)
    with pytest.raises(StoreError) as caught:
        run(copy, other, seed=3)
    assert (
        "domain.delta is 0.05 there and 0.1 here; loop.human is 5 there and 7 here; seed is 0 there and 3 here"
        in str(caught.value)
    )
    assert str(caught.value).endswith("use another --output")


def test_an_altered_experiment_file_is_noticed(copy):
    path = copy / "experiment.toml"
    path.write_text(path.read_text() + "# a remark\n")
    with pytest.raises(DamagedStore, match=r"experiment.toml was altered after the run began"):
        run(copy)


def test_somebody_elses_directory_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(StoreError, match=r"is not empty and not a run \(it holds 'thesis.txt'\); use another --output"):
        run(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["thesis.txt"]


def test_a_second_process_is_told_who_holds_the_run(copy):
    code = (
        "import sys; from pathlib import Path; from biasloop.store.claims import claimed\n"
        "with claimed(Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(copy)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match=rf"is being written by process {holder.pid} on .+ since .+ \(last sign"):
            run(copy)
        Run.open(copy)  # reading needs no claim
        holder.kill()
    with claimed(copy):
        assert verify(copy) == []


def test_a_stranger_among_the_files_is_set_aside(copy, reference):
    shutil.copy(copy / "round-0001.h5", copy / "round-0006.h5")
    shutil.copy(copy / "model-0005.h5", copy / "model-0006.h5")
    notices = []
    run(copy, options=replace(OPTIONS, on_event=lambda e: notices.append(e)))
    texts = [event.text for event in notices if isinstance(event, Notice)]
    assert len([text for text in texts if "it was not part of the run" in text]) == 2
    assert_same_run(copy, reference)


def test_another_environment_is_a_new_segment(tmp_path, reference, monkeypatch):
    directory = tmp_path / "run"
    run(directory, toy_experiment(loop={"rounds": 3}, pool=400))
    real = provenance.environment
    monkeypatch.setattr(provenance, "environment", lambda domain: {**real(domain), "torch": "9.9"})
    notices = []
    run(directory, options=replace(OPTIONS, on_event=lambda e: notices.append(e)))
    texts = [event.text for event in notices if isinstance(event, Notice)]
    assert len(texts) == 1
    assert "torch" in texts[0]
    assert "-> 9.9; it goes on as a new segment" in texts[0]
    stored = Run.open(directory)
    used = [stored.manifest.files[f"{step}.h5"].environment for step in stored.manifest.steps()]
    assert used == [0, 0, 0, 0, 1, 1, 1]


def test_other_data_under_the_same_name_are_refused(copy, monkeypatch):
    from biasloop_toy import ToyDomain

    monkeypatch.setattr(ToyDomain, "fingerprint", lambda self: "toy-changed")
    with pytest.raises(
        DamagedStore, match=r"was made from other data \(toy-400-100\) than is there now \(toy-changed\)"
    ):
        run(copy)


def test_of_a_run_that_was_begun_before_more_was_looked_at_as_much_is_compared(copy, monkeypatch):
    from biasloop_toy import ToyDomain

    monkeypatch.setattr(ToyDomain, "fingerprint", lambda self: "toy-400-1000")
    with pytest.raises(DamagedStore, match="made from other data"):
        run(copy)
    monkeypatch.setattr(ToyDomain, "fingerprint", lambda self: "toy-400-100 images-1")
    run(copy)


def test_models_are_dropped_or_kept_and_rounds_are_the_same(tmp_path, reference):
    run(tmp_path / "kept", options=replace(OPTIONS, keep_models=True))
    kept = {path.name: path.read_bytes() for path in (tmp_path / "kept").glob("*.h5")}
    assert sorted(name for name in kept if name.startswith("model-")) == [f"model-000{r}.h5" for r in range(6)]
    for path in reference.glob("*.h5"):
        assert kept[path.name] == path.read_bytes()


def test_what_is_no_run_is_said(tmp_path):
    with pytest.raises(InvalidInput, match="there is no run"):
        Run.open(tmp_path / "nowhere")
    with pytest.raises(DamagedStore, match="is not a run"):
        Run.open(tmp_path)
    with pytest.raises(InvalidInput, match="is not a run"):
        repair(tmp_path)
    assert find_runs(tmp_path) == []


def test_options_never_change_a_bit(tmp_path, reference):
    for name, options in {
        "checkpoints": Options(Path("elsewhere"), interval=0),
        "threads": Options(Path("unused"), threads=3, on_event=lambda event: None),
    }.items():
        run(tmp_path / name, options=options)
        assert_same_run(tmp_path / name, reference)


def test_a_model_of_other_numbers_that_reads_well_is_set_aside(copy):
    path = max(copy.glob("model-0*.h5"))
    header, record = codec.decode(path.read_bytes(), path.name)
    models = {
        name: replace(model, arrays={key: array + 1 for key, array in model.arrays.items()})
        for name, model in record.models.items()
    }
    path.write_bytes(codec.encode(header, replace(record, models=models)))  # all but the manifest's SHA-256 is right
    assert verify(copy)
    report = repair(copy)
    assert report.aside == [path.name]
    assert verify(copy) == []


@pytest.mark.parametrize("name", ["biasloop", "python", "numpy", "torch", "device", "threads"])
def test_each_part_of_an_environment_makes_a_new_segment(tmp_path, monkeypatch, name):
    engine.run(toy_prepared(toy_experiment(loop={"rounds": 1}, pool=200)), tmp_path / "run", OPTIONS)
    real, said = provenance.environment, []
    monkeypatch.setattr(provenance, "environment", lambda domain: {**real(domain), name: "other"})
    options = replace(OPTIONS, on_event=said.append)
    engine.run(toy_prepared(toy_experiment(loop={"rounds": 2}, pool=200)), tmp_path / "run", options)
    texts = [event.text for event in said if isinstance(event, Notice)]
    assert [f"{name} " in text and "-> other; it goes on" in text for text in texts] == [True]


def test_a_model_that_is_replaced_while_a_run_is_opened_is_no_damage(copy, monkeypatch):
    """Another process commits a round between the reading of the manifest and the look at the files."""
    check, written = Run.check_size, []
    newest = sorted(copy.glob("model-*.h5"))[-1]
    newest.unlink()
    with pytest.raises(DamagedStore, match="is missing"):
        Run.open(copy)
    manifest = read_manifest(copy)
    manifest.drop(newest.name)

    def checked(run, name):
        if not written:
            written.append(name)
            with claimed(copy) as claim:
                manifest.write(copy, claim)
        return check(run, name)

    monkeypatch.setattr(Run, "check_size", checked)
    assert newest.name not in Run.open(copy).manifest.files
