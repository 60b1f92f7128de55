"""Biased data, made once of labels and splits; pixels change when images are taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from biasloop.contract.data import Array, Ints, Splits
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop_images.biased import group_draws, inversion, overlay
from biasloop_images.biased.design import Design


@dataclass(frozen=True)
class Biased:
    """Tasks and groups of the images of all splits.

    Attributes:
        design: what was asked for.
        splits: with the images that have a task.
        tasks: `(N,)` int64 by id; -1 for images that are left out.
        groups: `(N,)` int64 by id; -1 for images that are left out.
        partners: `(N,)` int64 by id, of overlays the id of the image that is blended in, else empty.
    """

    design: Design
    splits: Splits
    tasks: Ints
    groups: Ints
    partners: Ints

    @property
    def targets(self) -> Ints:
        """`(N,)` what a model learns."""
        return self.groups if self.design.settings.swap else self.tasks

    @property
    def attributes(self) -> Ints:
        """`(N,)` what results are broken down by."""
        return self.tasks if self.design.settings.swap else self.groups

    def changed(self, images: Array, ids: Ints, take: Callable[[Ints], Array]) -> Array:
        """Images as models see them.

        Args:
            images: `(n, H, W, C)` uint8, of `ids`.
            ids: `(n,)` in any splits.
            take: gives the images of ascending ids.

        Returns:
            `(n, H, W, C)` uint8, another array.
        """
        if self.design.settings.eta is None:
            return inversion.invert(images, self.groups[ids] == 1)
        blended = np.unique(self.partners[ids])  # ascending ids, none twice
        others = take(blended)[np.searchsorted(blended, self.partners[ids])]  # (n, H, W, C)
        return overlay.blend(images, others, self.design.settings.eta)


def build(design: Design, labels: Ints, drawn: Splits) -> Biased:
    """Tasks and groups of images, split by split.

    Images of a class in no task are left out. The test set loses an image of each task that has an odd number of
    them, since only even numbers can be halved: at epsilon 0 tasks and groups are then exactly independent.

    Args:
        design: what is asked for.
        labels: `(N,)` class of each image.
        drawn: ids of each split.

    Raises:
        InvalidInput: if images have no label, or a task has no image in the test set or the pool, or groups have too
            few.
    """
    if len(drawn.unlabelled):
        raise InvalidInput(
            f"domain.bias needs the class of every image, and {len(drawn.unlabelled):,} have no label; leave them out "
            "of the data, or leave out domain.bias"
        )
    fill = _overlaid if design.settings.attribute == "overlay" else _inverted
    seeds = {"test": design.seeds.test, "holdout": design.seeds.holdout, "pool": design.seeds.train}
    parts = {name: fill(design, labels, getattr(drawn, name), seed, name) for name, seed in seeds.items()}
    tasks, groups, partners = (np.full(len(labels), -1, np.int64) for _ in range(3))  # (N,) each
    for part in parts.values():
        tasks[part.ids], groups[part.ids] = design.task_of[labels[part.ids]], part.groups
        if part.partners is not None:
            partners[part.ids] = part.partners
    splits = Splits(**{name: np.sort(part.ids) for name, part in parts.items()})
    return Biased(design, splits, tasks, groups, partners)


@dataclass(frozen=True)
class _Part:
    """A split: `(n,)` ids, their groups and, of overlays, the ids of the images that are blended in."""

    ids: Ints
    groups: Array
    partners: Ints | None = None


def _inverted(design: Design, labels: Ints, drawn: Ints, seed: int, split: str) -> _Part:
    ids = drawn[design.task_of[labels[drawn]] >= 0]
    counts = _counts(design, labels[ids], split)
    if split == "test":
        ids = group_draws.trimmed(ids, design.task_of[labels[ids]], counts - counts % 2)
    share, fraction = design.shares[:, 1], design.settings.fraction
    if split != "pool" or fraction is None:
        return _Part(ids, inversion.inverted(labels[ids], design.task_of, share, seed))
    places, flags = inversion.subset(labels[ids], design.task_of, share, fraction, seed)
    _counts(design, labels[ids[places]], "fraction")
    return _Part(ids[places], flags)


def _overlaid(design: Design, labels: Ints, drawn: Ints, seed: int, split: str) -> _Part:
    if not len(drawn):
        return _Part(drawn, drawn, drawn)
    ids = drawn[design.task_of[labels[drawn]] >= 0]
    images = [drawn[design.group_of[labels[drawn]] == group] for group in range(len(design.groups))]
    counts = _counts(design, labels[ids], split)
    served = [len(candidates) * len(images) // len(counts) for candidates in images]
    size = overlay.common_size([*counts.tolist(), *served])
    if not size:
        names, sizes = (*design.tasks, *design.groups), [*counts.tolist(), *map(len, images)]
        _refuse(*min(zip(sizes, names, strict=True)), split, "too few for an overlay")
    ids = group_draws.trimmed(ids, design.task_of[labels[ids]], np.full(len(counts), size))
    return _Part(ids, *overlay.paired(design.task_of[labels[ids]], images, design.shares, seed))


def _counts(design: Design, labels: Ints, split: str) -> Ints:
    """Images of each task; of the holdout there may be none."""
    counts = np.bincount(design.task_of[labels], minlength=len(design.tasks)).astype(np.int64)  # (tasks,)
    least = {"test": 2, "holdout": 0}.get(split, 1)
    if counts.min() < least:
        _refuse(int(counts.min()), design.tasks[int(counts.argmin())], split, f"and needs {least}")
    return counts


def _refuse(count: int, name: str, split: str, why: str) -> NoReturn:
    part, mend = {
        "test": ("test set", "raise domain.test"),
        "holdout": ("holdout", "raise domain.holdout, or set it to 0"),
        "pool": ("pool", "lower domain.test and domain.holdout, or use more data"),
        "fraction": ("part of the pool that domain.bias.fraction keeps", "raise it"),
    }[split]
    raise InvalidInput(f"{name!r} of domain.bias has {count} images in the {part}, {why}; {mend}")
