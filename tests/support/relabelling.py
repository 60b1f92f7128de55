"""A third feedback rule in one file: a training set that never grows, part of which each model labels anew.

Round r trains on the same samples; of the first `replaced` of them the labels are those of the model of round r - 1.
It shares nothing with the bundled rules but the protocols that it is written to.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from biasloop.config.strict import Strict
from biasloop.contract.data import Column, Evaluation, Frame, Samples, joined
from biasloop.contract.domains import Demands, Labelling, Sampled, Storing, names_in
from biasloop.contract.names import MAIN
from biasloop.feedback.rule import require
from biasloop.records.record import Model, Record

PRESET = """
summary = "Labels that models replace"

[domain]
name = "toy"

[loop]
rule = "relabelling"
samples = 80
percent = 25
rounds = 3

[bound]
metric = "share_predicted"
baseline = "share_target"
"""


class Settings(Strict):
    rule: Literal["relabelling"]
    samples: int = Field(ge=1)
    replaced: int = Field(ge=0)
    rounds: int = Field(ge=1)

    @model_validator(mode="before")
    @classmethod
    def _percent(cls, data: Any) -> Any:
        if "percent" not in data:
            return data
        others = {name: value for name, value in data.items() if name != "percent"}
        return {**others, "replaced": data["samples"] * data["percent"] // 100}

    def requires(self):
        return (Sampled, Labelling, Storing)

    def demands(self):
        return Demands()

    def trained(self, round_number):
        return self.samples

    def columns(self):
        return ("samples", "replaced")

    def bound(self):
        return Geometric(self.replaced / self.samples)

    def arm_label(self, differing):
        return f"{self.replaced} replaced" if {*differing} == {"replaced"} else None


@dataclass
class Geometric:
    """What a share q of replaced labels adds up to: delta (1 + q + q^2 + ...)."""

    share: float

    def over_rounds(self, delta, last):
        return self.per_round(np.full(last + 1, delta))

    def per_round(self, deltas):
        bias = [0.0]
        for delta in deltas:
            bias.append(bias[-1] * self.share + delta)
        return np.array(bias[1:])

    def limit(self, delta):
        return None if self.share == 1 else delta / (1 - self.share)


class Relabelling:
    Settings = Settings
    SUGAR = {"percent": "replaced"}  # noqa: RUF012

    def __init__(self, settings, domain, name, streams):
        self.settings, self.domain, self.streams = settings, domain, streams
        require(settings, domain, name)
        self.references = {}
        self.newest = None
        self.labels = None

    def prepare(self):
        assert len(self.domain.splits().pool) >= self.settings.samples

    @cached_property
    def ids(self):
        """Read where they are needed: a stored run is measured without data."""
        return self.streams.at("run", "pool").order(self.domain.splits().pool)[: self.settings.samples]

    def expected_rounds(self):
        return self.settings.rounds

    def human_labels(self, rounds):
        return 0

    def setup(self, work):
        references = dict(self.domain.references(work))
        return Record(
            None, {MAIN: Evaluation(self.domain.measure(references, self._human(), names_in(self.domain)), references)}
        )

    def _human(self):
        return Samples(self.ids, np.zeros(len(self.ids), np.bool_), self.domain.human_labels(self.ids))

    def round(self, number, work):
        train, count = self._human(), self.settings.replaced
        if number:
            target = train.labels["target"].copy()
            given = self.label(self._loaded(self.newest), self.ids[:count], work.at("label"))
            target[:count] = given["target"]
            labels = Frame({"target": Column(target, role="target", vocabulary="bits")})
            train = Samples(self.ids, np.arange(len(self.ids)) < count, labels)
        model = self.domain.fit(train, work.at("fit"))
        tables = self.domain.predict(model, work.at("predict"))
        frames = {"labels": Frame({**train.labels.columns, "made": Column(train.synthetic)})}
        sizes = {"samples": len(self.ids), "replaced": count if number else 0}
        record = Record(None, {}, frames, {"labeller": Model("labeller", self.domain.save("labeller", model))}, sizes)
        evaluation = Evaluation(self._measured(train, tables), tables)
        return Record(None, {MAIN: evaluation}, record.frames, record.models, sizes)

    def _measured(self, train, tables):
        return dict(self.domain.measure(joined(self.references, tables), train, names_in(self.domain)))

    def _loaded(self, model):
        return self.domain.load(model.kind, model.arrays)

    def absorb(self, record):
        if not self.references:
            self.references = record.evaluations[MAIN].tables
            return
        self.newest = record.models.get("labeller")
        self.labels = record.frames["labels"]

    def _trained_on(self, ids):
        return Samples(ids, self.labels["made"], Frame({"target": self.labels.columns["target"]}))

    def stop(self, number):
        return "labelled often enough" if number >= self.settings.rounds else None

    @property
    def needs_all_models(self):
        return False

    @property
    def can_go_on(self):
        return self.newest is not None

    def recover(self, number, work):
        model = self.refit(number, work)
        self.newest = Model("labeller", self.domain.save("labeller", model))

    def measure(self, number, record, tables):
        return self._measured(self._trained_on(np.arange(len(self.labels))), tables)

    def entered(self):
        return self.ids

    def produced(self):
        return self.newest

    def refit(self, number, work):
        return self.domain.fit(self._trained_on(self.ids), work.at("fit"))

    def label(self, model, ids, work):
        return self.domain.label(model, ids, "sample", work)
