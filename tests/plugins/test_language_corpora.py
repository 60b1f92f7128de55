"""Corpora of the language domain: the published archive, a person's own file, the sentences that are shipped."""

import csv
import gzip
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.archives import tar_gz
from support.language import MEMBER, ROWS, archive, lines, published, put
from support.servers import serving

from biasloop.contract.context import Context
from biasloop.contract.randomness import Streams
from biasloop.datasets import fetch
from biasloop.datasets import sotu as sentences
from biasloop.datasets.texts import SOTU
from biasloop.errors import DownloadError, InvalidInput, SomethingToFetch
from biasloop_language import corpora, realtoxicity, sotu, user_files
from biasloop_language.pairs import Pairs


def context(data) -> Context:
    return Context(data, Streams((0, "data")))


def read(pairs: Pairs) -> list[tuple[str, str]]:
    return list(zip(pairs.prompts.strings(), pairs.continuations.strings(), strict=True))


# --- RealToxicityPrompts


def test_the_archive_is_fetched_and_read_row_by_row(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    content = archive(lines())
    with serving({"realtoxicityprompts-data.tar.gz": content}) as server:
        dataset = published(content, url=server.url)
        (path,) = fetch(dataset, tmp_path, dataset.archive.urls[0])
        assert len(server.asked) == 1
    assert path.name == "realtoxicityprompts-data.tar.gz"
    assert fetch(dataset, tmp_path) == []
    pairs = realtoxicity.read(context(tmp_path), dataset)
    assert read(pairs) == ROWS
    assert pairs.labelled.all()
    assert pairs.empty == 0


def test_the_file_of_prompts_alone_is_fetched_and_says_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    from_archive = realtoxicity.read(context(tmp_path / "a"), put(tmp_path / "a", archive(lines())))
    with serving({"prompts.jsonl": lines(), "realtoxicityprompts-data.tar.gz": b"not asked for"}) as server:
        dataset = published(b"", url=server.url)
        assert not dataset.present(tmp_path)
        (path,) = fetch(dataset, tmp_path)
        assert fetch(dataset, tmp_path) == []
        assert len(server.asked) == 1
    assert path.read_bytes() == lines()
    assert dataset.present(tmp_path)
    pairs = realtoxicity.read(context(tmp_path), dataset)
    assert read(pairs) == ROWS
    assert pairs.fingerprint == from_archive.fingerprint
    path.unlink()
    assert realtoxicity.is_prepared(context(tmp_path), dataset)
    assert read(realtoxicity.read(context(tmp_path), dataset)) == ROWS


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (lines(ROWS[:2]), "prompts.jsonl has 2 lines, expected 3"),
        (lines() + lines(), "prompts.jsonl has 6 lines, expected 3"),
        (lines()[:-60], "line 3 of prompts.jsonl is no prompt and continuation"),
        (b"<html>moved</html>", "an HTML page came"),
    ],
)
def test_what_comes_in_place_of_the_prompts_is_refused_and_the_archive_is_named(tmp_path, monkeypatch, content, why):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving({"prompts.jsonl": content}) as server:
        dataset = published(b"x", url=server.url)
        with pytest.raises(DownloadError, match=why) as refused:
            fetch(dataset, tmp_path)
    command = f"`biasloop fetch realtoxicityprompts --from {dataset.archive.urls[0]}`"
    assert str(refused.value).endswith(f"or take them out of an archive (1 bytes): {command}")
    assert not dataset.present(tmp_path)


def test_an_archive_on_this_machine_is_taken_by_its_path_or_its_directory(tmp_path):
    content = archive(lines())
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "realtoxicityprompts-data.tar.gz").write_bytes(content)
    for number, source in enumerate((stick, stick / "realtoxicityprompts-data.tar.gz")):
        dataset, data = published(content), tmp_path / f"data-{number}"
        fetch(dataset, data, str(source), offline=True)
        assert read(realtoxicity.read(context(data), dataset)) == ROWS


