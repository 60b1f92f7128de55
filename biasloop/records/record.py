"""What one committed step of a run holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from biasloop.contract import names
from biasloop.contract.data import Arrays, Column, Evaluation, Frame, Vocabularies
from biasloop.records.ledger import Ledger

WORDS = "name"  # the only column of a vocabulary's frame


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
            name.removeprefix(names.VOCABULARY): frame.columns[WORDS].strings()
            for name, frame in self.frames.items()
            if name.startswith(names.VOCABULARY)
        }


def vocabulary_frames(vocabularies: Mapping[str, Column]) -> dict[str, Frame]:
    """The frames in which a set-up keeps them."""
    return {f"{names.VOCABULARY}{name}": Frame({WORDS: words}) for name, words in vocabularies.items()}
