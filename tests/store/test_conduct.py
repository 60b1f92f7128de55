"""Files that are not what they were: the table of `docs/store-format.md`, row by row, and every command that reads."""

import json
import re
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from support import toy
from support.chains import chain
from support.loops import OPTIONS, cut, stored_bytes, toy_experiment, toy_prepared

from biasloop import prepared
from biasloop.contract.context import Context
from biasloop.contract.randomness import Streams
from biasloop.errors import DamagedStore, StoreError
from biasloop.running import engine
from biasloop.running.engine import Notice, Options, Step
from biasloop.store.index import listed
from biasloop.store.reader import Run
from biasloop.store.repair import repair, verify

EXPERIMENT = toy_experiment(loop={"rounds": 3}, pool=250, epochs=2)
KEEPING = replace(OPTIONS, keep_models=True)


def table():
    """Rows of the table in the docs: file -> first words of the cells of loop, verify, repair, read."""
    text = (toy.PROJECT / "docs" / "store-format.md").read_text()
    lines = text.partition("## Conduct on altered files")[2].partition("\n| file |")[2].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {row[0]: [cell.partition(":")[0] for cell in row[1:]] for row in cells}


def flip(path, at=0.5):
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 1
    path.write_bytes(bytes(data))


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def begin_again(run):
    """Interrupted in the fit of the last round, with a checkpoint that is then altered."""
    cut(run, 2)
    for name in ("round-0002.h5", "model-0002.h5"):
        (run / name).unlink()
    fitting = []

    def on_event(event):
        if isinstance(event, Step) and event.call.endswith("fit"):
            fitting.append(event)

    options = replace(KEEPING, interval=0, stopping=lambda: bool(fitting), on_event=on_event)
    engine.run(toy_prepared(EXPERIMENT), run, options)
    (path,) = (run / "partial").glob("*fit.h5")
    flip(path)


def leave_partial(run):
    (run / "partial").mkdir()
    (run / "partial" / "round-0002.fit.h5").write_bytes(b"left")


def put_aside(run):
    (run / "aside" / "001").mkdir(parents=True)
    shutil.copy(run / "round-0002.h5", run / "aside" / "001")


def take_round(run):
    """The newest round is whole, and not named."""
    cut(run, 2)


def take_model(run):
    cut(run, 2)
    (run / "round-0002.h5").unlink()


def lay_out(run):
    path = run / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=7))


HURT = {
    "`experiment.toml`": lambda run: edit(run / "experiment.toml", "human = 5", "human = 6"),
    "`manifest.json`, its list of files": lambda run: edit(run / "manifest.json", '"bytes": ', '"bytes": 1'),
    "`manifest.json`, its other text": lambda run: edit(run / "manifest.json", '"share_target"', '"share_train"'),
    "`manifest.json`, missing": lambda run: (run / "manifest.json").unlink(),
    "`manifest.json`, laid out otherwise": lay_out,
    "`manifest.json` of a newer version": lambda run: edit(run / "manifest.json", '"version": 1', '"version": 2'),
    "`setup.h5`": lambda run: flip(run / "setup.h5"),
    "`round-NNNN.h5`": lambda run: flip(run / "round-0001.h5"),
    "`round-NNNN.h5`, missing or of another size": lambda run: (run / "round-0001.h5").unlink(),
    "`model-NNNN.h5`, the newest": lambda run: flip(run / "model-0002.h5"),
    "`model-NNNN.h5` of the next round, without it": take_model,
    "`round-NNNN.h5`, the next, whole but not named": take_round,
    "any other `.h5` file that is not named": lambda run: shutil.copy(run / "round-0001.h5", run / "round-0009.h5"),
    "`.tmp-*`": lambda run: (run / ".tmp-round-0003.h5.host.1").write_text("half"),
    "`partial/`, of the round under way": begin_again,
    "`partial/`, of a finished run": leave_partial,
    "`aside/`": put_aside,
}
ELSEWHERE = {"`shared/`", "`prepared/`"}  # not in the run's directory


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    directory = tmp_path_factory.mktemp("reference") / "run"
    engine.run(toy_prepared(EXPERIMENT), directory, KEEPING)
    return directory


