"""Domains that break one promise each; the conformance kit has to name it."""

import random
from pathlib import Path

import numpy as np
from biasloop_toy import Overshoot, ToyDomain
from pydantic import Field

from biasloop.contract.data import Column, Frame, Metric, Page
from biasloop.contract.domains import EPOCHS, WEIGHTS
from biasloop.errors import Interrupted


class Forgetful(ToyDomain):
    """A checkpoint lacks what was drawn before it."""

    def fit(self, train, work):
        kept = work.resume()
        epoch, noise = int(kept["epoch"]) if kept is not None else 0, 0.0
        while epoch < self.config.epochs:
            noise += float(work.streams.at(epoch).generator().random())
            epoch += 1
            state = {"epoch": np.array(epoch)}
            work.tick(epoch, self.config.epochs, lambda state=state: state, (epoch, Overshoot(0.5)))
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


class Flat(ToyDomain):
    """A page counts strata that it does not name."""

    def page(self, count, work):
        pictures = np.zeros((count, 2, 2, 1), np.uint8)
        return Page("bits", pictures, {"test": np.array([3, 4, 5])}, ("target",), (("zero", "one"),))


class Bare(ToyDomain):
    """Right labels without the role and the vocabulary that human ones have."""

    def truth(self, ids):
        return Frame({"target": Column(self.human_labels(ids)["target"])})


class Half(ToyDomain):
    """Half of a capability."""

    def losses(self, model, samples, work):
        return (samples.labels["target"] - model.share) ** 2


class Former(ToyDomain):
    """A method of a former contract."""

    def measure(self, tables, train):
        return super().measure(tables, train, {})


class Warm(ToyDomain):
    """A fit begins where the last one ended."""

    last = 0.0

    def fit(self, train, work):
        model = super().fit(train, work)
        self.last = (self.last + model.share) / 2
        return Overshoot(self.last)


class Global(ToyDomain):
    """A fit draws from a generator that all share."""

    def fit(self, train, work):
        np.random.seed(work.streams.seed % 2**32)
        return Overshoot(super().fit(train, work).share + np.random.random())


class Seeded(ToyDomain):
    """Predictions seed a generator that all share."""

    def predict(self, model, work):
        random.seed(1)
        return super().predict(model, work)


class Moved(ToyDomain):
    """Predicting moves what is predicted with, as layers do that go on learning."""

    def fit(self, train, work):
        share = np.array([np.mean(train.labels["target"])])
        for epoch in range(1, self.config.epochs + 1):
            share += 0.01
            work.tick(epoch, self.config.epochs, None, (epoch, share))
        return share

    def predict(self, model, work):
        tables = super().predict(Overshoot(float(np.mean(model))), work)
        model += 0.01
        return tables

    def save(self, kind, model):
        return {"share": model.copy()}

    def load(self, kind, arrays):
        return arrays["share"].copy()


class Worded(ToyDomain):
    """A checkpoint has texts, which are stored nowhere."""

    def fit(self, train, work):
        for epoch in range(1, self.config.epochs + 1):
            work.tick(epoch, self.config.epochs, lambda: {"phase": np.array("second")}, (epoch, Overshoot(0.5)))
        return Overshoot(0.5)


class Deafened(ToyDomain):
    """A fit goes on when a person has stopped it."""

    def fit(self, train, work):
        try:
            return super().fit(train, work)
        except Interrupted:
            return Overshoot(0.5)


class Sorting(ToyDomain):
    """A fit puts its training set in order, which is the ledger's."""

    def fit(self, train, work):
        train.ids[::-1].sort()
        return super().fit(train, work)


class Peeking(ToyDomain):
    """Metrics are read from a file that a setting names."""

    class Config(ToyDomain.Config):
        names: str = Field(__file__, description="A file.")

    def measure(self, tables, train, vocabularies):
        size = len(Path(self.config.names).read_text())
        return {**super().measure(tables, train, vocabularies), "size": Metric(size, size)}


class Eager(Peeking):
    """A domain looks for its data when it is made."""

    def __init__(self, config, context):
        super().__init__(config, context)
        self.size = Path(config.names).stat().st_size

    def measure(self, tables, train, vocabularies):
        return ToyDomain.measure(self, tables, train, vocabularies)


class Roleless(ToyDomain):
    """Groups are not said to be groups."""

    def groups(self, ids):
        return Frame({"group": Column(ids % 2)})


class Misnamed(ToyDomain):
    """Settings that it does not have are to be lowered."""

    def memory_settings(self):
        return ["batch_size"]


