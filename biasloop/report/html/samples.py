"""Samples of the first and of the last round: what generators made, what texts models wrote, what models said of data.

What a run stores is shown as it is. Pictures and texts of the data are shown where the very data of the run are here,
which their fingerprint tells; nothing is fetched for it, and no program of the run's settings is run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from biasloop.contract import names
from biasloop.contract.data import Array, Column, Frame, Ints, Vocabularies
from biasloop.contract.domains import Domain
from biasloop.contract.inputs import Picturing, Reading
from biasloop.contract.labels import texts_of
from biasloop.errors import BiasloopError
from biasloop.records.ledger import HUMAN
from biasloop.records.record import Record
from biasloop.report.arms import Arm
from biasloop.report.html.pictures import Room, data_uri
from biasloop.report.html.plain import PAGE_ALONE
from biasloop.running import provenance
from biasloop.running.engine import Options
from biasloop.running.reopen import without_data
from biasloop.store.manifest import SETUP, round_name
from biasloop.store.reader import Run

MOST_ARMS = 3
"""Arms whose samples are shown, of the first seed of each."""

_LONGEST = 600  # characters of a text
NOWHERE = "no text"
_NOT_SHOWN = (BiasloopError, OSError, ValueError, KeyError)


@dataclass(frozen=True)
class Sample:
    """A sample that is shown.

    Attributes:
        id: its number in the data, or its row where it has none.
        picture: a data URI; empty of a text.
        text: as it is; empty of a picture.
        said: what is told of it, by name ("truth", "round 0").
        wrong: names in `said` that are not the truth.
    """

    id: int
    picture: str = field(metadata=PAGE_ALONE)
    text: str
    said: Mapping[str, str]
    wrong: Sequence[str] = ()


@dataclass(frozen=True)
class SampleSet:
    """Samples of a run.

    Attributes:
        title: what they are.
        arm: the run's.
        run: its path.
        samples: none where nothing can be shown.
        note: why nothing is shown, or how these were chosen; a sentence.
    """

    title: str
    arm: str
    run: str
    samples: Sequence[Sample]
    note: str = ""

    @property
    def texts(self) -> bool:
        """Whether they are texts."""
        return not any(sample.picture for sample in self.samples)


@dataclass(frozen=True)
class _Source:
    """What is read of a run: its set-up, and its first and last round."""

    run: Run
    arm: str
    setup: Record
    first: Record
    last: Record

    @property
    def vocabularies(self) -> Vocabularies:
        return self.setup.vocabularies()

    @property
    def ends(self) -> dict[int, Record]:
        """The first and the last round by number; one of a run of one round."""
        return {0: self.first, self.run.rounds[-1]: self.last}

    def tables(self, record: Record) -> Mapping[str, Frame]:
        main = record.evaluations.get(names.MAIN)
        return {} if main is None else main.tables


def sample_sets(arms: Sequence[Arm], count: int, options: Options, room: Room) -> list[SampleSet]:
    """Samples of the first run of the first arms.

    Args:
        arms: with a finished round each.
        count: samples of a set at most.
        options: where data lie.
        room: what of the page is left.
    """
    sets = []
    for arm in arms[:MOST_ARMS]:
        run = arm.runs[0].run
        last = round_name(run.rounds[-1])
        source = _Source(run, arm.label, run.read(SETUP), run.read(round_name(0)), run.read(last))
        stored = [*_made(source, count, options)]
        of_data = [] if any(each.texts for each in stored) else [*_of_data(source, count, options)]
        shown = [*stored, *(each for each in of_data if each.samples or not stored)]
        sets += [_fitted(each, room) for each in shown]
    return sets


def _fitted(samples: SampleSet, room: Room) -> SampleSet:
    """As many of a set as the page has room for."""
    fitting = [s for s in samples.samples if room.take(s.picture + s.text + "".join(s.said.values()))]
    if len(fitting) == len(samples.samples):
        return samples
    note = f"{samples.note} The page has no room for {len(samples.samples) - len(fitting)} more.".strip()
    return replace(samples, samples=fitting, note=note)


def _spaced(rows: int, count: int) -> Ints:
    """At most so many rows, evenly spaced: chosen by nothing that is seen in them."""
    return np.unique(np.linspace(0, rows - 1, min(rows, count)).round().astype(np.int64)) if rows else _none()


def _none() -> Ints:
    return np.zeros(0, np.int64)


# --- what runs store


def _made(source: _Source, count: int, options: Options) -> Iterator[SampleSet]:
    """Pictures and texts that stand in a run's own tables."""
    for number, record in source.ends.items():
        for table in source.tables(record).values():
            pictures = [column.values for column in table.columns.values() if _are_pictures(column)]
            if pictures and len(table):
                yield _drawn(source, number, table, pictures[0], count)
    texts = {
        number: column
        for number, record in source.ends.items()
        if (column := _written(source.tables(record).get(names.TEST, Frame()))) is not None
    }
    if texts:
        yield _texts(source, texts, count, options)


