"""The smallest domain that selects, without torch: points on a line, and models that are the mean of each class.

What every fit and every question for losses was given is written down, so that tests can ask who learnt from whom.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from biasloop.config.experiment import Experiment
from biasloop.contract import names
from biasloop.contract.context import Context
from biasloop.contract.data import Column, Frame, Samples, Splits
from biasloop.contract.domains import EPOCHS, SELECTION
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop.feedback import rules
from biasloop.feedback.work import RoundWork, Session
from biasloop.metrics.class_metrics import measure
from biasloop.records.record import Record
from biasloop.running import provenance
from biasloop.running.engine import Prepared
from biasloop.running.selection import selecting_of

CLASSES = ("a", "b", "c")


@dataclass(frozen=True)
class Means:
    """`(heads, classes)` where each head believes each class to lie."""

    values: np.ndarray


@dataclass(frozen=True)
class Given:
    """What a fit was given, or a question for losses."""

    ids: np.ndarray
    target: np.ndarray
    synthetic: np.ndarray
    weights: np.ndarray | None = None
    shift: float = 0.0
    samples: Samples | None = None
    model: Means | None = None


@dataclass
class Seen:
    """All of one domain and of its variants, in the order of the calls."""

    fits: list[Given] = field(default_factory=list)
    heads: list[Given] = field(default_factory=list)
    losses: list[Given] = field(default_factory=list)


class Config(BaseModel):
    """Settings of the domain `line`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    pool: int = 60
    test: int = 30
    holdout: int = 24
    unlabelled: int = 0
    absent: bool = False  # the holdout has no sample of the last class
    epochs: int = 2
    shift: float = 0.0  # of what a model believes


class LineDomain:
    """Points at their class, give or take one."""

    Config = Config

    def __init__(self, config: Config, context: Context, seen: Seen | None = None) -> None:
        self.config, self.context = config, context
        self.streams = context.streams
        self.seen = Seen() if seen is None else seen

    def requirements(self):
        return []

    def fingerprint(self):
        return f"line-{self.config.pool}-{self.config.test}-{self.config.holdout}"

    def vocabularies(self):
        return {names.CLASSES: Column.text(list(CLASSES))}

    def splits(self):
        test, pool, holdout = self.config.test, self.config.pool, self.config.holdout
        of_pool = np.arange(test, test + pool)
        return Splits(
            np.arange(test),
            of_pool,
            np.arange(test + pool, test + pool + holdout),
            of_pool[pool - self.config.unlabelled :],
        )

    def classes_of(self, ids):
        classes = np.asarray(ids) % (len(CLASSES) - 1 if self.config.absent else len(CLASSES))
        return np.where(np.asarray(ids) < self.config.test + self.config.pool, np.asarray(ids) % len(CLASSES), classes)

    def at(self, ids):
        """Where samples lie: so near to other classes that models are wrong of some."""
        return self.classes_of(ids) + 2.0 * self.streams.at("points").uniform(ids)[:, 0] - 1

    def human_labels(self, ids):
        assert not np.isin(ids, self.splits().unlabelled).any()
        return labelled(self.classes_of(ids))

    def references(self, work):
        ids = self.splits().test
        return {"test": Frame({"id": Column(ids, role="ids"), **self.human_labels(ids).columns})}

    def honours(self):
        return frozenset({EPOCHS, SELECTION})

    def measure(self, tables, train, vocabularies):
        assert len(train.labels) == len(train)
        return measure(tables["test"], train.labels["target"], vocabularies[names.CLASSES], 2)

    def fit(self, train, work):
        self.seen.fits.append(self._given(train))
        kept = work.resume()
        noise, begin = (float(kept["noise"]), int(kept["epoch"])) if kept is not None else (0.0, 0)
        rows = np.arange(len(train)) if train.selection is None else self._selected(train, work)
        for epoch in range(begin, self.config.epochs):
            noise += float(work.streams.at("epoch", epoch).generator().random())
            work.log("curve", epoch=epoch + 1, loss=noise)
            if train.selection is not None:
                self._count(train.selection, rows, epoch, work)
            state = {"noise": np.array(noise), "epoch": np.array(epoch + 1)}
            told = (epoch + 1, self._model(train, rows, noise))
            work.tick(epoch + 1, self.config.epochs, lambda state=state: state, told)
        if train.selection is not None:
            work.log_many(names.CHOSEN, times=np.bincount(rows, minlength=len(train)))
        return self._model(train, rows, noise)

    def _selected(self, train, work):
        """Rows in an order of chance; of those with irreducible losses, the lowest."""
        selection = train.selection
        k = selection.size(len(train))
        if k == len(train):
            return np.arange(k)
        order = work.streams.at("rows").order(np.arange(len(train)))
        if selection.irreducible is not None:
            assert selection.irreducible.shape[1] == len(train)
            order = np.argsort(selection.irreducible.min(0), kind="stable")
        return np.sort(order[:k])

    def _count(self, selection, rows, epoch, work):
        counts = {"offered": np.bincount(selection.strata.numbers, minlength=selection.strata.count)}
        counts["taken"] = np.bincount(selection.strata.numbers[rows], minlength=selection.strata.count)
        row = {f"{name}.{s}": float(n) for name, of in counts.items() for s, n in enumerate(of) if counts["offered"][s]}
        best = {} if selection.best == "last" else {"best": float(epoch == 0)}
        work.log(names.SELECTING, epoch=epoch + 1, **row, **best)

    def _model(self, train, rows, noise):
        x, target = self.at(train.ids[rows]), train.labels["target"][rows]
        of_class = [x[target == c].mean() if (target == c).any() else 0.0 for c in range(len(CLASSES))]
        return Means(np.array(of_class)[None] + 1e-3 * noise + self.config.shift)

    def _given(self, samples, weights=None, model=None):
        assert {*samples.labels.columns} == {"target"}  # what travels with rows is no label
        shift, target = self.config.shift, samples.labels["target"].copy()
        return Given(samples.ids.copy(), target, samples.synthetic.copy(), weights, shift, samples, model)

    def fit_heads(self, train, weights, work):
        self.seen.heads.append(self._given(train, weights.copy()))
        x, target = self.at(train.ids), train.labels["target"]
        members = target == np.arange(len(CLASSES))[:, None]  # (classes, n)
        weighed = weights[:, None] * members  # (heads, classes, n)
        values = (weighed * x).sum(2) / np.maximum(weighed.sum(2), 1e-9)
        noise = work.streams.at("heads").generator().random()
        work.tick(1, 1)
        return Means(values + weights.mean(1)[:, None] * 1e-2 + 1e-3 * noise + self.config.shift)

    def head_losses(self, model, samples, work):
        self.seen.losses.append(self._given(samples, model=model))
        return self._losses(model, samples)

    def _losses(self, model, samples):
        logits = -((self.at(samples.ids)[:, None] - model.values[:, None]) ** 2)  # (heads, n, classes)
        logits = logits - np.log(np.exp(logits).sum(2, keepdims=True))
        return -np.take_along_axis(logits, samples.labels["target"][None, :, None], 2)[..., 0].astype(np.float64)

    def losses(self, model, samples, work):
        self.seen.losses.append(self._given(samples, model=model))
        return self._losses(model, samples)[0]

    def categories(self, samples):
        return samples.labels["target"]

    def category_names(self):
        return CLASSES

    def variant(self, changes, shared="data"):
        known = self.config.model_dump()
        if {*changes} - {"shift", "epochs"}:
            raise InvalidInput("only shift and epochs can be others")
        return type(self)(Config.model_validate({**known, **changes}), self.context, self.seen)

    def predict(self, model, work):
        return {"test": Frame({"prediction": Column(self._nearest(model, self.splits().test), role="prediction")})}

    def _nearest(self, model, ids):
        return np.abs(self.at(ids)[:, None] - model.values[0]).argmin(1)

    def label_rules(self):
        return ("argmax",)

    def label(self, model, ids, by, work):
        return labelled(self._nearest(model, ids))

    def save(self, kind, model):
        return {"values": model.values}

    def load(self, kind, arrays):
        return Means(np.asarray(arrays["values"]))

    def save_heads(self, model):
        return {"values": model.values}

    def load_heads(self, arrays):
        return Means(np.asarray(arrays["values"]))


