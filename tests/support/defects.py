"""More domains that break one promise each: of every demand of the kit that `broken_toys` leaves out, one."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from biasloop_toy import Overshoot, ToyDomain
from pydantic import BaseModel, ConfigDict

from biasloop.contract.data import Column, Frame, Metric, Splits

BROKEN = {}
"""What the kit says of each."""


def said(sentence):
    """Note what the kit is to say of a class."""

    def note(kind):
        BROKEN[kind] = f"^{kind.__name__}{sentence}"
        return kind

    return note


def altered(frame, name, change):
    """A frame with other values in one column."""
    column = frame.columns[name]
    return Frame({**frame.columns, name: replace(column, values=change(column.values))})


# --- what a domain says of itself


@said(r"\.Config takes any key")
class AnyKey(ToyDomain):
    class Config(ToyDomain.Config):
        model_config = ConfigDict(extra="ignore")


@said(r"\.Config: secret, more\.inner has no description")
class Undescribed(ToyDomain):
    class Config(ToyDomain.Config):
        class More(BaseModel):
            inner: int = 1

        secret: int = 1
        more: More = More()


@said(" lacks fingerprint")
class Nameless(ToyDomain):
    fingerprint = None


@said(r"\.groups is no method")
class Unmethodical(ToyDomain):
    groups = "by hand"


@said(r"\.requirements gives \(\), expected a list")
class Needing(ToyDomain):
    def requirements(self):
        return ()


@said(r"\.honours gives \['colours'\]")
class Honouring(ToyDomain):
    def honours(self):
        return frozenset({"colours"})


@said(r"\.fingerprint gives '', expected a text")
class Blank(ToyDomain):
    def fingerprint(self):
        return ""


@said(r"\.fingerprint differs between two domains")
class Changing(ToyDomain):
    def fingerprint(self):
        return str(id(self))


@said(r"\.vocabularies\['bits'\] is no column of texts")
class Numbered(ToyDomain):
    def vocabularies(self):
        return {"bits": Column(np.arange(2))}


# --- samples


class Parted(ToyDomain):
    """Some ids stand in other parts than in the toy's."""

    def parts(self, test, pool, unlabelled):
        raise NotImplementedError

    def splits(self):
        splits = super().splits()
        return Splits(**{
            name: np.asarray(ids, np.int64)
            for name, ids in self.parts(splits.test, splits.pool, splits.unlabelled).items()
        })  # fmt: skip


@said(r"\.splits: test and pool share ids")
class Leaking(Parted):
    def parts(self, test, pool, unlabelled):
        return {"test": [*test, pool[0]], "pool": pool, "unlabelled": unlabelled}


@said(r"\.splits: test and holdout share ids")
class Reusing(Parted):
    def parts(self, test, pool, unlabelled):
        return {"test": test, "pool": pool, "holdout": test[:1], "unlabelled": unlabelled}


@said(r"\.splits: pool and holdout share ids")
class Training(Parted):
    def parts(self, test, pool, unlabelled):
        return {"test": test, "pool": pool, "holdout": pool[:1], "unlabelled": unlabelled}


@said(r"\.splits: test is int64 of shape \(21,\), expected int64 ids, none twice")
class Twice(Parted):
    def parts(self, test, pool, unlabelled):
        return {"test": [*test, test[0]], "pool": pool, "unlabelled": unlabelled}


@said(r"\.splits: unlabelled samples are not in the pool")
class Straying(Parted):
    def parts(self, test, pool, unlabelled):
        return {"test": test, "pool": pool[:-1], "unlabelled": unlabelled}


@said(r"\.splits: 0 samples are the test set and 60 the pool")
class Untested(Parted):
    def parts(self, test, pool, unlabelled):
        return {"test": test[:0], "pool": pool, "unlabelled": unlabelled}


@said(r"\.splits: test differs between two domains")
class Undecided(Parted):
    count = itertools.count()

    def __init__(self, config, context):
        super().__init__(config, context)
        self.first = next(self.count) % 2

    def parts(self, test, pool, unlabelled):
        return {"test": test[self.first :], "pool": pool, "unlabelled": unlabelled}


@said(r"\.human_labels gives \d+ rows for \d+ ids")
class Short(ToyDomain):
    def human_labels(self, ids):
        return super().human_labels(ids[1:])


@said(r"\.human_labels: the column 'target' depends on the order of ids")
class Sorting(ToyDomain):
    def human_labels(self, ids):
        return super().human_labels(np.sort(ids))


@said(r"\.human_labels: the column 'target' of a sample depends on the other ids")
class Counting(ToyDomain):
    def human_labels(self, ids):
        return altered(super().human_labels(ids), "target", lambda values: values + len(ids))


@said(r"\.groups: the column 'group' depends on the order of ids")
class Grouping(ToyDomain):
    def groups(self, ids):
        return Frame({"group": Column(np.arange(len(ids)) % 2, role="group")})


