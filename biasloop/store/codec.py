"""Records as HDF5 bytes, and back. The written specification is `docs/store-format.md`.

The same record always gives the same bytes: no times, no host, every group in canonical order, a pinned HDF5 format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TypeVar

from biasloop import hdf5
from biasloop.contract.data import Array, Column, Evaluation, Frame, Ints, Metric
from biasloop.errors import DamagedStore, NewerFormat
from biasloop.hdf5 import Dataset, Group, Value, Window
from biasloop.lazy import h5py
from biasloop.lazy import numpy as np
from biasloop.printable import printable
from biasloop.records.ledger import Ledger
from biasloop.records.record import Model, Record

T = TypeVar("T")

FORMAT = "biasloop"
VERSION = 2  # of a file whose ledger has weight, propensity or inputs; any other has 1, which older biasloops read
_ENCODINGS = ("record", "mapping", "frame", "ragged", "ledger", "evaluation", "model", "sizes")
_LIBVER = ("v108", "v108")
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
    """A record as the bytes of an HDF5 file; holds them twice."""
    with h5py.File("record", "w", driver="core", backing_store=False, libver=_LIBVER) as file:
        _fill(file, header, record)
        file.flush()
        return bytes(file.id.get_file_image())


def write(target: Window, header: Header, record: Record) -> None:
    """Write a record as an HDF5 file; holds no second copy of its arrays.

    Equal records give equal bytes, but not those of `encode`: HDF5 gathers small pieces in blocks there, and not here.
    """
    with h5py.File(target, "w", libver=_LIBVER) as file:
        _fill(file, header, record)


def _fill(file: h5py.File, header: Header, record: Record) -> None:
    _stamp(file, "record")
    file.attrs["format"] = np.bytes_(FORMAT)
    file.attrs["format-version"] = 1 if record.added is None or record.added.plain else VERSION
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


def _write_members(
    file: h5py.File, place: str, members: Mapping[str, T], write: Callable[[h5py.Group, T], None]
) -> None:
    group = _stamp(file.create_group(place), "mapping")
    for name in sorted(members):
        write(group.create_group(name), members[name])


def decode(data: bytes | Window, source: str) -> tuple[Header, Record]:
    """Header and record from the bytes of a file.

    Args:
        data: the whole file, or where it lies in an open one; so no more is held than the record.
        source: what to call it in an error.

    Raises:
        DamagedStore: not whole, not of this kind, unsafe to read, or of a newer format.
    """
    with _opened(data, source) as root:
        return _read_header(root.attributes), _read_record(root)


@contextmanager
def _opened(data: bytes | Window, source: str) -> Iterator[Group]:
    """The root of a file; whatever is wrong with it is said in one sentence."""
    try:
        with hdf5.opened(data, first=lambda attributes: _check_format(attributes, source)) as root:
            yield root
            _check_encodings(root)
    except hdf5.Unsafe as error:
        raise DamagedStore(
            f"{source} is refused: {error}, which no file of biasloop does; whoever gave it to you may mean harm"
        ) from error
    except (hdf5.Malformed, ValueError, KeyError, TypeError) as error:
        reason = str(error).strip() or type(error).__name__
        raise DamagedStore(f"{source} is damaged ({printable(reason.splitlines()[0])})") from error


def _check_format(attributes: Mapping[str, Value], source: str) -> None:
    if attributes.get("format") != FORMAT:
        raise DamagedStore(f"{source} is an HDF5 file, but not a store of biasloop")
    version = attributes.get("format-version")
    if not isinstance(version, int):
        raise hdf5.Malformed("its format-version is not a whole number")
    if version > VERSION:
        raise NewerFormat(
            f"{source} has store format {version}, this biasloop reads up to {VERSION}; "
            "install a newer biasloop to read it"
        )


def _check_encodings(group: Group) -> None:
    """Every group says what it is, also one that nothing is read from."""
    _expect(group, *_ENCODINGS)
    for member in group.members.values():
        if isinstance(member, Group):
            _check_encodings(member)


def _read_header(attributes: Mapping[str, Value]) -> Header:
    values = {field.name: attributes.get(field.name) for field in fields(Header)}
    for name, value in values.items():
        if not isinstance(value, str):
            raise hdf5.Malformed(f"its attribute {name!r} is missing, or no text")
    return Header(**{name: str(value) for name, value in values.items()})


def _read_record(root: Group) -> Record:
    _expect(root, "record")
    evaluations, frames, models = (
        _expect(root.group(name), "mapping").groups() for name in ("evaluations", "frames", "models")
    )
    return Record(
        added=_read_ledger(root.group("added"), root.attributes.get("format-version")) if "added" in root else None,
        evaluations={name: _read_evaluation(group) for name, group in evaluations.items()},
        frames={name: _read_frame(group) for name, group in frames.items()},
        models={name: _read_model(group) for name, group in models.items()},
        sizes=_read_sizes(root),
    )


def _read_sizes(root: Group) -> dict[str, int]:
    attributes = _expect(root.group("sizes"), "sizes").attributes
    return {name: _whole(value, f"/sizes {name!r}") for name, value in attributes.items() if name != "encoding"}


def _whole(value: Value, what: str) -> int:
    if not isinstance(value, int):
        raise hdf5.Malformed(f"{what} is not a whole number")
    return value


def _stamp(group: h5py.Group, encoding: str) -> h5py.Group:
    group.attrs["encoding"] = np.bytes_(f"{encoding}/1")  # a fixed-size string costs a tenth of a variable one
    return group


def _expect(group: Group, *encodings: str) -> Group:
    encoding = group.attributes.get("encoding", "")
    if encoding not in [f"{name}/1" for name in encodings]:
        expected = f"'{encodings[0]}/1'" if len(encodings) == 1 else "one that this biasloop knows"
        raise hdf5.Malformed(
            f"{group.path} is encoded as {encoding!r}, expected {expected}; a newer biasloop may read it"
        )
    return group


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


def _read_column(item: Group | Dataset) -> Column:
    role, vocabulary = (str(item.attributes.get(name, "")) for name in ("role", "vocabulary"))
    if isinstance(item, Dataset):
        if not item.shape:
            raise hdf5.Malformed(f"{item.path} is a single value, expected a column")
        return Column(item.read(), None, role, vocabulary)
    values, offsets = (_expect(item, "ragged").dataset(name) for name in ("values", "offsets"))
    ends = _read_whole_numbers(offsets, np.int64)
    if not len(ends) or ends[0] != 0 or (np.diff(ends) < 0).any():
        raise hdf5.Malformed(f"{offsets.path} does not rise from 0")
    return Column(values.read(), ends, role, vocabulary)


def _read_whole_numbers(item: Dataset, dtype: type[np.int64 | np.int32]) -> Ints:
    if item.dtype != dtype or len(item.shape) != 1:
        raise hdf5.Malformed(f"{item.path} is {item.dtype} of shape {item.shape}, expected a row of {dtype.__name__}")
    return item.read()


def _write_frame(group: h5py.Group, frame: Frame) -> None:
    _stamp(group, "frame")
    for name in sorted(frame.columns):
        _write_column(group, name, frame.columns[name])


def _read_frame(group: Group) -> Frame:
    return Frame({name: _read_column(column) for name, column in _expect(group, "frame").members.items()})


def _write_ledger(group: h5py.Group, ledger: Ledger) -> None:
    _stamp(group, "ledger")
    for name in ("ids", "origin", "since"):
        _write_array(group, name, getattr(ledger, name))
    _write_frame(group.create_group("payload"), ledger.payload)
    if ledger.weight is not None:
        _write_array(group, "weight", ledger.weight)
    if ledger.propensity is not None:
        _write_array(group, "propensity", ledger.propensity)
    if ledger.inputs.columns:
        _write_frame(group.create_group("inputs"), ledger.inputs)


def _read_ledger(group: Group, version: Value | None) -> Ledger:
    _expect(group, "ledger")
    of_version_2 = [name for name in ("weight", "propensity", "inputs") if name in group]
    if of_version_2 and version == 1:
        raise hdf5.Malformed(f"{group.path} has {' and '.join(of_version_2)}, which store format 1 does not have")
    inputs = _read_frame(group.group("inputs")) if "inputs" in group else Frame()
    if "inputs" in group and not inputs.columns:
        raise hdf5.Malformed(f"{group.path}/inputs has no column")
    return Ledger(
        _read_whole_numbers(group.dataset("ids"), np.int64),
        _read_whole_numbers(group.dataset("origin"), np.int32),
        _read_whole_numbers(group.dataset("since"), np.int32),
        _read_frame(group.group("payload")),
        group.dataset("weight").read() if "weight" in group else None,
        group.dataset("propensity").read() if "propensity" in group else None,
        inputs,
    )


def _write_evaluation(group: h5py.Group, evaluation: Evaluation) -> None:
    _stamp(group, "evaluation")
    _write_frame(group.create_group("metrics"), metrics_frame(evaluation.metrics))
    tables = _stamp(group.create_group("tables"), "mapping")
    for name in sorted(evaluation.tables):
        _write_frame(tables.create_group(name), evaluation.tables[name])


def _read_evaluation(group: Group) -> Evaluation:
    tables = _expect(_expect(group, "evaluation").group("tables"), "mapping").groups()
    return Evaluation(_read_metrics(group), {name: _read_frame(table) for name, table in tables.items()})


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


def _read_metrics(evaluation: Group) -> dict[str, Metric]:
    group = evaluation.group("metrics")
    frame = _read_frame(group)
    kinds = {"name": "u", "value": "f", "n": "i", "error": "f"}
    if {name: column.values.dtype.kind for name, column in frame.columns.items()} != kinds:
        raise hdf5.Malformed(f"{group.path} does not have a name, a value, a count and an error of each metric")
    if any(frame[name].ndim != 1 for name in kinds):
        raise hdf5.Malformed(f"{group.path} has more than one number a metric")
    rows = zip(frame["value"].tolist(), frame["n"].tolist(), frame["error"].tolist(), strict=True)
    return dict(zip(frame.columns["name"].strings(), (Metric(*row) for row in rows), strict=True))


def _write_model(group: h5py.Group, model: Model) -> None:
    _stamp(group, "model")
    group.attrs["kind"] = np.bytes_(model.kind.encode())
    for name in sorted(model.arrays):
        _write_array(group, name, model.arrays[name])


def _read_model(group: Group) -> Model:
    arrays = {name: values.read() for name, values in _expect(group, "model").datasets().items()}
    return Model(str(group.attributes.get("kind", "")), arrays)


def read_summary(data: bytes, source: str) -> tuple[Header, dict[str, dict[str, Metric]], dict[str, int]]:
    """Header, metrics of each evaluation and sizes from the bytes of a file, without decoding its tables.

    Args:
        data: the whole file.
        source: what to call it in an error.

    Raises:
        DamagedStore: as `decode`.
    """
    with _opened(data, source) as root:
        evaluations = _expect(root.group("evaluations"), "mapping").groups()
        metrics = {name: _read_metrics(_expect(group, "evaluation")) for name, group in evaluations.items()}
        return _read_header(root.attributes), metrics, _read_sizes(root)
