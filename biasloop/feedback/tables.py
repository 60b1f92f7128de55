"""Tables as rules handle them: made once and kept over an interruption, compared with human labels."""

from collections.abc import Callable, Mapping

from biasloop.contract.data import Floats, Frame, Tables
from biasloop.contract.domains import Comparing, ComparingParts, Domain
from biasloop.feedback.work import RoundWork
from biasloop.metrics.label_error import label_errors
from biasloop.records.record import Record


def kept_tables(work: RoundWork, name: str, build: Callable[[RoundWork], Tables]) -> Tables:
    """The tables of an inner call, kept over an interruption."""
    return work.memo(name, lambda call: Record(frames=dict(build(call)))).frames


def errors_of(domain: Domain, given: Frame, truth: Frame) -> Floats | None:
    """`(rows,)` how wrong labels are: by the domain's measure, else 1 or 0; None where that means nothing (texts)."""
    return domain.errors(given, truth) if isinstance(domain, Comparing) else label_errors(given, truth)


def part_errors_of(domain: Domain, given: Frame, truth: Frame) -> Mapping[str, Floats]:
    """`(rows,)` how wrong each part of labels is, by its name; {} of labels without parts."""
    return domain.part_errors(given, truth) if isinstance(domain, ComparingParts) else {}
