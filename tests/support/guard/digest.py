"""Digests of all that runs have stored, read with plain h5py.

Left out, since no two runs have them equal: `manifest.json` (seconds, host, versions, dates) and what HDF5 itself
writes around the arrays. Attributes count: they are roles, vocabularies, kinds, sizes, and the chain of digests of
files.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np


def digest_of_array(name: str, values: np.ndarray) -> str:
    """SHA-256 of name, dtype, shape and bytes, as 64 hexadecimal digits."""
    about = f"{name}\0{values.dtype.str}\0{values.shape}\0".encode()
    return hashlib.sha256(about + np.ascontiguousarray(values).tobytes()).hexdigest()


def lines_of(directory: Path) -> list[str]:
    """A line for each stored array, attribute and experiment below a directory, by name: digest, dtype, shape, name."""
    lines = []
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.name == "experiment.toml":
            lines.append(_line(name, np.frombuffer(path.read_bytes(), np.uint8)))
        elif path.suffix == ".h5":
            lines += [_line(f"{name}{inside}", values) for inside, values in sorted(_arrays(path))]
    return lines


def total_of(lines: list[str]) -> str:
    """One digest of them all."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _line(name: str, values: np.ndarray) -> str:
    shape = "x".join(map(str, values.shape)) or "()"
    return f"{digest_of_array(name, values)[:16]} {values.dtype.str} {shape} {name}"


def _arrays(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Every data set by its path, and every attribute by its path behind an @."""
    with h5py.File(path) as file:
        items: list[tuple[str, h5py.HLObject]] = [("", file)]
        file.visititems(lambda name, item: items.append((f"/{name}", item)))
        for name, item in items:
            for attribute, value in item.attrs.items():
                yield f"{name}@{attribute}", np.asarray(value)
            if isinstance(item, h5py.Dataset):
                yield name, np.asarray(item[()])
