"""The training set grows by human- and model-labelled samples (Taori & Hashimoto 2022, Algorithm 1).

Round r: draw m samples of the reserve with their human labels and k more labelled by the model of round r - 1; add
them to the training set; fit a new model from scratch; evaluate it. Round 0 trains on the n0 samples of the set-up.
The draw stands at the start of the round that first trains on it, so the last round labels nothing in vain and a
finished run can be extended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from biasloop.config.experiment import AccumulateSettings
from biasloop.contract.data import Column, Evaluation, Floats, Frame, Ints, Metric, Samples, Tables
from biasloop.contract.domains import Labelling, Pretrained, Sampled, Storing
from biasloop.contract.randomness import Streams
from biasloop.errors import Mismatch
from biasloop.feedback.rule import require
from biasloop.feedback.work import RoundWork
from biasloop.lazy import numpy as np
from biasloop.records.ledger import HUMAN, GrowingLedger, Ledger
from biasloop.records.record import MAIN, PRETRAINED, SNAPSHOT, Model, Record

KIND = "model"


@dataclass
class Reserve:
    """Pool samples that are not in the training set yet, in the one order of the run.

    Attributes:
        labelled: ids with human labels, in drawing order; the first `used` are in the training set.
        unlabelled: ids that only a model can label, in drawing order; the first `used_unlabelled` are in.
    """

    labelled: Ints
    unlabelled: Ints
    used: int = 0
    used_unlabelled: int = 0

    def __len__(self) -> int:
        return len(self.labelled) - self.used + len(self.unlabelled) - self.used_unlabelled

    def draw(self, human: int, model: int) -> tuple[Ints, Ints]:
        """The next ids for human and for model labels; a model labels what no human can first."""
        for_human = self.labelled[self.used : self.used + human]
        alone = self.unlabelled[self.used_unlabelled : self.used_unlabelled + model]
        start = self.used + human
        return for_human, np.concatenate([alone, self.labelled[start : start + model - len(alone)]])

    def lacks(self, human: int, model: int) -> str | None:
        """Why `human + model` samples cannot be drawn, or None."""
        left = len(self.labelled) - self.used
        if left < human:
            return f"{left} human-labelled samples are left in the reserve, a round needs {human}"
        if len(self) < human + model:
            return f"{len(self)} samples are left in the reserve, a round needs {human + model}"
        return None

    def take_out(self, ids: Ints, rows_unlabelled: int) -> None:
        """Count drawn ids as used."""
        self.used_unlabelled += rows_unlabelled
        self.used += len(ids) - rows_unlabelled


@dataclass
class Accumulate:
    """The rule `accumulate` over one domain.

    Attributes:
        settings: sizes and variants.
        domain: a `Labelling` and `Storing` domain.
        name: the domain's name, for messages.
        streams: randomness of the run.
    """

    settings: AccumulateSettings
    domain: Any
    name: str
    streams: Streams
    ledger: GrowingLedger = field(default_factory=GrowingLedger)
    reserve: Reserve = field(init=False)
    start: int = field(init=False, default=0)
    answers: Tables = field(default_factory=dict)
    carried: dict[str, Model] = field(default_factory=dict)
    label_by: str = field(init=False)
    produces: str = field(init=False, default=KIND)

    def __post_init__(self) -> None:
        extra = (Pretrained,) if self.settings.pretrained else ()
        require(self.domain, self.name, "accumulate", (Sampled, Labelling, Storing, *extra))
        known = self.domain.label_rules()
        self.label_by = self.settings.label_by or known[0]
        if self.label_by not in known:
            raise Mismatch(
                f"loop.label_by = {self.label_by!r}: the domain {self.name!r} labels by {' or '.join(map(repr, known))}"
            )

    def prepare(self) -> None:
        """Read the splits and put the pool in order.

        Raises:
            Mismatch: the pool is too small for the settings.
        """
        splits, settings = self.domain.splits(), self.settings
        order = self.streams.at("run", "pool").order
        unlabelled = np.sort(splits.unlabelled)
        labelled = order(np.setdiff1d(splits.pool, unlabelled))
        self.reserve = Reserve(labelled, order(unlabelled))
        self.start = len(labelled) if settings.start == "all" else settings.start
        if self.start > len(labelled):
            raise Mismatch(
                f"loop.start = {self.start}: the pool has {len(labelled)} human-labelled samples "
                f"({len(splits.test)} are the test set)"
            )
        left = replace(self.reserve, used=self.start)
        lack = left.lacks(settings.human, settings.model)
        if settings.rounds != 1 and settings.human + settings.model and lack:
            raise Mismatch(
                f"after loop.start = {self.start} no second round is possible: {lack} "
                "(loop.human + loop.model); lower them, or set loop.rounds = 1"
            )

    def setup(self, work: RoundWork) -> Record:
        """The initial training set, the test tables as humans fill them, and the untouched model's if asked for."""
        ids = self.reserve.labelled[: self.start]
        added = Ledger.entry(ids, HUMAN, 0, self._scored(ids, self.domain.truth(ids), work))
        answers = _tables(work, "answers", self.domain.answers)
        evaluations = {MAIN: Evaluation(self.domain.measure(answers, added.samples()), answers)}
        if self.settings.pretrained:
            tables = _tables(work, PRETRAINED, lambda call: self.domain.predict(self.domain.pretrained(call), call))
            metrics = self.domain.measure(_joined(answers, tables), added.samples())
            evaluations[PRETRAINED] = Evaluation(metrics, tables)
        return Record(added, evaluations)

    def round(self, number: int, work: RoundWork) -> Record:
        """Feed back, fit, evaluate."""
        added, frames = self._feed_back(number, work) if number else (None, {})
        ledger = replace(self.ledger, parts=[*self.ledger.parts])
        if added is not None:
            ledger.append(added)
        train = self._training_set(ledger, number)
        fitting = work.fitting(self._snapshot if self.settings.snapshots else None)
        model = fitting.memo("fit", lambda call: self._saved(self.domain.fit(train, call))).models[KIND]
        snapshots = self._snapshots(work.taken("fit", SNAPSHOT), train)
        tables = _tables(work, "predict", lambda call: self.domain.predict(self._loaded(model), call))
        record = Record(added, {MAIN: Evaluation({}, tables)}, frames, {KIND: model})
        sizes = {
            "train": ledger.size,
            "trained": len(train),
            "human": ledger.human,
            "model": ledger.size - ledger.human,
            "reserve": len(self.reserve) - (len(added) if added else 0),
        }
        metrics = self._measure(record, tables, train)
        return replace(record, evaluations={MAIN: Evaluation(metrics, tables), **snapshots}, sizes=sizes)

    def _snapshot(self, epoch: int, model: Any, fit: RoundWork) -> None:
        """What the model predicts at the end of an epoch, if it is one to look at; kept with the fit's curve."""
        if epoch % (self.settings.snapshots or 1):
            return
        call = RoundWork(fit.streams.at("snapshot", epoch), fit.session, f"{fit.call}/{SNAPSHOT}{epoch}")
        for name, table in self.domain.predict(model, call).items():
            fit.keep(f"{SNAPSHOT}{epoch:04}.{name}", table)

    def _snapshots(self, kept: Mapping[str, Frame], train: Samples) -> dict[str, Evaluation]:
        """Evaluations of a fit's epochs, by name, from what was predicted then."""
        tables: dict[str, dict[str, Frame]] = {}
        for name, table in kept.items():
            epoch, _, part = name.partition(".")
            tables.setdefault(epoch, {})[part] = table
        return {
            epoch: Evaluation(self.domain.measure(_joined(self.answers, found), train), found)
            for epoch, found in tables.items()
        }

    def _saved(self, model: Any) -> Record:
        return Record(models={KIND: Model(KIND, self.domain.save(KIND, model))})

    def _loaded(self, model: Model) -> Any:
        return self.domain.load(model.kind, model.arrays)

    def _feed_back(self, number: int, work: RoundWork) -> tuple[Ledger | None, dict[str, Frame]]:
        """The rows that enter before this round, and the truth beside the labels a model gave."""
        for_human, for_model = self.reserve.draw(self.settings.human, self.settings.model)
        parts, frames = [], {}
        if len(for_human):
            labels = self._scored(for_human, self.domain.truth(for_human), work.at("human"))
            parts.append(Ledger.entry(for_human, HUMAN, number, labels))
        if len(for_model):
            model = self._loaded(self.carried[KIND])
            given = _tables(
                work, "label", lambda call: {"given": self.domain.label(model, for_model, self.label_by, call)}
            )["given"]
            frames["truth"] = self._truth(for_model, given)
            labels = self._scored(for_model, given, work.at("model"), by_model=True)
            parts.append(Ledger.entry(for_model, number - 1, number, labels))
        return (Ledger.join(parts) if parts else None), frames

    def _scored(self, ids: Ints, labels: Frame, work: RoundWork, *, by_model: bool = False) -> Frame:
        """Labels with the scores that travel with them from now on."""
        if not hasattr(self.domain, "score"):
            return labels
        score = getattr(self.domain, "score_given", self.domain.score) if by_model else self.domain.score
        return labels.plus(_tables(work, "score", lambda call: {"scores": score(ids, labels, call)})["scores"])

    def _truth(self, ids: Ints, labels: Frame) -> Frame:
        """Human labels beside the model's, where there are any; nothing is said of unlabelled samples."""
        known = ~np.isin(ids, self.reserve.unlabelled)
        columns = {"known": Column(known)}
        if known.all():
            columns |= self.domain.truth(ids).columns
        errors = _label_errors(labels.take(known), self.domain.truth(ids[known]))
        if errors is not None:
            error = np.full(len(ids), np.nan)
            error[known] = errors
            columns["error"] = Column(error)
        return Frame(columns)

    def absorb(self, record: Record) -> None:
        """Take a committed set-up or round into the state."""
        if record.added is not None:
            alone = int(np.isin(record.added.ids, self.reserve.unlabelled).sum())
            self.reserve.take_out(record.added.ids, alone)
            self.ledger.append(record.added)
        if not self.answers:
            self.answers = record.evaluations[MAIN].tables
        self.carried = dict(record.models)

    def stop(self, number: int) -> str | None:
        """The cap is reached, or the reserve is used up."""
        settings = self.settings
        if settings.rounds is not None and number >= settings.rounds:
            return f"{settings.rounds} rounds"
        return self.reserve.lacks(settings.human, settings.model) if number else None

    @property
    def needs_all_models(self) -> bool:
        """The newest model alone labels."""
        return False

    @property
    def can_go_on(self) -> bool:
        """Whether the newest round's model is there to label with."""
        return bool(self.carried)

    def expected_rounds(self) -> int:
        """How many models the run will train, as far as settings and pool say."""
        settings, cap = self.settings, self.settings.rounds
        if settings.human + settings.model == 0:
            return cap or 1
        splits = self.domain.splits()
        labelled = len(splits.pool) - len(splits.unlabelled) - self.start
        possible = (labelled + len(splits.unlabelled)) // (settings.human + settings.model)
        if settings.human:
            possible = min(possible, labelled // settings.human)
        return min(cap or possible + 1, possible + 1)

    def training_set(self, number: int) -> Samples:
        """What the model of the newest absorbed round was trained on."""
        return self._training_set(self.ledger, number)

    def _training_set(self, ledger: GrowingLedger, number: int) -> Samples:
        if self.settings.keep == "replace" and number:
            return ledger.last().samples()
        rows = ledger.all()
        if self.settings.keep == "subsample" and number:
            order = self.streams.at(number, "subsample").order(np.arange(len(rows)))
            rows = rows.take(np.sort(order[: self.start]))
        return rows.samples()

    def measure(self, number: int, record: Record, tables: Tables) -> dict[str, Metric]:
        """Metrics of an absorbed round, from its stored tables."""
        return self._measure(record, tables, self.training_set(number))

    def _measure(self, record: Record, tables: Tables, train: Samples) -> dict[str, Metric]:
        metrics: dict[str, Metric] = dict(self.domain.measure(_joined(self.answers, tables), train))
        truth = record.frames.get("truth")
        if truth is not None and "error" in truth:
            metrics["label_error"] = _mean(truth["error"])
        return metrics

    def recover(self, number: int, work: RoundWork) -> None:
        """Fit the newest absorbed round's model again, for the next round to label with."""
        self.carried = dict(work.memo("fit", lambda call: self._saved(self._fit(number, call))).models)

    def refit(self, number: int, work: RoundWork) -> Any:
        """The model of the newest absorbed round, fitted again from its ledger and streams."""
        return self._fit(number, work.at("fit"))

    def _fit(self, number: int, work: RoundWork) -> Any:
        return self.domain.fit(self.training_set(number), work)


def _tables(work: RoundWork, name: str, build: Callable[[RoundWork], Tables]) -> Tables:
    """The tables of an inner call, kept over an interruption."""
    return work.memo(name, lambda call: Record(frames=build(call))).frames


def _joined(answers: Tables, tables: Tables) -> Tables:
    """What a model changed beside what never changes, row for row; tables without predictions as they are."""
    return {
        **answers,
        **{name: answers[name].plus(table) if name in answers else table for name, table in tables.items()},
    }


def _label_errors(given: Frame, truth: Frame) -> Floats | None:
    """1.0 where a fixed-size label differs from the human's; None for labels that have no such thing as equal."""
    targets = [name for name, column in truth.columns.items() if column.role == "target"]
    if not targets or any(truth.columns[name].offsets is not None for name in targets):
        return None
    wrong = np.zeros(len(truth), np.bool_)
    for name in targets:
        differs = given[name] != truth[name]
        wrong |= differs.any(axis=tuple(range(1, differs.ndim)))
    return wrong.astype(np.float64)


def _mean(errors: Floats) -> Metric:
    known = errors[~np.isnan(errors)]
    if not len(known):
        return Metric(float("nan"), 0)
    share = float(known.mean())
    return Metric(share, len(known), float(np.sqrt(share * (1 - share) / len(known))))
