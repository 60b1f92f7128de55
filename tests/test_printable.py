import pytest

from biasloop.printable import printable, printable_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\rb\x08", r"a\rb\x08"),
        ("\x9b2J\x85\x7f\x00", r"\x9b2J\x85\x7f\x00"),
        ("\u202egnp.exe\u202c", r"\u202egnp.exe\u202c"),
        ("\u2066x\u2069\u200f\u061c", r"\u2066x\u2069\u200f\u061c"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("half \ud800", r"half \ud800"),
    ],
)
def test_what_a_terminal_obeys_is_spelt_out(text, shown):
    assert printable(text) == printable_lines(text) == shown
    assert printable(text).isprintable()


@pytest.mark.parametrize("text", ["", "plain", "Ünïcödé – ± ∞ 中文 😀", "שלום", "👩‍🔬", "C:\\x1b"])
def test_every_other_text_is_shown_as_it_is(text):
    assert printable(text) == printable_lines(text) == text


def test_lines_and_tabs_stay_where_text_has_lines():
    assert printable_lines("a\n  b\tc\r\n") == "a\n  b\tc\\r\n"
    assert printable("a\n  b\tc") == r"a\n  b\tc"
