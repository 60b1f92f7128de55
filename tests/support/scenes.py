"""A domain whose labels are no class a row: a verb, and up to six nouns, of which -1 pads the rest.

Its model is a number, the share of the second verb among its training labels; what it gives of a scene is that verb
so often, and the true nouns, a part of them replaced or left out.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from support import toy

from biasloop.contract.context import Context, Requirement, Work
from biasloop.contract.data import Arrays, Column, Floats, Frame, Ints, Metric, Samples, Splits, Tables, Vocabularies
from biasloop.metrics.shares import share

VERBS, NOUNS, ROOMS = ("cooking", "mending"), ("pot", "pan", "knife", "hammer"), ("kitchen", "garage")
MOST = 6

PRESET = """
summary = "Scenes, of which a label can be wrong in part"

[domain]
name = "scenes"

[loop]
start = 40
human = 5
model = 20
rounds = 4
"""


def declare(place: Path) -> Path:
    """Make the domain look installed: the metadata of a distribution, in a directory that has to come onto the path."""
    return toy.declare(place, "biasloop-scenes", "scenes", "support.scenes:ScenesDomain")


class PlainScenes:
    """Scenes of nobody's pictures; their labels are told as any domain's are, and are wrong or right."""

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)
        pool: int = Field(200, ge=1, description="Scenes that are not in the test set.")
        test: int = Field(30, ge=1, description="Scenes of the test set.")
        unlabelled: int = Field(0, ge=0, description="Scenes of the pool that nobody has labelled.")

    def __init__(self, config: Config, context: Context) -> None:
        self.config, self.streams = config, context.streams

    def requirements(self) -> list[Requirement]:
        return []

    def fingerprint(self) -> str:
        return "scenes"

    def vocabularies(self) -> Mapping[str, Column]:
        named = {"verbs": VERBS, "nouns": NOUNS, "rooms": ROOMS}
        return {name: Column.text(words) for name, words in named.items()}

    def splits(self) -> Splits:
        pool = np.arange(self.config.test, self.config.test + self.config.pool)
        return Splits(np.arange(self.config.test), pool, unlabelled=pool[len(pool) - self.config.unlabelled :])

    def human_labels(self, ids: Ints) -> Frame:
        assert not np.isin(ids, self.splits().unlabelled).any()
        return labels(self._verbs(ids), self._nouns(ids))

    def references(self, work: Work) -> Tables:
        ids = self.splits().test
        rooms = np.where(ids % 5 == 0, -1, ids % 2)  # of every fifth nobody knows
        room = Column(rooms, role="group", vocabulary="rooms")
        human = self.human_labels(ids)
        return {"test": Frame({"ids": Column(ids, role="ids"), **human.columns, "room": room})}

    def measure(self, tables: Tables, train: Samples, vocabularies: Vocabularies) -> Mapping[str, Metric]:
        chosen, test = vocabularies["verbs"].index("mending"), tables["test"]
        metrics = {"share_target": share(test["verb"], chosen), "share_train": share(train.labels["verb"], chosen)}
        if "given_verb" in test:
            metrics["share_predicted"] = share(test["given_verb"], chosen)
        return metrics

    def fit(self, train: Samples, work: Work) -> float:
        assert train.labels["nouns"].shape == (len(train), MOST)
        return float((train.labels["verb"] == 1).mean())

    def predict(self, model: float, work: Work) -> Tables:
        given = self.label(model, self.splits().test, "sample", work)
        verb = np.where(self.splits().test % 7 == 0, -1, given["verb"])  # now and then it says nothing
        return {
            "test": Frame({
                "given_verb": Column(verb, role="prediction", vocabulary="verbs"),
                "given_nouns": Column(given["nouns"], role="prediction", vocabulary="nouns"),
            })
        }  # fmt: skip

    def label_rules(self) -> tuple[str, ...]:
        return ("sample",)

    def label(self, model: float, ids: Ints, by: str, work: Work) -> Frame:
        uniform = work.streams.uniform(ids, MOST + 1)
        nouns, changed = self._nouns(ids), uniform[:, 1:] < 0.3
        others = np.where(uniform[:, 1:] < 0.1, -1, (nouns + 1) % len(NOUNS))
        return labels((uniform[:, 0] < model).astype(np.int64), np.where(changed & (nouns >= 0), others, nouns))

    def save(self, kind: str, model: float) -> Arrays:
        return {"share": np.array(model)}

    def load(self, kind: str, arrays: Arrays) -> float:
        return float(arrays["share"])

    def _verbs(self, ids: Ints) -> Ints:
        return (self.streams.at("verb").uniform(ids)[:, 0] < 0.4).astype(np.int64)

    def _nouns(self, ids: Ints) -> Ints:
        uniform = self.streams.at("nouns").uniform(ids, MOST)
        many = (self.streams.at("many").uniform(ids) * (MOST + 1)).astype(np.int64)  # (rows, 1), from 0 to 6
        return np.where(np.arange(MOST) < many, (uniform * len(NOUNS)).astype(np.int64), -1)


class ScenesDomain(PlainScenes):
    """The same with words of its own for labels, and a measure of how wrong one is."""

    def errors(self, given: Frame, truth: Frame) -> Floats:
        there = truth["nouns"] >= 0  # (rows, nouns)
        wrong = ((given["nouns"] != truth["nouns"]) & there).sum(1) + (given["verb"] != truth["verb"])
        return np.asarray(wrong / (there.sum(1) + 1), np.float64)

    def describe(self, ids: Ints, labels: Frame) -> list[dict[str, str | float]]:
        rows = []
        assert len(ids) == len(labels)  # whose they are
        for verb, nouns in zip(labels["verb"].tolist(), labels["nouns"].tolist(), strict=True):
            with_what = [NOUNS[noun] for noun in nouns if noun >= 0]
            rows.append({"verb": VERBS[verb], **({"with": " and ".join(with_what)} if with_what else {})})
        return rows


def labels(verb: Ints, nouns: Ints) -> Frame:
    """`(rows,)` verbs and `(rows, MOST)` nouns."""
    return Frame({
        "verb": Column(verb, role="target", vocabulary="verbs"),
        "nouns": Column(nouns, role="target", vocabulary="nouns"),
    })  # fmt: skip
