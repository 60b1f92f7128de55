"""Errors a person can act on: one sentence that says what is wrong, where, what was expected, what to type next."""

import difflib
from collections.abc import Iterable

_HARDLY = 0.05  # of the likeness of two words, 0 to 1


class BiasloopError(Exception):
    """Something went wrong that the person can mend; printed as one sentence, without a traceback."""

    exit_code = 1


class InvalidInput(BiasloopError):
    """Wrong usage, an invalid preset, or bad input data."""

    exit_code = 2


class Mismatch(InvalidInput):
    """A domain cannot do what the feedback rule needs, or the settings contradict each other."""


class SomethingToFetch(BiasloopError):
    """Data or weights are missing; the message carries the commands that get them, with sizes."""

    exit_code = 3


class DownloadError(BiasloopError):
    """A download failed, or what came is not what was expected."""


class StoreError(BiasloopError):
    """A run directory cannot be read or written."""


class Held(StoreError):
    """Another process makes this now.

    Attributes:
        holder: which, in words.
    """

    def __init__(self, message: str, holder: str = "another process") -> None:
        super().__init__(message)
        self.holder = holder


class Lost(Held):
    """Another process has taken a run over, since this one showed no sign of life for too long; it writes no more."""


class DamagedStore(StoreError):
    """A file of a run is missing, truncated, altered or of a newer format."""


class NewerFormat(DamagedStore):
    """A file was written by a newer biasloop; it is neither read nor moved."""


class DamagedShard(InvalidInput):
    """A tar of samples is cut off, has a sample twice, or a member that is refused."""


class Diverged(BiasloopError):
    """Training produced numbers that are not finite."""


class OutOfMemory(BiasloopError):
    """The machine, or its GPU, has not enough memory for the settings."""


class Interrupted(BaseException):
    """The person asked to stop (Ctrl-C, SIGTERM, a closed terminal); raised at the end of the current step.

    A `BaseException`, so that no `except Exception` of a domain swallows it.
    """


def near(typed: str, known: Iterable[str], *, most: int = 1) -> str:
    """A hint for the end of a message, "; did you mean 'accuracy'?"; empty where nothing comes near.

    Nearest are names with the same parts between dots in another order, then those that are written much alike,
    whatever their case, then those with the same first part.

    Args:
        typed: what there is not.
        known: what there is.
        most: names that are given, the nearest first.

    Example:
        >>> near("acuracy", ["accuracy", "ece"])
        "; did you mean 'accuracy'?"
        >>> near("tpr.women.sex", ["tpr.women", "tpr.sex.women"])
        "; did you mean 'tpr.sex.women'?"
        >>> near("x", ["accuracy", "ece"])
        ''
    """
    names, lower = [*dict.fromkeys(known)], typed[:100].lower()
    parts = sorted(lower.split("."))
    by_lower = {name.lower(): name for name in reversed(names)}
    matches = [name for name in names if sorted(name.lower().split(".")) == parts]
    matches = matches or [by_lower[match] for match in _alike(lower, by_lower, most)]
    if not matches and len(parts) > 1:
        matches = [name for name in names if name.lower().partition(".")[0] == lower.partition(".")[0]]
    return f"; did you mean {' or '.join(map(repr, matches[:most]))}?" if matches else ""


def _alike(typed: str, known: Iterable[str], most: int) -> list[str]:
    """The names that are written most like what was typed, and hardly less than the first of them."""
    matches = difflib.get_close_matches(typed, known, most)
    ratios = [difflib.SequenceMatcher(None, match, typed).ratio() for match in matches]
    return [match for match, ratio in zip(matches, ratios, strict=True) if ratio >= ratios[0] - _HARDLY]
