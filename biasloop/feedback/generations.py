"""Generators and classifiers that learn from the generation before them (Wyllie et al. 2024).

Annotators of the label and of the groups are trained on real data once. Generation g: a generator is trained on
samples of the generator before it (g = 0: on real data); then a classifier on samples of that generator, labelled
by the classifier before it (g = 0: by the annotator of the label). With frozen settings one of the chains stands still.

Every model starts anew; samples are drawn afresh for every batch, so there is no training set, no ledger, and the
cost of a generation is constant, unless samples of all generators are kept and learnt from (`keep = "all"`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, Field, model_validator

from biasloop.config.strict import Strict
from biasloop.contract.batching import Batches, Star
from biasloop.contract.data import Evaluation, Frame, Ints, Metric, Samples, Tables, Vocabularies, joined
from biasloop.contract.domains import EPOCHS, Annotating, Demands, Domain, Generating, Source, Storing, names_in
from biasloop.contract.names import ANNOTATOR, ANNOTATOR_OF, CLASSIFIER, FINAL_POPULATION, GENERATOR, MAIN, POPULATION
from biasloop.contract.randomness import Streams
from biasloop.errors import DamagedStore, InvalidInput, Mismatch
from biasloop.feedback.rule import require
from biasloop.feedback.snapshots import evaluated, watching
from biasloop.feedback.tables import kept_tables
from biasloop.feedback.work import RoundWork
from biasloop.lazy import numpy as np
from biasloop.records.record import Model, Record


class GenerationsSettings(Strict):
    """Generators and classifiers learn from the generation before (Wyllie et al. 2024)."""

    rule: Literal["generations"] = Field(
        description="Which feedback rule: generators and classifiers learn from the generation before them."
    )
    rounds: int = Field(ge=1, description="Generations.")
    generator: Literal["sequential", "frozen"] = Field(
        "sequential", description='"frozen": all classifiers learn from samples of the first generator.'
    )
    labels: Literal["sequential", "annotator"] = Field(
        "sequential", description="Samples are labelled by the classifier before, or always by the annotator."
    )
    synthetic: float = Field(1.0, ge=0, le=1, description="Share of samples in a later generator's batches.")
    classifier_synthetic: float = Field(1.0, ge=0, le=1, description="Share of samples in a classifier's batches.")
    keep: Literal["replace", "subsample", "all"] = Field(
        "replace",
        description='Samples of which generators are learnt from: "replace", of the newest; "subsample", of all so far '
        'in equal shares, with as many steps; "all", likewise, with as many times the passes as there are generators.',
    )
    star: Literal["none", "classifier", "generator", "both"] = Field(
        "none", description="Whose batches are filled by quota over strata of label and groups (STAR)."
    )
    star_budget: int = Field(64, description="Samples drawn beyond the size of a batch before it is filled.")
    star_ideal: list[float] = Field(default_factory=list, description="Share of each stratum; empty for equal ones.")
    star_refill: Literal["until-met", "surplus-first", "single"] = Field(
        "until-met", description='What fills places that quotas leave; "single" is as published.'
    )
    star_draws: float = Field(4.0, description='Of "until-met": samples for a batch at most, times its size.')

    snapshots: int | None = Field(
        None,
        ge=1,
        description="Also evaluate the classifier of a generation after every so many epochs of its training.",
    )

    @model_validator(mode="before")
    @classmethod
    def _no_snapshots_of_generators(cls, data: Any) -> Any:
        if isinstance(data, dict) and "generator_snapshots" in data:
            raise ValueError(
                "`generator_snapshots` is no setting: `snapshots` look at the classifier, and nothing is measured of a "
                "generator in the middle of its training; take it out"
            )
        return data

    @model_validator(mode="after")
    def _check(self) -> GenerationsSettings:
        if self.generator == "frozen" and self.star in {"generator", "both"}:
            raise ValueError(f'`star = "{self.star}"` is for later generators, and `generator = "frozen"` has none')
        try:
            self.reparation()
        except InvalidInput as error:
            raise ValueError(str(error)) from error
        return self

    def reparation(self) -> Star | None:
        """STAR as set, or None."""
        if self.star == "none":
            return None
        return Star(tuple(self.star_ideal), self.star_budget, self.star_refill, self.star_draws)

    def requires(self) -> tuple[type, ...]:
        """Generators of samples, and models that can be stored."""
        return (Generating, Storing)

    def demands(self) -> Demands:
        """The end of every epoch of a classifier, for snapshots."""
        return Demands(frozenset() if self.snapshots is None else frozenset({EPOCHS}))

    def trained(self, round_number: int) -> int:
        """Work of a round, in units of its own: each generation costs the same unless what was made is kept."""
        return round_number + 1 if self.keep == "all" else 1

    def columns(self) -> tuple[str, ...]:
        """Nothing is counted."""
        return ()

    def bound(self) -> None:
        """None is known."""

    def arm_label(self, differing: Collection[str]) -> str | None:
        """Keys and values."""
        return None


class _Domain(Domain, Generating, Storing, Protocol):
    """What the rule asks of a domain; besides, where it has it, `Annotating`."""


@dataclass
class Generations:
    """The rule `generations` over one domain.

    Attributes:
        settings: which chains there are, and of what batches are made.
        domain: a `Generating` and `Storing` domain.
        name: the domain's name, for messages.
        streams: randomness of the run.
    """

    Settings: ClassVar[type[BaseModel]] = GenerationsSettings
    SUGAR: ClassVar[Mapping[str, str]] = MappingProxyType({})

    settings: GenerationsSettings
    domain: _Domain
    name: str
    streams: Streams
    references: Tables = field(default_factory=dict)
    vocabularies: Vocabularies = field(default_factory=dict)
    carried: dict[str, Model] = field(default_factory=dict)
    chain: list[tuple[Model, Model]] = field(default_factory=list)  # generator and classifier of each, where kept
    generations: int = 0  # that were absorbed
    _loaded: list[Any] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        require(self.settings, self.domain, self.name)

    def prepare(self) -> None:
        """Check what the domain can say of the settings before anything is trained.

        Raises:
            Mismatch: STAR has another number of ideal shares than there are strata, or a batch is too small for it.
        """
        star = self.settings.reparation()
        if star is not None:
            self.domain.check_star(star)

    @property
    def needs_all_models(self) -> bool:
        """Whether what is made is kept."""
        return self.settings.keep != "replace"

    def _source(self, kind: str, generator: Any, labeller: Any, earlier: list[tuple[Any, Any]]) -> Source:
        passes = len(earlier) + 1 if self.settings.keep == "all" else 1
        return Source(generator, labeller, self._annotators, self._batches(kind), earlier, passes)

    def _batches(self, kind: str) -> Batches:
        settings = self.settings
        share = settings.synthetic if kind == GENERATOR else settings.classifier_synthetic
        return Batches(share, settings.reparation() if settings.star in {kind, "both"} else None)

    def setup(self, work: RoundWork) -> Record:
        """The annotators, and the test tables as humans fill them; what each annotator makes of them is kept too."""
        models: dict[str, Model] = {}
        for target in self.domain.targets():
            name = f"{ANNOTATOR_OF}{target}"
            fit = _saving(self.domain, name, partial(self.domain.fit_annotator, target))
            models |= work.memo(name, fit, shared=True).models
        references, names = self.domain.references(work.at("answers")), names_in(self.domain)
        first = next(iter(self.domain.targets()))
        judged = self.domain.predict_classifier(self._load(models[f"{ANNOTATOR_OF}{first}"]), work.at("predict"))
        evaluations = {
            MAIN: Evaluation(self._measured(references, names), references),
            ANNOTATOR: Evaluation(self._measured(joined(references, judged), names), judged),
            **self._annotated(models, work),
        }
        return Record(None, evaluations, {}, models)

    def _annotated(self, models: Mapping[str, Model], work: RoundWork) -> dict[str, Evaluation]:
        """What the annotators of groups make of the test tables; metrics of it are not those of a label."""
        names = {target: f"{ANNOTATOR_OF}{target}" for target in list(self.domain.targets())[1:]}
        if not isinstance(self.domain, Annotating):
            return {}
        return {
            name: Evaluation(
                {}, self.domain.predict_annotator(target, self._load(models[name]), work.at(f"predict-{target}"))
            )
            for target, name in names.items()
        }

    def round(self, number: int, work: RoundWork) -> Record:
        """A generator, its population, a classifier, its evaluation."""
        models = {GENERATOR: self._generator(number, work)}
        generator = self._load(models[GENERATOR])
        labeller = self._labeller()
        judge = labeller if self.settings.generator == "frozen" else self._annotators[0]
        population = kept_tables(
            work, POPULATION, lambda call: self.domain.predict_population(generator, judge, self._annotators, call)
        )
        source = self._source(CLASSIFIER, generator, labeller, self._earlier(-1))
        fit = _saving(self.domain, CLASSIFIER, lambda call: self.domain.fit_classifier(source, call))
        fitting = work.fitting(watching(self.settings.snapshots, self.domain.predict_classifier))
        models |= fitting.memo(CLASSIFIER, fit).models
        snapshots = evaluated(work, CLASSIFIER, self._metrics)
        classifier = self._load(models[CLASSIFIER])
        tables = kept_tables(work, "predict", lambda call: self.domain.predict_classifier(classifier, call))
        outputs = {**tables, **population, **self._final(number, generator, classifier, work)}
        sizes = {"generation": number}
        main = Evaluation(self._metrics(outputs), outputs)
        return Record(None, {MAIN: main, **snapshots}, {}, models, sizes)

    def _final(self, number: int, generator: Any, classifier: Any, work: RoundWork) -> Tables:
        """Of a frozen generator, what the next population would be: one more, labelled by the last classifier.

        It stays with its generation if the run is extended later.
        """
        if self.settings.generator != "frozen" or number != self.settings.rounds - 1:
            return {}
        predict, name = self.domain.predict_population, FINAL_POPULATION
        outputs = kept_tables(work, name, lambda call: predict(generator, classifier, self._annotators, call))
        return {name: outputs[POPULATION]} if POPULATION in outputs else {}

    def _generator(self, number: int, work: RoundWork) -> Model:
        """Of this generation: fitted to real data, kept, or fitted to samples of the one before."""
        if number and self.settings.generator == "frozen":
            return self.carried[GENERATOR]
        if number:
            generator = self._load(self.carried[GENERATOR])
            labeller = self._labeller() if self._batches(GENERATOR).star else None
            source = self._source(GENERATOR, generator, labeller, self._earlier(0)[:-1])
        else:
            source = Source(None, None, self._annotators, Batches(0.0))
        fit = _saving(self.domain, GENERATOR, lambda call: self.domain.fit_generator(source, call))
        # The first sees real data alone, so it is the same in all runs that share data, seed and models.
        return work.memo(GENERATOR, fit, shared=number == 0).models[GENERATOR]

    def _labeller(self) -> Any:
        """Who labels what the next classifier learns from: the classifier before it, at first the annotator."""
        if self.settings.labels == "annotator" or CLASSIFIER not in self.carried:
            return self._annotators[0]
        return self._load(self.carried[CLASSIFIER])

    def _earlier(self, step: int) -> list[tuple[Any, Any]]:
        """Generators before this generation's, each with who labelled its samples, where those are kept.

        Args:
            step: 0 for the classifier of its own generation, which tells strata for the next generator (STAR); -1 for
                the one before, whose labels its own classifier learnt.
        """
        if self.settings.keep == "replace":
            return []
        pairs = []
        for number, (generator, _) in enumerate(self.chain):
            by_annotator = self.settings.labels == "annotator" or number + step < 0
            labeller = self._annotators[0] if by_annotator else self._load(self.chain[number + step][1])
            pairs.append((self._load(generator), labeller))
        return pairs

    @property
    def _annotators(self) -> list[Any]:
        """Of the label, then of each group."""
        if not self._loaded:  # they never change, and are asked for several times a generation
            self._loaded = [self._load(self.carried[f"{ANNOTATOR_OF}{target}"]) for target in self.domain.targets()]
        return self._loaded

    def _load(self, model: Model) -> Any:
        return self.domain.load(model.kind, model.arrays)

    def absorb(self, record: Record) -> None:
        """Take a committed set-up or round into the state; a model replaces an earlier one of that name."""
        if not self.references:
            self.references, self.vocabularies = record.evaluations[MAIN].tables, record.vocabularies()
        self.carried |= record.models
        self.generations += "generation" in record.sizes
        if self.needs_all_models and record.models.keys() >= {GENERATOR, CLASSIFIER}:
            self.chain.append((record.models[GENERATOR], record.models[CLASSIFIER]))

    def stop(self, number: int) -> str | None:
        """The last generation was reached."""
        rounds = self.settings.rounds
        return f"{rounds} generations" if number >= rounds else None

    def expected_rounds(self) -> int:
        """Generations."""
        return self.settings.rounds

    def human_labels(self, rounds: int) -> int:
        """None are bought: annotators and generators learn from the data's own labels, and no round asks for more."""
        return 0

    @property
    def can_go_on(self) -> bool:
        """Whether the models that the next generation needs are there."""
        unbroken = not self.needs_all_models or len(self.chain) == self.generations
        return unbroken and {GENERATOR, CLASSIFIER} <= self.carried.keys()

    def training_set(self, number: int) -> Samples:
        """Nothing: samples are drawn afresh and have no ids."""
        nothing = np.zeros(0, np.int64)
        return Samples(nothing, nothing.astype(np.bool_), Frame())

    def entered(self) -> Ints:
        """Nothing, likewise."""
        return np.zeros(0, np.int64)

    def produced(self) -> Model | None:
        """The newest generator."""
        return self.carried.get(GENERATOR)

    def label(self, model: Any, ids: Ints, work: RoundWork) -> Frame:
        """Classifiers label samples that have no ids.

        Raises:
            Mismatch: always.
        """
        raise Mismatch('models of loop.rule = "generations" label no samples of the data; give --output FILE.png')

    def measure(self, number: int, record: Record, tables: Tables) -> dict[str, Metric]:
        """Metrics of an absorbed generation, from its stored tables."""
        return self._metrics(tables)

    def _metrics(self, tables: Tables) -> dict[str, Metric]:
        return self._measured(joined(self.references, tables), self.vocabularies)

    def _measured(self, tables: Tables, vocabularies: Vocabularies) -> dict[str, Metric]:
        return dict(self.domain.measure(tables, self.training_set(0), vocabularies))

    def recover(self, number: int, work: RoundWork) -> None:
        """A chain cannot be fitted again from its middle.

        Raises:
            DamagedStore: always.
        """
        raise DamagedStore(
            f"the models of generation {number} are not there any more, and a chain cannot go on without them; "
            "`biasloop runs repair RUN` goes back to where it can, or start anew with another --output"
        )

    def refit(self, number: int, work: RoundWork) -> Any:
        """A chain's models are kept or gone.

        Raises:
            Mismatch: always.
        """
        raise Mismatch(
            f"the models of generation {number} are not stored; run the loop with --keep-models to keep them all"
        )


def _saving(domain: Storing, name: str, fit: Callable[[RoundWork], Any]) -> Callable[[RoundWork], Record]:
    return lambda call: Record(models={name: Model(name, domain.save(name, fit(call)))})
