"""What a domain can say of results that a study has published: its own, in the study's files, and theirs.

Only the domain knows those files and what the study calls a metric; the core knows curves, and draws them over runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from biasloop.contract.data import Evaluation, Floats, Frame, Vocabularies


@dataclass(frozen=True)
class Curve:
    """A number by round, over seeds.

    Attributes:
        mean, std: `(rounds,)`, the standard deviation that of the population; NaN where nothing was released.
        seeds: `(rounds,)` how many.
    """

    mean: Floats
    std: Floats
    seeds: Floats


@runtime_checkable
class Published(Protocol):
    """Results of a study that others have released, drawn over runs of this domain."""

    def published_name(self, metric: str, metrics: Sequence[str]) -> tuple[str, str]:
        """Of which split a metric is, and what the study calls it in files of curves.

        Args:
            metric: of a run.
            metrics: all that the run has.

        Raises:
            InvalidInput: it was not released; naming those that were.
        """

    def curves(self, directory: Path, split: str, name: str) -> Mapping[str, Curve]:
        """A published number by experiment, from the study's files at or below a directory.

        Args:
            directory: of results.
            split: which images.
            name: as `published_name` gives it.

        Raises:
            InvalidInput: there are no such files, or they are not as released.
        """


@runtime_checkable
class Splitting(Protocol):
    """Test tables that are not called what they are of."""

    def split_of(self, table: str) -> str:
        """The split of the data that the rows of a table of `references` are from."""


class Kept(Protocol):
    """What a run keeps of a step, apart from models."""

    @property
    def evaluations(self) -> Mapping[str, Evaluation]:
        """Metrics and per-sample outputs; `references` are the set-up's "test"."""

    @property
    def frames(self) -> Mapping[str, Frame]:
        """Curves, each as `biasloop.contract.names.logged` calls it."""

    def vocabularies(self) -> Vocabularies:
        """Of the set-up, what columns index."""


@runtime_checkable
class Exporting(Protocol):
    """Results in the layout of a published study's own files; without data, models or training."""

    def layout(self) -> str:
        """What the layout is called."""

    def export(self, name: str, setup: Kept, later: Iterable[Kept]) -> Mapping[str, Sequence[Sequence[object]]]:
        """Rows of CSV files, the header first, by path below the directory of results; runs may share a file.

        Args:
            name: of the run, with its seed.
            setup: what was kept before round 0.
            later: what was kept of each round.

        Raises:
            InvalidInput: if the layout cannot hold the run.
        """
