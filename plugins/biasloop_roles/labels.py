"""Labels of pictures as core and store have them: columns of verbs and of nouns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from biasloop.contract.data import Column, Frame, Vocabularies
from biasloop.contract.names import CONFIDENCE, PREDICTION, TARGET
from biasloop.lazy import numpy as np
from biasloop_roles.situations import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from biasloop.contract.data import Floats, Ints
    from biasloop.contract.labels import Cell

VERB, NOUNS, FRAMES, PICTURE = "verb", "nouns", "frames", "picture"
PREDICTED_VERB, PREDICTED_NOUNS, NOUNS_OF_VERB = "predicted_verb", "predicted_nouns", "nouns_of_verb"
VERBS, ROLES, NOUN_NAMES, PAIRS = "verbs", "roles", "nouns", "pairs"


@dataclass(frozen=True)
class Labels:
    """Situations of some pictures.

    Attributes:
        verb: `(n,)` int64.
        nouns: `(n, MOST_ROLES)` int64 in the order of the verb's roles, then `PADDING`.
        confidence: `(n,)` float64 how probable each is.
    """

    verb: Ints
    nouns: Ints
    confidence: Floats

    def frame(self, role: str = TARGET) -> Frame:
        """Columns as they are stored: of labels, or of predictions."""
        verb, nouns = (VERB, NOUNS) if role == TARGET else (PREDICTED_VERB, PREDICTED_NOUNS)
        return Frame({
            verb: Column(self.verb, role=role, vocabulary=VERBS),
            nouns: Column(self.nouns, role=role, vocabulary=NOUN_NAMES),
            # Of the whole situation, and so not of whether the verb is right: no role, which calibration goes by.
            CONFIDENCE: Column(self.confidence.astype(np.float32)),
        })  # fmt: skip


def predictions(labels: Labels, nouns_of_verb: Ints) -> Frame:
    """What a model says of test pictures.

    Args:
        labels: the most probable ones.
        nouns_of_verb: `(n, MOST_ROLES)` what it says of the roles of the true verb.
    """
    column = Column(nouns_of_verb, vocabulary=NOUN_NAMES)
    return labels.frame(PREDICTION).plus(Frame({NOUNS_OF_VERB: column}))


def names_of(vocabulary: Vocabulary) -> Mapping[str, Column]:
    """Names of verbs, roles and nouns, and of each pair the numbers of verb and role: all that metrics need."""
    pairs = [f"{verb} {role}" for verb, role in zip(vocabulary.pair_verb, vocabulary.pair_role, strict=True)]
    texts = {VERBS: vocabulary.verbs, ROLES: vocabulary.roles, NOUN_NAMES: vocabulary.nouns, PAIRS: pairs}
    return {name: Column.text(rows) for name, rows in texts.items()}


def named(vocabularies: Vocabularies) -> Vocabulary:
    """The vocabulary that `names_of` names, without slots."""
    pairs = np.array([pair.split(" ") for pair in vocabularies[PAIRS]], np.int64).reshape(-1, 2)
    none = np.zeros(0, np.int64)
    return Vocabulary(
        tuple(vocabularies[VERBS]), tuple(vocabularies[ROLES]), tuple(vocabularies[NOUN_NAMES]),
        pairs[:, 0], pairs[:, 1], none, none,
    )  # fmt: skip


def described(vocabulary: Vocabulary, labels: Frame) -> Sequence[Mapping[str, Cell]]:
    """A row a picture: the verb, the noun of each role, and how probable that is."""
    pairs = vocabulary.verb_pairs[labels[VERB]]  # (n, roles)
    sure = labels[CONFIDENCE] if CONFIDENCE in labels else np.full(len(labels), np.nan)
    rows: list[Mapping[str, Cell]] = []
    for verb, nouns, its_pairs, confidence in zip(labels[VERB], labels[NOUNS], pairs, sure, strict=True):
        roles = {
            vocabulary.roles[vocabulary.pair_role[pair]]: vocabulary.nouns[noun] or None
            for pair, noun in zip(its_pairs, nouns, strict=True)
            if pair >= 0
        }
        told = {} if np.isnan(confidence) else {CONFIDENCE: float(confidence)}
        rows.append({VERB: vocabulary.verbs[verb], **told, **roles})
    return rows
