"""Markdown that reads the same on a forge and in the site."""

import re
from collections.abc import Iterable, Sequence

MADE = "<!-- Made by `make references` from the program itself; do not edit. -->\n\n"
"""How a generated page begins."""


def prose(text: str) -> str:
    """A description as words of a page: nothing of it is taken for markup but code in backticks."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else _escaped(part) for part in parts)


def _escaped(text: str) -> str:
    return re.sub(r"([*\[\]])", r"\\\1", text).replace("<", "&lt;").replace(">", "&gt;")


def code(text: str) -> str:
    """Words as code; nothing of nothing."""
    return f"`{text}`" if text else ""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table without the columns that are empty in all rows; bars within cells are escaped."""
    filled = [[cell.replace("|", "\\|").strip() for cell in row] for row in rows]
    used = [at for at in range(len(columns)) if any(row[at] for row in filled)]
    lines = [[columns[at] for at in used], *([row[at] for at in used] for row in filled)]
    written = [f"| {' | '.join(line)} |\n" for line in lines]
    return "".join([written[0], f"|{'---|' * len(used)}\n", *written[1:], "\n"])


def heading(level: int, text: str) -> str:
    """A heading of a page."""
    return f"{'#' * level} {text}\n\n"


def block(lines: Iterable[str]) -> str:
    """Commands or the like, to be copied as they stand."""
    return "".join(f"    {line}\n" if line else "\n" for line in lines) + "\n"
