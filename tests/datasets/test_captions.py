"""Captions stay exactly as they are, and keys are row numbers or those given."""

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.datasets.captions import opened, read
from biasloop.errors import InvalidInput

HARD = [
    "a\ttab",
    "a line\u2028separator",
    "next\x85line",
    "vertical\x0btab",
    "0#hash # twice",
    "",
    " ends in blanks ",
    "ü😀",
]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def tsv(path, captions, before=""):
    path.write_text(before + "".join(f"{text}\thttp://a/{row}\n" for row, text in enumerate(captions)), newline="")
    return path


def test_captions_of_a_tsv_are_kept_exactly_and_keys_are_row_numbers(tmp_path):
    path = tsv(tmp_path / "train.tsv", HARD)
    assert list(read(path)) == list(enumerate(HARD))
    assert opened(path).note == ""


def test_the_header_of_a_tool_shifts_no_key(tmp_path):
    plain, headed = tsv(tmp_path / "a.tsv", HARD), tsv(tmp_path / "b.tsv", HARD, "caption\turl\n")
    assert list(read(headed)) == list(read(plain))
    assert opened(headed).digest == opened(plain).digest
    assert "caption<TAB>url" in opened(headed).note


def test_a_caption_that_is_called_caption_is_no_header(tmp_path):
    path = tsv(tmp_path / "a.tsv", ["caption", "x"])
    assert [text for _, text in read(path)] == ["caption", "x"]


@settings(max_examples=30, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=5), st.booleans())
def test_captions_of_json_and_parquet_are_kept_exactly(tmp_path_factory, captions, given_keys):
    folder = tmp_path_factory.mktemp("captions")
    keys = [7 * row + 3 for row in range(len(captions))] if given_keys else list(range(len(captions)))
    rows = [{"caption": text} | ({"key": key} if given_keys else {}) for key, text in zip(keys, captions, strict=True)]
    (folder / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    pl.DataFrame(rows).write_parquet(folder / "a.parquet")
    expected = list(zip(keys, captions, strict=True))
    assert list(read(folder / "a.jsonl")) == expected
    assert list(read(folder / "a.parquet")) == expected
    assert opened(folder / "a.jsonl").digest == opened(folder / "a.parquet").digest


def test_keys_may_be_digits_as_shards_have_them(tmp_path):
    pl.DataFrame({"key": ["000000017", "000010002"], "caption": ["a", "b"]}).write_parquet(tmp_path / "a.parquet")
    assert list(read(tmp_path / "a.parquet")) == [(17, "a"), (10_002, "b")]


def test_shards_are_cut_from_the_start(tmp_path):
    captions = opened(tsv(tmp_path / "a.tsv", [f"caption {row}" for row in range(7)]))
    assert captions.count == 7
    shards = dict(captions.shards(3))
    assert {number: [key for key, _ in rows] for number, rows in shards.items()} == {0: [0, 1, 2], 1: [3, 4, 5], 2: [6]}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.tsv", "no tab\n", "line 1: expected a caption, a tab"),
        ("a.tsv", "caption\turl\nx\ty\n\n", "line 3"),
        ("a.tsv", "", "no captions"),
        ("a.tsv", b"\xff\ty\n", "no UTF-8"),
        ("a.jsonl", '{"key": 5, "caption": "x"}\n{"key": 6, "caption": "y"}\n{"key": 5, "caption": "z"}\n',
         r"key 5 is given twice \(rows 1 and 3\)"),
        ("a.jsonl", '{"key": 5, "caption": "x"}\n{"caption": "y"}\n', "line 2: some rows have a `key`"),
        ("a.jsonl", '{"key": -5, "caption": "x"}\n', "no whole number"),
        ("a.jsonl", '{"key": true, "caption": "x"}\n', "no whole number"),
        ("a.jsonl", '{"caption": 3}\n', "line 1: expected an object"),
        ("a.jsonl", '{"caption": "\\ud800"}\n', "surrogate"),
        ("a.jsonl", "{\n", "no JSON"),
        ("a.parquet", "PAR1", "cannot be read as Parquet"),
        ("a.csv", "x", ".tsv"),
    ],
)  # fmt: skip
def test_what_is_no_caption_is_refused_by_its_row(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidInput, match=words):
        opened(path)


def test_a_parquet_file_needs_a_caption_in_each_row(tmp_path):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"caption": ["x", None]}).write_parquet(path)
    with pytest.raises(InvalidInput, match="row 2: it has no caption"):
        opened(path)
    pl.DataFrame({"text": ["x"]}).write_parquet(path)
    with pytest.raises(InvalidInput, match="column `caption`"):
        opened(path)
    with pytest.raises(InvalidInput, match="missing"):
        opened(tmp_path / "missing.tsv")


def test_blank_lines_of_json_count_as_no_row_and_mistakes_keep_their_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('\n{"caption": "x"}\n  \n{"caption": "y"}\n\n')
    assert list(read(path)) == [(0, "x"), (1, "y")]
    path.write_text('\n{"caption": "x"}\n\n{"caption": 3}\n')
    with pytest.raises(InvalidInput, match="line 4: expected an object"):
        list(read(path))
