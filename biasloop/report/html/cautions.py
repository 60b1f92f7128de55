"""What to know before the numbers of a study are believed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from biasloop.report.arms import Arm
from biasloop.report.html.bounded import Bounded
from biasloop.report.html.made_with import RunLine
from biasloop.report.html.predicted import FEW
from biasloop.report.html.stored import ReadOnce
from biasloop.report.tables import formatting

SEEDS = 4
"""Seeds below which an interval is a guess."""

_TOLD = 6  # names that a sentence has room for
_LONGEST = 80  # characters of a text that is told


@dataclass(frozen=True)
class Caution:
    """Something to know.

    Attributes:
        kind: one word for scripts, such as "collapsed".
        text: a sentence.
        where: all arms, runs, groups or metrics that it is about.
    """

    kind: str
    text: str
    where: Sequence[str] = ()


def cautions(
    runs: Sequence[ReadOnce], arms: Sequence[Arm], lines: Sequence[RunLine], bounds: Sequence[Bounded]
) -> list[Caution]:
    """All cautions of a study, the gravest first.

    Args:
        runs: of the study.
        arms: those with a finished round.
        lines: of all runs.
        bounds: of the arms that have one.
    """
    return [
        *_unfinished(lines), *_collapsed(runs), *_exceeded(bounds), *_seeds(arms), *_rounds(arms), *_groups(runs),
        *_unchecked(runs), *_metrics(arms), *_segments(lines), *_settings(runs),
    ]  # fmt: skip


def _unfinished(lines: Sequence[RunLine]) -> Iterator[Caution]:
    for state, text in (
        ("failed", "failed"), ("stopped", "stopped before the end; the same `biasloop loop` goes on"),
        ("running", "still running; this is what was finished when the report was made"),
    ):  # fmt: skip
        those = [line for line in lines if line.state == state]
        if those:
            reasons = list(dict.fromkeys(line.reason for line in those if line.reason))
            why = f": {'; '.join(reasons[:3])}" if reasons else ""
            yield Caution(state, f"{formatting.counted(len(those), 'run')} {text}{why}.", [line.path for line in those])
    empty = [line.path for line in lines if not line.rounds]
    if empty:
        yield Caution("empty", f"{formatting.counted(len(empty), 'run')} without a finished round, left out.", empty)


def _collapsed(runs: Sequence[ReadOnce]) -> Iterator[Caution]:
    """Runs of one answer together, since seeds mostly collapse alike."""
    classes: dict[tuple[str, str], list[ReadOnce]] = {}
    texts: list[tuple[ReadOnce, str, float]] = []
    for run in runs:
        for collapse in run.predicted.collapses:
            if collapse.text:
                texts.append((run, collapse.answer, collapse.share))
            else:
                classes.setdefault((collapse.table, collapse.answer), []).append(run)
    if classes:
        told = "; ".join(f"{answer!r} in {table!r} of {_of(those, runs)}" for (table, answer), those in classes.items())
        yield Caution(
            "collapsed",
            f"Collapsed to one class: at least 99 % of the predictions of the last round are {told}.",
            list(dict.fromkeys(str(run.directory) for those in classes.values() for run in those)),
        )
    if texts:
        _, answer, share = max(texts, key=lambda each: each[2])
        yield Caution(
            "collapsed",
            f"Collapsed to one text: in the last round of {_of([run for run, _, _ in texts], runs)} one text is half "
            f"of all or more; {formatting.percent(share)} are {_short(answer)!r}.",
            [str(run.directory) for run, _, _ in texts],
        )


def _of(those: Sequence[ReadOnce], runs: Sequence[ReadOnce]) -> str:
    return f"{len({run.directory for run in those})} of {formatting.counted(len(runs), 'run')}"


def _exceeded(bounds: Sequence[Bounded]) -> Iterator[Caution]:
    over = [bound for bound in bounds if bound.exceeded]
    if over:
        excess, number, arm = max(
            (abs(row.bias) - abs(row.bound), row.round, bound.arm) for bound in over for row in bound.rounds
        )
        of_arm = f" of {arm}" if arm else ""
        yield Caution(
            "bound",
            f"The mean bias of {len(over)} of {formatting.counted(len(bounds), 'arm')} exceeds the mean bound in some "
            f"round, most in round {number}{of_arm}, by {formatting.number(excess, 2)}: the error of a fit did not "
            "stay what it was in round 0, or it is the noise of the test set.",
            [bound.arm for bound in over if bound.arm],
        )


def _seeds(arms: Sequence[Arm]) -> Iterator[Caution]:
    single = [arm for arm in arms if len(arm.runs) == 1]
    few = [arm for arm in arms if 1 < len(arm.runs) < SEEDS]
    if single:
        yield Caution(
            "one-seed",
            f"One seed alone ({_arms(single, arms)}): nothing is known of how much seeds differ; intervals are of the "
            "test rows.",
            [arm.label for arm in single if arm.label],
        )
    if few:
        yield Caution(
            "few-seeds",
            f"Fewer than {SEEDS} seeds ({_arms(few, arms)}): an interval over them says little yet.",
            [arm.label for arm in few if arm.label],
        )
    if len({tuple(sorted(run.seed for run in arm.runs)) for arm in arms}) > 1:
        yield Caution("unpaired", "Arms have other seeds than each other; they are compared over those that two have.")


def _arms(those: Sequence[Arm], arms: Sequence[Arm]) -> str:
    return f"{len(those)} of {formatting.counted(len(arms), 'arm')}"


def _rounds(arms: Sequence[Arm]) -> Iterator[Caution]:
    uneven = [arm for arm in arms if len({len(run.metrics) for run in arm.runs}) > 1]
    if uneven:
        yield Caution(
            "uneven",
            f"Seeds have got differently far ({_arms(uneven, arms)}): of an arm, rounds count that all its seeds have.",
            [arm.label for arm in uneven if arm.label],
        )


def _groups(runs: Sequence[ReadOnce]) -> Iterator[Caution]:
    fewest: Counter[str] = Counter()
    for run in runs:
        for name, size in run.predicted.groups.items():
            fewest[name] = min(size, fewest[name]) if name in fewest else size
    small = sorted((name for name, size in fewest.items() if size < FEW), key=lambda name: fewest[name])
    if small:
        told = ", ".join(f"{name} ({fewest[name]})" for name in small[:_TOLD])
        more = f" and {len(small) - _TOLD} more" if len(small) > _TOLD else ""
        yield Caution(
            "small-groups",
            f"Fewer than {FEW} test samples in {len(small)} of {len(fewest)} classes and groups: {told}{more}. What is "
            "measured of these alone may be off by much.",
            small,
        )


def _unchecked(runs: Sequence[ReadOnce]) -> Iterator[Caution]:
    """Labels of models, of which nobody knows whether they are right."""
    given = [entered for run in runs for entered in run.labels.rounds.values() if entered.judged]
    model, checked = sum(entered.model for entered in given), sum(entered.checked for entered in given)
    if model > checked == 0:
        yield Caution(
            "unchecked",
            f"No model label could be checked: all {model:,} went to rows whose truth nobody knows, so that nothing is "
            "known of how many are wrong.",
        )
    elif model > checked:
        yield Caution(
            "unchecked",
            f"{model - checked:,} of {model:,} model labels could not be checked: they went to rows whose truth nobody "
            "knows. Label error is of the others.",
        )


def _metrics(arms: Sequence[Arm]) -> Iterator[Caution]:
    rests: dict[str, int] = {}
    known: set[str] = set()
    for run in (run for arm in arms for run in arm.runs):
        for name, metric in run.metrics[-1].items():
            if math.isfinite(metric.value) and metric.n:
                known.add(name)
                if metric.n < FEW:
                    rests[name] = min(metric.n, rests.get(name, FEW))
    if rests:
        named = sorted(rests, key=lambda name: rests[name])
        told = ", ".join(f"{name} ({rests[name]})" for name in named[:_TOLD])
        more = f" and {len(named) - _TOLD} more" if len(named) > _TOLD else ""
        yield Caution(
            "small-samples", f"{len(named)} of {len(known)} metrics rest on fewer than {FEW} samples: {told}{more}.",
            named,
        )  # fmt: skip


def _segments(lines: Sequence[RunLine]) -> Iterator[Caution]:
    several = [line.path for line in lines if line.segments > 1]
    if several:
        yield Caution(
            "segments",
            f"{formatting.counted(len(several), 'run')} made in several segments, with other versions, device or "
            "threads: they need not equal an uninterrupted run bit for bit.",
            several,
        )


def _settings(runs: Sequence[ReadOnce]) -> Iterator[Caution]:
    if any(run.manifest.about.get("parameters") == "ours" for run in runs):
        yield Caution("guessed", "The publication does not give the settings; those of the preset are a guess.")
    if any(run.identity.get("compat") == "released" for run in runs):
        yield Caution(
            "released", "Defects of the published code that change numbers are switched on, as it was released."
        )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
