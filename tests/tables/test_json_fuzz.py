"""JSON lines of every kind of damage: read as the standard library reads each line, or refused with the line."""

import json
import random
from pathlib import Path

import pytest

from biasloop.errors import InvalidInput
from biasloop.tables import Format, open_table
from biasloop.tables import content as module
from biasloop.tables.json_rows import text_of

VALUES = [
    "1", "1.0", "-0.0", "1e3", "0.25", "1e400", "true", "false", "null",
    '"a"', '"é:"', '"\\u00e9"', '"\\ud800"', '""', "NaN", "-Infinity",
    "123456789012345678901234567890", "[1]", '{"g": "f"}', '{"g": {"h": 1}}', "[" * 300, '"', "01", "1 2",
    "9" * 5000, "{}", '"{a}"',
]  # fmt: skip
WEIGHTS = [9] * 6 + [9, 9, 4, 20, 9, 4, 1, 4, 1, 1, 1, 1, 2, 2, 1, 1, 1, 1, 1, 2, 4]


def written(rng: random.Random) -> bytes:
    lines = []
    weights = WEIGHTS if rng.random() < 0.5 else [weight if weight > 2 else 0 for weight in WEIGHTS]
    for _ in range(rng.randint(0, 10)):
        keys = rng.sample(["y", "p", "a", "meta", "m.g"], rng.randint(1, 4))
        keys = [*keys, rng.choice(keys)] if rng.random() < 0.02 else keys
        pairs = [f'"{key}":{rng.choice(["", " "])}{rng.choices(VALUES, weights)[0]}' for key in keys]
        lines.append("" if rng.random() < 0.05 else "{" + ", ".join(pairs) + "}")
    text = rng.choice(["\n", "\n", "\n", "\r\n"]).join(lines) + rng.choice(["", "\n", "\n\n"])
    if text and rng.random() < 0.2:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(['"', "\n", "{", "}", ",", "[", ":", "\\", "\0"]) + text[at + rng.randint(0, 1) :]
    return rng.choice([b"", b"", b"\xef\xbb\xbf"]) + text.encode()


def once(pairs):
    if len(dict(pairs)) < len(pairs):
        raise ValueError
    return dict(pairs)


def parsed(data: bytes) -> list[dict] | None:
    """Rows, or None where a line is no object."""
    rows = []
    for line in data.decode("utf-8-sig").split("\n"):
        if line.strip(" \t\r\n"):
            try:
                row = json.loads(line, object_pairs_hook=once)
            except (ValueError, RecursionError):
                return None
            if not isinstance(row, dict):
                return None
            rows.append(row)
    return rows if "\0" not in data.decode() else None


def column(rows, name):
    """What a column's values are as text; None where one is no single value, or no text."""
    path = name.split(".")
    texts = []
    for row in rows:
        value = row.get(name)
        if name not in row and len(path) > 1:
            value = row.get(path[0])
            value = value.get(path[1]) if isinstance(value, dict) else None
        try:
            texts.append(text_of(value))
            (texts[-1] or "").encode()
        except (TypeError, UnicodeEncodeError):
            return None
    return texts


def check(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    rows = parsed(data)
    ends = set()
    for name in ("y", "meta", "meta.g", "m.g"):
        right = column(rows, name) if rows else None
        try:
            read = open_table(path, Format("jsonl")).lazy([name]).collect()["c0"].to_list()
        except InvalidInput as error:
            gone = right is not None and all(text is None for text in right)
            assert right is None or gone, (name, data, error)
            assert rows is None or not rows or gone or ", line " in str(error), error
            ends.add("refused")
        else:
            assert read == right, (name, data)
            ends.add("read")
    return "read" if "read" in ends else "refused"


def fuzzed(place: Path, tries: int) -> None:
    rng = random.Random("json tables")
    ends = [check(place / "t.jsonl", written(rng)) for _ in range(tries)]
    assert min(ends.count("read"), ends.count("refused")) > tries / 10


@pytest.mark.parametrize("block", [40, module.BLOCK])
def test_json_lines_are_read_rightly_or_refused(tmp_path, monkeypatch, block):
    monkeypatch.setattr(module, "BLOCK", block)
    fuzzed(tmp_path, 100)


@pytest.mark.slow
def test_many_json_lines_are_read_rightly_or_refused(tmp_path, monkeypatch):
    fuzzed(tmp_path, 1500)
    monkeypatch.setattr(module, "BLOCK", 40)
    fuzzed(tmp_path, 500)
