"""Records as HDF5 bytes, and back. The written specification is `docs/store-format.md`.

The same record always gives the same bytes: no times, no host, every group in canonical order, a pinned HDF5 format.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TypeVar

from biasloop.data import Array, Column, Evaluation, Frame, Metric
from biasloop.errors import DamagedStore, NewerFormat
from biasloop.late import h5py
from biasloop.late import numpy as np
from biasloop.ledger import Ledger
from biasloop.record import Model, Record

T = TypeVar("T")

FORMAT = "biasloop"
VERSION = 1
_CONTIGUOUS = 64 * 1024  # below this many bytes a chunk index costs more than it gives
_CHUNK = 768 * 1024


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Attributes:
        kind: "setup", "round", "model" or "partial".
        name: the step, for example "round-0003".
        experiment: SHA-256 of the run's `experiment.toml`.
        parent: SHA-256 of the file of the step before; empty for a set-up.
        models: names of the step's models, comma-separated; they stand in a file of their own.
    """

    kind: str
    name: str
    experiment: str
    parent: str
    models: str = ""


def encode(header: Header, record: Record) -> bytes:
    """A record as the bytes of an HDF5 file."""
    with h5py.File("record", "w", driver="core", backing_store=False, libver=("v108", "v108")) as file:
        _stamp(file, "record")
        file.attrs["format"] = np.bytes_(FORMAT)
        file.attrs["format-version"] = VERSION
        for name, value in vars(header).items():
            file.attrs[name] = np.bytes_(value.encode())
        if record.added is not None:
            _write_ledger(file.create_group("added"), record.added)
        _write_members(file, "evaluations", record.evaluations, _write_evaluation)
        _write_members(file, "frames", record.frames, _write_frame)
        _write_members(file, "models", record.models, _write_model)
        sizes = _stamp(file.create_group("sizes"), "sizes")
        for name in sorted(record.sizes):
            sizes.attrs[name] = record.sizes[name]
        file.flush()
        return bytes(file.id.get_file_image())


def _write_members(
    file: h5py.File, place: str, members: Mapping[str, T], write: Callable[[h5py.Group, T], None]
) -> None:
    group = _stamp(file.create_group(place), "mapping")
    for name in sorted(members):
        write(group.create_group(name), members[name])


def decode(data: bytes, source: str) -> tuple[Header, Record]:
    """Header and record from the bytes of a file.

    Args:
        data: the whole file.
        source: what to call it in an error.

    Raises:
        DamagedStore: not whole, not of this kind, or of a newer format.
    """
    with _damage(source), h5py.File(io.BytesIO(data), "r") as file:
        return _read_header(file, source), _read_record(file)


@contextmanager
def _damage(source: str) -> Iterator[None]:
    """Whatever HDF5 says of a bad file, said in one sentence."""
    try:
        yield
    except DamagedStore:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DamagedStore(f"{source} is damaged ({reason})") from error


def _read_header(file: h5py.File, source: str) -> Header:
    if _attribute(file, "format") != FORMAT:
        raise DamagedStore(f"{source} is an HDF5 file, but not a store of biasloop")
    version = int(file.attrs["format-version"])
    if version > VERSION:
        raise NewerFormat(
            f"{source} has store format {version}, this biasloop reads up to {VERSION}; "
            "install a newer biasloop to read it"
        )
    return Header(*(file.attrs[field.name].decode() for field in fields(Header)))


def _read_record(file: h5py.File) -> Record:
    return Record(
        added=_read_ledger(file["added"]) if "added" in file else None,
        evaluations={name: _read_evaluation(group) for name, group in file["evaluations"].items()},
        frames={name: read_frame(group) for name, group in file["frames"].items()},
        models={
            name: Model(_attribute(group, "kind"), {key: values[()] for key, values in group.items()})
            for name, group in file["models"].items()
        },
        sizes=_read_sizes(file),
    )


def _read_sizes(file: h5py.File) -> dict[str, int]:
    attributes = _expect(file["sizes"], "sizes").attrs.items()
    return {name: int(value) for name, value in attributes if name != "encoding"}


def _stamp(group: h5py.Group, encoding: str) -> h5py.Group:
    group.attrs["encoding"] = np.bytes_(f"{encoding}/1")  # a fixed-size string costs a tenth of a variable one
    return group


def _expect(group: h5py.Group, encoding: str) -> h5py.Group:
    found = _attribute(group, "encoding")
    if found != f"{encoding}/1":
        raise DamagedStore(
            f"{_attribute(group.file, 'name') or 'file'}{group.name} is encoded as {found!r}, expected "
            f"'{encoding}/1'; a newer biasloop may read it"
        )
    return group


