"""Samples with one number each as input, which a generator makes anew, without torch.

A label is 0 or 1, the input of a sample its label and noise. A generator is the mean of each label's inputs, and moves
them a little apart; a model is the same means.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from biasloop.config.experiment import Experiment
from biasloop.contract.context import Context
from biasloop.contract.data import Column, Frame, Metric, Splits
from biasloop.contract.randomness import Streams
from biasloop.feedback import rules
from biasloop.running.engine import Prepared

EPOCHS = 3


@dataclass
class Means:
    """Of each label's inputs."""

    values: np.ndarray


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid")
    pool: int = Field(200, description="Samples to train on.")
    test: int = Field(40, description="Samples to test on.")
    drift: float = Field(0.25, description="How far a generator moves means apart.")


class KeyedDomain:
    """Inputs are prepared: those of sample i stand in shard i mod 3."""

    Config = Config

    def __init__(self, config: Config, context: Context) -> None:
        self.config, self.context = config, context
        self.fitted: list[str] = []
        self.given: list[Any] = []

    def requirements(self):
        return []

    def honours(self):
        return frozenset({"epochs", "inputs"})

    def fingerprint(self) -> str:
        return f"mixing {self.config.pool} {self.config.test}"

    def vocabularies(self):
        return {"shards": Column.text(["a", "b", "c"])}

    def splits(self):
        ids = np.arange(self.config.pool + self.config.test)
        return Splits(ids[: self.config.test], ids[self.config.test :])

    def human_labels(self, ids):
        return Frame({"target": Column(ids % 2, None, "target")})

    def inputs(self, ids):
        """`(n,)` the samples' own."""
        return ids % 2 + self.context.streams.at("noise").uniform(ids)[:, 0]

    def references(self, work):
        test = self.splits().test
        return {"test": Frame({"ids": Column(test, None, "ids"), "target": Column(test % 2, None, "target")})}

    def measure(self, tables, train, vocabularies):
        metrics = {"samples": Metric(float(len(train)), len(train))}
        test = tables["test"]
        if "prediction" in test:
            right = test["prediction"] == test["target"]
            metrics["accuracy"] = Metric(float(right.mean()), len(right))
        if "generated" in tables:
            metrics["apart"] = Metric(float(np.ptp(tables["generated"]["value"])), 2)
        return metrics

    def fit(self, train, work):
        self.fitted.append("model")
        return self._fitted(train, work)

    def _fitted(self, train, work):
        self.given.append(train)
        own = self.inputs(train.ids)
        values = np.where(train.synthetic, self.made(train), own) if train.synthetic.any() else own
        target = train.labels["target"]
        kept = work.resume()
        sums, begin = (kept["sums"], int(kept["epoch"])) if kept else (np.zeros(2), 0)
        for epoch in range(begin, EPOCHS):
            sums = sums + [values[target == label].mean() for label in (0, 1)]
            work.log("curve", epoch=epoch + 1, loss=float(sums.sum()))
            means = Means(sums / (epoch + 1))
            work.tick(epoch + 1, EPOCHS, lambda: {"sums": sums, "epoch": np.array(epoch + 1)}, (epoch + 1, means))  # noqa: B023
        return Means(sums / EPOCHS)

    def made(self, train):
        """`(n,)` inputs that were made, by their keys."""
        return 10.0 * train.inputs["shard"] + train.inputs["member"]

    def make(self, maker, ids, work):
        assert maker is None
        return Frame({"shard": Column(ids % 3, None, "", "shards"), "member": Column(ids // 3)})

    def predict(self, model, work):
        values = self.inputs(self.splits().test)
        nearest = np.abs(values[:, None] - model.values).argmin(1)
        return {"test": Frame({"prediction": Column(nearest, None, "prediction")})}

    def save(self, kind, model):
        return {"values": model.values}

    def load(self, kind, arrays):
        return Means(np.array(arrays["values"]))


class MakingDomain(KeyedDomain):
    """A generator learns, and makes inputs in two columns: a number, and a vector."""

    def made(self, train):
        return train.inputs["value"]

    def fit_maker(self, train, work):
        self.fitted.append("maker")
        means = self._fitted(train, work).values
        return Means(means + self.config.drift * np.array([-0.5, 0.5]))

    def make(self, maker, ids, work):
        values = maker.values[ids % 2] + 0.1 * work.streams.uniform(ids)[:, 0]
        return Frame({"value": Column(values), "code": Column(work.streams.uniform(ids, 3))})

    def predict_maker(self, maker, work):
        return {"generated": Frame({"value": Column(maker.values)})}


def mixing(
    loop: dict[str, Any] | None = None, seed: int = 0, data: Path = Path("unused"), kind: type = MakingDomain,
    **settings: Any,
) -> Prepared:  # fmt: skip
    """Domain and rule, as `engine.prepare` builds them."""
    config = kind.Config(**settings)
    experiment = Experiment.model_validate(
        {
            "name": "mixing",
            "domain": {"name": "mixing", **config.model_dump()},
            "loop": {"rule": "mixing", "share": 0.5, **(loop or {})},
        }
    )
    domain = kind(config, Context(data, Streams((seed, "data"))))
    return Prepared(experiment, seed, domain, rules.build(experiment.loop, domain, "mixing", Streams((seed,))))
