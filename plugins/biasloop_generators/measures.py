"""What is measured of a generation: a classifier between groups, and a generator's population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from biasloop.data import Frame, Ints, Metric, Tables
from biasloop.late import numpy as np
from biasloop.metrics import fairness

GROUP = "group."  # before the name of a group, in columns
Names = Sequence[Sequence[str]]


def measure(tables: Tables, groups: Sequence[str], classes: Names) -> dict[str, Metric]:
    """Metrics of answers joined with predictions, and of a population.

    Names of the test set as of `biasloop.metrics.fairness.fairness`, of the validation set after `valid.`, of samples
    after `population.`; `count.<label>/<group>` are strata by predicted label.

    Args:
        tables: "test", "valid" and "population", those that there are.
        groups: names of the groups.
        classes: names of the label's classes, then of each group's.
    """
    found: dict[str, Metric] = {}
    for table, prefix in (("test", ""), ("valid", "valid.")):
        if table in tables and "prediction" in tables[table]:
            found |= {prefix + name: metric for name, metric in _predictions(tables[table], groups, classes).items()}
    if "population" in tables:
        values = _population(tables["population"], groups, classes)
        found |= {f"population.{name}": metric for name, metric in values.items()}
    return found


def _predictions(table: Frame, groups: Sequence[str], classes: Names) -> dict[str, Metric]:
    group, names = _intersections(table, groups, classes)
    counted = fairness.counts(table["target"], table["prediction"], group, len(names))
    return fairness.fairness(counted, names) | _strata(table["prediction"], group, classes[0], names)


def _population(table: Frame, groups: Sequence[str], classes: Names) -> dict[str, Metric]:
    group, names = _intersections(table, groups, classes)
    # Confidence is the first group's annotator's, as published where there is one group alone.
    margin = table["margin"] if len(groups) == 1 else None
    found = dict(fairness.population(table["label"], group, classes[0], names, margin))
    return found | _strata(table["label"], group, classes[0], names)


def _strata(label: Ints, group: Ints, labels: Sequence[str], groups: Sequence[str]) -> dict[str, Metric]:
    counted = fairness.strata_counts(label, group, (len(labels), len(groups)))
    found = {
        f"count.{one}/{other}": Metric(float(counted[i, j]), len(label))
        for i, one in enumerate(labels)
        for j, other in enumerate(groups)
    }
    return {**found, "kl_to_equal": Metric(fairness.kl_to(counted), len(label))}


def _intersections(table: Frame, groups: Sequence[str], classes: Names) -> tuple[Ints, list[str]]:
    """A row's combination of groups as one number, and the names of all combinations."""
    attributes: Mapping[str, tuple[Ints, int]] = {
        name: (table[GROUP + name], len(own)) for name, own in zip(groups, classes[1:], strict=True)
    }
    names = [""]
    for own in classes[1:]:
        names = [f"{before}+{one}" if before else one for before in names for one in own]
    return np.asarray(fairness.intersections(attributes)), names