def test_the_archive_is_unpacked_once_and_then_no_longer_needed(tmp_path):
    dataset = put(tmp_path, archive(lines()))
    first = realtoxicity.read(context(tmp_path), dataset)
    assert realtoxicity.is_prepared(context(tmp_path), dataset)
    (tmp_path / dataset.name / dataset.archive.filename).unlink()
    second = realtoxicity.read(context(tmp_path), dataset)
    assert read(second) == ROWS
    assert second.fingerprint == first.fingerprint


def test_another_archive_is_not_taken_for_the_one_that_was_read(tmp_path):
    realtoxicity.read(context(tmp_path), put(tmp_path, archive(lines())))
    (tmp_path / "realtoxicityprompts" / "realtoxicityprompts-data.tar.gz").unlink()
    with pytest.raises(SomethingToFetch):
        realtoxicity.read(context(tmp_path))


def test_damaged_prepared_data_are_made_anew_while_the_archive_is_there(tmp_path):
    dataset = put(tmp_path, archive(lines()))
    realtoxicity.read(context(tmp_path), dataset)
    (file,) = (tmp_path / "prepared").rglob("continuation.npy")

    def hurt():
        content = bytearray(file.read_bytes())
        content[content.index(b"inspector")] ^= 1
        file.write_bytes(content)

    hurt()
    assert read(realtoxicity.read(context(tmp_path), dataset)) == ROWS
    hurt()
    (tmp_path / dataset.name / dataset.archive.filename).unlink()
    with pytest.raises(SomethingToFetch, match="`biasloop fetch realtoxicityprompts`"):
        realtoxicity.read(context(tmp_path), dataset)
    assert not realtoxicity.is_prepared(context(tmp_path), dataset)


def test_an_archive_that_is_not_there_comes_with_its_command(tmp_path):
    with pytest.raises(SomethingToFetch, match="`biasloop fetch realtoxicityprompts`"):
        realtoxicity.read(context(tmp_path))
    assert not list(tmp_path.iterdir())


