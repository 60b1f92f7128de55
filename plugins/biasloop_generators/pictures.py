"""A data set with a label and groups, as all models of a run see it."""

from __future__ import annotations

from dataclasses import dataclass

from biasloop.contract.data import Array, Ints
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np

LABEL = "label"  # the first target, its vocabulary, and the column of what samples are labelled
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Colored:
    """Real images, each with a label and one class of each group.

    Attributes:
        images: `(N, H, W, 3)` uint8; perhaps a file mapped into memory. Networks may take another size (`side`).
        labels: `(N,)` int64.
        groups: `(N, G)` int64, one column a group.
        train, valid, test: rows of each split, ascending int64, disjoint.
        classes: names of the label's classes, then of each group's.
        targets: what they are called: "label", then a name for each group.
        side: height and width that networks take, in pixels.
        mirrored: whether images are mirrored at random in training, as published for CelebA.
        digest: tells these images, labels and groups from any others.
    """

    images: Array
    labels: Ints
    groups: Ints
    train: Ints
    valid: Ints
    test: Ints
    classes: tuple[tuple[str, ...], ...]
    targets: tuple[str, ...]
    side: int
    mirrored: bool
    digest: str

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of classes of the label, then of each group."""
        return tuple(len(names) for names in self.classes)

    @property
    def attributes(self) -> Ints:
        """`(N, 1 + G)`: label and groups side by side, in the order of `targets`."""
        return np.column_stack([self.labels, self.groups])

    def strata(self, rows: Ints) -> Ints:
        """Stratum of each row: label and groups as one number, the label varying slowest."""
        return np.asarray(np.ravel_multi_index(tuple(self.attributes[rows].T), self.sizes), np.int64)

    def counts(self, rows: Ints) -> Ints:
        """`(K,)` images of each stratum among some rows."""
        return np.bincount(self.strata(rows), minlength=int(np.prod(self.sizes)))


def check(data: Colored, name: str) -> None:
    """Refuse data that no annotator can learn from.

    Raises:
        InvalidInput: if a class of the label or of a group has no training image, or a split is empty.
    """
    for split in SPLITS:
        if not len(getattr(data, split)):
            raise InvalidInput(f"{name} leaves no image for the {split} set; give more images")
    for column, (target, names) in enumerate(zip(data.targets, data.classes, strict=True)):
        counts = np.bincount(data.attributes[data.train, column], minlength=len(names))
        if not counts.all():
            missing = names[int(np.flatnonzero(counts == 0)[0])]
            raise InvalidInput(
                f"{target} {missing!r} has no image among the {len(data.train):,} of the training set of {name}; "
                "an annotator needs some of each (domain.green, domain.noise and domain.threshold decide)"
            )
