"""Tables as rules handle them: made once and kept over an interruption."""

from collections.abc import Callable

from biasloop.contract.data import Tables
from biasloop.feedback.work import RoundWork
from biasloop.records.record import Record


def kept_tables(work: RoundWork, name: str, build: Callable[[RoundWork], Tables]) -> Tables:
    """The tables of an inner call, kept over an interruption."""
    return work.memo(name, lambda call: Record(frames=dict(build(call)))).frames
