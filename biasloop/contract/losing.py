"""Capabilities that selection asks of a domain: losses, several heads, other settings, dropout, right labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from biasloop.contract.context import Work
    from biasloop.contract.data import Arrays, Floats, Frame, Ints, Samples
    from biasloop.contract.variants import Shared

M = TypeVar("M")
M_contra = TypeVar("M_contra", contravariant=True)


@runtime_checkable
class Losing(Protocol[M_contra]):
    """Models that say how much they lose on samples."""

    def losses(self, model: M_contra, samples: Samples, work: Work) -> Floats:
        """`(rows,)` the loss of each sample, of its label, as it is trained on, without its weight."""

    def categories(self, samples: Samples) -> Ints:
        """`(rows,)` from 0: the class or group of each sample that losses are balanced over.

        Of samples whose groups matter as much as their classes, class x groups + group.
        """

    def category_names(self) -> Sequence[str]:
        """What categories are called; there are as many."""


@runtime_checkable
class Heading(Protocol[M]):
    """Models with one trunk and several heads, each trained with its own weights of the samples."""

    def fit_heads(self, train: Samples, weights: Floats, work: Work) -> M:
        """A new model with a head for each row of `weights`.

        Args:
            train: what it is trained on.
            weights: `(heads, n)` factors of each head's loss of each sample; a head's loss of a batch is the weighted
                mean, sum(w l) / sum(w).
            work: of the call.
        """

    def head_losses(self, model: M, samples: Samples, work: Work) -> Floats:
        """`(heads, rows)` as `Losing.losses`, of each head."""

    def save_heads(self, model: M) -> Arrays:
        """As `Storing.save`."""

    def load_heads(self, arrays: Arrays) -> M:
        """As `Storing.load`."""


@runtime_checkable
class Varied(Protocol):
    """A domain whose models can be trained by other settings on the same data."""

    def variant(self, changes: Mapping[str, object], shared: Shared = "data") -> Varied:
        """A domain over the same data, whose other settings are these.

        Args:
            changes: settings by name.
            shared: what its models have in common with this domain's: "data"; "inputs" too, since they are asked for
                losses of what a network of this domain is given; or "batches", since they are trained beside one.

        Raises:
            InvalidInput: a setting is none, or what is shared depends on it.
        """


@runtime_checkable
class Dropping(Protocol):
    """Networks that are known to have dropout, or none, before one is trained."""

    def has_dropout(self) -> bool:
        """Whether passes of one network in training mode differ; answered without weights."""


@runtime_checkable
class Truthful(Protocol):
    """Samples whose human labels are known to be wrong in part, since a setting makes them so."""

    def truth(self, ids: Ints) -> Frame:
        """The labels as they should be, with the columns and dtypes of `Sampled.human_labels`; for metrics alone.

        A frame without columns where human labels are right. Never asked for unlabelled ids.
        """
