"""A share of the corpus has inputs that a generator made (Chen et al. 2024, arXiv 2404.03242).

Labels never change, and neither does the size. A sample's input is made iff uniform(seed, id) >= 1 - share, so that
those of a smaller share are among those of a larger one, whatever is stopped, resumed or run first. Round 0: a
generator is fitted on the samples as they are, unless inputs are prepared; a model is fitted on the mixed corpus. Round
g: the generator is fitted on the corpus that round g - 1 has mixed. The published study is one round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from biasloop.contract.data import (
    Array,
    Bools,
    Column,
    Evaluation,
    Frame,
    Ints,
    Metric,
    Samples,
    Tables,
    Vocabularies,
    joined,
)
from biasloop.contract.domains import Domain, Sampled, Storing, names_in
from biasloop.contract.making import Making, Mixing
from biasloop.contract.names import FIT, MAIN, MAKER
from biasloop.contract.randomness import Streams
from biasloop.errors import DamagedStore, Mismatch
from biasloop.feedback.mixing_settings import MixingSettings
from biasloop.feedback.rule import fit, require
from biasloop.feedback.snapshots import evaluated, watching
from biasloop.feedback.tables import kept_tables
from biasloop.feedback.work import RoundWork
from biasloop.lazy import numpy as np
from biasloop.records.ledger import HUMAN, REAL, Ledger
from biasloop.records.record import Model, Record

KIND = "model"
MADE = "inputs"  # what generators made: the call that makes it, its table, and a model of the newest round
GENERATION = "generation"  # key of inputs that a generator of the run made: its round
SHARE = "mix_share"  # the metric


class _Domain(Domain, Sampled, Mixing[Any], Storing, Protocol):
    """What the rule asks of a domain; besides, where it has it, `Making`."""


@dataclass
class Mix:
    """The rule `mixing` over one domain.

    Attributes:
        settings: the share, and how many generations there are.
        domain: a `Mixing` and `Storing` domain.
        name: the domain's name, for messages.
        streams: randomness of the run.
        corpus: all samples as humans made them, once the set-up is absorbed.
        newest: of the newest absorbed round, the rows whose inputs were made.
    """

    Settings: ClassVar[type[BaseModel]] = MixingSettings
    SUGAR: ClassVar[Mapping[str, str]] = MappingProxyType({})

    settings: MixingSettings
    domain: _Domain
    name: str
    streams: Streams
    references: Tables = field(default_factory=dict)
    vocabularies: Vocabularies = field(default_factory=dict)
    corpus: Ledger | None = None
    newest: Ledger | None = None
    carried: dict[str, Model] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(self.settings, self.domain, self.name)

    @property
    def _learns(self) -> bool:
        """Whether the generator learns in the run."""
        return isinstance(self.domain, Making)

    def prepare(self) -> None:
        """Refuse samples without a label.

        Raises:
            Mismatch: the domain has some, which no caption could be drawn from.
        """
        unlabelled = len(self.domain.splits().unlabelled)
        if unlabelled:
            raise Mismatch(
                f'loop.rule = "mixing" makes inputs from labels, and {unlabelled} samples of the pool have none; '
                "take them out of the data"
            )

    def setup(self, work: RoundWork) -> Record:
        """The corpus as humans made it, and the test tables as they fill them."""
        ids = np.sort(self.domain.splits().pool)
        corpus = Ledger.entry(ids, HUMAN, 0, self.domain.human_labels(ids))
        references = kept_tables(work, "answers", self.domain.references)
        metrics = self.domain.measure(references, corpus.samples(), names_in(self.domain))
        return Record(corpus, {MAIN: Evaluation(metrics, references)})

    def round(self, number: int, work: RoundWork) -> Record:
        """Fit the generator, mix, fit, evaluate."""
        models = self._maker(number, work)
        maker = self._loaded(models[MAKER]) if models else None
        made = self._made(maker, work)
        train = self._mixed(made)
        fitting = work.fitting(watching(self.settings.snapshots, self.domain.predict))
        models |= fitting.memo(FIT, lambda call: self._saved(KIND, fit(self.domain, self.name, train, call))).models
        stored = self._entered(number, made)
        seen = self._trained_on(stored)
        snapshots = evaluated(work, FIT, lambda predicted: self._metrics(predicted, seen))
        tables = kept_tables(work, "predict", lambda call: self.domain.predict(self._loaded(models[KIND]), call))
        if isinstance(self.domain, Making):
            predict = self.domain.predict_maker
            tables = {**tables, **kept_tables(work, "predict-maker", lambda call: predict(maker, call))}
        if made.columns and self._learns:  # else they are keys, which the ledger holds
            models |= {MADE: Model(MADE, {name: column.values for name, column in made.columns.items()})}
        sizes = {"train": len(train), "synthetic": len(stored)}
        main = Evaluation(self._metrics(tables, seen), tables)
        return Record(stored if len(stored) else None, {MAIN: main, **snapshots}, {}, models, sizes)

    def _maker(self, number: int, work: RoundWork) -> dict[str, Model]:
        """The generator of a round; {} where inputs are prepared."""
        if not isinstance(self.domain, Making):
            return {}
        train = self._mixed(self._carried_inputs()) if number else self._corpus.samples()
        fit_maker = self.domain.fit_maker
        # The first sees the samples' own inputs alone: it is the same whatever the share.
        fitted = work.memo(MAKER, lambda call: self._saved(MAKER, fit_maker(train, call)), shared=number == 0)
        return dict(fitted.models)

    def _made(self, maker: Any, work: RoundWork) -> Frame:
        """Inputs of the samples that are to have one."""
        ids = self._corpus.ids[self.chosen()]
        if not len(ids):
            return Frame()
        made = kept_tables(work, MADE, lambda call: {MADE: self.domain.make(maker, ids, call)})[MADE]
        if len(made) != len(ids):
            raise Mismatch(f"the domain {self.name!r} made {len(made)} inputs for {len(ids)} samples")
        return made

    def chosen(self) -> Bools:
        """`(n,)` of the corpus, whose input is made."""
        settings, ids = self.settings, self._corpus.ids
        streams = self.streams if settings.mix_seed is None else Streams((settings.mix_seed,))
        drawn = streams.at("run", "mix").uniform(ids)[:, 0]  # (n,) from 0 to below 1
        return drawn >= 1 - settings.share

    def _mixed(self, made: Frame) -> Samples:
        """The corpus with inputs for those that are chosen."""
        chosen, corpus = self.chosen(), self._corpus
        if not made.columns:
            return corpus.samples()
        columns = {name: _spread(column, chosen) for name, column in made.columns.items()}
        return Samples(corpus.ids, chosen, corpus.payload, Frame(columns))

    def _entered(self, number: int, made: Frame) -> Ledger:
        """What the store is told of a mixed corpus: the samples whose inputs are new, and by which key."""
        rows = self._corpus.take(np.flatnonzero(self.chosen()))
        keys = Frame({GENERATION: Column(np.full(len(rows), number, np.int64))}) if self._learns else made
        return Ledger.entry(rows.ids, HUMAN, number, rows.payload, inputs=keys)

    def _trained_on(self, newest: Ledger | None) -> Samples:
        """What a model was trained on, as far as it is stored: all but what a generator has made."""
        corpus = self._corpus
        if newest is None or not len(newest):
            return corpus.samples()
        chosen = np.isin(corpus.ids, newest.ids)
        keys = Frame({name: _spread(column, chosen) for name, column in newest.inputs.columns.items()})
        return replace(corpus, inputs=keys).samples()

    @property
    def _corpus(self) -> Ledger:
        assert self.corpus is not None, "the set-up comes first"
        return self.corpus

    def _carried_inputs(self) -> Frame:
        """What the generator of the newest absorbed round made."""
        if not self.chosen().any():
            return Frame()
        return Frame({name: Column(values) for name, values in self.carried[MADE].arrays.items()})

    def _saved(self, kind: str, model: Any) -> Record:
        return Record(models={kind: Model(kind, self.domain.save(kind, model))})

    def _loaded(self, model: Model) -> Any:
        return self.domain.load(model.kind, model.arrays)

    def absorb(self, record: Record) -> None:
        """Take a committed set-up or round into the state."""
        if self.corpus is None:
            self.references, self.vocabularies = record.evaluations[MAIN].tables, record.vocabularies()
            self.corpus = record.added
        else:
            self.newest = record.added
        self.carried = dict(record.models)

    def stop(self, number: int) -> str | None:
        """The last generation was reached."""
        rounds = self.settings.rounds
        return ("1 round" if rounds == 1 else f"{rounds} rounds") if number >= rounds else None

    @property
    def needs_all_models(self) -> bool:
        """The newest generator's pictures alone are learnt from."""
        return False

    @property
    def can_go_on(self) -> bool:
        """Whether what the newest round's generator made is there."""
        return not self._learns or MADE in self.carried or (bool(self.carried) and not self.chosen().any())

    def expected_rounds(self) -> int:
        """Generations."""
        return self.settings.rounds

    def human_labels(self, rounds: int) -> int:
        """Those of the corpus."""
        return len(self.domain.splits().pool)

    def entered(self) -> Ints:
        """Ids of the corpus."""
        return self._corpus.ids

    def training_set(self, number: int) -> Samples:
        """What the model of the newest absorbed round was trained on, as far as it is stored."""
        return self._trained_on(self.newest)

    def produced(self) -> Model | None:
        """The newest generator; the model that was trained on what it made, where inputs are prepared."""
        return self.carried.get(MAKER if self._learns else KIND)

    def label(self, model: Any, ids: Ints, work: RoundWork) -> Frame:
        """Models of a mixed corpus label nothing.

        Raises:
            Mismatch: always.
        """
        raise Mismatch('models of loop.rule = "mixing" label no samples of the data; give --output FILE.png')

    def measure(self, number: int, record: Record, tables: Tables) -> dict[str, Metric]:
        """Metrics of an absorbed round, from its stored tables."""
        return self._metrics(tables, self.training_set(number))

    def _metrics(self, tables: Tables, train: Samples) -> dict[str, Metric]:
        measured = self.domain.measure(joined(self.references, tables), train, self.vocabularies)
        return {**measured, SHARE: Metric(float(np.mean(train.synthetic)), len(train))}

    def recover(self, number: int, work: RoundWork) -> None:
        """A generator that learnt from another one's pictures cannot be fitted again without these.

        Raises:
            DamagedStore: always.
        """
        raise DamagedStore(
            f"what the generator of round {number} made is not there any more, and the next one cannot learn without; "
            "`biasloop runs repair RUN` goes back to where it can, or start anew with another --output"
        )

    def refit(self, number: int, work: RoundWork) -> Any:
        """A generator's models are kept or gone.

        Raises:
            Mismatch: always.
        """
        raise Mismatch(f"the models of round {number} are not stored; run the loop with --keep-models to keep them all")


def _spread(column: Column, chosen: Bools) -> Column:
    """Rows of a column at the places that are chosen, of `(n,)`; elsewhere `REAL`, or NaN."""
    values = column.values
    absent = REAL if np.issubdtype(values.dtype, np.integer) else np.nan
    spread: Array = np.full((len(chosen), *values.shape[1:]), absent, values.dtype)  # (n, ...)
    spread[chosen] = values
    return Column(spread, None, column.role, column.vocabulary)
