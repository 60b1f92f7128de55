"""The tasks of GLUE: fetched from a server, read once, in the published form."""

import io
import zipfile
from dataclasses import replace

import pytest
from support.servers import serving

from biasloop.contract.context import Context
from biasloop.contract.randomness import Streams
from biasloop.datasets import assets, fetch, glue, texts
from biasloop.errors import DownloadError, SomethingToFetch

MNLI = "index\tpromptID\tpairID\tgenre\tsentence1\tsentence2\tlabel1\tgold_label\n"
FILES = {
    texts.MNLI: {
        "MNLI/train.tsv": MNLI + '0\t1\t2\tfiction\tA "quoted start\tÅ\tneutral\tneutral\n'
        "1\t1\t2\tfiction\tc\td\tneutral\tentailment\n",
        "MNLI/dev_matched.tsv": MNLI + "0\t1\t2\tfiction\te\tf\tneutral\tcontradiction\n",
        "MNLI/dev_mismatched.tsv": MNLI + "0\t1\t2\tletters\tg\th\tneutral\tneutral\r\n",
        "MNLI/original/unused.txt": "x",
    },
    texts.QQP: {
        "QQP/train.tsv": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
        "1\t2\t3\tWhy?\tWhy not?\t0\n4\t5\tbroken off\n6\t7\t8\t\tWhat?\t1\n",
        "QQP/dev.tsv": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n9\t9\t9\tWho?\tWhom?\t1\n",
    },
    texts.SST2: {
        "SST-2/train.tsv": "sentence\tlabel\nhide new secretions \t0\na delight \t1\n",
        "SST-2/dev.tsv": "sentence\tlabel\nit 's a charming journey . \t1\n",
    },
}
READ = {
    texts.MNLI: ([('A "quoted start', "Å"), ("c", "d"), ("e", "f"), ("g", "h")], [1, 0, 2, 1]),
    texts.QQP: ([("Why?", "Why not?"), ("", "What?"), ("Who?", "Whom?")], [0, 1, 1]),
    texts.SST2: ([("hide new secretions ",), ("a delight ",), ("it 's a charming journey . ",)], [0, 1, 1]),
}
TASKS = pytest.mark.parametrize("dataset", texts.LABELLED, ids=lambda dataset: dataset.name)


def zipped(files) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def small(dataset, content: bytes, url: str = "https://example.invalid/"):
    """The same data set with as many rows as its small files have."""
    import hashlib

    counts = {part: text.count("\n") - 1 for part, text in FILES[dataset].items() if part in dataset.parts}
    if dataset == texts.QQP:
        counts["QQP/train.tsv"] -= 1  # one row is broken off
    name = dataset.remotes[0].filename
    remotes = assets.remotes((url,), (name, len(content), hashlib.sha256(content).hexdigest()))
    return replace(dataset, parts=counts, remotes=remotes)


def put(dataset, folder, content: bytes):
    """The small data set, as fetched."""
    known = small(dataset, content)
    (folder / dataset.name).mkdir()
    (folder / dataset.name / dataset.remotes[0].filename).write_bytes(content)
    return known


def context(folder) -> Context:
    return Context(folder, Streams((0, "data")))


def rows(frame):
    columns = [frame.columns[name].strings() for name in ("text0", "text1") if name in frame]
    return list(zip(*columns, strict=True)), frame["labels"].tolist()


@TASKS
def test_an_archive_is_fetched_and_read_in_the_order_of_its_parts(dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    content = zipped(FILES[dataset])
    with serving({dataset.remotes[0].filename: content}) as server:
        known = small(dataset, content, f"{server.url}/" if not server.url.endswith("/") else server.url)
        fetch(known, tmp_path)
    assert rows(glue.read(known, context(tmp_path))) == READ[dataset]


@TASKS
def test_published_numbers_of_rows_add_up(dataset):
    assert sum(dataset.parts.values()) == dataset.rows


def test_an_archive_is_read_once_and_then_no_longer_needed(tmp_path):
    known = put(texts.SST2, tmp_path, zipped(FILES[texts.SST2]))
    first = rows(glue.read(known, context(tmp_path)))
    (tmp_path / "sst2" / "SST-2.zip").unlink()
    assert rows(glue.read(known, context(tmp_path))) == first


def test_what_was_not_fetched_is_named_with_its_command(tmp_path):
    need = glue.requirement(texts.QQP, context(tmp_path))
    assert (need.name, need.kind, need.bytes, need.present) == ("qqp", "data", 41_696_084, False)
    with pytest.raises(SomethingToFetch, match="`biasloop fetch qqp` gets it"):
        glue.read(texts.QQP, context(tmp_path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SST-2/dev.tsv": None}, "it lacks SST-2/dev.tsv"),
        ({"SST-2/dev.tsv": "phrase\tlabel\nx\t1\n"}, "SST-2/dev.tsv has no column 'sentence'"),
        ({"SST-2/dev.tsv": "sentence\tlabel\nx\t7\n"}, "line 2 of SST-2/dev.tsv has the label '7'"),
        ({"SST-2/dev.tsv": "sentence\tlabel\nx\t1\ny\t1\n"}, "SST-2/dev.tsv has 2 rows, expected 1"),
        ({"SST-2/dev.tsv": ""}, "SST-2/dev.tsv has no column 'sentence'"),
    ],
)
def test_an_archive_with_other_tables_is_named(tmp_path, changes, message):
    files = {name: text for name, text in (FILES[texts.SST2] | changes).items() if text is not None}
    known = put(texts.SST2, tmp_path, zipped(files))
    with pytest.raises(DownloadError, match=rf"SST-2\.zip is damaged: {message}; `biasloop fetch sst2` gets it anew"):
        glue.read(known, context(tmp_path))


@pytest.mark.parametrize("damage", ["no zip", "cut", "changed", "no UTF-8"])
def test_a_damaged_archive_is_named(tmp_path, damage):
    content = bytearray(zipped(FILES[texts.SST2]))
    if damage == "no zip":
        content[:] = b"x" * len(content)
    elif damage == "cut":
        del content[-40:]
    elif damage == "changed":
        content[60] ^= 0xFF
    else:
        content[:] = zipped(FILES[texts.SST2] | {"SST-2/dev.tsv": b"sentence\tlabel\n\xff\t1\n"})
    known = put(texts.SST2, tmp_path, bytes(content))
    with pytest.raises(DownloadError, match="is damaged: .*; `biasloop fetch sst2` gets it anew"):
        glue.read(known, context(tmp_path))
