"""Texts with classes and groups, in memory; NumPy alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from biasloop.contract.data import Column, Ints
from biasloop.lazy import numpy as np


@dataclass(frozen=True)
class Group:
    """An attribute: `(n,)` int64 values, and what they are called."""

    values: Ints
    names: tuple[str, ...]


@dataclass(frozen=True)
class LabelledTexts:
    """Rows of a data set. A row's id is its position, counted from 0.

    Attributes:
        texts: text column.
        seconds: text column of the second texts of pairs; None where a label is of one text.
        labels: `(n,)` int64, positions in `classes`; -1 where nobody labelled.
        classes: names.
        groups: attributes by column.
        parts: rows of each published split, in the order of rows; none of a person's table.
    """

    texts: Column
    seconds: Column | None
    labels: Ints
    classes: tuple[str, ...]
    groups: Mapping[str, Group] = field(default_factory=dict)
    parts: Mapping[str, slice] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Of first texts and, of pairs, of second ones."""
        return (self.texts,) if self.seconds is None else (self.texts, self.seconds)

    @cached_property
    def content(self) -> str:
        """32 hexadecimal digits that identify the texts, whatever their labels."""
        digest = hashlib.blake2b(digest_size=16)
        for column in self.columns:
            digest.update(repr(len(column)).encode())
            digest.update(np.ascontiguousarray(column.offsets, "<i8").data)
            digest.update(np.ascontiguousarray(column.values).data)
        return digest.hexdigest()

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that identify all of it."""
        named = [(name, group.names) for name, group in self.groups.items()]
        digest = hashlib.blake2b(repr((self.content, self.classes, named)).encode(), digest_size=16)
        for values in (self.labels, *(group.values for group in self.groups.values())):
            digest.update(np.ascontiguousarray(values, "<i8").data)
        return digest.hexdigest()
