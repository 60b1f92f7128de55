"""What is measured of a generation: a classifier between groups, and a generator's population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from biasloop.contract.data import Frame, Ints, Metric, Tables
from biasloop.contract.names import FINAL_POPULATION, GENERATOR, GROUP_OF, POPULATION, PREDICTION, TARGET, TEST, VALID
from biasloop.lazy import numpy as np
from biasloop.metrics import fairness
from biasloop_generators.pictures import LABEL

MARGIN = "margin"  # the column of by how much a prediction leads
POPULATIONS = (POPULATION, FINAL_POPULATION)
Names = Sequence[Sequence[str]]


def measure(tables: Tables, groups: Sequence[str], classes: Names, *, summed: bool) -> dict[str, Metric]:
    """Metrics of answers joined with predictions, of a population, and of the generator that it comes from.

    Names of the test set as of `biasloop.metrics.fairness.fairness`, of the validation set after `valid.`, of samples
    after `population.`, of the same labelled by the last classifier after `final_population.`;
    `count.<label>/<group>` are strata by predicted label. `generator_loss` is the mean over the batches of the
    generator's last epoch, as published (Wyllie et al. 2024), `generator_loss_per_image` their sum by image: in nats
    if it is of cross-entropy. Both are of n images. Of a frozen generator they are the same in every generation.

    Args:
        tables: "test", "valid", "population", "final_population" and "generator", those that there are.
        groups: names of the groups.
        classes: names of the label's classes, then of each group's.
        summed: whether the loss of a batch is a sum over its images; if not, there is none by image.
    """
    metrics: dict[str, Metric] = {}
    for table, prefix in ((TEST, ""), (VALID, f"{VALID}.")):
        if table in tables and PREDICTION in tables[table]:
            metrics |= {prefix + name: metric for name, metric in _predictions(tables[table], groups, classes).items()}
    for name in POPULATIONS:
        if name in tables:
            values = _population(tables[name], groups, classes)
            metrics |= {f"{name}.{key}": metric for key, metric in values.items()}
    return metrics | (_loss(tables[GENERATOR], summed=summed) if GENERATOR in tables else {})


def _predictions(table: Frame, groups: Sequence[str], classes: Names) -> dict[str, Metric]:
    group, names = _intersections(table, groups, classes)
    counted = fairness.counts(table[TARGET], table[PREDICTION], group, len(names))
    return fairness.fairness(counted, names) | _strata(table[PREDICTION], group, classes[0], names)


def _population(table: Frame, groups: Sequence[str], classes: Names) -> dict[str, Metric]:
    group, names = _intersections(table, groups, classes)
    # Confidence is the first group's annotator's, as published where there is one group alone.
    margin = table[MARGIN] if len(groups) == 1 else None
    metrics = dict(fairness.population(table[LABEL], group, classes[0], names, margin))
    return metrics | _strata(table[LABEL], group, classes[0], names)


def _loss(table: Frame, *, summed: bool) -> dict[str, Metric]:
    loss, batches, images = (table[name].item() for name in ("loss", "batches", "images"))
    metrics = {"generator_loss": Metric(loss, images)}
    return {**metrics, "generator_loss_per_image": Metric(loss * batches / images, images)} if summed else metrics


def _strata(label: Ints, group: Ints, labels: Sequence[str], groups: Sequence[str]) -> dict[str, Metric]:
    counted = fairness.strata_counts(label, group, (len(labels), len(groups)))
    metrics = {
        f"count.{label_name}/{group_name}": Metric(float(counted[i, j]), len(label))
        for i, label_name in enumerate(labels)
        for j, group_name in enumerate(groups)
    }
    return {**metrics, "kl_to_equal": Metric(fairness.kl_to(counted), len(label))}


def _intersections(table: Frame, groups: Sequence[str], classes: Names) -> tuple[Ints, list[str]]:
    """A row's combination of groups as one number, and the names of all combinations."""
    attributes: Mapping[str, tuple[Ints, int]] = {
        name: (table[GROUP_OF + name], len(values)) for name, values in zip(groups, classes[1:], strict=True)
    }
    names = [""]
    for values in classes[1:]:
        names = [f"{before}+{value}" if before else value for before in names for value in values]
    return np.asarray(fairness.intersections(attributes)), names
