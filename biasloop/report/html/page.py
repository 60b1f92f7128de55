"""The page: content as HTML, one file that needs no other.

Whatever is told of runs may have been written by anybody: the template escapes all of it but the figures, which are
drawn here, and the page forbids itself to load anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from typing import Any

from biasloop.errors import BiasloopError
from biasloop.printable import printable, printable_lines
from biasloop.report.html import drawing, repeating
from biasloop.report.html.content import Report, Study
from biasloop.report.html.results import ROWS, Results
from biasloop.report.tables import formatting

MOST_CELLS = 6_000
"""Cells of a folded table; what is larger is left to the files inside the page."""

_NOTHING = 1e-13

LARGEST = 5_000_000
"""Bytes of a page, so that it can be sent to somebody."""


def page(report: Report) -> bytes:
    """A report as HTML, in UTF-8.

    Raises:
        BiasloopError: it is larger than `LARGEST`.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("biasloop.report.html", "."),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "number": _number, "signed": _signed, "interval": formatting.interval, "percent": formatting.percent,
        "count": formatting.count, "duration": formatting.duration, "size": formatting.size, "setting": _setting,
        "printable": printable, "printable_lines": printable_lines, "svg": Markup, "evidence": _evidence,
        "file_name": _file_name, "capitalised": _capitalised, "coded": _coded,
    }  # fmt: skip
    environment.globals |= {
        "counted": formatting.counted, "most_cells": MOST_CELLS, "most_arms": drawing.MOST_ARMS,
        "sections": _sections, "seeds": _seeds, "of_rows": _of_rows,
    }  # fmt: skip
    script, style = (_text(environment, name) for name in ("sort.js", "style.css"))
    ours = {"script": Markup(script), "style": Markup(style)}  # noqa: S704 # files beside this one
    template = environment.get_template("report.html.jinja")
    made = template.render(report=report, script_digest=_digest(script), **ours)
    encoded = made.encode(errors="xmlcharrefreplace")
    if len(encoded) > LARGEST:
        raise BiasloopError(
            f"the report has {formatting.size(len(encoded))}, and {formatting.size(LARGEST)} are the most; give fewer "
            "studies, or --no-samples"
        )
    return encoded


def _sections(study: Study) -> list[tuple[str, str]]:
    """Anchors and names of the parts that a study has."""
    parts = (
        ("what", "What was run", True), ("figures", "Figures", study.drawings), ("results", "Results", study.results),
        ("compared", "Arms compared", study.compared), ("bound", "The bound", study.bounded),
        ("labels", "Who labelled", study.provenance or study.populations), ("samples", "Samples", study.samples),
        ("runs", "Runs", True),
        ("data", "Data", study.downloads),
    )  # fmt: skip
    return [(anchor, name) for anchor, name, there in parts if there]


def _seeds(study: Study) -> str:
    """The seeds of all arms."""
    every = sorted({seed for arm in study.results.arms for seed in arm.seeds}) if study.results else []
    return repeating.seed_ranges(every)


def _of_rows(results: Results) -> bool:
    """Whether an interval is of test rows."""
    return any(value.of == ROWS for arm in results.arms for value in arm.last.values())


def _text(environment: Any, name: str) -> str:
    """A file beside the template."""
    source: str = environment.loader.get_source(environment, name)[0]
    return source


def _digest(script: str) -> str:
    """Of the script, as the page's policy names it: no other one is run."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _number(value: float) -> str:
    """To three digits; what is 0 but for rounding is 0."""
    return formatting.number(0.0 if abs(value) < _NOTHING else float(value), 3)


def _signed(value: float) -> str:
    """With its sign, to three decimals."""
    return formatting.MISSING if math.isnan(value) else f"{0.0 if abs(value) < _NOTHING else value:+.3f}"


def _evidence(value: float) -> str:
    return formatting.MISSING if math.isnan(value) else f"{value:.3g}"


def _setting(value: Any) -> str:
    """A setting as a preset has it."""
    return "not set" if value is None else value if isinstance(value, str) else json.dumps(value, default=str)


def _coded(text: str) -> Any:
    """What stands between backticks as code; all of it escaped first."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 # escaped in this line


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _file_name(text: str) -> str:
    """A name that any system takes for part of a file's."""
    return re.sub(r"[^\w.+-]+", "_", text, flags=re.ASCII).strip("_.")[:80] or "study"
