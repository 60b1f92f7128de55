"""A small table of people: numbers and words with gaps, two sensitive columns, an outcome that some lack."""

import csv
from pathlib import Path

import numpy as np

from biasloop.contract.context import Context, Work
from biasloop.contract.data import Samples
from biasloop.contract.labels import class_labels
from biasloop.contract.randomness import Streams
from biasloop_tabular import TabularDomain
from biasloop_tabular.config import Config

OWN = {"data": "file", "outcome": "repaid", "sensitive": ["sex", "race"], "test": 30, "holdout": 6}
SMALL = {"random-forest": {"n_estimators": 7}, "gradient-boosting": {"max_iter": 5, "min_samples_leaf": 4}}
ESTIMATORS = ("logistic", "gradient-boosting", "random-forest", "decision-tree", "naive-bayes")


def rows(count: int = 150, labelled: int = 140, classes: tuple[str, ...] = ("no", "yes")) -> list[dict[str, str]]:
    """People whose numbers and words say something of the outcome, with gaps, and no outcome at the end."""
    rng = np.random.default_rng(0)
    table = []
    for number in range(count):
        sex, race = int(rng.integers(2)), int(rng.integers(3))
        income, years = rng.normal(sex, 1), int(rng.integers(0, 30))
        score = income + 0.05 * years + rng.logistic() / 2
        outcome = classes[int(np.clip((score + 1) // (4 / len(classes)), 0, len(classes) - 1))]
        table.append({
            "person": f"p{number}", "income": "" if number % 9 == 4 else f"{income:.3f}", "years": str(years),
            "job": ("clerk", "cook", "", "guard")[int(rng.integers(4))], "town": f"t{int(rng.integers(5))}",
            "sex": "fm"[sex], "race": "abc"[race], "repaid": outcome if number < labelled else "",
        })  # fmt: skip
    return table


def write(path: Path, table: list[dict[str, str]]) -> Path:
    """As CSV."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    return path


def domain(folder: Path, **settings: object) -> TabularDomain:
    """Of settings, with the small table if they name none."""
    if settings.get("data") == "file" and "path" not in settings:
        settings["path"] = str(write(folder / "own.csv", rows()))
    context = Context(folder, Streams((0, "data")), threads=1, on_note=notes(folder).append)
    return TabularDomain(Config.model_validate(settings), context)


_NOTES: dict[Path, list[str]] = {}


def notes(folder: Path) -> list[str]:
    """What domains made in a folder have said."""
    return _NOTES.setdefault(folder, [])


def work(name: str = "fit") -> Work:
    """Of a call."""
    return Work(Streams((0, name)))


def samples(ids: np.ndarray, labels: np.ndarray) -> Samples:
    """Of ids that humans labelled."""
    return Samples(ids, np.zeros(len(ids), np.bool_), class_labels(labels, np.ones(len(ids))))


def training(domain: TabularDomain, weights: np.ndarray | None = None) -> Samples:
    """All samples of the pool that humans labelled."""
    splits = domain.splits()
    ids = np.setdiff1d(splits.pool, splits.unlabelled)
    return Samples(ids, np.zeros(len(ids), np.bool_), domain.human_labels(ids), weights=weights)
