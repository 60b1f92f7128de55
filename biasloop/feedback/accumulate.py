"""The training set grows by human- and model-labelled samples (Taori & Hashimoto 2022, Algorithm 1).

Round r: draw m samples of the reserve with their human labels and k more labelled by the model of round r - 1; add
them to the training set; fit a new model from scratch; evaluate it. Round 0 trains on the n0 samples of the set-up.
The draw stands at the start of the round that first trains on it, so that a finished run can be extended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from biasloop.contract.data import Column, Evaluation, Frame, Ints, Metric, Samples, Tables, Vocabularies, joined
from biasloop.contract.domains import (
    Domain,
    Grouped,
    Labelling,
    Pretrained,
    Sampled,
    Scoring,
    ScoringGiven,
    Storing,
    names_in,
)
from biasloop.contract.label_metrics import MeasuringLabels
from biasloop.contract.names import FIT, MAIN, OF_GIVEN, OF_GIVEN_TRUTH, PRETRAINED, TRUTH
from biasloop.contract.randomness import Streams
from biasloop.errors import Mismatch
from biasloop.feedback.accumulate_settings import AccumulateSettings
from biasloop.feedback.reserve import Reserve, lacking
from biasloop.feedback.rule import fit, require
from biasloop.feedback.selecting import Selecting, beside_epochs, epochs_of, human_samples, selection_metrics
from biasloop.feedback.snapshots import evaluated, late, of_last_half, watching
from biasloop.feedback.tables import errors_of, kept_tables, part_errors_of
from biasloop.feedback.work import RoundWork
from biasloop.lazy import numpy as np
from biasloop.metrics.label_error import mean_error
from biasloop.records.ledger import HUMAN, GrowingLedger, Ledger
from biasloop.records.record import Model, Record

KIND = "model"
SETUP = "setup"  # the call that makes the set-up
GIVEN, SCORES = "given", "scores"  # tables that calls are kept with
KNOWN, ERROR = "known", "error"  # columns of the frame `TRUTH`: whether there is a human label; how wrong the model is
ERROR_OF = "error."  # begins the column of a part of labels; its name follows


class _Domain(Domain, Sampled, Labelling[Any], Storing, Protocol):
    """What the rule asks of a domain; where it has them, `Scoring`, `Grouped`, `MeasuringLabels` and `Pretrained`."""


@dataclass
class Accumulate:
    """The rule `accumulate` over one domain.

    Attributes:
        settings: sizes and variants.
        domain: a `Labelling` and `Storing` domain.
        name: the domain's name, for messages.
        streams: randomness of the run.
        selecting: which samples of a batch models learn from; None for all.
        start: rows of the first training set; after `prepare`, or once the set-up is absorbed.
    """

    Settings: ClassVar[type[BaseModel]] = AccumulateSettings
    SUGAR: ClassVar[Mapping[str, str]] = MappingProxyType({"per_round": "model"})

    settings: AccumulateSettings
    domain: _Domain
    name: str
    streams: Streams
    selecting: Selecting | None = None
    ledger: GrowingLedger = field(default_factory=GrowingLedger)
    start: int = field(init=False, default=0)
    references: Tables = field(default_factory=dict)
    vocabularies: Vocabularies = field(default_factory=dict)
    carried: dict[str, Model] = field(default_factory=dict)
    label_by: str = field(init=False)
    _reserve: Reserve | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        require(self.settings, self.domain, self.name)
        known = self.domain.label_rules()
        self.label_by = self.settings.label_by or known[0]
        if self.label_by not in known:
            raise Mismatch(
                f"loop.label_by = {self.label_by!r}: the domain {self.name!r} labels by {' or '.join(map(repr, known))}"
            )

    def prepare(self) -> None:
        """Compare the settings with the sizes of the splits.

        Raises:
            Mismatch: the pool is too small for the settings.
        """
        splits, settings = self.domain.splits(), self.settings
        labelled = len(splits.pool) - len(splits.unlabelled)
        drawn = labelled if settings.start == "all" else settings.start
        if drawn > labelled:
            raise Mismatch(
                f"loop.start = {drawn}: the pool has {labelled} human-labelled samples "
                f"({len(splits.test)} are the test set)"
            )
        lack = lacking(labelled - drawn, len(splits.unlabelled), settings.human, settings.model)
        if settings.rounds != 1 and settings.human + settings.model and lack:
            raise Mismatch(
                f"after loop.start = {drawn} no second round is possible: {lack} "
                "(loop.human + loop.model); lower them, or set loop.rounds = 1"
            )
        if self.selecting is not None:
            self.selecting.prepare()
        self.start = drawn + len(self._added)

    @property
    def _added(self) -> Ints:
        """Ids of the first training set that are not of the pool."""
        return np.zeros(0, np.int64) if self.selecting is None else self.selecting.added

    @property
    def reserve(self) -> Reserve:
        """What of the pool is not in the ledger; the data are read for it, as they are not to measure a stored run."""
        if self._reserve is None:
            splits, order = self.domain.splits(), self.streams.at("run", "pool").order
            unlabelled = np.sort(splits.unlabelled)
            self._reserve = Reserve(order(np.setdiff1d(splits.pool, unlabelled)), order(unlabelled))
            if self.ledger.parts:
                self._reserve.take_out(self.ledger.all().ids)
        return self._reserve

    def setup(self, work: RoundWork) -> Record:
        """The initial training set, the test tables as humans fill them, and the untouched model's if asked for."""
        drawn, models, frames = self.reserve.labelled[: self.start - len(self._added)], {}, {}
        ids = np.concatenate([drawn, self._added])
        if self.selecting is not None:
            models, frames = self.selecting.setup(human_samples(self.domain, ids), work), self.selecting.vocabulary
        added = Ledger.entry(ids, HUMAN, 0, self._scored(ids, self.domain.human_labels(ids), work))
        references = kept_tables(work, "answers", self.domain.references)
        domain, names = self.domain, names_in(self.domain)
        train = self._grouped(added.samples())
        evaluations = {MAIN: Evaluation(domain.measure(references, train, names), references)}
        if self.settings.pretrained and isinstance(domain, Pretrained):
            tables = kept_tables(work, PRETRAINED, lambda call: domain.predict(domain.pretrained(call), call))
            evaluations[PRETRAINED] = Evaluation(domain.measure(joined(references, tables), train, names), tables)
        return Record(added, evaluations, frames, models)

    def round(self, number: int, work: RoundWork) -> Record:
        """Feed back, fit, evaluate."""
        added, frames = self._feed_back(number, work) if number else (None, {})
        ledger = replace(self.ledger, parts=[*self.ledger.parts])
        if added is not None:
            ledger.append(added)
        train = self._training_set(ledger, number)
        fitting = work.fitting(watching(self.settings.snapshots, self.domain.predict))
        model = fitting.memo(FIT, lambda call: self._saved(self._fitted(train, call))).models[KIND]
        measured = self._grouped(train)
        frames |= {} if self.selecting is None else self.selecting.logged(work)
        snapshots = evaluated(work, FIT, lambda predicted: self._metrics(predicted, measured))
        snapshots = beside_epochs(snapshots, frames, self.vocabularies)
        tables = kept_tables(work, "predict", lambda call: self.domain.predict(self._loaded(model), call))
        record = Record(added, {MAIN: Evaluation({}, tables), **snapshots}, frames, {KIND: model})
        sizes = {
            "train": ledger.size,
            "trained": len(train),
            "human": ledger.human,
            "model": ledger.size - ledger.human,
            "reserve": len(self.reserve) - (len(added) if added else 0),
        }
        metrics = self._measure(record, tables, measured)
        return replace(record, evaluations={MAIN: Evaluation(metrics, tables), **snapshots}, sizes=sizes)

    def _grouped(self, train: Samples) -> Samples:
        """Labels beside the groups of their samples, if the domain knows any: for metrics alone."""
        if not isinstance(self.domain, Grouped):
            return train
        return replace(train, labels=train.labels.plus(self.domain.groups(train.ids)))

    def _saved(self, model: Any) -> Record:
        return Record(models={KIND: Model(KIND, self.domain.save(KIND, model))})

    def _loaded(self, model: Model) -> Any:
        return self.domain.load(model.kind, model.arrays)

    def _feed_back(self, number: int, work: RoundWork) -> tuple[Ledger | None, dict[str, Frame]]:
        """The rows that enter before this round, and the truth beside the labels a model gave."""
        for_human, for_model = self.reserve.draw(self.settings.human, self.settings.model)
        parts, frames = [], {}
        if len(for_human):
            labels = self._scored(for_human, self.domain.human_labels(for_human), work.at("human"))
            parts.append(Ledger.entry(for_human, HUMAN, number, labels))
        if len(for_model):
            model = self._loaded(self.carried[KIND])
            given = kept_tables(work, "label", lambda call: {GIVEN: self.label(model, for_model, call)})[GIVEN]
            frames[TRUTH] = self._truth(for_model, given)
            labels = self._scored(for_model, given, work.at("model"), by_model=True)
            parts.append(Ledger.entry(for_model, number - 1, number, labels))
        return (Ledger.join(parts) if parts else None), frames

    def _scored(self, ids: Ints, labels: Frame, work: RoundWork, *, by_model: bool = False) -> Frame:
        """Labels with the scores that travel with them from now on."""
        domain, selecting = self.domain, self.selecting
        scored = labels
        if isinstance(domain, Scoring):
            score = domain.score_given if by_model and isinstance(domain, ScoringGiven) else domain.score
            scored = scored.plus(kept_tables(work, "score", lambda call: {SCORES: score(ids, labels, call)})[SCORES])
        if selecting is not None and selecting.scores_rows:
            rows = Samples(ids, np.full(len(ids), by_model), labels)
            losses = kept_tables(work, "losses", lambda call: {SCORES: self._losses(selecting, rows, call)})[SCORES]
            scored = scored.plus(losses)
        return scored

    def _losses(self, selecting: Selecting, rows: Samples, work: RoundWork) -> Frame:
        """Irreducible losses of rows that enter."""
        self._complete(selecting, work)
        return selecting.losses(rows, work)

    def _complete(self, selecting: Selecting, work: RoundWork) -> None:
        """Models of irreducible losses are in the set-up; if they were lost they are fitted again."""
        if selecting.models or not selecting.needs_losses:
            return
        work.note("the models of irreducible losses are not stored any more; they are fitted again")
        alone = replace(work.session, logs={})  # what they log is in the set-up's file already
        ledger = self.ledger.all()
        first = human_samples(self.domain, ledger.ids[ledger.since == 0])
        selecting.setup(first, RoundWork(self.streams.at(-1), alone, SETUP))

    def _truth(self, ids: Ints, labels: Frame) -> Frame:
        """Human labels beside the model's, where there are any; nothing is said of unlabelled samples."""
        known = ~np.isin(ids, self.reserve.unlabelled)
        columns = {KNOWN: Column(known)}
        if known.all():
            columns |= self.domain.human_labels(ids).columns
        given, human = labels.take(known), self.domain.human_labels(ids[known])
        shares = errors_of(self.domain, given, human)
        parts = part_errors_of(self.domain, given, human)
        errors = ({} if shares is None else {ERROR: shares}) | {ERROR_OF + name: part for name, part in parts.items()}
        for name, values in errors.items():
            error = np.full(len(ids), np.nan)  # (rows,) NaN where nobody knows
            error[known] = values
            columns[name] = Column(error)
        return Frame(columns)

    def absorb(self, record: Record) -> None:
        """Take a committed set-up or round into the state."""
        if not self.references:
            self.references, self.vocabularies = record.evaluations[MAIN].tables, record.vocabularies()
            self.start = len(record.added) if record.added is not None else 0
            if self.selecting is not None:
                self.selecting.absorb(record.models)
        if record.added is not None:
            self.ledger.append(record.added)
            if self._reserve is not None:
                self._reserve.take_out(record.added.ids)
        self.carried = dict(record.models)

    def stop(self, number: int) -> str | None:
        """The cap is reached, or the reserve is used up."""
        settings = self.settings
        if settings.rounds is not None and number >= settings.rounds:
            return "1 round" if settings.rounds == 1 else f"{settings.rounds} rounds"
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
        labelled = len(splits.pool) - len(splits.unlabelled) - (self.start - len(self._added))
        drawn = (labelled + len(splits.unlabelled)) // (settings.human + settings.model)
        possible = 1 + min(drawn, labelled // settings.human if settings.human else drawn)
        return min(cap or possible, possible)

    def human_labels(self, rounds: int) -> int:
        """Those of the set-up, and those that each round after the first draws."""
        held_out = 0 if self.selecting is None else self.selecting.held_out
        return self.start + held_out + max(0, rounds - 1) * self.settings.human

    def training_set(self, number: int) -> Samples:
        """What the model of the newest absorbed round was trained on."""
        return self._training_set(self.ledger, number)

    def entered(self) -> Ints:
        """Ids of the ledger."""
        return self.ledger.all().ids

    def produced(self) -> Model | None:
        """The newest round's model, where it is stored."""
        return self.carried.get(KIND)

    def label(self, model: Any, ids: Ints, work: RoundWork) -> Frame:
        """Labels by the rule of `loop.label_by`."""
        return self.domain.label(model, ids, self.label_by, work)

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

    def _metrics(self, tables: Tables, train: Samples) -> dict[str, Metric]:
        return dict(self.domain.measure(joined(self.references, tables), train, self.vocabularies))

    def _measure(self, record: Record, tables: Tables, train: Samples) -> dict[str, Metric]:
        metrics = self._metrics(tables, train)
        truth = record.frames.get(TRUTH, Frame())
        for name in truth.columns:
            if name == ERROR or name.startswith(ERROR_OF):
                metrics[f"label_{name}"] = mean_error(truth[name])
        metrics |= self._of_labels(record)
        if self.selecting is not None:
            metrics |= selection_metrics(record.frames, joined(self.references, tables), self.vocabularies)
            late_ones = of_last_half(record.evaluations, epochs_of(record.frames)).values()
            metrics |= late(self._metrics(snapshot.tables, train) for snapshot in late_ones)
        return metrics

    def _of_labels(self, record: Record) -> dict[str, Metric]:
        """What a domain measures of labels alone: of those that a model gave, and of those of humans beside them."""
        added, truth = record.added, record.frames.get(TRUTH)
        if not isinstance(self.domain, MeasuringLabels) or added is None or truth is None or not truth[KNOWN].all():
            return {}
        given = added.payload.take(np.flatnonzero(added.origin != HUMAN))  # rows in the order of `truth`
        human = Frame({name: column for name, column in truth.columns.items() if name in given})
        both = {OF_GIVEN: Frame({name: given.columns[name] for name in human.columns}), OF_GIVEN_TRUTH: human}
        return {
            f"{prefix}{name}": metric
            for prefix, labels in both.items()
            for name, metric in self.domain.measure_labels(labels, self.vocabularies).items()
        }

    def recover(self, number: int, work: RoundWork) -> None:
        """Fit the newest absorbed round's model again, for the next round to label with."""
        self.carried = dict(work.memo(FIT, lambda call: self._saved(self._fit(number, call))).models)

    def refit(self, number: int, work: RoundWork) -> Any:
        """The model of the newest absorbed round, fitted again from its ledger and streams."""
        return self._fit(number, work.at(FIT))

    def _fit(self, number: int, work: RoundWork) -> Any:
        return self._fitted(self.training_set(number), work)

    def _fitted(self, train: Samples, work: RoundWork) -> Any:
        """A model fitted on a training set, or on what is selected of it."""
        samples = train
        if self.selecting is not None:
            if not self.selecting.scores_rows:  # they go on learning in every fit
                self._complete(self.selecting, work)
            samples = self.selecting.described(train)
        return fit(self.domain, self.name, samples, work)
