"""How much is said beside the answer: `-v`, `--quiet`, and what libraries warn of, which is said once, at the end."""

import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from biasloop.report import output
from biasloop.report.output import note

WORDS = {"-v": "verbose", "--verbose": "verbose", "-q": "quiet", "--quiet": "quiet"}
MOST = 5  # different warnings that are told
_LONGEST = 300  # characters of one
_PACKAGES = ("site-packages", "dist-packages")
_asked = {"verbose": False}


def choose(*, verbose: bool, quiet: bool) -> None:
    """Take what was asked for, for this command and no other in the process."""
    _asked["verbose"] = verbose
    output.hush(asked=quiet)


def also(name: str) -> None:
    """Take a word of `WORDS` that stands behind the name of the command."""
    if name == "verbose":
        _asked["verbose"] = True
    else:
        output.hush(asked=True)


@contextmanager
def library_warnings() -> Iterator[None]:
    """Inside, what Python and libraries warn of waits for the end, so that it stands in no table, and is said once.

    With `-v` each is said at once, with its place.
    """
    heard: Counter[str] = Counter()

    def warned(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None,
        line: str | None = None,
    ) -> None:  # fmt: skip
        if _asked["verbose"]:
            note(f"{filename}:{lineno}: {category.__name__}: {message}")
        else:
            heard[f"{_library(filename)}: {message}"] += 1

    handler = _Collector(heard)
    root, shown = logging.getLogger(), warnings.showwarning
    warnings.showwarning = warned
    root.addHandler(handler)
    try:
        yield
    finally:
        warnings.showwarning = shown
        root.removeHandler(handler)
        _tell(heard)


class _Collector(logging.Handler):
    """Takes what libraries log as a warning or worse; without a handler Python prints it where the program stands."""

    def __init__(self, heard: Counter[str]) -> None:
        super().__init__(logging.WARNING)
        self.heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if _asked["verbose"]:
            note(f"{record.name}: {record.levelname.lower()}: {text}")
        else:
            self.heard[f"{record.name.partition('.')[0]}: {text}"] += 1


def _library(filename: str) -> str:
    """Whose file it is: the package's name below site-packages, else the file's."""
    parts = Path(filename).parts
    at = next((parts.index(folder) for folder in _PACKAGES if folder in parts), None)
    return parts[at + 1] if at is not None and at + 1 < len(parts) else Path(filename).name


def _tell(heard: Counter[str]) -> None:
    for text, count in [*heard.items()][:MOST]:
        first = text.strip().splitlines()[0][:_LONGEST]
        note(f"warning of {first}" + (f" ({count} times)" if count > 1 else ""))
    if len(heard) > MOST:
        note(f"and {len(heard) - MOST} other warnings of libraries; `biasloop -v ...` shows each as it comes")
