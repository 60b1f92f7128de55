"""How good the annotators of runs are, pooled over runs: of the label also between groups (Wyllie et al. 2024)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from biasloop.contract import names
from biasloop.contract.data import Column, Floats, Ints, joined
from biasloop.contract.published import Splitting
from biasloop.errors import InvalidInput
from biasloop.metrics.fairness import counts, fairness, intersections
from biasloop.records.record import Record
from biasloop.running.engine import Options, build_domain
from biasloop.store.manifest import SETUP
from biasloop.store.reader import Run
from biasloop.system.directories import data_directory

MEASURES = ("accuracy", "accuracy_difference", "demographic_parity_difference", "equalized_odds_difference")
Key = tuple[str, str]


@dataclass(frozen=True)
class Pooled:
    """An annotator on one split.

    Attributes:
        annotator: its target.
        split: which images.
        values: by measure, one a run; for groups accuracy alone.
    """

    annotator: str
    split: str
    values: Mapping[str, Floats]

    @property
    def runs(self) -> int:
        """Annotators pooled."""
        return len(self.values["accuracy"])

    def summary(self, measure: str) -> tuple[float, float] | None:
        """Mean and population standard deviation; None where the measure means nothing."""
        found = self.values.get(measure)
        return None if found is None else (float(found.mean()), float(found.std()))

    def as_json(self) -> dict[str, Any]:
        """For scripts; null where a measure means nothing."""
        found = {measure: self.summary(measure) for measure in MEASURES}
        numbers = {measure: None if one is None else {"mean": one[0], "std": one[1]} for measure, one in found.items()}
        return {"annotator": self.annotator, "split": self.split, "n": self.runs, **numbers}


def pooled(runs: Sequence[Run]) -> list[Pooled]:
    """Annotators pooled over runs, one a target and split.

    A difference between groups is taken of each run before it is averaged; that of equalised odds is the larger of
    those of tpr and fpr. Runs that share seed, domain and its settings share their annotators, which count once.

    Args:
        runs: of the rule `generations`.

    Raises:
        InvalidInput: a run has no annotators, or did not keep what those of groups make of real images.
    """
    distinct: dict[str, Run] = {}
    for run in runs:
        distinct.setdefault(repr([run.identity[key] for key in ("seed", "compat", "domain")]), run)
    found: dict[Key, dict[str, list[float]]] = {}
    for run in distinct.values():
        for key, values in _measured(run).items():
            for measure, value in values.items():
                found.setdefault(key, {}).setdefault(measure, []).append(value)
    targets = list(dict.fromkeys(target for target, _ in found))
    return [
        Pooled(target, split, {measure: np.array(values) for measure, values in measures.items()})
        for (target, split), measures in sorted(found.items(), key=lambda item: targets.index(item[0][0]))
    ]


def _measured(run: Run) -> dict[Key, dict[str, float]]:
    """Of each target and split, the measures of the run's annotator."""
    setup = run.read(SETUP) if f"{SETUP}.h5" in run.manifest.files else Record()
    if names.ANNOTATOR not in setup.evaluations:
        raise InvalidInput(f"{run.directory} has no annotators; runs of the rule generations have some")
    tables = joined(setup.evaluations[names.MAIN].tables, setup.evaluations[names.ANNOTATOR].tables)
    domain = build_domain(run.identity["domain"], int(run.identity["seed"]), Options(data_directory()))
    measures: dict[Key, dict[str, float]] = {}
    for split, table in tables.items():
        name = domain.split_of(split) if isinstance(domain, Splitting) else split
        groups = {column.vocabulary: column for column in table.columns.values() if column.role == names.GROUP}
        measures[table.columns[names.TARGET].vocabulary, name] = _between(
            table[names.TARGET], table[names.PREDICTION], groups
        )
        for target, column in groups.items():
            given = setup.evaluations.get(f"{names.ANNOTATOR_OF}{target}")
            if given is None:
                raise InvalidInput(
                    f"{run.directory} was made before runs kept what the annotator of {target} makes of real images; "
                    "run the loop again with another --output to have it"
                )
            right = given.tables[split][names.PREDICTION] == column.values
            measures[target, name] = {"accuracy": float(right.mean())}
    return measures


def _between(target: Ints, prediction: Ints, groups: Mapping[str, Column]) -> dict[str, float]:
    """Of a binary label, how well it is told and how far groups are apart."""
    sizes = {name: (column.values, int(column.values.max()) + 1) for name, column in groups.items()}
    ids = intersections(sizes)
    measured = fairness(counts(target, prediction, ids, int(np.prod([size for _, size in sizes.values()]))))
    return {measure: measured[measure].value for measure in MEASURES}