@said(r"\.references has no table 'test'")
class Untabled(ToyDomain):
    def references(self, work):
        return {"other": super().references(work)["test"]}


@said(r"\.references: test\.target differs from call to call")
class Moody(ToyDomain):
    count = itertools.count()

    def references(self, work):
        return {"test": altered(super().references(work)["test"], "target", lambda values: values + next(self.count))}


@said(r"\.references: kind has -1 to 2, and the vocabulary 'bits' has 2 names")
class Beyond(ToyDomain):
    def references(self, work):
        table = super().references(work)["test"]
        kind = Column(np.arange(len(table)) % 4 - 1, vocabulary="bits")
        return {"test": table.plus(Frame({"kind": kind}))}


@said(r"\.references: kind indexes 'trits', which vocabularies lacks")
class Wordless(ToyDomain):
    def references(self, work):
        table = super().references(work)["test"]
        return {"test": table.plus(Frame({"kind": Column(np.zeros(len(table), np.int64), vocabulary="trits")}))}


# --- fits and stored models


@said(r" has fits, and no save and load to keep models with")
class Keepless(ToyDomain):
    save = load = None


@said(r"\.fit: two fits of the same samples and streams give different models")
class Drifting(ToyDomain):
    count = itertools.count()

    def fit(self, train, work):
        return Overshoot(super().fit(train, work).share + next(self.count))


@said(r"\.honours has 'epochs', and fit ticks the epochs \[\], expected 1, 2, ")
class Silent(ToyDomain):
    def fit(self, train, work):
        tick = work.tick
        work.tick = lambda done, total, state=None, epoch=None: tick(done, total, state)
        return super().fit(train, work)


@said(r"\.fit, stopped at state \d of 3 and resumed, does not ask for what it was stopped in")
class Heedless(ToyDomain):
    def fit(self, train, work):
        work.resume = lambda: None
        return super().fit(train, work)


@said(r"\.fit, stopped at state \d of 3 and resumed, begins anew")
class Restarting(ToyDomain):
    def fit(self, train, work):
        work.resume()
        work.resume = lambda: None
        return super().fit(train, work)


@said(r"\.fit, stopped at state \d of 3 and resumed, logs other curves")
class Rambling(ToyDomain):
    def fit(self, train, work):
        kept = work.resume()
        if kept is not None:
            work.log("curve", epoch=0, noise=0.0)
        work.resume = lambda: kept
        return super().fit(train, work)


@said(r"\.save\('model'\): note is <U5, expected an array of numbers")
class Wordy(ToyDomain):
    def save(self, kind, model):
        return {**super().save(kind, model), "note": np.array("fresh")}


@dataclass(frozen=True)
class Loaded(Overshoot):
    """A model that is not fresh."""


@said(r"\.save\('model'\) of a model that was loaded gives other arrays")
class Ageing(ToyDomain):
    def save(self, kind, model):
        return {**super().save(kind, model), "fresh": np.array(not isinstance(model, Loaded))}

    def load(self, kind, arrays):
        return Loaded(super().load(kind, arrays).share)


@said(r"\.predict: test has 19 rows, and references have 20")
class Sparse(ToyDomain):
    def predict(self, model, work):
        return {"test": super().predict(model, work)["test"].take(np.arange(19))}


@said(r"\.predict: test has columns of references, .*: target")
class Repeating(ToyDomain):
    def predict(self, model, work):
        target = self.references(work)["test"].columns["target"]
        return {"test": super().predict(model, work)["test"].plus(Frame({"target": target}))}


@said(r"\.measure of stored references gives share_\w+, share_\w+, and at first")
class Arranged(ToyDomain):
    def measure(self, tables, train, vocabularies):
        metrics = super().measure(tables, train, vocabularies)
        as_stored = list(tables["test"].columns) == sorted(tables["test"].columns)
        return dict(sorted(metrics.items(), reverse=as_stored))

    def references(self, work):
        table = super().references(work)["test"]
        return {"test": Frame({name: table.columns[name] for name in ("target", "id")})}


@said(r"\.measure: first of stored references is .*, and at first")
class Placed(ToyDomain):
    def references(self, work):
        table = super().references(work)["test"]
        return {"test": Frame({name: table.columns[name] for name in ("target", "id")})}

    def measure(self, tables, train, vocabularies):
        first = next(iter(tables["test"].columns.values()))
        return {**super().measure(tables, train, vocabularies), "first": Metric(float(first.values.sum()), 20)}


# --- labels


@said(r"\.label_rules gives \['sample'\], expected names")
class Listing(ToyDomain):
    def label_rules(self):
        return ["sample"]


@said(r"\.label by 'sample' gives 59 rows for 60 ids")
class Lacking(ToyDomain):
    def label(self, model, ids, by, work):
        return super().label(model, ids[1:], by, work)


