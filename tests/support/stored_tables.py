"""Domains as runs have them, with made-up tables for them to measure: drawn from a known truth, as often as wanted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from support import commands
from support.loops import OPTIONS, toy_experiment, toy_prepared

from biasloop.contract.context import Context, Work
from biasloop.contract.data import Column, Frame, Metric, Samples, Tables
from biasloop.contract.domains import Domain, names_in
from biasloop.contract.randomness import Streams
from biasloop.running import engine
from biasloop.running.remeasure import metrics_of
from biasloop.running.reopen import replay
from biasloop.store.reader import Run
from biasloop_command import CommandDomain
from biasloop_generators.domain import GeneratorsDomain
from biasloop_images import ImagesDomain
from biasloop_language.domain import LanguageDomain
from biasloop_roles.gender import Lists
from biasloop_roles.metrics import measure as of_situations
from biasloop_roles.situations import MOST_ROLES, PADDING, Vocabulary
from biasloop_tabular.measures import measure as of_tables

Rng = np.random.Generator
Drawn = tuple[Tables, Samples]

FOLLOWED, WORST = 6, 3  # of ten classes
ROWS, TRAINED = 500, 200
P_TARGET = (0.3, 0.7)  # of the second target, by group
P_PREDICTED = np.array([[0.1, 0.8], [0.5, 0.9]])  # of the second target, by group and true target


@dataclass(frozen=True)
class Case:
    """What measures tables, and what draws them.

    Attributes:
        measure: the metrics of tables and of what was trained on.
        draw: tables and training set of a fresh test set.
    """

    measure: Callable[[Tables, Samples], Mapping[str, Metric]]
    draw: Callable[[Rng], Drawn]


def context(directory: Path) -> Context:
    return Context(directory, Streams((0, "data")), threads=1)


def trained(labels: Frame, ids: np.ndarray | None = None) -> Samples:
    """A training set with these labels."""
    ids = np.arange(len(labels)) if ids is None else ids
    return Samples(ids, np.zeros(len(ids), np.bool_), labels)


def frame(**columns: np.ndarray) -> Frame:
    return Frame({name: Column(values) for name, values in columns.items()})


def sureness(rng: Rng, right: np.ndarray) -> np.ndarray:
    """`(n,)` confidences that are higher where predictions are right."""
    return (1 - rng.uniform(0, np.where(right, 0.4, 0.6))).astype(np.float32)


def ten_classes(rng: Rng) -> Frame:
    """Predictions of ten classes: one is missed far more often than the others, one predicted far too often."""
    target = rng.integers(0, 10, ROWS)
    hit = rng.random(ROWS) < np.where(target == WORST, 0.4, 0.85)
    prediction = np.where(hit, target, np.where(rng.random(ROWS) < 0.6, FOLLOWED, rng.integers(0, 10, ROWS)))
    return frame(target=target, prediction=prediction, confidence=sureness(rng, prediction == target))


def two_groups(rng: Rng, group: str = "group") -> Frame:
    """Two targets that depend on the group, and predictions that depend on both."""
    of = rng.integers(0, 2, ROWS)
    target = (rng.random(ROWS) < np.array(P_TARGET)[of]).astype(np.int64)
    prediction = (rng.random(ROWS) < P_PREDICTED[of, target]).astype(np.int64)
    columns = {"target": target, "prediction": prediction, "confidence": sureness(rng, prediction == target)}
    return frame(**columns, **{group: of})


def measuring(domain: Domain) -> Callable[[Tables, Samples], Mapping[str, Metric]]:
    """How a domain measures tables, with its own vocabularies."""
    names = names_in(domain)
    return lambda tables, train: domain.measure(tables, train, names)


def images(directory: Path) -> Case:
    settings = {"data": "fashion-mnist-t10k", "test": 1000, "imbalance": {"class": "shirt", "factor": 9}}
    domain = ImagesDomain(ImagesDomain.Config.model_validate(settings), context(directory))
    return Case(
        measuring(domain),
        lambda rng: ({"test": ten_classes(rng)}, trained(frame(target=rng.integers(0, 10, TRAINED)))),
    )


def biased_images(directory: Path) -> Case:
    settings = {"data": "fashion-mnist-t10k", "test": 1000, "bias": {"epsilon": 30, "assignment": 0}}
    domain = ImagesDomain(ImagesDomain.Config.model_validate(settings), context(directory))
    pool = domain.splits().pool
    truth = domain.human_labels(pool)["target"]

    def draw(rng: Rng) -> Drawn:
        rows = rng.integers(0, len(pool), ROWS)  # their groups depend on their labels
        ids, labels = pool[rows], np.where(rng.random(ROWS) < 0.1, 1 - truth[rows], truth[rows])
        return {"test": two_groups(rng)}, trained(frame(target=labels).plus(domain.groups(ids)), ids)

    return Case(measuring(domain), draw)


def command(directory: Path) -> Case:
    rows = [f"n{row:02},{'ab'[row % 2]},{'fm'[row // 2 % 2]}" for row in range(60)]
    (directory / "data.csv").write_text("\n".join(["name,class,sex", *rows]) + "\n")
    settings = commands.settings(directory, test=20, group="sex", follow="b")
    domain = CommandDomain(CommandDomain.Config.model_validate(settings), context(directory))
    (group,) = (name for name in domain.vocabularies() if name.startswith("group"))

    def draw(rng: Rng) -> Drawn:
        return {"test": two_groups(rng, group)}, trained(frame(target=rng.integers(0, 2, TRAINED)))

    return Case(measuring(domain), draw)


def roles(directory: Path) -> Case:
    """What follows from the roles of columns of any domain."""

    def draw(rng: Rng) -> Drawn:
        test = two_groups(rng)
        return {"test": Frame({name: replace(test.columns[name], role=name) for name in test.columns})}, trained(
            Frame()
        )

    return Case(lambda tables, train: metrics_of(tables["test"]), draw)


def generators(directory: Path) -> Case:
    config = GeneratorsDomain.Config.model_validate({"data": "colored-fashion", "images": 500, "evaluate_on": "both"})
    domain = GeneratorsDomain(config, context(directory))
    (group,) = (name for name in domain.references(Work(Streams((0, "answers"))))["test"].columns if "group" in name)

    def draw(rng: Rng) -> Drawn:
        made = two_groups(rng, group)
        population = frame(label=made["prediction"], margin=made["confidence"]).plus(frame(**{group: made[group]}))
        last = frame(loss=np.array([3.0]), batches=np.array([10]), images=np.array([500]))
        # The tables "valid" and "final_population" are measured as these are.
        return {"test": two_groups(rng, group), "population": population, "generator": last}, trained(Frame())

    return Case(measuring(domain), draw)


SCENES = Vocabulary.of(
    (verb, [{"agent": agent, "place": place} for agent in ("man", "woman", "dog") for place in ("a", "b", "c")])
    for verb in ("cooking", "guarding", "riding", "sewing")
)
AGENTS = np.array([SCENES.nouns.index(noun) for noun in ("man", "woman", "dog")])
PLACES = np.array([SCENES.nouns.index(noun) for noun in ("a", "b", "c")])
WOMEN = np.array([0.6, 0.3, 0.4, 0.8])  # of agents, by verb


def situations(directory: Path) -> Case:
    """Without base pictures: rows are independent."""
    intervals = (("guarding", "riding"), ("cooking", "sewing"))
    lists = Lists(frozenset({"man"}), frozenset({"woman"}), intervals, ("cooking",))

    def draw(rng: Rng) -> Drawn:
        verb, frames = seen(rng, 3)
        wrong = rng.random(ROWS) < 0.3
        predicted = np.where(wrong, rng.integers(0, len(WOMEN), ROWS), verb)
        said = np.where(rng.random((ROWS, MOST_ROLES)) < 0.6, frames[:, 0], seen(rng, 1)[1][:, 0])
        test = frame(verb=verb, nouns=frames[:, 0], frames=frames, nouns_of_verb=said,
                     predicted_verb=predicted, predicted_nouns=said)  # fmt: skip
        given, nouns = seen(rng, 1)
        return {"test": test}, trained(frame(verb=given, nouns=nouns[:, 0]))

    def measure(tables: Tables, train: Samples) -> Mapping[str, Metric]:
        return of_situations(tables["test"], train, SCENES, lists, WOMEN, released=False)

    return Case(measure, draw)


def seen(rng: Rng, annotators: int) -> tuple[np.ndarray, np.ndarray]:
    """Verbs `(ROWS,)` and nouns `(ROWS, annotators, MOST_ROLES)`; one verb is much rarer than the others."""
    verb = rng.choice(len(WOMEN), ROWS, p=[0.3, 0.3, 0.25, 0.15])
    woman = rng.random(ROWS) < WOMEN[verb]
    agent = np.where(rng.random((ROWS, annotators)) < 0.1, 2, woman[:, None])
    nouns = np.full((ROWS, annotators, MOST_ROLES), PADDING)
    nouns[:, :, 0], nouns[:, :, 1] = AGENTS[agent], PLACES[rng.integers(0, 3, (ROWS, annotators))]
    return verb, nouns


LEXICON = {"women": ["she"], "men": ["he"]}


def language(directory: Path) -> Case:
    settings = {
        "data": "sotu", "network": "small", "scorers": ["toxicity-bilstm", "lexicon"], "lexicon": LEXICON,
        "ratios": {"gender": ["women", "men"]}, "memorization": [2, 3],
    }  # fmt: skip
    domain = LanguageDomain(LanguageDomain.Config.model_validate(settings), context(directory))
    columns = ("toxicity", "quotes", "count.women", "count.men")  # the other probabilities are treated as this one

    def draw(rng: Rng) -> Drawn:
        # Generated and human texts are drawn apart from each other, which is what errors of differences of ratios
        # suppose; those of differences of means would hold of pairs, too.
        test = scores(rng, columns).plus(scores(rng, columns, "reference."))
        tokens = rng.integers(1, 30, ROWS)
        losses = frame(loss=tokens * rng.gamma(4, 0.5, ROWS), loss_tokens=tokens)
        # Each sentence stands there eight times: what is memorised is measured given the training set.
        given = Frame({"tokens": sentences(rng, TRAINED // 8)}).take(np.arange(TRAINED) // 8)
        labels = scores(rng, columns, rows=TRAINED).plus(given)
        return {"test": test.plus(losses).plus(Frame({"tokens": sentences(rng, ROWS)}))}, trained(labels)

    return Case(measuring(domain), draw)


def scores(rng: Rng, columns: Sequence[str], before: str = "", rows: int = ROWS) -> Frame:
    """Counts and probabilities; a text that has one of a word has often more."""
    values_of = {}
    for name in columns:
        counts = rng.poisson(rng.gamma(1.0, 1.0, rows))
        values = counts if name.startswith("count.") or name == "quotes" else rng.beta(1, 2, rows)
        values_of[before + name] = values.astype(np.float32)
    return frame(**values_of)


def of_people(rng: Rng, rows: int) -> Frame:
    """Outcomes of people in two kinds of groups, which have it not equally often."""
    sex, race = (rng.random(rows) < 0.5).astype(np.int64), (rng.random(rows) < 0.4).astype(np.int64)
    target = (rng.random(rows) < 0.25 + 0.3 * sex + 0.2 * race).astype(np.int64)
    return frame(target=target, **{"group.sex": sex, "group.race": race})


def tabular(directory: Path) -> Case:
    """Predictions that are worst for one sex of one race, and too often of one class there."""
    groups = {"group.sex": ("f", "m"), "group.race": ("a", "b")}

    def measure(tables: Tables, train: Samples) -> Mapping[str, Metric]:
        given = {name: column.values for name, column in train.labels.columns.items()}
        return of_tables(tables["test"], given, ("no", "yes"), 1, groups, joint=True)

    def draw(rng: Rng) -> Drawn:
        test = of_people(rng, 2 * ROWS)
        wrong = rng.random(len(test)) < 0.35 - 0.15 * test["group.sex"] - 0.12 * test["group.race"]
        prediction = np.where(wrong & (rng.random(len(test)) < 0.9), 1 - test["target"], test["target"])
        return {"test": test.plus(frame(prediction=prediction))}, trained(of_people(rng, TRAINED))

    return Case(measure, draw)


def sentences(rng: Rng, rows: int) -> Column:
    """Ragged token ids; some rows have none, words of a row are alike."""
    lengths = rng.integers(0, 12, rows)
    start = np.repeat(rng.integers(0, 40, rows), lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Column(start + rng.integers(0, 3, int(offsets[-1])), offsets)


def wrong_or_not(rng: Rng) -> np.ndarray:
    """`(n,)` errors of labels that are a class."""
    return (rng.random(ROWS) < 0.2) + 0.0


def wrong_in_part(rng: Rng) -> np.ndarray:
    """`(n,)` errors of labels of up to seven parts, some of which are far harder than others."""
    parts = rng.integers(1, 8, ROWS)
    return rng.binomial(parts, rng.choice([0.05, 0.6], ROWS)) / parts


def accumulated(directory: Path, errors: Callable[[Rng], np.ndarray] = wrong_or_not) -> Case:
    """The metrics that the rule `accumulate` adds to those of a domain, of which the toy domain's are no test."""
    experiment = toy_experiment(loop={"rounds": 2, "human": 0, "model": 400}, labels="bits", share=0.3)
    engine.run(toy_prepared(experiment), directory / "run", OPTIONS)
    prepared = toy_prepared(experiment)
    prepared.rule.prepare()
    *_, (number, record) = replay(Run.open(directory / "run"), prepared.rule)
    tables = record.evaluations["test"].tables

    def measure(drawn: Tables, train: Samples) -> Mapping[str, Metric]:
        metrics = prepared.rule.measure(number, replace(record, frames=drawn), tables)
        return {name: metric for name, metric in metrics.items() if not name.startswith("share_")}

    return Case(measure, lambda rng: ({"truth": frame(error=errors(rng))}, trained(Frame())))


CASES: Mapping[str, Callable[[Path], Case]] = {
    "images": images,
    "biased images": biased_images,
    "command": command,
    "roles": roles,
    "generators": generators,
    "language": language,
    "situations": situations,
    "tabular": tabular,
    "accumulate": accumulated,
    "accumulate, labels of parts": lambda directory: accumulated(directory, wrong_in_part),
}