class Numbered(ToyDomain):
    """What it computes on is stored as texts."""

    def environment(self):
        return {"device": "cpu", "threads": 1}


class Leaning(ToyDomain):
    """A row of probabilities leans on the others."""

    def probabilities(self, model, ids, work):
        ones = np.linspace(0.1, 0.9, len(ids))
        return np.stack([1 - ones, ones], 1)


class Weighed(ToyDomain):
    """Losses have their weights in them."""

    def losses(self, model, samples, work):
        weights = np.ones(len(samples)) if samples.weights is None else samples.weights
        return weights * (samples.labels["target"] - model.share) ** 2

    def categories(self, samples):
        return samples.labels["target"].astype(np.int64)

    def category_names(self):
        return ["zero", "one"]


class Halved(ToyDomain):
    """Half of a pair is wrong where none is."""

    def errors(self, given, truth):
        return np.full(len(given), 0.5)


class Listed(ToyDomain):
    """A cell that nobody can read."""

    def describe(self, ids, labels):
        return [{"bits": [value]} for value in labels["target"]]


class Terse(ToyDomain):
    """A prompt goes without a continuation."""

    def continuations(self, model, prompts, work):
        return prompts[1:]


class Hidden(ToyDomain):
    """Pictures in a range that no file has."""

    def pictures(self, ids):
        return np.zeros((len(ids), 4, 4, 3))


class Shuffled(ToyDomain):
    """Pictures by the place that an id is asked for in."""

    def pictures(self, ids):
        return np.arange(len(ids), dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)


class Mute(ToyDomain):
    """Samples of which one has no text."""

    def texts(self, ids):
        return [str(number) for number in ids[1:]]


BROKEN = {
    Forgetful: r"Forgetful\.fit, stopped at state \d of 3 and resumed, gives another model than without a stop",
    Batched: r"Batched\.predict: test\.prediction depends on the size of batches \(evaluation_batch = 3\)",
    Lossy: r"Lossy\.load\('model', save\(\.\.\.\)\) predicts another test\.prediction than the model that was saved",
    Ordered: r"Ordered\.label by 'sample': the column 'target' of a sample depends on the order of ids",
    Deaf: r"Deaf\.honours says that samples are weighed, and fit gives the same model with weights as without",
    Reading: r"measure calls \w+: it is to be a function of settings and of what is stored",
    Warm: r"Warm\.fit: two fits of the same samples and streams give different models; a fit starts from scratch",
    Global: r"Global\.fit draws from or seeds the global generator of numpy\.random; draw from work\.streams",
    Seeded: r"Seeded\.predict draws from or seeds the global generator of random; draw from work\.streams instead",
    Moved: r"Moved\.fit gives another model where its epochs are predicted with",
    Worded: r"the state that tick is given: phase is <U6, expected an array of numbers",
    Deafened: r"Deafened\.fit goes on though tick raised Interrupted; let that pass through",
    Sorting: r"Sorting\.fit changes the ids of the training set that it is given; copy it",
    Peeking: r"Peeking\.measure fails where none of the data are \(.*No such file.*\): it is to be a function of",
    Eager: r"Eager\.measure fails where none of the data are .* a domain is made without looking for any file",
    Roleless: r"Roleless\.groups: group has another role than 'group'",
    Misnamed: r"Misnamed\.memory_settings names batch_size, which Config does not have; .* such as domain\.batch_size",
    Numbered: r"Numbered\.environment gives .*, expected texts by name",
    Leaning: r"Leaning\.probabilities of a sample depend on which others are asked for",
    Weighed: r"Weighed\.losses depend on weights; who asks for them multiplies",
    Halved: r"Halved\.errors of labels beside themselves are not 0",
    Listed: r"Listed\.describe gives bits = \[.*\]; a cell is a text or a number",
    Terse: r"Terse\.continuations gives 1 for 2 prompts, expected a text for each",
    Hidden: r"Hidden\.pictures gives float64 \(\d+, 4, 4, 3\), expected uint8 \(\d+, H, W, C\)",
    Shuffled: r"Shuffled\.pictures of a sample depend on the order in which they are asked for",
    Mute: r"Mute\.texts gives \d+ for \d+ ids, expected a text for each",
    Flat: r"Flat\.page has the targets \('target',\) with \(2,\) classes, and counts \{'test': \(3,\)\}",
    Bare: r"Bare\.truth has the columns .*, and human_labels have .*; give no column where human labels are right",
    Half: r"Half has losses, and lacks categories, category_names: Losing is had with all of its methods",
    Former: r"Former\.measure takes \(tables, train\), and the contract calls it with \(tables, train, vocabularies\)",
}
