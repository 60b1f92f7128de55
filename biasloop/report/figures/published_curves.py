"""Curves that others have published, as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from biasloop.contract.published import Curve
from biasloop.errors import InvalidInput
from biasloop.system.regular import require_regular

_EXPECTED = 'expected {"DATA|EXPERIMENT|SPLIT": {"n_seeds": [...], "acc_mean": [...], "acc_std": [...], ...}, ...}'


@dataclass(frozen=True)
class Curves:
    """A file of published curves.

    Attributes:
        path: where it lies.
        values: by "DATA|EXPERIMENT|SPLIT", fields as they stand in the file.
        notes: what is to be known of an experiment, by "DATA|EXPERIMENT".
    """

    path: Path
    values: Mapping[str, Mapping[str, Any]]
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def experiments(self) -> list[str]:
        """Each "DATA|EXPERIMENT"."""
        return list(dict.fromkeys(key.rpartition("|")[0] for key in self.values))

    def curve(self, experiment: str, split: str, name: str) -> Curve:
        """A number of an experiment, by its name in the file.

        Raises:
            InvalidInput: the file has no such experiment or split, or its numbers are no such lists.
        """
        key = f"{experiment}|{split}"
        if key not in self.values:
            known = ", ".join(self.experiments)
            raise InvalidInput(f"{self.path} has no curves of {experiment!r} on the {split} split; it has {known}")
        fields = self.values[key]
        try:
            columns = [np.array(fields[part], np.float64) for part in (f"{name}_mean", f"{name}_std", "n_seeds")]
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"{self.path}: {key}: {error!r}; {_EXPECTED}") from error
        if {column.shape for column in columns} != {columns[0].shape} or columns[0].ndim != 1:
            raise InvalidInput(f"{self.path}: {key}: lists of different lengths; {_EXPECTED}")
        return Curve(*columns)


def read_curves(path: Path) -> Curves:
    """A file of published curves, with or without a head of source and notes.

    Raises:
        InvalidInput: it cannot be read or is no such file.
    """
    require_regular(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is not JSON ({error}); {_EXPECTED}") from error
    values = content.get("curves", content) if isinstance(content, dict) else None
    complete = isinstance(values, dict) and all(
        key.count("|") == 2 and isinstance(inner, dict) for key, inner in values.items()
    )
    if not values or not complete:
        raise InvalidInput(f"{path} holds no published curves; {_EXPECTED}")
    return Curves(path, values, content.get("notes", {}) if "curves" in content else {})


def joined(files: Sequence[Curves]) -> Curves:
    """The curves of several files together; of two of one name the first counts."""
    if len(files) == 1:
        return files[0]
    values = {key: fields for curves in reversed(files) for key, fields in curves.values.items()}
    notes = {key: note for curves in reversed(files) for key, note in curves.notes.items()}
    return Curves(files[0].path.parent, values, notes)
