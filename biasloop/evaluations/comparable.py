"""Whether two files' answers are about the same things, so that a difference between them means something."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from biasloop.errors import InvalidInput
from biasloop.evaluations.checks import some
from biasloop.evaluations.result import EvaluationResult

_LISTS = {"attributes": "groups", "tasks": "classes", "values": "classes"}


def comparable(answer: EvaluationResult, other: EvaluationResult, files: tuple[Path, Path]) -> list[str]:
    """Check that classes and groups of two answers are the same ones; what one file alone has is said.

    Raises:
        InvalidInput: the positive values differ, one value is written in two ways, or the files have none in common.
    """
    notes = []
    pairs = [(what, answer.details.get(key), other.details.get(key)) for key, what in _LISTS.items()]
    ours, theirs = ([row["value"] for row in result.details.get("shares", ())] for result in (answer, other))
    for what, first, second in [*pairs, ("values", ours, theirs)]:
        if first and second:
            notes += _same(what, first, second, files)
    positive = [result.details.get("positive") for result in (answer, other)]
    if positive[0] != positive[1]:
        raise InvalidInput(
            f"the positive value is {positive[0]!r} in {files[0]} and {positive[1]!r} in {files[1]}; write the values "
            "of both files alike, or name the one with --positive"
        )
    return notes


def _same(what: str, ours: Sequence[str], theirs: Sequence[str], files: tuple[Path, Path]) -> list[str]:
    first, second = files
    plain = {_plain(value): value for value in ours}
    for value in theirs:
        known = plain.get(_plain(value))
        if known is not None and known != value and value not in ours:
            raise InvalidInput(
                f"{first} has {known!r} where {second} has {value!r}; write the values of both files alike"
            )
    if set(ours).isdisjoint(theirs):
        raise InvalidInput(
            f"{first} ({some(ours)}) and {second} ({some(theirs)}) have none of their {what} in common, so a "
            "difference would be of different things"
        )
    notes = []
    for file, mine, others in ((first, ours, theirs), (second, theirs, ours)):
        alone = sorted(set(mine) - set(others))
        if alone:
            notes.append(f"{what} of {file} alone: {some(alone)}")
    return notes


def _plain(text: str) -> str:
    """A value without what two ways of writing it differ in: case, blanks, decimal zeros, composed letters."""
    plain = unicodedata.normalize("NFC", text).strip().casefold()
    try:
        return repr(float(plain))
    except ValueError:
        return plain
