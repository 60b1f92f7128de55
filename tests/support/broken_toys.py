"""Domains that break one promise each; the conformance kit has to name it."""

import numpy as np
from biasloop_toy import Overshoot, ToyDomain
from pydantic import Field

from biasloop.contract.data import Column, Frame, Metric
from biasloop.contract.domains import EPOCHS, WEIGHTS


class Forgetful(ToyDomain):
    """A checkpoint lacks what was drawn before it."""

    def fit(self, train, work):
        kept = work.resume()
        epoch, noise = int(kept["epoch"]) if kept is not None else 0, 0.0
        while epoch < self.config.epochs:
            noise += float(work.streams.at(epoch).generator().random())
            epoch += 1
            state = {"epoch": np.array(epoch)}
            work.tick(epoch, self.config.epochs, lambda state=state: state, (epoch, None))
        return Overshoot(float(np.mean(train.labels["target"])) + noise)


class Batched(ToyDomain):
    """Predictions lean on the others of their batch."""

    class Config(ToyDomain.Config):
        evaluation_batch: int = Field(8, ge=1, description="Samples a batch.")

    def memory_settings(self):
        return ["domain.evaluation_batch"]

    def predict(self, model, work):
        values = np.full(self.config.test, model.share)
        for start in range(0, len(values), self.config.evaluation_batch):
            values[start : start + self.config.evaluation_batch] += 0.01 * start
        return {"test": Frame({"prediction": Column(values, role="prediction")})}


class Lossy(ToyDomain):
    """A stored model is not the model."""

    def save(self, kind, model):
        return {"share": np.array(model.share, np.float16)}


class Ordered(ToyDomain):
    """A label depends on the samples beside it."""

    def label(self, model, ids, by, work):
        given = np.arange(len(ids)) % 2
        return Frame({"target": Column(given.astype(np.float64), role="target", vocabulary="bits")})


class Deaf(ToyDomain):
    """It says that it weighs samples, and drops their weights."""

    def honours(self):
        return frozenset({EPOCHS, WEIGHTS})

    def fit(self, train, work):
        return super().fit(type(train)(train.ids, train.synthetic, train.labels), work)


class Reading(ToyDomain):
    """Metrics are read from data instead of from what is stored."""

    def measure(self, tables, train, vocabularies):
        metrics = super().measure(tables, train, vocabularies)
        pool = self.human_labels(self.splits().pool)["target"]
        return {**metrics, "share_pool": Metric(float(np.mean(pool)), len(pool))}


class Former(ToyDomain):
    """A method of a former contract."""

    def measure(self, tables, train):
        return super().measure(tables, train, {})


BROKEN = {
    Forgetful: r"Forgetful\.fit, stopped at state \d of 3 and resumed, gives another model than without a stop",
    Batched: r"Batched\.predict: test\.prediction depends on the size of batches \(evaluation_batch = 3\)",
    Lossy: r"Lossy\.load\('model', save\(\.\.\.\)\) predicts another test\.prediction than the model that was saved",
    Ordered: r"Ordered\.label by 'sample': the column 'target' of a sample depends on the order of ids",
    Deaf: r"Deaf\.honours says that samples are weighed, and fit gives the same model with weights as without",
    Reading: r"measure calls \w+: it is to be a function of settings and of what is stored",
    Former: r"Former\.measure takes \(tables, train\), and the contract calls it with \(tables, train, vocabularies\)",
}