BROKEN = lines()[: len(lines()) // 2] + b"\n"


@pytest.mark.parametrize(("content", "why"), [
    (archive(lines())[:200], "it does not unpack|it lacks"),
    (b"no archive at all", "it does not unpack"),
    (tar_gz({"other.jsonl": lines()}), f"it lacks {MEMBER}"),
    (archive(lines(ROWS[:2])), "prompts.jsonl has 2 lines, expected 3"),
    (archive(lines(ROWS * 2)), "prompts.jsonl has 6 lines, expected 3"),
    (archive(BROKEN), "line 2 of prompts.jsonl is no prompt and continuation"),
    (archive(lines().replace(b'"continuation"', b'"sequel"')), "line 1 of prompts.jsonl .*continuation"),
    (archive(lines([*ROWS[:2], ("a", None)])), "line 3 of prompts.jsonl"),
])  # fmt: skip
def test_a_damaged_archive_is_named_and_leaves_nothing_prepared(tmp_path, content, why):
    dataset = put(tmp_path, content)
    with pytest.raises(DownloadError, match=f"tar.gz is damaged: ({why}).*`biasloop fetch realtoxicityprompts`"):
        realtoxicity.read(context(tmp_path), dataset)
    assert not realtoxicity.is_prepared(context(tmp_path), dataset)
    assert not list((tmp_path / "prepared").iterdir())


# --- a person's own file


def write(path, records) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def test_json_lines(tmp_path):
    file = tmp_path / "own.jsonl"
    file.write_bytes(
        b'\xef\xbb\xbf{"prompt": "a", "continuation": " b", "other": 3}\r\n'
        b'\n{"continuation": "", "prompt": " c "}\n'
        b'{"prompt": "d\\u2028e"}\n'
        b'   \n{"prompt": "f", "continuation": null}'
    )
    pairs = user_files.read(file)
    assert read(pairs) == [("a", " b"), (" c ", ""), ("d\u2028e", ""), ("f", "")]
    assert pairs.labelled.tolist() == [True, True, False, False]
    assert pairs.empty == 1
    assert pairs.source == str(file)


def test_nested_fields_read_the_published_lines_too(tmp_path):
    file = tmp_path / "prompts.jsonl"
    file.write_bytes(lines())
    assert read(user_files.read(file, "prompt.text", "continuation.text")) == ROWS
    write(file, [{"a.b": "flat", "a": {"b": "deep"}, "c": "d"}])
    assert read(user_files.read(file, "a.b", "c")) == [("flat", "d")]


def test_csv(tmp_path):
    file = tmp_path / "own.csv"
    file.write_text(
        'n,text,sequel\r\n1,"Once, upon"," a ""time""\r\n  it was"\r\n\r\n2,only a model,\r\n',
        encoding="utf-8-sig", newline="",
    )  # fmt: skip
    pairs = user_files.read(file, "text", "sequel")
    assert read(pairs) == [("Once, upon", ' a "time"\r\n  it was'), ("only a model", "")]
    assert pairs.labelled.tolist() == [True, False]


@given(st.lists(st.tuples(st.text(min_size=1), st.none() | st.text()), min_size=1))
def test_json_lines_come_back_as_they_were(tmp_path_factory, rows):
    rows = [("first", " one"), *rows]
    file = tmp_path_factory.mktemp("own") / "own.jsonl"
    records = [{"prompt": a} | ({} if b is None else {"continuation": b}) for a, b in rows]
    write(file, records)
    pairs = user_files.read(file)
    assert read(pairs) == [(a, b or "") for a, b in rows]
    assert pairs.labelled.tolist() == [b is not None for _, b in rows]
    assert pairs.empty == sum(b == "" for _, b in rows)


def test_a_long_cell_is_read(tmp_path):
    file = tmp_path / "own.csv"
    before = csv.field_size_limit()
    file.write_text(f"prompt,continuation\n{'a' * 200_000},b\n")
    assert user_files.read(file).prompts.strings() == ["a" * 200_000]
    assert csv.field_size_limit() == before


GOOD = b'{"prompt": "a", "continuation": "b"}\n'


@pytest.mark.parametrize(("name", "content", "message"), [
    ("x.jsonl", GOOD * 1233 + b'{"prompt": "a"\n',
     r"x\.jsonl, line 1,234: not valid JSON \(Expecting ',' delimiter, at character 15\); expected one object"),
    ("x.jsonl", GOOD + b'["a", "b"]\n', r"x\.jsonl, line 2: expected a JSON object"),
    ("x.jsonl", GOOD + b"[" * 100_000 + b"\n", r"x\.jsonl, line 2: not valid JSON"),
    ("x.jsonl", GOOD + b'{"text": "a", "continuation": "b"}\n',
     r"line 2: there is no field 'prompt' \(found: text, continuation\); .*domain\.corpus\.prompt"),
    ("x.jsonl", GOOD + b'{"prompt": null}\n', "line 2: there is no field 'prompt'"),
    ("x.jsonl", GOOD + b'{"prompt": ""}\n', "line 2: the prompt is empty"),
    ("x.jsonl", GOOD + b'{"prompt": 7}\n', "line 2: the field 'prompt' is 7, expected text"),
    ("x.jsonl", b'{"prompt": "a", "continuation": ["b"]}\n', r"line 1: the field 'continuation' is \[\"b\"\]"),
    ("x.jsonl", b'{"prompt": "ab\\ud800"}\n', "line 1: character 3 of 'prompt' is half of a surrogate pair"),
    ("x.jsonl", b'{"prompt": "a", "sequel": "b"}\n{"prompt": "c"}\n',
     r"no row of .*x\.jsonl has a continuation in the field 'continuation' \(found: prompt, sequel\)"),
    ("x.jsonl", GOOD + b'\n{"prompt": "caf\xe9"}\n', r"line 3: byte 16 \(0xe9\) is not UTF-8 text"),
    ("x.jsonl", b'{"prompt": "a", "continuation": ""}\n{"prompt": "c"}\n',
     r"every continuation of .*x\.jsonl is empty, .*'continuation', or name another field with domain\.corpus"),
    ("x.jsonl", b"", r"x\.jsonl has no rows"),
    ("x.jsonl", b"\n  \n", r"x\.jsonl has no rows"),
    ("x.csv", b"", r"x\.csv has no rows"),
    ("x.csv", b"prompt,continuation\n", r"x\.csv has no rows"),
    ("x.csv", b"prompt,continuation\na,b\n\nc, well, d\n", r"x\.csv, line 4: 3 values in 2 columns; .*quotes"),
    ("x.csv", b"prompt,continuation\na\n", r"x\.csv, line 2: 1 values in 2 columns"),
    ("x.csv", b'prompt,continuation\n"a"b,c\n', r"x\.csv, line 2: not valid CSV"),
    ("x.csv", b'prompt,continuation\n"a,c\n', r"x\.csv, line 2: not valid CSV"),
    ("x.csv", b"prompt,prompt\na,b\n", r"x\.csv, line 1: two columns are called 'prompt'"),
    ("x.csv", b"text,continuation\na,b\n", r"line 2: there is no field 'prompt' \(found: text, continuation\)"),
    ("x.csv", b"prompt,continuation\n,b\n", "line 2: the prompt is empty"),
    ("x.csv", b"prompt\na\n", r"no row of .*x\.csv has a continuation in the field 'continuation' \(found: prompt\)"),
    ("x.csv", b"prompt,continuation\na,b\ncaf\xe9,d\n", r"x\.csv, line 3: byte 4 \(0xe9\) is not UTF-8 text"),
    ("x.txt", b"a\n", r"x\.txt: expected a corpus in a file that ends in \.jsonl or \.csv"),
])  # fmt: skip
def test_what_is_wrong_is_said_with_file_and_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=message) as error:
        user_files.read(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(InvalidInput, match=r"x\.jsonl cannot be read: No such file"):
        user_files.read(tmp_path / "x.jsonl")


# --- State of the Union


@pytest.fixture(scope="module")
def published_sentences() -> list[tuple[int, str]]:
    with gzip.open(SOTU.shipped, "rt", encoding="utf-8") as stream:
        rows = [line.rstrip("\n").split("\t") for line in stream]
    return [(int(year), sentence.strip()) for year, sentence in rows]


@pytest.mark.parametrize("from_year", [1790, 1945, 2021])
def test_every_sentence_is_in_one_part_and_its_copies_are_in_the_same(published_sentences, from_year):
    loop, apart = sotu.read("loop", from_year).texts(), sotu.read("pretraining", from_year).texts()
    expected = [sentence for year, sentence in published_sentences if year >= from_year]
    assert sorted(loop + apart) == sorted(expected)
    ours, different = set(loop), len(set(expected))
    assert not ours & set(apart)
    assert abs(len(ours) - different / 2) < 5 * different**0.5 / 2  # five standard deviations of a fair coin
    assert [text for text in expected if text in ours] == loop


def test_there_are_copies_and_as_many_sentences_as_published(published_sentences):
    assert len(published_sentences) == SOTU.rows
    assert len(set(published_sentences)) < len(published_sentences)


def test_the_prompt_is_half_of_the_words_rounded_up():
    pairs = sotu.read("loop", 2000)
    assert pairs.labelled.all()
    assert pairs.empty == 0
    for prompt, continuation in read(pairs):
        head, tail = prompt.split(), continuation.split()
        assert len(head) - len(tail) in {0, 1}
        assert continuation[0] == " "
        assert continuation[1] != " "
        assert prompt == prompt.strip()


def test_the_parts_never_change():
    """Runs that are resumed, and runs with other seeds, have the same parts."""
    assert (digest("loop"), digest("pretraining")) == ("25e51708f958fbec", "20efccd224adfa12")


def digest(part) -> str:
    return hashlib.sha256("\n".join(sotu.read(part, 1790).texts()).encode()).hexdigest()[:16]


def test_a_year_after_the_last_is_refused():
    with pytest.raises(InvalidInput, match=r"domain\.corpus\.from_year is 2022; the addresses are of 1790 to 2021"):
        sotu.read("loop", 2022)


def test_a_damaged_file_is_named(tmp_path, monkeypatch):
    file = tmp_path / "sentences.tsv.gz"
    monkeypatch.setattr(sentences, "SOTU", replace(SOTU, shipped=file))
    with pytest.raises(DownloadError, match="which comes with biasloop, is not there; reinstall biasloop"):
        sotu.read("loop")
    for content in (SOTU.shipped.read_bytes()[:9999], b"no gzip", gzip.compress(b"1945 no tab\n")):
        file.write_bytes(content)
        with pytest.raises(DownloadError, match=r"sentences\.tsv\.gz is damaged: .*; reinstall biasloop"):
            sotu.read("loop")


# --- by name


def settings(data, **corpus):
    options = {"from_year": 1945, "prompt": "prompt", "continuation": "continuation", **corpus}
    return SimpleNamespace(data=data, corpus=SimpleNamespace(**options))


def test_sources_by_name(tmp_path, monkeypatch):
    here = context(tmp_path)
    source = corpora.source(settings("sotu", from_year=2021), here)
    assert source.requirements() == []
    assert source.read().fingerprint == sotu.read("loop", 2021).fingerprint
    assert source.pretraining().fingerprint == sotu.read("pretraining", 2021).fingerprint
    write(tmp_path / "own.jsonl", [{"q": "a", "answer": "b"}])
    monkeypatch.chdir(tmp_path)
    source = corpora.source(settings("own.jsonl", prompt="q", continuation="answer", from_year=2021), here)
    assert source.requirements() == []
    assert read(source.read()) == [("a", "b")]
    assert len(source.pretraining()) > 100
    with pytest.raises(InvalidInput, match=r"'none\.csv', and there is no such file"):
        corpora.source(settings("none.csv"), here).check()
    with pytest.raises(InvalidInput, match='domain.data is \'wikitext\'; expected "realtoxicityprompts", "sotu", or'):
        corpora.source(settings("wikitext"), here)


def test_requirements_of_the_published_corpus(tmp_path, monkeypatch):
    source = corpora.source(settings("realtoxicityprompts"), context(tmp_path))
    (need,) = source.requirements()
    assert (need.name, need.kind, need.bytes, need.present) == ("realtoxicityprompts", "data", 67_700_000, False)
    assert need.command == "biasloop fetch realtoxicityprompts"
    monkeypatch.setattr(realtoxicity, "is_prepared", lambda _: True)
    assert source.requirements()[0].present
    assert len(source.pretraining()) > 1000


# --- pairs


def test_fingerprints_tell_contents_apart():
    made = [
        Pairs.of(["a", "bc"], ["d", "e"], "x"),
        Pairs.of(["ab", "c"], ["d", "e"], "x"),
        Pairs.of(["a", "bc"], ["de", ""], "x"),
        Pairs.of(["a", "bc"], ["de", None], "x"),
        Pairs.of(["a", "b"], ["cd", "e"], "x"),
    ]
    assert len({pairs.fingerprint for pairs in made}) == len(made)
    assert made[0].fingerprint == Pairs.of(["a", "bc"], ["d", "e"], "y").fingerprint
    assert all(len(pairs.fingerprint) == 32 for pairs in made)


def test_rows_are_taken_with_their_marks():
    pairs = Pairs.of(["a", "b", "c"], [" x", None, ""], "x")
    taken = pairs.take(np.array([2, 1]))
    assert read(taken) == [("c", ""), ("b", "")]
    assert taken.labelled.tolist() == [True, False]
    assert taken.empty == 1
    assert pairs.texts() == ["a x", "b", "c"]
    with pytest.raises(ValueError, match="one continuation"):
        Pairs(pairs.prompts, taken.continuations, pairs.labelled, "x")


def test_reading_a_corpus_imports_no_torch_and_no_transformers():
    heavy = ["torch", "transformers", "tokenizers"]
    code = f"import sys, biasloop_language.corpora; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
