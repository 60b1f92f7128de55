"""Stored embeddings: a safetensors file of unit vectors that says what each row is of.

Tensors `features` `(n, d)` of images and, where there are any, `texts` `(m, d)`, float32 rows of length 1; `norms`
`(n,)` are the images' lengths before. The header's metadata has one entry, "embeddings": a JSON object with `keys` and
`text_keys`, which say what rows are of, and `about`, which says what made them (one entry, since the library writes
several in an order that changes). Beside the file lies `about` as NAME.json, for people; of a file without the entry,
keys are taken from there. Nothing is ever unpickled.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from biasloop.contract.data import Array, Floats, Ints
from biasloop.errors import InvalidInput
from biasloop.store.files import write_output
from biasloop.system.regular import require_regular

ENDING = ".safetensors"
_ENTRY = "embeddings"  # of the header's metadata
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib")
_OFF = 5e-3  # of a length of 1: what half precision rounds


@dataclass(frozen=True)
class Embeddings:
    """Of images and texts, by one model.

    Attributes:
        path: of the file.
        keys: `(n,)` what each image is called, each once.
        features: `(n, d)` float32 unit rows.
        text_keys: `(m,)` what each text is called, each once.
        texts: `(m, d)` float32 unit rows; None where there are none.
        norms: `(n,)` lengths that images' rows had before they were divided by them; None where nobody knows.
        about: model, checkpoint, preprocessing and versions.
    """

    path: Path
    keys: tuple[str, ...]
    features: Array
    text_keys: tuple[str, ...] = ()
    texts: Array | None = None
    norms: Floats | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    def of_images(self, wanted: Sequence[str], whose: Path) -> Ints:
        """`(wanted,)` rows of images that annotations name.

        Raises:
            InvalidInput: some are not there, or names do not tell them apart.
        """
        return _rows_of("image", wanted, whose, self.keys, self.path)

    def of_texts(self, wanted: Sequence[str], whose: Path | str) -> Ints:
        """`(wanted,)` rows of texts.

        Raises:
            InvalidInput: there are no texts, or some are not there.
        """
        if self.texts is None:
            raise InvalidInput(f"{self.path} has no texts; `biasloop generate --embeddings` with --texts adds them")
        return _rows_of("text", wanted, whose, self.text_keys, self.path)


def _rows_of(what: str, wanted: Sequence[str], whose: Path | str, keys: Sequence[str], path: Path) -> Ints:
    """Rows by key, by the last part of it, or by that without its ending: the first way in which all are there."""
    ways: tuple[Callable[[str], str], ...] = (str,)
    if what == "image":
        ways = (str, lambda key: PurePosixPath(key).name, lambda key: PurePosixPath(key).stem)
    missing = list(wanted)  # by the way that misses the fewest
    for way in ways:
        rows = {way(key): row for row, key in enumerate(keys)}
        names = [way(key) for key in wanted]
        if len(rows) < len(keys) or len(set(names)) < len(names):
            continue
        without = [key for key, name in zip(wanted, names, strict=True) if name not in rows]
        if not without:
            return np.array([rows[name] for name in names], np.int64)
        missing = min(missing, without, key=len)
    raise InvalidInput(
        f"{len(missing):,} of {len(wanted):,} {what}s of {whose} are not in {path}, the first {missing[0]!r} (it has "
        f"{len(keys):,}, such as {', '.join(map(repr, keys[:2]))}); compute embeddings of all of them"
    )


def write(embeddings: Embeddings) -> list[Path]:
    """Write embeddings to their path, and what they are about beside it; each file is there whole or not at all.

    Returns:
        The files.

    Raises:
        InvalidInput: embeddings are not as `Embeddings` says.
        StoreError: a file cannot be written.
    """
    from safetensors.numpy import save

    _check(embeddings)
    tensors = {"features": embeddings.features, "texts": embeddings.texts, "norms": embeddings.norms}
    stored = {name: np.ascontiguousarray(array, np.float32) for name, array in tensors.items() if array is not None}
    about = dict(embeddings.about)
    said = {"keys": embeddings.keys, "text_keys": embeddings.text_keys, "about": about}
    path, beside = embeddings.path, _beside(embeddings.path)
    write_output(beside, f"{json.dumps(about, indent=1, sort_keys=True)}\n".encode())
    write_output(path, save(stored, {_ENTRY: json.dumps(said, sort_keys=True)}))
    return [path, beside]


def _beside(path: Path) -> Path:
    return path.with_suffix(".json")


def read(path: Path) -> Embeddings:
    """Embeddings of a file, checked.

    Raises:
        InvalidInput: it is no safetensors file, or lacks features or keys; shapes do not go together, a key is there
            twice, or rows are no unit vectors.
    """
    from safetensors import SafetensorError, safe_open

    require_regular(path)
    if path.suffix.lower() in _PICKLES:
        raise InvalidInput(f"{path} may hold a pickle, which can run any code and is never read; write {ENDING}")
    try:
        with safe_open(path, framework="numpy") as file:
            names, metadata = list(file.keys()), file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in ("features", "texts", "norms") if name in names}
    except (SafetensorError, OSError, TypeError) as error:
        raise InvalidInput(f"{path} is no safetensors file that can be read ({error})") from error
    if "features" not in tensors:
        raise InvalidInput(f"{path} has no tensor 'features' (there are {', '.join(names) or 'none'})")
    said = _said(path, metadata)
    about = said.get("about")
    embeddings = Embeddings(
        path,
        _listed(path, "keys", said),
        tensors["features"],
        _listed(path, "text_keys", said) if "texts" in tensors else (),
        tensors.get("texts"),
        tensors.get("norms"),
        about if isinstance(about, dict) else {},
    )
    _check(embeddings)
    return embeddings


def _said(path: Path, metadata: Mapping[str, str]) -> Mapping[str, Any]:
    """What the header's metadata, or else the file beside, says of rows."""
    from biasloop.datasets.annotated import read_json

    if _ENTRY not in metadata:
        if not _beside(path).is_file():
            raise InvalidInput(
                f"{path} does not say what its rows are of: no {_ENTRY!r} in its metadata, and no {_beside(path)}"
            )
        return read_json(_beside(path))
    try:
        said = json.loads(metadata[_ENTRY])
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path}: {_ENTRY!r} of its metadata is no JSON ({error})") from error
    return said if isinstance(said, dict) else {}


