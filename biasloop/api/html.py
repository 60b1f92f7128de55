"""Tables as notebooks show them; whatever is in a cell is text, never markup."""

import re
from collections.abc import Iterable, Sequence
from html import escape

from biasloop.printable import printable

_CELL = 'style="text-align: {align}; padding: 2px 8px"'
_NUMBER = re.compile(r"[+-]?\d[\d.,]*(e[+-]?\d+)?( %)?( [±\[(/,].*)?|[+-]?∞|\[.*\]")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "") -> str:
    """An HTML table; columns of numbers, with errors or intervals, are aligned to the right.

    Args:
        columns: headers.
        rows: cells, as many a row as there are headers.
        title: the caption.
    """
    cells = [list(row) for row in rows]
    align = ["right" if _numeric([row[index] for row in cells]) else "left" for index in range(len(columns))]
    head = "".join(_cell("th", name, align[index]) for index, name in enumerate(columns))
    body = "".join(
        f"<tr>{''.join(_cell('td', text, align[index]) for index, text in enumerate(row))}</tr>" for row in cells
    )
    caption = f'<caption style="text-align: left">{_text(title)}</caption>' if title else ""
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def heading(shown: object) -> str:
    """What an object says of itself, without the brackets."""
    return repr(shown).translate(str.maketrans("", "", "<>"))


def lines(texts: Iterable[str]) -> str:
    """Sentences, each on a line of its own; nothing without any."""
    return "".join(f"<div>{_text(text)}</div>" for text in texts)


def _cell(tag: str, text: str, align: str) -> str:
    return f"<{tag} {_CELL.format(align=align)}>{_text(text)}</{tag}>"


def _text(text: str) -> str:
    return escape(printable(text))


def _numeric(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell.strip("–")]
    return bool(filled) and all(_NUMBER.fullmatch(cell) for cell in filled)
