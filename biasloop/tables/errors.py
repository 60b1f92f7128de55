"""What is wrong with a table, and on which line."""

from __future__ import annotations

from biasloop.errors import InvalidInput

_VERBS = ("is ", "has ", "holds ", "begins ", "cannot ")


class BadTable(InvalidInput):
    """A file is no table, or not the one that was expected.

    Attributes:
        what: the sentence without the file's name.
        line: of the file, from 1; None where no line is at fault.
    """

    def __init__(self, name: object, what: str, line: int | None = None) -> None:
        self.what = what if line is None else f"line {line:,}: {what}"
        self.line = line
        joint = " " if what.startswith(_VERBS) else ": "
        super().__init__(f"{name}{joint}{what}" if line is None else f"{name}, line {line:,}: {what}")
