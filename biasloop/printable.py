"""Text that a terminal shows as it is and never obeys: what comes from files, names and settings may hold anything."""

import re

# C0, DEL and C1 move the cursor, clear the screen and rename the window; U+2028 and U+2029 break lines; the rest of
# these turn the direction of what follows, so that it reads as something else; half a surrogate pair cannot be written.
_CONTROLS = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_EVERY = re.compile(f"[{_CONTROLS}]")
_BUT_LINES = re.compile(f"(?![\n\t])[{_CONTROLS}]")


def printable(text: str) -> str:
    r"""The text on one line, with what a terminal would obey spelt out: `\x1b`, `\n`, `\u202e`."""
    return text if text.isascii() and text.isprintable() else _EVERY.sub(_spelt, text)


def printable_lines(text: str) -> str:
    """The same, for text that has lines of its own: line feeds and tabs stay."""
    return text if text.isascii() and text.isprintable() else _BUT_LINES.sub(_spelt, text)


def _spelt(character: re.Match[str]) -> str:
    return character[0].encode("unicode_escape").decode()