def _are_pictures(column: Column) -> bool:
    values = column.values
    return column.offsets is None and values.dtype == np.uint8 and values.ndim == 4 and values.shape[-1] in {1, 3}


def _written(table: Frame) -> Column | None:
    return next((c for c in table.columns.values() if c.role == names.TEXT and c.offsets is not None), None)


def _drawn(source: _Source, number: int, table: Frame, pictures: Array, count: int) -> SampleSet:
    rows = _spaced(len(table), count)
    told = {
        name: texts_of(column.take(rows), source.vocabularies)
        for name, column in table.columns.items()
        if column.offsets is None and column.values.ndim == 1
    }
    said = [{name: cells[i] or "" for name, cells in told.items() if cells is not None} for i in range(len(rows))]
    shown = [Sample(row, data_uri(pictures[row]), "", said[i]) for i, row in enumerate(rows.tolist())]
    return SampleSet(f"Made by the generator of round {number}", source.arm, str(source.run.directory), shown)


def _texts(source: _Source, written: Mapping[int, Column], count: int, options: Options) -> SampleSet:
    """The same prompts, continued in the first and in the last round."""
    rows = _spaced(min(len(column) for column in written.values()), count)
    continued = {f"round {number}": column.take(rows).strings() for number, column in written.items()}
    said = [{name: _cut(texts[i]) or NOWHERE for name, texts in continued.items()} for i in range(len(rows))]
    prompts, lacking = _prompts(source, rows, options)
    shown = [
        Sample(row, "", _cut(prompt), said[i])
        for i, (row, prompt) in enumerate(zip(rows.tolist(), prompts, strict=True))
    ]
    note = f"Of the test set, evenly spaced: a prompt, and its continuation by models of rounds.{lacking}"
    return SampleSet("Texts that models wrote", source.arm, str(source.run.directory), shown, note)


def _prompts(source: _Source, rows: Ints, options: Options) -> tuple[Sequence[str], str]:
    """What models continued, where the data are here; else why it is not shown, a sentence."""
    ids = _ids(source.tables(source.setup).get(names.TEST, Frame()))
    try:
        domain = _domain(source, options)
        if ids is None or not isinstance(domain, Reading):
            return [""] * len(rows), ""
        return domain.texts(ids[rows]), ""
    except _NOT_SHOWN as error:
        return [""] * len(rows), f" Prompts cannot be shown: {error}."


def _ids(test: Frame) -> Ints | None:
    return next((column.values for column in test.columns.values() if column.role == names.IDS), None)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


# --- what is shown of data


def _of_data(source: _Source, count: int, options: Options) -> Iterator[SampleSet]:
    """Test samples, and samples that a model labelled for the next, beside the truth."""
    path = str(source.run.directory)
    try:
        domain = _domain(source, options)
        sets = [*_tested(source, domain, count), *_labelled(source, domain, count)]
    except _NOT_SHOWN as error:
        yield SampleSet("Samples", source.arm, path, (), f"Its samples cannot be shown: {error}.".replace("..", "."))
        return
    yield from sets


