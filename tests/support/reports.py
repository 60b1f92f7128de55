"""Pages of reports, read as anybody's HTML: elements, attributes, text, and tables with their cells."""

import base64
import csv
import gzip
import io
from dataclasses import dataclass, field
from html.parser import HTMLParser

HOSTILE = "</style><script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}\x1b[2J\u202e&amp;"
"""What a summary, a label or a name may hold that somebody wrote who means harm."""

EMPTY = {"meta", "img", "br", "link", "input", "hr"}


@dataclass
class Table:
    """A table's cells as text."""

    caption: str = ""
    head: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)

    def column(self, name: str) -> list[str]:
        """The cells below a head."""
        return [row[self.head.index(name)] for row in self.rows]


class Page(HTMLParser):
    """What a page holds.

    Attributes:
        elements: tags with their attributes, in order.
        tables: in order.
        text: of all that is shown, each piece apart.
        unclosed: tags that were opened and not closed, or closed and not open.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[Table] = []
        self.text: list[str] = []
        self.unclosed: list[str] = []
        self._open: list[str] = []
        self._cells: list[str] = []
        self.feed(html)
        self.close()
        self.unclosed += self._open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self._open.append(tag)
        if tag == "table":
            self.tables.append(Table())
        elif tag == "tr" and "tbody" in self._open:
            self.tables[-1].rows.append([])
        elif tag in {"td", "th"}:
            cells = self.tables[-1].rows[-1] if "tbody" in self._open else self.tables[-1].head
            cells.append("")

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.unclosed.append(f"/{tag}")

    def handle_data(self, data):
        if {"script", "style"} & set(self._open):
            return
        self.text.append(data)
        if "table" not in self._open:
            return
        table, cell = self.tables[-1], {"td", "th"} & set(self._open)
        if "caption" in self._open:
            table.caption += data
        elif cell and "tbody" in self._open:
            table.rows[-1][-1] = (table.rows[-1][-1] + data).strip()
        elif cell:
            table.head[-1] = (table.head[-1] + data).strip()

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of the elements of a tag."""
        return [attributes for name, attributes in self.elements if name == tag]

    def table(self, *heads: str) -> Table:
        """The first table that has these heads."""
        return next(table for table in self.tables if set(heads) <= set(table.head))

    def file(self, ending: str) -> list[dict[str, str]]:
        """The rows of the CSV file that can be saved under a name of that ending."""
        (link,) = [a for a in self.named("a") if (a.get("download") or "").removesuffix(".gz").endswith(ending)]
        _, _, encoded = str(link["href"]).partition(";base64,")
        data = base64.b64decode(encoded)
        text = (gzip.decompress(data) if str(link["download"]).endswith(".gz") else data).decode()
        return list(csv.DictReader(io.StringIO(text)))
