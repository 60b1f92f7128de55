"""Figures as elements of a page: what `biasloop plot` draws, in colours that follow the page's."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from biasloop.errors import InvalidInput
from biasloop.printable import printable_lines
from biasloop.report.arms import Arm
from biasloop.report.figures import canvas, lines, of_runs
from biasloop.report.figures.panels import Band, Panel
from biasloop.report.figures.undrawn import Undrawn
from biasloop.report.html.plain import PAGE_ALONE
from biasloop.report.html.results import series_of
from biasloop.report.unnamed import stand_ins
from biasloop.store.reader import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ARMS = 12
"""Lines that a figure has room for; the tables have all."""

_SCALE = 1.35  # of the size on paper: a screen is farther away
_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_TAGS = re.compile("svg|g|defs|path|clipPath|rect|use|text|tspan|pattern|polygon")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
_REFERENCE = re.compile(r"url\(#([^)]*)\)")
_FONT = re.compile(r"'DejaVu Sans'")
# What the page knows under a name of its own, so that it is another one on a dark ground.
_NAMED = {
    "#ffffff": "paper", "#000000": "ink", lines.GREY: "grey", lines.LIGHT_GREY: "light-grey", lines.SHADE: "shade",
    "#e8e8e8": "grid", lines.GREEN: "green", lines.HUES[0]: "blue", lines.HUES[1]: "red", lines.HUES[2]: "purple",
}  # fmt: skip
_VARIABLES = {colour.lower(): f"var(--figure-{name})" for colour, name in _NAMED.items()}


@dataclass(frozen=True)
class Drawing:
    """A figure.

    Attributes:
        title: what it shows.
        svg: an element `<svg>`.
        note: what is left out of it, or has to be known of it.
        wide: whether it has several panels beside each other.
    """

    title: str
    svg: str = field(metadata=PAGE_ALONE)
    note: str = ""
    wide: bool = field(default=False, metadata=PAGE_ALONE)


@dataclass
class Numbering:
    """Numbers of the figures of a page, so that no two parts of it have one id."""

    drawn: int = 0

    def prefix(self) -> str:
        """Begins the ids of the next figure."""
        self.drawn += 1
        return f"f{self.drawn}-"


def drawings(runs: Sequence[Run], arms: Sequence[Arm], quality: Sequence[str], numbering: Numbering) -> list[Drawing]:
    """What `biasloop plot` draws of runs, and metrics of quality by round beside it.

    Args:
        runs: with a finished round each.
        arms: the same.
        quality: metrics that are drawn too, as far as there are rounds to see them over.
        numbering: of the page.
    """
    made = []
    shown, note = list(arms[:MOST_ARMS]), ""
    labels = [arm.label for arm in shown]
    if len(arms) > MOST_ARMS:
        note = f"The first {MOST_ARMS} of {len(arms)} arms are drawn; the tables have all."
    try:
        made.append(_main(runs, shown, note, numbering))
    except Undrawn as error:  # its preset names nothing that could be drawn
        made.append(Drawing("", "", f"There is no figure: {error.why}; set [plot] series in the preset."))
    except InvalidInput as error:
        made.append(Drawing("", "", f"There is no figure: {error}."))
    section, drawn = arms[0].runs[0].bound_section, [*series_of(runs[0]), *stand_ins(arms)]
    beside = [name for name in quality if name not in drawn and (section is None or name != section.metric)]
    for name in beside if max(arm.rounds for arm in arms) > 1 else []:
        measured = [arm for arm in shown if any(run.has(name) for run in arm.runs)]
        if not measured:
            continue
        try:
            by_round = of_runs.by_round(measured, name)
        except InvalidInput:  # null throughout
            continue
        title = of_runs.axis_label(runs[0], name)
        made.append(draw([by_round.panels], by_round.label, numbering, title=title, labels=labels))
    return made


def _main(runs: Sequence[Run], shown: Sequence[Arm], note: str, numbering: Numbering) -> Drawing:
    unless_named = stand_ins(shown)
    against = of_runs.against_setting(runs, None, None, [], unless_named)
    if against is not None:
        title = f"By {against.x_label[:1].lower()}{against.x_label[1:]}"
        return draw([against.panels], "", numbering, title=title, x_label=against.x_label)
    by_round = of_runs.by_round(shown, None, unless_named)
    left_out = f"No round has a value of {', '.join(by_round.left_out)}." if by_round.left_out else ""
    notes = " ".join(part for part in (note, left_out, by_round.note and f"{by_round.note}.") if part)
    titles = dict.fromkeys([by_round.label, *(panel.y_label for panel in by_round.panels)])
    title = "; ".join(part.replace("\n", " ") for part in titles if part)
    return draw([by_round.panels], by_round.label, numbering, title=title, note=notes)


def published(figure: of_runs.Figure, name: str, numbering: Numbering) -> Drawing:
    """A published figure of which some runs are there."""
    layout = figure.layout
    left_out = f"No run has what these show: {', '.join(figure.left_out)}." if figure.left_out else ""
    notes = [f"{part}." for part in (layout.source, layout.certainty) if part]
    return draw(
        figure.rows, layout.y_labels or "", numbering, title=layout.title or name, x_label=layout.x_label,
        note=" ".join([*notes, *([left_out] if left_out else [])]), band=figure.band,
    )  # fmt: skip


def draw(
    rows: Sequence[Sequence[Panel]],
    y_label: str | Sequence[str],
    numbering: Numbering,
    *,
    title: str,
    x_label: str = "Feedback round",
    note: str = "",
    band: Band = "interval",
    labels: Sequence[str] = (),
) -> Drawing:
    """Panels as `biasloop.report.figures.canvas.draw` lays them out, as an element of a page.

    Args:
        rows: of panels.
        y_label: of all rows, or of each.
        numbering: of the page.
        title: what it is called where it cannot be seen.
        x_label: of all.
        note: what stands below it.
        band: around lines.
        labels: of all lines of the page, which have one colour each in all of its figures.

    Raises:
        InvalidInput: there is nothing to draw.
    """
    rows = _narrow(rows)
    if not rows or not all(rows):
        raise InvalidInput("there is nothing to draw")
    y_labels = [y_label] * len(rows) if isinstance(y_label, str) else list(y_label)
    panels = [panel for row in rows for panel in row]
    with canvas.style():
        import matplotlib as mpl

        mpl.rcParams["svg.fonttype"] = "none"  # text stays text: found, copied, read aloud
        figure, axes = canvas.grid(rows)
        looks = lines.looks_of(panels, labels)
        for panel, ax in zip(panels, axes, strict=True):
            lines.draw_panel(ax, panel, looks, band)
        entries = lines.legend_entries(panels, looks, band, "bound", "baseline")
        canvas.annotate(figure, axes, rows, y_labels, x_label, "", entries)
        figure.draw_without_rendering()
        for panel, ax in zip(panels, axes, strict=True):
            lines.mark_initial_error(ax, panel, figure.dpi)
        return Drawing(title, _svg(figure, numbering.prefix(), title), note, len(max(rows, key=len)) > 1)


def _narrow(rows: Sequence[Sequence[Panel]]) -> list[list[Panel]]:
    """Rows of three panels at most, where a layout has one row alone: a page is as wide as a sheet of paper."""
    if len(rows) != 1 or len(rows[0]) <= 3:
        return [list(row) for row in rows]
    row = [replace(panel, y_label=panel.y_label) for panel in rows[0]]
    wide = 2 if len(row) == 4 else 3
    return [row[start : start + wide] for start in range(0, len(row), wide)]


def _svg(figure: Figure, prefix: str, title: str) -> str:
    """A figure as an element: ids with a prefix, colours by name, nothing that is not drawn."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):  # with control characters it is no XML
        text.set_text(printable_lines(text.get_text()))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    ElementTree.register_namespace("", _SVG[1:-1])
    root = ElementTree.fromstring(buffer.getvalue())  # noqa: S314 # of the line above
    _clean(root, prefix)
    name = ElementTree.Element(f"{_SVG}title")
    name.text = title
    root.insert(0, name)
    root.set("role", "img")
    for size in ("width", "height"):
        root.attrib.pop(size, None)  # as wide as the page has room, by its viewBox
    drawn = "stroke-linejoin:round;stroke-linecap:butt;fill:var(--figure-ink)"
    root.set("style", f"max-width:{_SCALE * figure.get_figwidth():.2f}in;{drawn}")
    return ElementTree.tostring(root, encoding="unicode").replace(f' xmlns="{_SVG[1:-1]}"', "")


def _clean(element: ElementTree.Element, prefix: str) -> None:
    for child in list(element):
        if not _TAGS.fullmatch(child.tag.removeprefix(_SVG)):
            element.remove(child)
        else:
            _clean(child, prefix)
    for name, value in list(element.attrib.items()):
        if name == "id":
            element.set("id", prefix + value)
        elif name == _XLINK:
            del element.attrib[name]
            element.set("href", f"#{prefix}{value.removeprefix('#')}")
        elif name in {"style", "clip-path", "fill", "stroke"}:
            element.set(name, _styled(value, prefix))
    if element.text is not None and not element.text.strip():
        element.text = None
    element.tail = None


def _styled(value: str, prefix: str) -> str:
    value = _REFERENCE.sub(lambda match: f"url(#{prefix}{match[1]})", value)
    value = _FONT.sub("'DejaVu Sans', Verdana, Geneva, sans-serif", value)
    return _COLOUR.sub(lambda match: _VARIABLES.get(match[0].lower(), match[0]), value)
