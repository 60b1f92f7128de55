"""The smallest domain: a learner whose predictions overshoot its training share by a constant `delta`.

Each sample is one bit. The model is the number it predicts for every sample: the share of ones among its training
labels plus `delta`. With `labels = "shares"` it labels samples with that number itself, so the loop's bias attains
the bound of Theorem 1 exactly; with `labels = "bits"` it labels a random share of them with one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from biasloop.contract.context import Context, Requirement, Work
from biasloop.contract.data import Arrays, Column, Frame, Ints, Metric, Samples, Splits, Tables, Vocabularies
from biasloop.contract.domains import EPOCHS


@dataclass(frozen=True)
class Overshoot:
    """The model: what it predicts for every sample."""

    share: float


class ToyDomain:
    """Bits, and a learner that is wrong by a constant."""

    class Config(BaseModel):
        """Settings of the domain `toy`."""

        model_config = ConfigDict(extra="forbid", frozen=True)
        pool: int = Field(1000, ge=2, description="Samples that are not in the test set.")
        test: int = Field(100, ge=1, description="Samples of the test set.")
        unlabelled: int = Field(0, ge=0, description="Samples of the pool without a human label.")
        share: float = Field(0.5, ge=0, le=1, description="Human-labelled share of ones.")
        delta: float = Field(0.05, description="How far predictions overshoot the training share.")
        labels: Literal["shares", "bits"] = Field("shares", description="What a label is.")
        epochs: int = Field(3, ge=1, description="Steps of a fit; each can be resumed from.")

    def __init__(self, config: Config, context: Context) -> None:
        self.config = config
        self.streams = context.streams

    def requirements(self) -> list[Requirement]:
        """Nothing is needed."""
        return []

    def fingerprint(self) -> str:
        """The data are a function of the settings."""
        return f"toy-{self.config.pool}-{self.config.test}"

    def vocabularies(self) -> Mapping[str, Column]:
        """Names of the two classes."""
        return {"bits": Column.text(["zero", "one"])}

    def splits(self) -> Splits:
        """The first ids are the test set."""
        pool = np.arange(self.config.test, self.config.test + self.config.pool)
        return Splits(np.arange(self.config.test), pool, unlabelled=pool[len(pool) - self.config.unlabelled :])

    def human_labels(self, ids: Ints) -> Frame:
        """With `shares`, every human label is the share itself, so that no draw adds noise."""
        if self.config.labels == "shares":
            return _labels(np.full(len(ids), self.config.share))
        return _labels((self.streams.at("truth").uniform(ids)[:, 0] < self.config.share).astype(np.float64))

    def references(self, work: Work) -> Tables:
        """Ids and human labels of the test set."""
        ids = self.splits().test
        return {"test": Frame({"id": Column(ids, role="ids"), "target": self.human_labels(ids).columns["target"]})}

    def honours(self) -> frozenset[str]:
        """The end of every step, as an epoch."""
        return frozenset({EPOCHS})

    def measure(self, tables: Tables, train: Samples, vocabularies: Vocabularies) -> Mapping[str, Metric]:
        """Shares of ones: in the targets, in the training labels, in the predictions."""
        test = tables["test"]
        metrics = {
            "share_target": Metric(float(np.mean(test["target"])), len(test)),
            "share_train": Metric(float(np.mean(train.labels["target"])), len(train)),
        }
        if "prediction" in test:
            metrics["share_predicted"] = Metric(float(np.mean(test["prediction"])), len(test), 0.0)
        return metrics

    def fit(self, train: Samples, work: Work) -> Overshoot:
        """The training share plus delta, in `epochs` resumable steps that each log and draw."""
        state, share = work.resume(), float(np.mean(train.labels["target"]))
        epoch, noise = (int(state["epoch"]), float(state["noise"])) if state is not None else (0, 0.0)
        while epoch < self.config.epochs:
            noise += float(work.streams.at(epoch).generator().random())
            epoch += 1
            work.log("curve", epoch=epoch, noise=noise)
            state = {"epoch": np.array(epoch), "noise": np.array(noise)}
            grown = Overshoot(share + self.config.delta * epoch / self.config.epochs)
            work.tick(epoch, self.config.epochs, lambda state=state: state, (epoch, grown))
        return Overshoot(share + self.config.delta)

    def predict(self, model: Overshoot, work: Work) -> Tables:
        """The same number for every test sample."""
        return {"test": Frame({"prediction": Column(np.full(self.config.test, model.share), role="prediction")})}

    def label_rules(self) -> tuple[str, ...]:
        """Only one way."""
        return ("sample",)

    def label(self, model: Overshoot, ids: Ints, by: str, work: Work) -> Frame:
        """The model's share, or bits drawn with it."""
        if self.config.labels == "shares":
            return _labels(np.full(len(ids), model.share))
        return _labels((work.streams.uniform(ids)[:, 0] < model.share).astype(np.float64))

    def save(self, kind: str, model: Overshoot) -> Arrays:
        """One number."""
        return {"share": np.array(model.share)}

    def load(self, kind: str, arrays: Arrays) -> Overshoot:
        """One number."""
        return Overshoot(float(arrays["share"]))


def _labels(values: np.ndarray) -> Frame:
    return Frame({"target": Column(values, role="target", vocabulary="bits")})