def listing(run):
    """Every file but those of claims."""
    paths = [path for path in run.rglob("*") if path.is_file() and not path.parent.name.startswith(".claim-")]
    return {str(path.relative_to(run)): path.read_bytes() for path in paths}


def looped(run, reference):
    """What the loop did about the run, in the table's words."""
    events = []
    names = set(listing(run))
    try:
        engine.run(toy_prepared(EXPERIMENT), run, replace(KEEPING, on_event=events.append))
    except StoreError as error:
        assert str(error).count("\n") == 0
        return "refused"
    assert stored_bytes(run) == stored_bytes(reference)
    notices = [event.text for event in events if isinstance(event, Notice)]
    words = {
        "absent": "counts as absent and is computed anew",
        "moved": "it was not part of the run",
        "adopted": "adopted",
    }
    said = [word for word, part in words.items() if any(part in notice for notice in notices)]
    assert len(said) == len(notices) <= 1
    gone = any(name.startswith((".tmp-", "partial/")) for name in names - set(listing(run)))
    return said[0] if said else "cleared" if gone else "ignored"


def repaired(run):
    """What a repair did, in the table's words."""
    before, rounds = listing(run), json_rounds(run)
    try:
        report = repair(run)
    except StoreError:
        assert listing(run) == before
        return "refused"
    assert verify(run) == []
    if report.anew:
        return "made anew"
    if report.folder:
        return "moved"
    if report.kept > rounds:
        return "adopted"
    return "ignored" if listing(run) == before else "cleared"


def json_rounds(run):
    try:
        return len(Run.open(run).rounds)
    except DamagedStore:
        return 0


def read(run):
    """What reading all of a run gives, in the table's words."""
    try:
        opened = Run.open(run)
    except DamagedStore as error:
        assert listed(run)[0].problem == str(error)
        return "refused"
    assert listed(run)[0].finished == "3 rounds" or len(opened.rounds) == 2
    try:
        list(opened.summaries()), opened.pretrained(), opened.snapshots(opened.rounds[-1])
        for step in opened.manifest.steps():
            opened.read(step, models=True)
    except DamagedStore as error:
        assert str(error).endswith(f"type: biasloop runs repair {run}")
        return "refused by what reads it"
    return "ignored"


@pytest.mark.parametrize("file", HURT)
def test_every_row_of_the_table_in_the_docs_is_so(reference, tmp_path, file):
    for name in ("loop", "verify", "repair", "read"):
        HURT[file](Path(shutil.copytree(reference, tmp_path / name)))
    loop = looped(tmp_path / "loop", reference)
    if file == "`model-NNNN.h5` of the next round, without it":  # the loop goes on and makes it again
        assert not (tmp_path / "loop" / "aside").exists()
        loop = {"ignored": "cleared"}[loop]
    problems = verify(tmp_path / "verify")
    conduct = [loop, "problem" if problems else "ignored", repaired(tmp_path / "repair"), read(tmp_path / "read")]
    assert conduct == table()[file]


def test_the_table_names_every_kind_of_file():
    assert table().keys() == HURT.keys() | ELSEWHERE


def test_shared_and_prepared_data_are_as_the_table_says(tmp_path):
    assert table()["`shared/`"] == ["absent", "ignored", "ignored", "ignored"]
    assert table()["`prepared/`"] == ["absent", "ignored", "ignored", "absent"]
    for name in ("first", "second"):
        events = []
        options = Options(tmp_path / "data", interval=1e9, on_event=events.append)
        engine.run(chain({"rounds": 1}, data=tmp_path / "data"), tmp_path / name, options)
        absent = [event for event in events if isinstance(event, Notice) and "counts as absent" in event.text]
        assert len(absent) == {"first": 0, "second": 3}[name]
        for path in (tmp_path / "data" / "shared").glob("*.h5"):
            flip(path)
        assert verify(tmp_path / name) == []
        assert repair(tmp_path / name).folder is None
        list(Run.open(tmp_path / name).summaries())
    notes = []
    context = Context(tmp_path, Streams((0,)), on_note=notes.append)
    for _ in range(2):
        place = context.prepared("x", lambda made: (made / "x").write_text("content"))
        assert (place / "x").read_text() == "content"
        flip(place / "x")
        prepared._checked.clear()
    assert len(notes) == 1