def _listed(path: Path, name: str, said: Mapping[str, Any]) -> tuple[str, ...]:
    keys = said.get(name)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise InvalidInput(f"{path} has no {name!r}, a list of texts, which says what its rows are of")
    return tuple(keys)


def _check(embeddings: Embeddings) -> None:
    """Refuse what is not as `Embeddings` says."""
    path = embeddings.path
    parts = [("features", embeddings.features, embeddings.keys)]
    if embeddings.texts is not None:
        parts.append(("texts", embeddings.texts, embeddings.text_keys))
    for name, rows, keys in parts:
        if rows.ndim != 2 or rows.dtype.kind != "f" or len(rows) != len(keys):
            raise InvalidInput(
                f"{path}: {name} are {rows.dtype} of shape {rows.shape}, with {len(keys):,} keys; expected floats "
                "(rows, dimensions), a key a row"
            )
        if len(set(keys)) < len(keys):
            twice = Counter(keys).most_common(1)[0][0]
            raise InvalidInput(f"{path}: the key {twice!r} of {name} is there twice; each must be there once")
        _check_lengths(path, name, rows, keys)
    if embeddings.texts is not None and embeddings.texts.shape[1] != embeddings.features.shape[1]:
        raise InvalidInput(
            f"{path}: features have {embeddings.features.shape[1]} dimensions and texts {embeddings.texts.shape[1]}; "
            "both must come from one model"
        )
    if embeddings.norms is not None and embeddings.norms.shape != (len(embeddings.features),):
        raise InvalidInput(f"{path}: norms are of shape {embeddings.norms.shape}; expected one a row of features")


def _check_lengths(path: Path, name: str, rows: Array, keys: Sequence[str]) -> None:
    """Rows must be unit vectors."""
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))  # (n,)
    bad = np.flatnonzero(~(np.abs(lengths - 1) <= _OFF))
    if len(bad):
        raise InvalidInput(
            f"{path}: {len(bad):,} of {len(rows):,} {name} are no unit vectors, the first of {keys[bad[0]]!r} (length "
            f"{lengths[bad[0]]:.4g}); divide each row by its length, and leave out rows of length 0"
        )
