"""What a rule does about selection: irreducible losses from the holdout, what fits are told, what is measured of them.

Irreducible losses are those of models that the human-labelled holdout alone has taught (Mindermann et al. 2022, section
3; one a category: Bankes et al. 2024, equation 9). They are taken on the labels in the ledger, once, when rows enter,
and travel with the rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from biasloop.contract import names
from biasloop.contract.data import Column, Evaluation, Floats, Frame, Ints, Metric, Samples, Tables, Vocabularies
from biasloop.contract.domains import Sampled
from biasloop.contract.losing import Heading, Truthful, Varied
from biasloop.contract.randomness import Streams
from biasloop.contract.selection import (
    CLASS_IRREDUCIBLE,
    HOLDOUT,
    Judged,
    Selection,
    Selector,
    Strata,
    Taught,
    Updating,
)
from biasloop.errors import Mismatch
from biasloop.feedback.rule import fit
from biasloop.feedback.selection_needs import Selectable, check_dropout, check_variants, needs_losses, require
from biasloop.feedback.selection_settings import SelectionSettings
from biasloop.feedback.tables import errors_of
from biasloop.feedback.work import RoundWork
from biasloop.lazy import numpy as np
from biasloop.metrics import selection
from biasloop.metrics.selection import RIGHT, STATES, UNKNOWN, WRONG
from biasloop.records.record import Model, Record, vocabulary_frames

KIND = "irreducible"
COLUMN = "irreducible"
"""The column of a ledger's payload with the irreducible losses of a row: `(n, C)` or `(n, 1)` float32."""


def human_samples(domain: Sampled, ids: Ints) -> Samples:
    """Samples with their human labels."""
    return Samples(ids, np.zeros(len(ids), np.bool_), domain.human_labels(ids))