@said(r"\.label by 'sample' has the columns .*, and human_labels have")
class Typed(ToyDomain):
    def label(self, model, ids, by, work):
        return altered(super().label(model, ids, by, work), "target", lambda values: values.astype(np.int64))


@said(r"\.label by 'sample': target differs between two calls of the same streams")
class Whimsical(ToyDomain):
    count = itertools.count()

    def label(self, model, ids, by, work):
        return altered(super().label(model, ids, by, work), "target", lambda values: values + next(self.count))


@said(r"\.label by 'sample': the column 'target' of a sample depends on which others are labelled")
class Crowded(ToyDomain):
    def label(self, model, ids, by, work):
        return altered(super().label(model, ids, by, work), "target", lambda values: values + len(ids))


@said(r"\.score gives \d+ rows for \d+ samples")
class Scored(ToyDomain):
    def score(self, ids, labels, work):
        return Frame({"score": Column(np.zeros(len(ids) - 1))})


@said(r"\.probabilities has the shape \(60,\), expected \(60, classes\)")
class Flat(ToyDomain):
    def probabilities(self, model, ids, work):
        return np.full(len(ids), model.share)


@said(r"\.probabilities has rows that are not shares of 1")
class Odd(ToyDomain):
    def probabilities(self, model, ids, work):
        return np.tile([model.share, 1.1 - model.share], (len(ids), 1))


@said(r"\.probabilities has rows that are not shares of 1")
class Negative(ToyDomain):
    def probabilities(self, model, ids, work):
        return np.tile([1.5, -0.5], (len(ids), 1))


@said(r"\.errors of labels beside themselves are not 0")
class Stern(ToyDomain):
    def errors(self, given, truth):
        return np.full(len(given), 0.5)


@said(r"\.errors has shares that are not from 0 to 1")
class Sterner(ToyDomain):
    def errors(self, given, truth):
        return 2 * np.abs(given["target"] - truth["target"])


@said(r"\.part_errors\['bit'\] has shares that are not from 0 to 1")
class SternInParts(ToyDomain):
    def errors(self, given, truth):
        return np.abs(given["target"] - truth["target"]).clip(0, 1)

    def part_errors(self, given, truth):
        return {"bit": 2.0 * (given["target"] != truth["target"])}


@said(r"\.part_errors names bit, and of other labels none")
class SternNowAndThen(SternInParts):
    def part_errors(self, given, truth):
        return {} if (given["target"] != truth["target"]).any() else {"bit": np.zeros(len(given))}


@said(r"\.describe gives 1 rows for 53 samples")
class Terse(ToyDomain):
    def describe(self, ids, labels):
        return [{"bit": "one"}]


class Counted(ToyDomain):
    """It says what it loses."""

    def losses(self, model, samples, work):
        return np.zeros(len(samples))

    def categories(self, samples):
        return np.zeros(len(samples), np.int64)

    def category_names(self):
        return ["all"]


@said(r"\.losses gives \(53,\), expected a finite number")
class Infinite(Counted):
    def losses(self, model, samples, work):
        return np.full(len(samples), np.inf)


@said(r"\.categories gives int64 \(53,\), expected a number from 0 a sample")
class Uncounted(Counted):
    def categories(self, samples):
        return np.full(len(samples), -1)


@said(r"\.category_names has 0 names, and category 0 is among the training samples")
class Unnamed(Counted):
    def category_names(self):
        return []


# --- rows and classes that do not belong together


@said(r"\.human_labels: target of 7 samples is -1, which is nothing; splits is to name")
class Unsaid(ToyDomain):
    """Samples that nobody labelled are not said to be so."""

    def vocabularies(self):
        return {"bits": Column.text(["zero", "one"])}

    def splits(self):
        known = super().splits()
        return Splits(known.test, known.pool)

    def human_labels(self, ids):
        unlabelled = np.isin(ids, super().splits().unlabelled)
        return altered(super().human_labels(ids), "target", lambda values: np.where(unlabelled, -1.0, values))


@said(r"\.predict gives the tables other, and references are of test")
class Elsewhere(ToyDomain):
    def predict(self, model, work):
        return {"other": super().predict(model, work)["test"]}


@said(r"\.predict gives other classes than label by 'argmax' of the same samples")
class Shuffled(ToyDomain):
    """Rows of predictions are in another order than those of references."""

    def label_rules(self):
        return ("argmax",)

    def label(self, model, ids, by, work):
        return altered(super().label(model, ids, by, work), "target", lambda values: (ids % 3 == 0) + 0.0)

    def references(self, work):
        tables = super().references(work)
        ids = replace(tables["test"].columns["id"], values=self.splits().test)
        return {"test": Frame({"ids": ids, "target": tables["test"].columns["target"]})}

    def predict(self, model, work):
        values = (self.splits().test[::-1] % 3 == 0) + 0.0
        return {"test": Frame({"prediction": Column(values, role="prediction")})}