READERS = {
    "runs show": ("runs", "show", "RUN"),
    "plot": ("plot", "RUN", "--out", "x.svg"),
    "export": ("export", "RUN", "--output", "results"),
    "bound --from": ("bound", "--from", "RUN"),
    "evaluate shares": ("evaluate", "shares", "RUN", "--predicted", "prediction"),
    "evaluate run": ("evaluate", "run", "RUN"),
    "generate": ("generate", "--run", "RUN", "--output", "x.csv"),
    "loop": ("loop", "-p", "toy"),
}


def alter_metric(path):
    """Eight bytes of a value of a metric; the file stays readable, and as long."""
    import h5py

    with h5py.File(path) as file:
        values = file["evaluations/test/metrics/value"]
        where, value = values.id.get_offset(), float(values[0])
    data = bytearray(path.read_bytes())
    assert data[where : where + 8] == struct.pack("<d", value)
    data[where : where + 8] = struct.pack("<d", 0.987654321)
    path.write_bytes(bytes(data))
    with h5py.File(path) as file:
        assert file["evaluations/test/metrics/value"][0] == 0.987654321


def refused(cli, words):
    for name, arguments in READERS.items():
        result = cli(*[str(Path("runs/toy/seed-0")) if each == "RUN" else each for each in arguments])
        assert isinstance(result.exception, DamagedStore), (name, result.exception, result.stdout)
        assert re.search(words, str(result.exception)), name
        assert "0.9876" not in result.output
        assert not Path("x.svg").exists()
        assert not Path("x.csv").exists()
        assert not Path("results").exists()
    assert cli("runs", "verify", "runs/toy").exit_code == 1


def test_every_command_refuses_a_round_whose_content_was_altered(cli):
    cli("loop", "-p", "toy")
    alter_metric(Path("runs/toy/seed-0/round-0003.h5"))
    refused(cli, r"round-0003.h5 was altered: .*; type: biasloop runs repair runs/toy/seed-0$")


def test_every_command_refuses_an_experiment_that_was_edited_and_the_list_goes_on(cli):
    cli("loop", "-p", "toy", "--seeds", "0-1")
    path = Path("runs/toy/seed-0/experiment.toml")
    text = path.read_text()
    path.write_text(text.replace("human = 5", "human = 6"))
    refused(cli, r"experiment.toml was altered after the run began; restore it, .* another --output$")
    result = cli("runs", "repair", "runs/toy/seed-0")
    assert isinstance(result.exception, DamagedStore)
    listed = json.loads(cli("runs", "list", "--json").stdout)
    assert ["was altered" in line["state"] for line in listed] == [True, False]
    assert not Path("runs/toy/seed-0/aside").exists()
    path.write_text(text)
    assert cli("runs", "verify", "runs/toy").exit_code == 0


def test_every_command_refuses_a_manifest_whose_bound_was_edited(cli):
    cli("loop", "-p", "toy")
    edit(Path("runs/toy/seed-0/manifest.json"), '"metric": "share_predicted"', '"metric": "label_error"')
    refused(cli, r"manifest.json was altered: .*; type: biasloop runs repair runs/toy/seed-0$")
    assert "made manifest.json anew" in cli("runs", "repair", "runs/toy/seed-0").stdout
    assert cli("runs", "show", "runs/toy/seed-0").exit_code == 0
    assert cli("loop", "-p", "toy").exit_code == 0
    assert cli("bound", "--from", "runs/toy/seed-0").exit_code == 0
