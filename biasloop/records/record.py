"""What one committed step of a run holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from biasloop.contract.data import Arrays, Evaluation, Frame, Vocabularies
from biasloop.records.ledger import Ledger

MAIN = "test"
"""The evaluation whose metrics are a round's."""
PRETRAINED = "pretrained"
"""The evaluation of the untouched model, round -1; it is in the set-up."""

SNAPSHOT = "epoch-"
"""Begins the name of an evaluation at the end of an epoch; its number follows, in four or more digits."""

VOCABULARY = "vocabulary."
"""Begins the name of a set-up's frame that names what columns index; the vocabulary's name follows."""


@dataclass(frozen=True)
class Model:
    """A model as arrays, and what the domain calls its kind."""

    kind: str
    arrays: Arrays


@dataclass(frozen=True)
class Record:
    """What a set-up or a round produced; only arrays with names.

    Attributes:
        added: rows that the training set gained, never the whole ledger again.
        evaluations: by name ("test", ...).
        frames: everything else worth keeping: training curves, truth beside model labels, vocabularies.
        models: by name; kept in a file of their own, dropped when superseded.
        sizes: row counts of this step ("train", "trained", "human", "model", "reserve").
    """

    added: Ledger | None = None
    evaluations: Mapping[str, Evaluation] = field(default_factory=dict)
    frames: Mapping[str, Frame] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)

    def without_models(self) -> "Record":
        """The part that is kept for good."""
        return replace(self, models={})

    def vocabularies(self) -> Vocabularies:
        """Of a set-up, what columns index; nothing else has any."""
        return {
            name.removeprefix(VOCABULARY): frame.columns["name"].strings()
            for name, frame in self.frames.items()
            if name.startswith(VOCABULARY)
        }