def _attribute(item: h5py.HLObject, name: str) -> str:
    value = item.attrs.get(name, b"")
    return value.decode() if isinstance(value, bytes) else str(value)


def _write_array(group: h5py.Group, name: str, values: Array) -> h5py.Dataset:
    values = np.asarray(values, order="C")
    if values.nbytes < _CONTIGUOUS or values.ndim == 0:
        return group.create_dataset(name, data=values)
    row = max(1, values.nbytes // len(values))
    chunks = (max(1, min(len(values), _CHUNK // row)), *values.shape[1:])
    packed = {"compression": "gzip", "compression_opts": 1} if values.dtype.kind in "iub" else {}
    return group.create_dataset(name, data=values, chunks=chunks, fletcher32=True, shuffle=bool(packed), **packed)


def _write_column(group: h5py.Group, name: str, column: Column) -> None:
    if column.offsets is None:
        item = _write_array(group, name, column.values)
    else:
        item = _stamp(group.create_group(name), "ragged")
        _write_array(item, "values", column.values)
        _write_array(item, "offsets", column.offsets)
    for attribute in ("role", "vocabulary"):
        if value := getattr(column, attribute):
            item.attrs[attribute] = np.bytes_(value.encode())


def _read_column(item: h5py.HLObject) -> Column:
    named = {name: value.decode() for name, value in item.attrs.items() if name in ("role", "vocabulary")}
    if isinstance(item, h5py.Dataset):
        return Column(item[()], **named)
    ragged = _expect(item, "ragged")
    return Column(ragged["values"][()], ragged["offsets"][()], **named)


def _write_frame(group: h5py.Group, frame: Frame) -> None:
    _stamp(group, "frame")
    for name in sorted(frame.columns):
        _write_column(group, name, frame.columns[name])


def read_frame(group: h5py.Group) -> Frame:
    """A frame from its group."""
    return Frame({name: _read_column(column) for name, column in _expect(group, "frame").items()})


def _write_ledger(group: h5py.Group, ledger: Ledger) -> None:
    _stamp(group, "ledger")
    for name in ("ids", "origin", "since"):
        _write_array(group, name, getattr(ledger, name))
    _write_frame(group.create_group("payload"), ledger.payload)


def _read_ledger(group: h5py.Group) -> Ledger:
    _expect(group, "ledger")
    return Ledger(group["ids"][()], group["origin"][()], group["since"][()], read_frame(group["payload"]))


def _write_evaluation(group: h5py.Group, evaluation: Evaluation) -> None:
    _stamp(group, "evaluation")
    _write_frame(group.create_group("metrics"), metrics_frame(evaluation.metrics))
    tables = _stamp(group.create_group("tables"), "mapping")
    for name in sorted(evaluation.tables):
        _write_frame(tables.create_group(name), evaluation.tables[name])


def _read_evaluation(group: h5py.Group) -> Evaluation:
    _expect(group, "evaluation")
    tables = {name: read_frame(table) for name, table in group["tables"].items()}
    return Evaluation(_metrics(read_frame(group["metrics"])), tables)


def metrics_frame(metrics: Mapping[str, Metric]) -> Frame:
    """Metrics as a frame of name, value, n and error, in the given order."""
    rows = list(metrics.values())
    return Frame(
        {
            "name": Column.text(list(metrics)),
            "value": Column(np.array([m.value for m in rows], np.float64)),
            "n": Column(np.array([m.n for m in rows], np.int64)),
            "error": Column(np.array([m.error for m in rows], np.float64)),
        }
    )


def _metrics(frame: Frame) -> dict[str, Metric]:
    rows = zip(frame["value"].tolist(), frame["n"].tolist(), frame["error"].tolist(), strict=True)
    return dict(zip(frame.columns["name"].strings(), (Metric(*row) for row in rows), strict=True))


def _write_model(group: h5py.Group, model: Model) -> None:
    _stamp(group, "model")
    group.attrs["kind"] = np.bytes_(model.kind.encode())
    for name in sorted(model.arrays):
        _write_array(group, name, model.arrays[name])


def read_summary(data: bytes, source: str) -> tuple[Header, dict[str, dict[str, Metric]], dict[str, int]]:
    """Header, metrics of each evaluation and sizes from the bytes of a file, without decoding its tables.

    Args:
        data: the whole file.
        source: what to call it in an error.

    Raises:
        DamagedStore: as `decode`.
    """
    with _damage(source), h5py.File(io.BytesIO(data), "r") as file:
        header = _read_header(file, source)
        metrics = {
            name: _metrics(read_frame(_expect(group, "evaluation")["metrics"]))
            for name, group in file["evaluations"].items()
        }
        return header, metrics, _read_sizes(file)
