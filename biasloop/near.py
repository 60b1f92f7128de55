"""The name that somebody probably meant."""

import difflib
from collections.abc import Iterable


def near(typed: str, known: Iterable[str]) -> str:
    """A hint for the end of a message, "; did you mean 'accuracy'?"; empty where nothing comes near.

    Args:
        typed: what there is not.
        known: what there is.

    Example:
        >>> near("acuracy", ["accuracy", "ece"])
        "; did you mean 'accuracy'?"
        >>> near("x", ["accuracy", "ece"])
        ''
    """
    matches = difflib.get_close_matches(typed[:100], [*known], 1)
    return f"; did you mean {matches[0]!r}?" if matches else ""
