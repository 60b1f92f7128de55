"""Text that somebody else wrote: what is too large, too deep or no plain value is refused with its place."""

import os

import pytest

from biasloop.errors import InvalidInput
from biasloop.parsing import DEEPEST, LARGEST, dotted, parse_json, parse_toml, read_text, shown

DEEP = 100_000


def refused(path) -> str:
    with pytest.raises(InvalidInput) as caught:
        parse_toml(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = " + "[" * DEEP + "]" * DEEP, "levels deep"),
        ("a = " + "[" * 50 + "]" * 50, "levels deep"),
        ("a = " + "{a=" * 300 + "1" + "}" * 300, "levels deep"),
        (".".join("a" * DEEP) + " = 1", "levels deep"),
        (f"[{' . '.join('a' * 40)}]", "levels deep"),
        ('"a b".' * 40 + "c = 1", "levels deep"),
        ("a = " + "9" * 5_000, "thousands of digits"),
        ("[loop]\nstart = 9223372036854775808", "loop.start is beyond 64 bits"),
        ("a = 0x" + "f" * 5_000, "a is beyond 64 bits"),
        ("[domain]\nlearning_rate = 1e999999", "domain.learning_rate = inf: expected a finite number"),
        ("a = [1.0, nan]", "a.1 = nan: expected a finite number"),
        ('a = "x\\u0000y"', r'a = "x\u0000y" has a control character'),
        ('a = "\\u001b[31m"', "control character"),
        ('"a\\u0007" = 1', "this key has a control character"),
        ("a = = 1", "not valid TOML"),
        ("a = 1\0", "not valid TOML"),
        ("a = 1 # " + "x" * LARGEST, "bytes"),
    ],
)
def test_a_hostile_file_is_refused_by_a_sentence_that_names_it(tmp_path, text, words):
    path = tmp_path / "hostile.toml"
    path.write_text(text, encoding="utf-8")
    message = refused(path)
    assert message.startswith(str(path))
    assert words in message
    assert len(message) < 1000


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    assert "is a pipe" in refused(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()
    assert "is a directory" in refused(tmp_path / "folder.toml")
    assert "cannot be read: No such file" in refused(tmp_path / "nothing.toml")
    (tmp_path / "binary.toml").write_bytes(b"a = '\xff'")
    assert "is not UTF-8 text: byte 5" in refused(tmp_path / "binary.toml")


def test_the_whole_range_of_plain_values_is_read(tmp_path):
    deep = "a = " + "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)
    text = f'{deep}\nb = [-9223372036854775808, 9223372036854775807, 1e308]\nc = "tab\\tline\\nä"\n"d e" = 1979-05-27'
    path = tmp_path / "fine.toml"
    path.write_text(text, encoding="utf-8")
    values = parse_toml(path)
    assert values["b"] == [-(2**63), 2**63 - 1, 1e308]
    assert values["c"] == "tab\tline\nä"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * DEEP, "levels deep"),
        ('{"a":' * 50 + "1" + "}" * 50, "a.a.a.a nests values"),
        ("9" * 5_000, "thousands of digits"),
        ('{"a": }', "not valid JSON"),
        ("", "not valid JSON"),
    ],
)
def test_hostile_json_is_refused_by_a_sentence_that_names_it(text, words):
    with pytest.raises(InvalidInput, match=words) as caught:
        parse_json(text, "config.json")
    assert str(caught.value).startswith("config.json")


def test_text_of_at_most_the_size_is_read(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"\xef\xbb\xbf12345")
    assert read_text(path, 8) == "12345"
    with pytest.raises(InvalidInput, match="more than 7 bytes"):
        read_text(path, 7)


def test_keys_and_values_in_messages_are_short_and_printable():
    assert dotted(("loop", "a.b", "", "c\x1b", 0)) == r'loop."a.b".""."c\u001b".0'
    assert shown("ä") == '"ä"'
    assert shown("\x1b") == r'"\u001b"'
    assert shown("\udcff") == r'"\udcff"'
    assert len(shown("x" * 10_000)) < 300
    assert shown({1, 2}) == "{1, 2}"


def test_json_of_just_the_most_levels_is_read():
    text = "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1)  # the innermost list is at level 32
    assert parse_json(text, "x") is not None
    with pytest.raises(InvalidInput, match="levels deep"):
        parse_json(f"[{text}]", "x")
