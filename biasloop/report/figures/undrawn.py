"""That nothing can be drawn, and what could be instead."""

from collections.abc import Iterable

from biasloop.errors import InvalidInput

_MOST = 12  # metrics that are named


class Undrawn(InvalidInput):
    """What was asked for, or what the preset names, cannot be drawn of the runs.

    Attributes:
        why: without what to type next, which a report has no option for.
    """

    def __init__(self, why: str, known: Iterable[str] = (), hint: str = "") -> None:
        """Say why, and what could be drawn.

        Args:
            why: what is wrong and where.
            known: metrics that can be drawn.
            hint: ends the sentence.
        """
        named = list(known)
        rest = f" and {len(named) - _MOST} more that --list names" if len(named) > _MOST else ""
        such = f", such as {', '.join(named[:_MOST])}{rest}" if named else ""
        super().__init__(f"{why}; name one with --metric or [plot] series{such}{hint}")
        self.why = why
