"""A chain of generators and classifiers without torch: a generator is four shares, a classifier a table of labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from biasloop.config.experiment import Experiment
from biasloop.contract.batching import strata
from biasloop.contract.context import Context
from biasloop.contract.data import Column, Frame, Metric
from biasloop.contract.randomness import Streams
from biasloop.feedback import rules
from biasloop.running.engine import Prepared

STRATA = np.array(strata((2, 2)))  # (label, group) of each
NATURAL = np.array([0.15, 0.35, 0.35, 0.15])
EPOCHS, SIZE = 4, 64


@dataclass
class Shares:
    """Generates strata by their shares."""

    values: np.ndarray


@dataclass
class Table:
    """Says a label, or a group, of each stratum."""

    values: np.ndarray


class Config(BaseModel):
    drift: float = 0.02


class ChainDomain:
    """Each generator sees what the one before gave, and drifts a little to the first stratum."""

    Config = Config

    def __init__(self, config: Config, context: Context) -> None:
        self.config, self.context, self.fitted, self.sources = config, context, [], []

    def requirements(self):
        return []

    def honours(self):
        return frozenset({"epochs"})

    def fingerprint(self) -> str:
        return "chain"

    def vocabularies(self):
        return {}

    def targets(self):
        return {"label": 2, "group": 2}

    def check_star(self, star) -> None:
        star.quotas(SIZE, 4)

    def references(self, work):
        return {
            "test": Frame({"target": Column(np.repeat(STRATA[:, 0], 25)), "group": Column(np.repeat(STRATA[:, 1], 25))})
        }

    def measure(self, tables, train, vocabularies):
        found = {}
        if "prediction" in tables["test"]:
            right = tables["test"]["prediction"] == tables["test"]["target"]
            found["accuracy"] = Metric(float(right.mean()), len(right))
        if "population" in tables:
            found["share_label"] = Metric(float(tables["population"]["label"].mean()), len(tables["population"]))
            found["share_group"] = Metric(float(tables["population"]["group"].mean()), len(tables["population"]))
        return found

    def fit_annotator(self, target, work):
        self.fitted.append(f"annotator-{target}")
        work.log("curve", epoch=1, loss=0.5)
        work.tick(1, 1)
        return Table(STRATA[:, list(self.targets()).index(target)].copy())

    def fit_generator(self, source, work):
        self.fitted.append("generator")
        counts = self._counted(source, work)
        values = counts / counts.sum()
        return Shares(values * (1 - self.config.drift) + self.config.drift * np.eye(4)[0])

    def fit_classifier(self, source, work):
        self.fitted.append("classifier")
        counts = self._counted(source, work)
        table = source.labeller.values.copy()
        table[np.argmin(counts)] = table[np.argmax(counts)]  # the rarest stratum is taken for the most frequent
        return Table(table)

    def _counted(self, source, work):
        """Drawn strata, epoch by epoch, as a resumable fit."""
        self.sources.append(source)
        kept = work.resume()
        counts, begin = (kept["counts"], int(kept["epoch"])) if kept else (np.zeros(4, np.int64), 0)
        epochs = EPOCHS * source.passes
        for epoch in range(begin, epochs):
            draws = work.streams.at("epoch", epoch).generator()
            generators = [*(one for one, _ in source.earlier), source.generator]
            shares = NATURAL if source.generator is None else np.mean([one.values for one in generators], 0)
            synthetic = source.batches.generated(SIZE) if source.generator else 0
            drawn = np.bincount(draws.choice(4, synthetic, p=shares), minlength=4)
            if source.batches.star:
                quotas = np.array(source.batches.star.quotas(SIZE, 4))
                drawn = np.minimum(drawn, quotas)
            counts = counts + drawn + np.bincount(draws.choice(4, SIZE - synthetic, p=NATURAL), minlength=4)
            work.log("curve", epoch=epoch + 1, loss=float(counts.sum()))
            work.tick(epoch + 1, epochs, lambda: {"counts": counts, "epoch": np.array(epoch + 1)})  # noqa: B023
        return counts

    def predict_classifier(self, classifier, work):
        return {"test": Frame({"prediction": Column(np.repeat(classifier.values, 25))})}

    def predict_population(self, generator, labeller, annotators, work):
        rows = work.streams.generator().choice(4, 200, p=generator.values)
        return {
            "population": Frame({"label": Column(labeller.values[rows]), "group": Column(annotators[1].values[rows])})
        }

    def save(self, kind, model):
        return {"values": model.values}

    def load(self, kind, arrays):
        return (Shares if kind == "generator" else Table)(arrays["values"])


def chain(loop: dict[str, Any] | None = None, seed: int = 0, data: Path = Path("unused")) -> Prepared:
    """Domain and rule, as `engine.prepare` builds them."""
    config = Config()
    experiment = Experiment.model_validate(
        {
            "name": "chain",
            "domain": {"name": "chain", **config.model_dump()},
            "loop": {"rule": "generations", "rounds": 6, **(loop or {})},
            "plot": {"series": ["share_label"]},
        }
    )
    streams = Streams((seed,))
    domain = ChainDomain(config, Context(data, Streams((seed, "data"))))
    return Prepared(experiment, seed, domain, rules.build(experiment.loop, domain, "chain", streams))
