"""Notes on a terminal: whole words, whole commands."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biasloop.report.wrapping import for_stream, wrapped

WORDS = st.lists(st.text("abc-/.", min_size=1, max_size=12), min_size=1, max_size=30)


@given(WORDS, st.integers(20, 80))
def test_words_stay_whole_and_in_order_and_lines_are_no_wider(words, width):
    lines = wrapped(" ".join(words), width).split("\n")
    assert [word for line in lines for word in line.split()] == words
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize(
    "command",
    ["`biasloop loop --preset mine --seeds 0-9`", "biasloop fetch cifar10 --from elsewhere", "runs/" + "x" * 60],
)
def test_what_is_copied_is_never_broken(command):
    lines = wrapped(f"some words that stand before it: {command}; and some that stand behind it", 24).split("\n")
    assert any(command in line for line in lines)
    assert all(len(line) <= 24 for line in lines if command not in line)


def test_lines_of_their_own_stay_so():
    command = "  biasloop loop --preset quickstart --seeds 0-9 --jobs 2"
    assert wrapped(f"to run them:\n{command}", 20).split("\n")[-1] == command


def test_only_a_terminal_has_a_width(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "20")
    text = "some words that are more than fit"
    assert for_stream(text, Terminal()) == "some words that are\nmore than fit"
    assert for_stream(text, io.StringIO()) == text
