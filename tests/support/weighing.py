"""A feedback rule whose rows have weights, propensities and keys of inputs, and a toy domain that honours them.

Round r adds `step` rows to the ledger, labelled by the model of round r - 1; of the set-up's rows nothing but the label
is stored, so that every training set joins rows with columns and rows without.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Literal

import numpy as np
from biasloop_toy import ToyDomain
from pydantic import Field

from biasloop.config.strict import Strict
from biasloop.contract.data import Column, Evaluation, Frame, Metric
from biasloop.contract.domains import EPOCHS, INPUTS, WEIGHTS, Demands, Labelling, Sampled, Storing, names_in
from biasloop.contract.names import MAIN
from biasloop.feedback.rule import fit, require
from biasloop.records.ledger import HUMAN, GrowingLedger, Ledger
from biasloop.records.record import Model, Record

PRESET = """
summary = "Labels of models count less"

[domain]
name = "{domain}"
{settings}

[loop]
rule = "weighing"
start = {start}
step = {step}
rounds = {rounds}
generated = {generated}
"""


def preset(domain, settings="", *, start=80, step=10, rounds=3, generated="true"):
    return PRESET.format(domain=domain, settings=settings, start=start, step=step, rounds=rounds, generated=generated)


class Settings(Strict):
    rule: Literal["weighing"] = "weighing"
    start: int = Field(ge=1)
    step: int = Field(ge=1)
    rounds: int = Field(ge=1)
    weight: float = Field(0.25, ge=0)
    generated: bool = False

    def requires(self):
        return (Sampled, Labelling, Storing)

    def demands(self):
        return Demands(frozenset({WEIGHTS, *([INPUTS] if self.generated else [])}), self.start)

    def trained(self, round_number):
        return self.start + round_number * self.step

    def columns(self):
        return ("train",)

    def bound(self):
        return None

    def arm_label(self, differing):
        return None


class Weighing:
    Settings = Settings
    SUGAR = {}  # noqa: RUF012

    def __init__(self, settings, domain, name, streams):
        self.settings, self.domain, self.name, self.streams = settings, domain, name, streams
        require(settings, domain, name)
        self.references, self.ledger, self.newest = {}, GrowingLedger(), None

    def prepare(self):
        assert len(self.domain.splits().pool) >= self.settings.trained(self.settings.rounds)

    @cached_property
    def ids(self):
        return self.streams.at("run", "pool").order(self.domain.splits().pool)

    def expected_rounds(self):
        return self.settings.rounds

    def human_labels(self, rounds):
        return self.settings.start

    def setup(self, work):
        ids = self.ids[: self.settings.start]
        added, references = Ledger.entry(ids, HUMAN, 0, self.domain.human_labels(ids)), self.domain.references(work)
        metrics = self.domain.measure(references, added.samples(), names_in(self.domain))
        return Record(added, {MAIN: Evaluation(metrics, references)})

    def round(self, number, work):
        added = self.fed_back(number, work.at("label")) if number else None
        train = Ledger.join([*self.ledger.parts, *([added] if added else [])]).samples()
        saved = work.memo("fit", lambda call: Record(models={"model": self._fitted(train, call)}))
        model = saved.models["model"]
        tables = self.domain.predict(self._loaded(model), work.at("predict"))
        metrics = self._measured(tables, train)
        return Record(added, {MAIN: Evaluation(metrics, tables)}, {}, {"model": model}, {"train": len(train)})

    def fed_back(self, number, work):
        settings, first = self.settings, self.settings.trained(number - 1)
        ids = self.ids[first : first + settings.step]
        keys = {"member": np.arange(settings.step) - 1, "shard": np.where(np.arange(settings.step) > 0, number, -1)}
        inputs = Frame({name: Column(values, vocabulary=f"{name}s") for name, values in keys.items()})
        return Ledger.entry(
            ids, number - 1, number, self.label(self._loaded(self.newest), ids, work),
            weight=np.full(len(ids), settings.weight),
            propensity=np.full(len(ids), settings.step / (len(self.ids) - first)),
            inputs=inputs if settings.generated else None,
        )  # fmt: skip

    def _fitted(self, train, work):
        return Model("model", self.domain.save("model", fit(self.domain, self.name, train, work)))

    def _measured(self, tables, train):
        test = {"test": self.references["test"].plus(tables["test"])}
        return dict(self.domain.measure(test, train, names_in(self.domain)))

    def _loaded(self, model):
        return self.domain.load(model.kind, model.arrays)

    def absorb(self, record):
        self.references = self.references or record.evaluations[MAIN].tables
        if record.added is not None:
            self.ledger.append(record.added)
        self.newest = record.models.get("model")

    def stop(self, number):
        return "weighed often enough" if number >= self.settings.rounds else None

    @property
    def needs_all_models(self):
        return False

    @property
    def can_go_on(self):
        return self.newest is not None

    def recover(self, number, work):
        self.newest = self._fitted(self.ledger.all().samples(), work.at("fit"))

    def measure(self, number, record, tables):
        return self._measured(tables, self.ledger.all().samples())

    def entered(self):
        return self.ledger.all().ids

    def produced(self):
        return self.newest

    def refit(self, number, work):
        return fit(self.domain, self.name, self.ledger.all().samples(), work.at("fit"))

    def label(self, model, ids, work):
        return self.domain.label(model, ids, self.domain.label_rules()[0], work)


class Heeding(ToyDomain):
    """The toy, whose training share is a weighted one, and a thousandth more for each generated input."""

    def honours(self):
        return frozenset({EPOCHS, WEIGHTS, INPUTS})

    def fit(self, train, work):
        share = np.average(train.labels["target"], weights=train.weights) + made(train) / 1000
        labels = Frame({"target": Column(np.full(len(train), share))})
        return super().fit(replace(train, labels=labels), work)

    def measure(self, tables, train, vocabularies):
        known = np.zeros(0) if train.propensities is None else train.propensities[~np.isnan(train.propensities)]
        return {
            **super().measure(tables, train, vocabularies),
            "weight": Metric(len(train) if train.weights is None else float(train.weights.sum()), len(train)),
            "propensity": Metric(float(known.sum()), len(known)),
            "made": Metric(made(train), len(train)),
        }


def made(train):
    """How many inputs are generated."""
    return int((train.inputs["shard"] >= 0).sum()) if "shard" in train.inputs else 0
