"""Texts with classes in a zip archive of tab-separated values, as the tasks of GLUE are published."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from biasloop.contract.data import Column, Frame
from biasloop.datasets.decoded import decoded, is_decoded
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop.contract.context import Context, Requirement
    from biasloop.datasets.decoded import Writer
    from biasloop.datasets.texts import LabelledDataset

LABELS = "labels"
_ROWS = 50_000  # at a time
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError)


def requirement(dataset: LabelledDataset, context: Context) -> Requirement:
    """The archive, unless it was read before."""
    from biasloop.datasets.catalogue import requirement

    need = requirement(dataset.name, context.data)
    return replace(need, present=need.present or is_decoded(context, _name(dataset)))


def read(dataset: LabelledDataset, context: Context) -> Frame:
    """All rows of all parts, in the order of the archive; read once and kept as prepared data.

    Args:
        dataset: which.
        context: says where the archive lies.

    Returns:
        Columns "text0" and, of pairs, "text1", and `LABELS`, int64 positions in `dataset.classes`.

    Raises:
        SomethingToFetch: if the archive is not there.
        DownloadError: if it is damaged.
    """

    def build(writer: Writer) -> None:
        file = dataset.require(context.data) / dataset.remotes[0].filename
        try:
            with zipfile.ZipFile(file) as archive:
                for part, count in dataset.parts.items():
                    _append(dataset, file, archive, part, count, writer)
        except _DAMAGE as error:
            raise dataset.damaged(file, f"it does not unpack ({error})") from error
        except OSError as error:
            raise dataset.damaged(file, f"it does not read ({error.strerror or error})") from error

    return decoded(context, _name(dataset), build).frame


def _name(dataset: LabelledDataset) -> str:
    return f"{dataset.name}-{dataset.remotes[0].checksum.partition(':')[2][:16]}"


def _append(
    dataset: LabelledDataset, file: Path, archive: zipfile.ZipFile, part: str, count: int, writer: Writer
) -> None:
    """The rows of one table.

    Raises:
        DownloadError: if it is not there, or has other rows.
    """
    if part not in archive.namelist():
        raise dataset.damaged(file, f"it lacks {part}")
    number = {written: label for label, written in enumerate(dataset.classes)}
    total, block = 0, list[tuple[list[str], int]]()
    with archive.open(part) as stream:
        for line, cells in _rows(dataset, file, part, stream):
            *texts, label = cells
            if label not in number:
                raise dataset.damaged(file, f"line {line:,} of {part} has the label {label[:40]!r}")
            block.append((texts, number[label]))
            total += 1
            if len(block) == _ROWS:
                _write(block, writer)
    if block:
        _write(block, writer)
    if total != count:
        raise dataset.damaged(file, f"{part} has {total:,} rows, expected {count:,}")


def _rows(dataset: LabelledDataset, file: Path, part: str, stream: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
    """Line, and texts and label of each row; nothing is quoted.

    Rows with too few cells are left out, as those who publish the numbers of rows do: three pairs of questions.
    """
    lines = io.TextIOWrapper(stream, encoding="utf-8")
    header = next(lines, "").rstrip("\n").split("\t")
    wanted = [*dataset.texts, dataset.label]
    lacking = [name for name in wanted if name not in header]
    if lacking:
        raise dataset.damaged(file, f"{part} has no column {lacking[0]!r}")
    positions = [header.index(name) for name in wanted]
    for line, text in enumerate(lines, 2):
        cells = text.rstrip("\n").split("\t")
        if len(cells) >= len(header):
            yield line, [cells[position] for position in positions]


def _write(block: list[tuple[list[str], int]], writer: Writer) -> None:
    for number, texts in enumerate(zip(*(texts for texts, _ in block), strict=True)):
        writer.append(f"text{number}", Column.text(texts))
    writer.append(LABELS, Column(np.array([label for _, label in block], np.int64)))
    block.clear()
