"""Results in the file layout of the published code (Hall et al. 2022): one CSV file, a row a measured checkpoint."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from biasloop.contract import names
from biasloop.contract.data import Floats, Frame, Tables
from biasloop.contract.published import Kept
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.metrics import amplification, calibration
from biasloop_images.biased.assignments import members
from biasloop_images.biased.design import Seeds

if TYPE_CHECKING:
    from biasloop_images.biased.settings import Bias
    from biasloop_images.config import Config

FILE = "results_overconf.csv"
BINS = 15
COLUMNS = (
    "name", "epsilon", "train_seed", "test_seed", "checkpoint_number", "acc@1", "biasamp", "bins", "acc_bins",
    "conf_bins", "count_bins", "ece", "mce", "accuracy_breakdown", "biasamp_breakdown", "json_templates",
)  # fmt: skip
Row = tuple[object, ...]


def export(config: Config, name: str, setup: Kept, later: Iterable[Kept]) -> dict[str, list[Row]]:
    """What a run has measured, as rows of the released CSV file, the header first.

    Lists and tables are Python text. A breakdown is by (attribute, task), where the attribute is 'a' or 'b' (inverted),
    of an overlay the number of the class that is blended in, of swapped runs the class 0 or 1; NaN where there is no
    such image. `bins` is their number. The number of a checkpoint counts phases of training and of testing: 2 e - 2
    after epoch e. `json_templates` is the number that a study of depth, width or weight decay varies, and what the
    network is otherwise. Overlays have a column eta more, training-size subsets dataset_size. Of a run of several
    rounds the name has the round.

    Args:
        config: the domain's settings.
        name: of the run.
        setup: what was kept before the first round.
        later: what was kept of each round.

    Returns:
        Rows by the file's path below the directory of results.

    Raises:
        InvalidInput: if the run has no biased data, or other than two tasks and two groups, which the file is made for.
    """
    bias = config.bias
    if bias is None:
        raise InvalidInput("the released file is of biased data, and this run has none (domain.bias)")
    references = setup.evaluations[names.MAIN].tables[names.TEST]
    vocabularies = setup.vocabularies()
    sizes = [len(vocabularies[kind]) for kind in (names.CLASSES, names.GROUPS)]
    if sizes != [2, 2]:
        raise InvalidInput(
            f"the released file holds two tasks and two groups, and this run has {sizes[0]} and {sizes[1]}; "
            "export it with --format csv"
        )
    seeds = Seeds.of(bias.assignment, own_test_lists=bias.own_test_lists)
    attributes = _attributes(bias, setup)
    rounds = list(later)
    rows: list[Row] = []
    for number, record in enumerate(rounds):
        run_name = f"{name}_round{number}" if len(rounds) > 1 else name
        for epoch, tables in _checkpoints(record):
            measured = _measured(references, tables[names.TEST], attributes)
            first = (run_name, _plain(bias.epsilon), seeds.train, seeds.test, 2 * epoch - 2)
            rows.append((*first, *measured, _template(config, name), *_more(bias).values()))
    return {FILE: [(*COLUMNS, *_more(bias)), *rows]}


def _more(bias: Bias) -> dict[str, object]:
    """Columns of some of the studies alone."""
    extra: dict[str, object] = {} if bias.eta is None else {"eta": _plain(bias.eta)}
    return extra if bias.fraction is None else {**extra, "dataset_size": bias.fraction}


def _checkpoints(record: Kept) -> Iterator[tuple[int, Tables]]:
    """Epoch and per-sample outputs of every checkpoint of a round that was measured, the end of training last."""
    snapshots = {name: evaluation for name, evaluation in record.evaluations.items() if name.startswith(names.SNAPSHOT)}
    last = len(record.frames[names.logged(names.FIT, names.CURVE)])
    for name in sorted(snapshots):
        epoch = int(name.removeprefix(names.SNAPSHOT))
        if epoch != last:
            yield epoch, snapshots[name].tables
    yield last, record.evaluations[names.MAIN].tables


def _attributes(bias: Bias, setup: Kept) -> tuple[object, object]:
    """What breakdowns call the two groups."""
    if bias.swap:
        return 0, 1
    if bias.attribute != "overlay":
        return "a", "b"
    first, second = members(bias, setup.vocabularies()[names.SOURCES])[1]
    return first[0], second[0]


def _measured(references: Frame, predicted: Frame, attributes: tuple[object, object]) -> Row:
    """The columns from acc@1 to biasamp_breakdown."""
    target, group, prediction = references[names.TARGET], references[names.GROUP], predicted[names.PREDICTION]
    joint = amplification.joint_counts(group, target, prediction, (2, 2))  # (groups, tasks, predictions)
    true, guessed = amplification.tables(joint)  # (groups, tasks)
    amplified = amplification.amplification(true, guessed)
    right = prediction == target
    bins = calibration.reliability(predicted[names.CONFIDENCE], right, BINS)
    gaps, shares = np.abs(bins.gaps), bins.counts / len(target)  # (BINS,)
    with np.errstate(invalid="ignore"):
        accuracies = joint[:, [0, 1], [0, 1]] / true  # (groups, tasks)
    return (
        float(right.mean()), amplified.total, BINS, bins.accuracy.tolist(), bins.confidence.tolist(),
        bins.counts.tolist(), float(np.nansum(gaps * shares)), float(np.nanmax(gaps)),
        _breakdown(accuracies, attributes), _breakdown(amplified.cells, attributes),
    )  # fmt: skip


def _breakdown(values: Floats, attributes: tuple[object, object]) -> Mapping[str, float]:
    return {
        str((attribute, task)): float(values[row, task]) for row, attribute in enumerate(attributes) for task in (0, 1)
    }


def _template(config: Config, name: str) -> object:
    """What a study of depth, width or weight decay varies; of the others the network.

    Which study it is, the run's name says: it holds that of the preset and the settings in which runs differ.
    """
    varied = {"weight-decay": config.weight_decay, "weight_decay": config.weight_decay, "width": config.width}
    if config.depth is not None:
        varied["depth"] = config.depth
    number = next((value for study, value in varied.items() if study in name), None)
    if number is not None:
        return number
    depth = "" if config.depth is None else f"_depth{config.depth}"
    return f"{config.network}{depth}_width{config.width}_wd{config.weight_decay:g}"


def _plain(value: float | None) -> object:
    """A whole number without a point, as published."""
    return "" if value is None else int(value) if math.isfinite(value) and value == int(value) else value