@dataclass
class Selecting:
    """Selection in one run.

    Attributes:
        settings: the section [selection].
        selector: what they name, with its options.
        domain: of the run.
        name: the domain's, for messages.
        streams: randomness of the run.
        models: that irreducible losses are of, by name; after the set-up.
    """

    settings: SelectionSettings
    selector: Selector
    domain: Selectable
    name: str
    streams: Streams
    models: dict[str, Model] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(self.settings, self.selector, self.domain, self.name)

    @property
    def needs_losses(self) -> bool:
        """Whether irreducible losses are needed."""
        return needs_losses(self.selector)

    @property
    def scores_rows(self) -> bool:
        """Whether they travel with rows, as they do unless they are computed at every step."""
        return self.needs_losses and self.settings.irreducible.updating is None

    @property
    def needs_holdout(self) -> bool:
        """Whether a holdout is."""
        settings = self.settings
        taught = self.needs_losses and not settings.irreducible.twins
        return taught or HOLDOUT in self.selector.needs or settings.best != "last"

    @property
    def _by_category(self) -> bool:
        return CLASS_IRREDUCIBLE in self.selector.needs

    @property
    def _heads(self) -> bool:
        return self._by_category and self.settings.irreducible.models == "heads"

    def prepare(self) -> None:
        """Compare settings with the data.

        Raises:
            Mismatch: there is no holdout, a category has no sample in it, or it is to be trained on and held out.
            InvalidInput: options of the selector are of other categories, or settings of other models than the run's
                own are none, or passes with dropout would be alike.
        """
        check_variants(self.settings, self.selector, self.domain)
        check_dropout(self.settings, self.selector, self.domain)
        settings, holdout = self.settings, self.domain.splits().holdout
        what = (
            f"selection.name = {settings.name!r}" if settings.best == "last" else f"selection.best = {settings.best!r}"
        )
        if settings.add_holdout and self.needs_holdout:
            raise Mismatch(f"selection.add_holdout trains on the holdout, and {what} needs it held out; leave one out")
        if (self.needs_holdout or settings.add_holdout) and not len(holdout):
            raise Mismatch(
                f"{what} needs human-labelled samples that are held out of training, and there are none; set "
                "domain.holdout"
            )
        self._check_parts()
        if settings.irreducible.twins and HOLDOUT in self.selector.needs and not len(holdout):
            raise Mismatch(f"{what} needs losses on a holdout beside twins; set domain.holdout")
        self.selector.start(self.categories)  # which compares options with categories
        taught, judge = self._holdout
        self._check_categories(self._categories_of(taught) if self.needs_holdout else None, "the holdout")
        if len(judge):
            self._check_categories(self._categories_of(judge), f"selection.judge, {settings.judge:g} of the holdout,")

    def _check_parts(self) -> None:
        """A judge that is named has samples, and leaves some."""
        settings, (taught, judge) = self.settings, self._holdout
        if settings.judge and self.needs_holdout and settings.best != "last" and not (len(taught) and len(judge)):
            of, which = len(judge) + len(taught), "leaves none" if len(judge) else "is none"
            raise Mismatch(
                f"selection.judge = {settings.judge:g} of the {of} samples of the holdout {which}; set another share, "
                "or a larger domain.holdout"
            )

    def _check_categories(self, categories: Ints | None, where: str) -> None:
        """Every category of the pool's human labels has to be there, where categories are looked at."""
        balancing = self.selector.needs & {CLASS_IRREDUCIBLE, HOLDOUT}
        if categories is None or not (balancing or self.settings.best == "worst_class"):
            return
        what = f"selection.name = {self.settings.name!r}" if balancing else 'selection.best = "worst_class"'
        absent = np.setdiff1d(np.arange(self.categories), categories)
        if len(absent):
            raise Mismatch(
                f"{where} has no sample of {self.category_names[absent[0]]!r}, one of {self.categories} categories "
                f"that {what} balances over; set a larger domain.holdout"
            )

    @cached_property
    def category_names(self) -> list[str]:
        """What losses are balanced over."""
        return [*self.domain.category_names()]

    @property
    def categories(self) -> int:
        """C, how many there are."""
        return len(self.category_names)

    @property
    def vocabulary(self) -> dict[str, Frame]:
        """The frame of a set-up that names the categories."""
        return vocabulary_frames({names.CATEGORIES: Column.text(self.category_names)})

    def _categories_of(self, ids: Ints) -> Ints:
        return self.domain.categories(human_samples(self.domain, ids)) if len(ids) else np.zeros(0, np.int64)

    @cached_property
    def _holdout(self) -> tuple[Ints, Ints]:
        """Ids that models of irreducible losses learn from, and those that the best epoch is chosen on."""
        holdout = self.domain.splits().holdout
        order = self.streams.at("run", "judge").order(holdout)
        judge = round(self.settings.judge * len(holdout)) if self.settings.best != "last" else 0
        return np.sort(order[judge:]), np.sort(order[:judge])

    @property
    def held_out(self) -> int:
        """Human labels of the holdout, where it is used and no row of the training set."""
        return len(self.domain.splits().holdout) if self.needs_holdout else 0

    @property
    def added(self) -> Ints:
        """Ids of the holdout that are in the training set from the start."""
        return self.domain.splits().holdout if self.settings.add_holdout else np.zeros(0, np.int64)

    def setup(self, first: Samples, work: RoundWork) -> dict[str, Model]:
        """Fit the models of irreducible losses, or take those that another run has made; as the set-up stores them.

        Args:
            first: the first training set, which twins learn from.
            work: of the set-up.
        """
        if not self.needs_losses:
            return {}
        taught = human_samples(self.domain, self._holdout[0])
        twins = self.settings.irreducible.twins
        for part in range(max(twins, 1)):
            samples = taught if not twins else self._take(first, np.flatnonzero(self._parts(first.ids) != part))
            for name, weights in self._weights(samples):
                key = f"{name}-{part}" if twins else name
                self.models[key] = self._fitted(key, samples, weights, work)
        return {f"{KIND}-{name}": model for name, model in self.models.items()}

    def _take(self, samples: Samples, rows: Ints) -> Samples:
        return Samples(samples.ids[rows], samples.synthetic[rows], samples.labels.take(rows))

    def _parts(self, ids: Ints) -> Ints:
        """`(n,)` which twin does not learn from each sample."""
        draws = self.streams.at("run", "twins").uniform(ids)[:, 0]
        return (draws * self.settings.irreducible.twins).astype(np.int64)

    def _weights(self, samples: Samples) -> list[tuple[str, Floats | None]]:
        """Of each model its name, and `(heads, n)` weights of its samples; None where it weighs none."""
        if not self._by_category:
            return [("all", None)]
        members = self.domain.categories(samples) == np.arange(self.categories)[:, None]  # (C, n)
        weights = 1 + self.settings.irreducible.gamma * members
        return [("heads", weights)] if self._heads else [(f"{c:03}", row) for c, row in enumerate(weights[:, None])]

    def _fitted(self, name: str, samples: Samples, weights: Floats | None, work: RoundWork) -> Model:
        """A model; runs that differ in nothing that it depends on share it."""
        # That they go on learning later does not change what they are before.
        settings = self.settings.irreducible.model_dump(mode="json", exclude={"updating"})
        settings |= {"judge": self._holdout[1].tolist()}
        recipe = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=4).hexdigest()
        taught, shared = self._taught, not self.settings.irreducible.twins

        def build(call: RoundWork) -> Record:
            if weights is None:
                arrays = taught.save(KIND, fit(taught, self.name, samples, call))
            else:
                assert isinstance(taught, Heading)
                arrays = taught.save_heads(taught.fit_heads(samples, weights, call))
            return Record(models={KIND: Model(KIND, arrays)})

        return work.memo(f"{KIND}-{recipe}-{name}", build, shared=shared).models[KIND]

    @cached_property
    def _taught(self) -> Selectable:
        """The domain with the settings of the models of irreducible losses."""
        changes = self.settings.irreducible.domain
        if not changes:
            return self.domain
        assert isinstance(self.domain, Varied)
        variant: Any = self.domain.variant(changes)
        return variant  # type: ignore[no-any-return]

    def losses(self, samples: Samples, work: RoundWork) -> Frame:
        """The column that travels with rows, of the irreducible losses of their labels; none where none do."""
        if not self.scores_rows:
            return Frame()
        twins = self.settings.irreducible.twins
        values = np.zeros((len(samples), self.categories if self._by_category else 1), np.float32)  # (n, C or 1)
        parts = self._parts(samples.ids) if twins else np.zeros(len(samples), np.int64)
        for part in range(max(twins, 1)):
            rows = np.flatnonzero(parts == part)
            if len(rows):
                models = [model for name, model in self.models.items() if not twins or name.endswith(f"-{part}")]
                values[rows] = self._losses_of(models, self._take(samples, rows), work).T
        return Frame({COLUMN: Column(values)})

    def _losses_of(self, models: list[Model], samples: Samples, work: RoundWork) -> Floats:
        """`(C or 1, n)` of some models."""
        taught = self._taught
        if not self._by_category:
            return taught.losses(taught.load(KIND, models[0].arrays), samples, work)[None]
        assert isinstance(taught, Heading)
        return np.concatenate([taught.head_losses(taught.load_heads(m.arrays), samples, work) for m in models])

    @staticmethod
    def logged(work: RoundWork) -> dict[str, Frame]:
        """What the fit of a round has logged of its selection, as the round stores it; the session forgets it."""
        tables = {**work.taken(names.FIT, names.SELECTING), **work.taken(names.FIT, names.CHOSEN)}
        return {names.logged(names.FIT, table): frame for table, frame in tables.items()}

    def absorb(self, models: Mapping[str, Model]) -> None:
        """Take the models of a committed set-up."""
        self.models = {name.removeprefix(f"{KIND}-"): m for name, m in models.items() if name.startswith(f"{KIND}-")}

    def described(self, train: Samples) -> Samples:
        """A training set whose fit selects; its irreducible losses are no label."""
        labels = train.labels.columns
        irreducible = labels[COLUMN].values.T if COLUMN in labels else None  # (C or 1, N)
        bare = replace(train, labels=Frame({name: c for name, c in labels.items() if name != COLUMN}))
        taught, judge = (self._judged(ids) for ids in self._holdout)
        needs, settings = self.selector.needs, self.settings
        described = Selection(
            self.selector,
            settings.share,
            self.categories,
            self._strata(bare),
            irreducible,
            taught if HOLDOUT in needs or settings.best != "last" else None,
            judge if len(judge.samples) else None,
            settings.scoring,
            settings.refresh,
            settings.best,
            settings.proxy,
            self._updating(bare),
        )
        return replace(bare, selection=described)

    def _updating(self, train: Samples) -> Updating | None:
        """Models of irreducible losses that go on learning from a training set."""
        settings = self.settings.irreducible
        if settings.updating is None or not self.needs_losses:
            return None
        models = [Taught(self.models[name].arrays, weights) for name, weights in self._weights(train)]
        return Updating(models, settings.updating, settings.domain)

    def _judged(self, ids: Ints) -> Judged:
        return Judged(human_samples(self.domain, ids), self._categories_of(ids))

    def _strata(self, train: Samples) -> Strata:
        """Category of each label, and whether it is right as far as anybody knows."""
        known = ~np.isin(train.ids, self.domain.splits().unlabelled)
        states = np.full(len(train), UNKNOWN)
        domain, ids = self.domain, train.ids[known]
        right = domain.truth(ids) if isinstance(domain, Truthful) else Frame()
        errors = errors_of(domain, train.labels.take(known), right if right.columns else domain.human_labels(ids))
        if errors is not None:
            states[known] = np.where(errors > 0, WRONG, RIGHT)
        return Strata(self.domain.categories(train) * STATES + states, self.categories * STATES)