def _domain(source: _Source, options: Options) -> Domain:
    """The domain of a run, whose data are here and are the run's.

    Raises:
        BiasloopError: they are not, or it shows none.
    """
    domain = without_data(source.run.directory, options)[1].domain
    if not isinstance(domain, Picturing | Reading):
        raise BiasloopError(
            f"the domain {source.run.identity['domain']['name']!r} has neither pictures nor texts of them"
        )
    missing = [need for need in domain.requirements() if not need.present and need.kind == "data"]
    if missing:
        needs = ", ".join(need.told for need in missing)
        raise BiasloopError(f"{needs} is not here; type: {'; '.join(need.command for need in missing)}")
    provenance.check_data(source.run.directory, source.setup, domain)
    return domain


def _tested(source: _Source, domain: Domain, count: int) -> Iterator[SampleSet]:
    """Test samples, with what the first and the last model say of them."""
    test = source.tables(source.setup).get(names.TEST, Frame())
    ids = _ids(test)
    target = _of_role(test, names.TARGET)
    said = {
        f"round {number}": column
        for number, record in source.ends.items()
        if (column := _of_role(source.tables(record).get(names.TEST, Frame()), names.PREDICTION, target)) is not None
    }
    if ids is None or not len(ids) or not said:
        return
    rows = _spaced(len(ids), count)
    told = {name: texts_of(column.take(rows), source.vocabularies) for name, column in said.items()}
    truth = None if target is None else texts_of(target.take(rows), source.vocabularies)
    yield SampleSet(
        "Test samples", source.arm, str(source.run.directory), _beside(domain, ids[rows], truth, told),
        "Of the test set, evenly spaced; what the models of rounds say of them.",
    )  # fmt: skip


def _labelled(source: _Source, domain: Domain, count: int) -> Iterator[SampleSet]:
    """Samples that models labelled for the next ones, of the first and of the last round that has any."""
    rounds = source.run.rounds[1:]
    for number in dict.fromkeys([*rounds[:1], *rounds[-1:]]):
        record = source.last if number == source.run.rounds[-1] else source.run.read(round_name(number))
        added = record.added
        if added is None or added.inputs.columns:
            continue
        by_model = np.flatnonzero(added.origin != HUMAN)
        given = _of_role(added.payload, names.TARGET)
        if not len(by_model) or given is None:
            continue
        rows = _spaced(len(by_model), count)
        human = _of_role(record.frames.get(names.TRUTH, Frame()), names.TARGET)
        told = {"the model": texts_of(given.take(by_model[rows]), source.vocabularies)}
        truth = None if human is None else texts_of(human.take(rows), source.vocabularies)
        yield SampleSet(
            f"Labelled by the model of round {number - 1} for round {number}", source.arm, str(source.run.directory),
            _beside(domain, added.ids[by_model[rows]], truth, told), "Evenly spaced among what it labelled.",
        )  # fmt: skip


def _of_role(table: Frame, role: str, like: Column | None = None) -> Column | None:
    """The first column of a role with a class a row; of the vocabulary of another, if there is one."""
    return next(
        (
            column
            for column in table.columns.values()
            if column.role == role
            and column.offsets is None
            and column.values.ndim == 1
            and column.vocabulary
            and (like is None or column.vocabulary == like.vocabulary)
        ),
        None,
    )


def _beside(
    domain: Domain, ids: Ints, truth: Sequence[str | None] | None, told: Mapping[str, Sequence[str | None] | None]
) -> list[Sample]:
    """Samples with what is said of them."""
    pictures = [data_uri(picture) for picture in domain.pictures(ids)] if isinstance(domain, Picturing) else None
    texts = domain.texts(ids) if isinstance(domain, Reading) else None
    shown = []
    for i, number in enumerate(ids.tolist()):
        said = {} if truth is None else {names.TRUTH: truth[i] or "not known"}
        answers = {name: cells[i] or "none" for name, cells in told.items() if cells is not None}
        wrong = [name for name, answer in answers.items() if truth is not None and truth[i] not in {None, answer}]
        text = "" if texts is None else _cut(texts[i])
        shown.append(Sample(number, pictures[i] if pictures else "", text, said | answers, wrong))
    return shown