def labelled(classes: np.ndarray) -> Frame:
    """Labels of classes."""
    return Frame({"target": Column(np.asarray(classes, np.int64), role="target", vocabulary=names.CLASSES)})


def line_experiment(selection: dict[str, Any] | None, loop: dict[str, Any] | None = None, **domain: Any) -> Experiment:
    """A loop of three rounds over points on a line, with changes."""
    sections = {} if selection is None else {"selection": {"share": 0.5, **selection}}
    return Experiment.model_validate(
        {
            "name": "line",
            "domain": {"name": "line", **Config(**domain).model_dump()},
            "loop": {"start": 20, "human": 4, "model": 8, "rounds": 3, **(loop or {})},
            **sections,
        }
    )


def line_prepared(experiment: Experiment, seed: int = 0, kind: type[LineDomain] = LineDomain) -> Prepared:
    """Domain and rule, as `engine.prepare` builds them."""
    domain = kind(Config.model_validate(experiment.domain.settings), Context(Path("unused"), Streams((seed, "data"))))
    selecting = selecting_of(experiment, domain, seed)
    rule = rules.build(experiment.loop, domain, "line", Streams((seed,)), selecting)
    return Prepared(experiment, seed, domain, rule)


def walk(prepared: Prepared) -> list[Record]:
    """The set-up and all rounds, as a run makes them, without a store."""
    rule, session, streams = prepared.rule, Session(), Streams((prepared.seed,))
    rule.prepare()
    setup = rule.setup(RoundWork(streams.at(-1), session, "setup"))
    records = [replace(setup, frames={**setup.frames, **provenance.of_domain(prepared.domain)})]
    rule.absorb(records[0])
    while rule.stop(number := len(records) - 1) is None:
        session.take_logs()
        records.append(rule.round(number, RoundWork(streams.at(number), session, f"round-{number:04}")))
        rule.absorb(records[-1])
    return records
