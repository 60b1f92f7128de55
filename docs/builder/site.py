"""Builds the site: stages pages, runs zensical strictly, checks the result; every fault in one line."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from builder.checking import faults
from builder.staging import navigation, stage

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_WARNING = re.compile(r"Warning: (?P<text>[^\n]+)\n[^\n]*\[ (?P<page>[^\n]+?):(?P<line>\d+):\d+ \]")
_SHOWN = 10
_FOREIGN_SCRIPT = "https://unpkg.com/iframe-worker/shim"
_SCRIPT = "assets/search-from-disk.js"


class BuildError(Exception):
    """The site cannot be built; the text is one line."""


def build(project: Path, work: Path) -> Path:
    """The site of a project's pages.

    Args:
        project: the folder of `mkdocs.yml` and `docs/`.
        work: where it is built.

    Returns:
        The folder of the site, `work/site`.

    Raises:
        BuildError: a page or a heading that a link or the navigation names is not there, a page is in no
            navigation, something would be loaded from elsewhere, or zensical fails.
    """
    config, site = stage(project, work), work / "site"
    named, there = navigation(config), {str(path.relative_to(work / "docs")) for path in (work / "docs").rglob("*.md")}
    wrong = [f"mkdocs.yml: the navigation names docs/{page}, which is not there" for page in named if page not in there]
    wrong += [f"mkdocs.yml: docs/{page} is not in the navigation" for page in sorted(there - set(named))]
    wrong += [
        f"mkdocs.yml: the navigation names docs/{page} twice" for page in sorted(set(named)) if named.count(page) > 1
    ]
    _refuse(wrong)
    shutil.rmtree(site, ignore_errors=True)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "--config-file", str(config)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        _refuse(told(ran.stdout + ran.stderr))
    _take_home(site)
    _refuse(faults(site))
    return site


def _take_home(site: Path) -> None:
    """Let pages load our own script where zensical's plugin for pages on the disk names one on another machine."""
    for page in site.rglob("*.html"):
        own = os.path.relpath(site / _SCRIPT, page.parent)
        page.write_text(page.read_text().replace(_FOREIGN_SCRIPT, own))


def told(output: str) -> list[str]:
    """What zensical's output says is wrong, a sentence each: its warnings, else what it raised, else its last line."""
    plain = _COLOUR.sub("", output)
    warnings = [f"docs/{found['page']}:{found['line']}: {found['text']}" for found in _WARNING.finditer(plain)]
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    raised = [line for line in lines if re.match(r"[\w.]+(Error|Exception): ", line)]
    return warnings or raised[-1:] or lines[-1:] or ["zensical said nothing"]


def _refuse(wrong: list[str]) -> None:
    """End with all that is wrong in one line, if anything is."""
    if wrong:
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise BuildError("; ".join(wrong[:_SHOWN]) + more)