def selection_metrics(frames: Mapping[str, Frame], tables: Tables, vocabularies: Vocabularies) -> dict[str, Metric]:
    """Metrics of a round's selection, from what it stores.

    Args:
        frames: of the round.
        tables: references joined with predictions.
        vocabularies: names of what columns index.
    """
    table = frames.get(names.logged(names.FIT, names.SELECTING))
    if table is None:
        return {}
    metrics = selection.of_fit(table, vocabularies[names.CATEGORIES])
    test = tables.get(names.TEST, Frame())
    if names.PREDICTION in test and names.TARGET in test:
        prediction, target = test[names.PREDICTION], test[names.TARGET]
        if all(of.ndim == 1 and of.dtype.kind in "iu" for of in (prediction, target)):
            metrics["recall_gap"] = selection.recall_gap(prediction, target)
    return metrics


def beside_epochs(
    evaluations: Mapping[str, Evaluation], frames: Mapping[str, Frame], vocabularies: Vocabularies
) -> dict[str, Evaluation]:
    """Evaluations at the ends of epochs, with the metrics of what was selected in each epoch."""
    table = frames.get(names.logged(names.FIT, names.SELECTING))
    if table is None:
        return dict(evaluations)
    told = {}
    for name, evaluation in evaluations.items():
        row = table.take(table[names.EPOCH] == int(name.removeprefix(names.SNAPSHOT)))
        metrics = selection.of_fit(row, vocabularies[names.CATEGORIES])
        told[name] = Evaluation({**metrics, **evaluation.metrics}, evaluation.tables)
    return told


def epochs_of(frames: Mapping[str, Frame]) -> int:
    """How many epochs a round's fit had, as it logged them while it selected; 0 where it did not."""
    table = frames.get(names.logged(names.FIT, names.SELECTING))
    return 0 if table is None or not len(table) else int(table[names.EPOCH][-1])
