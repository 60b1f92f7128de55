"""Decoded data, made once: named columns in a directory of prepared data, in files that are mapped into memory.

The values of a column are `NAME.npy`; of a ragged one, `NAME.offsets.npy` says where each row begins and where the last
ends. `about.json` has the roles of columns, and facts that their maker wants to keep, such as a digest of the content.
The files are compared with their digests when the directory is taken (`Context.prepared`). After that, rows are read
where they lie: opening costs no memory, and a batch loads its own rows alone.
"""

from __future__ import annotations

import json
import re
import tokenize
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from biasloop.contract.data import Column, Frame
from biasloop.errors import DownloadError
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop.contract.context import Context
    from biasloop.contract.data import Array

FORM = "mapped-1"
"""Ends the names of directories, so that what was kept in another form is not taken for this one."""

_ABOUT = "about.json"
_NAME = re.compile(r"\w+")
_DAMAGED = (
    OSError, ValueError, LookupError, TypeError, AttributeError, SyntaxError, OverflowError, tokenize.TokenError,
)  # fmt: skip


@dataclass(frozen=True)
class Decoded:
    """Data as they lie on disk.

    Attributes:
        directory: where.
        frame: the columns; their arrays cannot be written to.
        facts: what their maker noted, by name.
    """

    directory: Path
    frame: Frame
    facts: Mapping[str, str]


def decoded(context: Context, name: str, build: Callable[[Writer], None]) -> Decoded:
    """Columns that are built at most once, for all runs, and mapped into memory from then on.

    Args:
        context: whose data directory keeps them.
        name: says what they are and what they were made from; a changed input needs another name.
        build: makes them, a block of rows after the other.

    Raises:
        DownloadError: if they are not in this form, although nothing changed them since they were made.
    """

    def make(directory: Path) -> None:
        with Writer(directory) as writer:
            build(writer)

    directory = context.prepared(_named(name), make)
    with readable(directory):
        about = json.loads((directory / _ABOUT).read_text(encoding="utf-8"))
        columns = {column: _column(directory, column, str(role)) for column, role in about["columns"].items()}
        return Decoded(directory, Frame(columns), {fact: str(text) for fact, text in about["facts"].items()})


def is_decoded(context: Context, name: str) -> bool:
    """Whether they were built before; that they are as they were made is seen when they are taken."""
    return context.is_prepared(_named(name))


@contextmanager
def readable(directory: Path) -> Iterator[None]:
    """Whatever is wrong inside with decoded data names their directory, and what to do.

    Raises:
        DownloadError: so.
    """
    try:
        yield
    except _DAMAGED as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DownloadError(
            f"{directory} is damaged ({reason}); delete {directory}, and the same command makes it anew"
        ) from error


def _named(name: str) -> str:
    return f"{name}-{FORM}"


class Writer:
    """Fills a directory, a block of rows of a column at a time, of which nothing is held.

    Args:
        directory: an empty one.

    Attributes:
        facts: what is to be kept with the columns; may be set until the end.
    """

    def __init__(self, directory: Path) -> None:
        self.facts: dict[str, str] = {}
        self._directory = directory
        self._kinds: dict[str, tuple[str, bool]] = {}  # role, and whether rows are ragged
        self._arrays: dict[str, _Growing] = {}
        self._files = ExitStack()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._files:
            if kind is not None:
                return
            for array in self._arrays.values():
                array.end()
        about = {"columns": {name: role for name, (role, _) in self._kinds.items()}, "facts": self.facts}
        (self._directory / _ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")

    def append(self, name: str, rows: Column) -> None:
        """Add rows to the end of a column, which begins with its first rows.

        Args:
            name: letters, digits and underscores.
            rows: of the type, and of the shape or raggedness, of those before; perhaps none.

        Raises:
            ValueError: if they are of another type, or the name is none.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"a column cannot be called {name!r}")
        kind = rows.role, rows.offsets is not None
        if self._kinds.setdefault(name, kind) != kind:
            raise ValueError(f"rows of column {name!r} are of two kinds")
        values = self._array(name, rows.values)
        if rows.offsets is not None:
            offsets = self._array(f"{name}.offsets", rows.offsets)
            if not offsets.rows:
                offsets.append(np.zeros(1, np.int64))
            offsets.append(rows.offsets[1:] + values.rows)
        values.append(rows.values)

    def _array(self, name: str, like: Array) -> _Growing:
        if name not in self._arrays:
            self._arrays[name] = _Growing(self._directory / f"{name}.npy", like, self._files)
        return self._arrays[name]


class _Growing:
    """A `.npy` file whose length is known when it ends: NumPy leaves room in the header for the number of rows."""

    def __init__(self, path: Path, like: Array, files: ExitStack) -> None:
        if like.dtype.hasobject:
            raise ValueError("Python objects are no decoded data")
        self.rows = 0
        self._dtype, self._shape = like.dtype, like.shape[1:]
        self._file = files.enter_context(path.open("xb"))
        self._start = self._header()

    def append(self, rows: Array) -> None:
        if (rows.dtype, rows.shape[1:]) != (self._dtype, self._shape):
            raise ValueError(f"{rows.dtype} {rows.shape[1:]} after rows of {self._dtype} {self._shape}")
        if rows.size:
            self._file.write(np.ascontiguousarray(rows).data)
        self.rows += len(rows)

    def end(self) -> None:
        self._file.seek(0)
        assert self._header() == self._start

    def _header(self) -> int:
        """Writes it; the position after it."""
        shape = (self.rows, *self._shape)
        descr = np.lib.format.dtype_to_descr(self._dtype)
        np.lib.format.write_array_header_1_0(self._file, {"descr": descr, "fortran_order": False, "shape": shape})
        return self._file.tell()


def _column(directory: Path, name: str, role: str) -> Column:
    if not _NAME.fullmatch(name):
        raise ValueError(f"it has a column that is called {name!r}")
    at = directory / f"{name}.offsets.npy"
    offsets = _mapped(at) if at.exists() else None
    if offsets is not None and (offsets.dtype != np.int64 or offsets.ndim != 1 or not len(offsets) or offsets[0]):
        raise ValueError(f"column {name!r} has offsets of {offsets.dtype} {offsets.shape}")
    if offsets is not None and (np.diff(offsets) < 0).any():
        raise ValueError(f"column {name!r} has rows that end before they begin")
    return Column(_mapped(directory / f"{name}.npy"), offsets, role)


def _mapped(path: Path) -> Array:
    """An array in a file, read-only; of Python objects, never."""
    return np.lib.format.open_memmap(path, mode="r").view(np.ndarray)
