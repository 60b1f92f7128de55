"""The file layout of the published code (Wyllie et al. 2024), written and read: two labels, a group of two classes."""

from __future__ import annotations

import csv
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from biasloop.contract import names
from biasloop.contract.data import Frame, Ints, Tables
from biasloop.contract.published import Curve, Kept
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.metrics import fairness
from biasloop_generators.measures import MARGIN
from biasloop_generators.pictures import LABEL

Row = tuple[object, ...]
Files = dict[str, list[Row]]

DATASETS = {"colored-mnist": "ColoredMNIST", "colored-svhn": "SVHN", "celeba": "celeba"}  # as published; others as here
# What the published scripts look for (Wyllie et al. 2024, released folders), by what follows the data set in a preset.
EXPERIMENTS = {
    "mc": "MC",
    "mc-nonseq": "NOSEQ_MC",
    "mc-clastar": "ARCLA",
    "mc-genstar": "ARGEN",
    "seqclass": "NOMC25",
    "seqclass-star": "ARNOMC25",
} | {f"syn{percent}": f"syn{percent}" for percent in range(0, 101, 10)}
COLOURED_MNIST = {"mc-clastar": "AR"}  # its folder alone is called so
MEASURES = ("Accuracy", "Selection rate", "Count", "tpr", "tnr", "fpr", "fnr")
AGGREGATES = (*fairness.AGGREGATES, "group_0", "group_1")
OVERALL: Row = (*MEASURES, "generation")
AGGREGATED: Row = (*(f"{aggregate}_{name}" for aggregate in AGGREGATES for name in MEASURES), "generation")
POPULATION: Row = ("generation", "label_bal", "color_bal")
CONFIDENCE: Row = ("proba_0", "proba_1", "generation")
LOSS: Row = ("generation", "epoch", "gen_loss")
STRATA = ("c0g0", "c0g1", "c1g0", "c1g1")
BATCHES: Row = ("generation", "epoch", "resampled", *STRATA)
SURE = 0.5  # margins from which on a sample counts for the confidence


def overall(counts: Ints) -> list[float]:
    """The seven measures of all rows, in the order of `MEASURES`.

    Args:
        counts: `(2, 2, 2)` by group, target and prediction.
    """
    return [float(value) for value in fairness.by_group(counts.sum(axis=0, keepdims=True))[0]]


def aggregated(counts: Ints) -> list[float]:
    """The 42 values between and of the groups, in the order of `AGGREGATED`.

    Args:
        counts: `(2, 2, 2)` by group, target and prediction.
    """
    measures = fairness.by_group(counts)
    return [float(value) for value in np.concatenate([fairness.aggregates(measures), measures]).ravel()]


def export(data: str, split: str, name: str, setup: Kept, later: Iterable[Kept]) -> Files:
    """What a run has kept, as rows of the released CSV files; a row of each is its header, the first.

    Annotators have the generation None. Where the generator is frozen, the population has one row more. What a run did
    not keep has no file. A run of a published experiment has the folder that the published scripts look for; with STAR
    for classifiers and generators, batches of both are in one file, those of the generator first.

    Args:
        data: `domain.data`.
        split: which images the table "test" is of, where there is no table "valid": "test" or "valid".
        name: of the run: its preset, what sets it apart from others, "_" and a seed.
        setup: what was kept before the first generation.
        later: what was kept of each generation.

    Returns:
        Rows by the file's path below the directory of results.

    Raises:
        InvalidInput: if there are not two labels and one group of two classes, which the files are made for.
    """
    group = _only_group(setup)
    references = setup.evaluations[names.MAIN].tables
    files: Files = {}
    for who, evaluation, target in (
        ("ano_label", names.ANNOTATOR, names.TARGET),
        ("ano_fair", f"{names.ANNOTATOR_OF}{group}", names.GROUP_OF + group),
    ):
        if evaluation in setup.evaluations:
            _add_model(files, who, split, references, setup.evaluations[evaluation].tables, group, target, None)
    number, final = -1, None
    for number, step in enumerate(later):
        tables = step.evaluations[names.MAIN].tables
        _add_model(files, "cla", split, references, tables, group, names.TARGET, number)
        _add_population(files, tables[names.POPULATION], group, number)
        _add_curves(files, step, number)
        final = tables.get(names.FINAL_POPULATION)
    if final is not None:  # of the last generation; an earlier one has it where a run was extended
        _add_population(files, final, group, number + 1)
    _join_batches(files)
    dataset = DATASETS.get(data, data)
    return {f"{dataset}/{dataset}_{folder(name)}/{file}.csv": rows for file, rows in files.items()}


def folder(name: str) -> str:
    """What the released layout calls a run, after the data set: `ffl-cmnist-mc_0` is `MC_0`; others keep their name."""
    experiment, _, seed = name.rpartition("_")
    study, _, setting = experiment.partition("-")
    dataset, _, setting = setting.removesuffix("-mini").partition("-")
    if study != "ffl" or setting not in EXPERIMENTS:
        return name
    published = {**EXPERIMENTS, **(COLOURED_MNIST if dataset == "cmnist" else {})}
    return f"{published[setting]}_{seed}"


def _only_group(setup: Kept) -> str:
    sizes = {name: len(words) for name, words in setup.vocabularies().items()}
    groups = [name for name in sizes if name != LABEL]
    if len(groups) != 1 or set(sizes.values()) != {2}:
        found = ", ".join(f"{name} ({size})" for name, size in sizes.items())
        raise InvalidInput(
            "the released files hold two labels and one group of two classes, and this run has the classes "
            f"{found}; export it with --format csv"
        )
    return groups[0]


def _add_model(
    files: Files,
    who: str,
    split: str,
    references: Tables,
    predicted: Tables,
    group: str,
    target: str,
    number: int | None,
) -> None:
    both = names.VALID in references
    for published in (names.VALID, names.TEST) if both else (split,):
        table = published if both else names.TEST
        if table not in predicted:
            continue
        truth = references[table]
        counts = fairness.counts(truth[target], predicted[table][names.PREDICTION], truth[names.GROUP_OF + group], 2)
        _add(files, f"{who}_{published}_overall", OVERALL, [(*overall(counts), number)])
        _add(files, f"{who}_{published}_aggregated", AGGREGATED, [(*aggregated(counts), number)])


def _add_population(files: Files, table: Frame, group: str, number: int) -> None:
    labels, groups, margin = table[LABEL], table[names.GROUP_OF + group], table[MARGIN].astype(np.float64)
    _add(files, "gen_pop_stats", POPULATION, [(number, float(labels.mean()), float(groups.mean()))])
    sure = [margin[(groups == value) & (margin >= SURE)] for value in (0, 1)]
    confidence = [float(values.mean()) if len(values) else float("nan") for values in sure]
    _add(files, "confidence_sens", CONFIDENCE, [(*confidence, number)])


def _add_curves(files: Files, step: Kept, number: int) -> None:
    curve = step.frames.get(names.logged(names.GENERATOR, names.CURVE))
    if curve is not None:
        epochs = zip(curve[names.EPOCH].tolist(), curve["loss"].tolist(), strict=True)
        _add(files, "gen_loss", LOSS, [(number, int(epoch) - 1, loss) for epoch, loss in epochs])
    for model, short in ((names.CLASSIFIER, "cla"), (names.GENERATOR, "gen")):
        star = step.frames.get(names.logged(model, names.STAR))
        if star is not None and "batch" in star:  # earlier versions kept means over the batches of an epoch
            _add(files, f"ar_{short}_batches", BATCHES, _batches(star, number))


def _join_batches(files: Files) -> None:
    """With STAR on both sides the released code writes one file: each generation's generator first."""
    if not {"ar_gen_batches", "ar_cla_batches"} <= files.keys():
        return
    batches = files.pop("ar_gen_batches")[1:] + files.pop("ar_cla_batches")[1:]
    _add(files, "ar_both_batches", BATCHES, sorted(batches, key=lambda row: int(str(row[0]))))


def _batches(star: Frame, number: int) -> Iterator[Row]:
    columns = [names.EPOCH, names.SHORTFALL, *(f"{names.DRAWN}{stratum}" for stratum in range(len(STRATA)))]
    for epoch, *counts in zip(*(star[column].tolist() for column in columns), strict=True):
        yield number, int(epoch) - 1, *map(int, counts)


def _add(files: Files, name: str, header: Row, rows: Iterable[Sequence[object]]) -> None:
    files.setdefault(name, [header]).extend(tuple(row) for row in rows)


# --- reading what was released

# Metrics by what the study's curves call them; shares among generated samples go by the second class instead.
METRICS = {
    "accuracy": "acc",
    "selection_rate": "sel",
    "accuracy_difference": "acc_diff",
    "demographic_parity_difference": "dp",
    "equalized_odds_difference": "eodds",
}
SHARES = {"population.share_label.": "label_bal", "population.share_group.": "color_bal"}
VALID = "valid."
_PATTERN = "cla_*_overall.csv"


def published_name(metric: str, metrics: Sequence[str], plain_split: str) -> tuple[str, str]:
    """On which split, and under which name, a metric was released.

    Args:
        metric: of a run.
        metrics: all that the run has.
        plain_split: what metrics without a prefix are of.

    Raises:
        InvalidInput: it was not.
    """
    plain = metric.removeprefix(VALID)
    known = dict(METRICS)
    for prefix, name in SHARES.items():
        classes = [other for other in metrics if other.startswith(prefix)]
        if len(classes) == 2:  # in the order of the classes, of which the second was counted
            known[classes[1]] = name
    if plain not in known or (plain != metric and plain not in METRICS):
        raise InvalidInput(f"no released results can be drawn over {metric!r}; they are of {', '.join(known)}")
    return plain_split if plain == metric else names.VALID, known[plain]


def curves(path: Path, split: str, name: str) -> dict[str, Curve]:
    """A number by experiment, over the seeds of each, from the files at or below a directory.

    Raises:
        InvalidInput: there are none, or one is missing or is not as released.
    """
    return {title: over_seeds(directories, split, name) for title, directories in seeds_of(path).items()}


def seeds_of(path: Path) -> dict[str, list[Path]]:
    """Experiments at or below a directory of results, each with the directories of its seeds, NAME_SEED.

    Raises:
        InvalidInput: there is none.
    """
    experiments: dict[str, list[Path]] = {}
    for directory in sorted({file.parent for file in path.rglob(_PATTERN)}):
        name = re.sub(r"_\d+$", "", directory.resolve().name)
        experiments.setdefault(name, []).append(directory)
    if not experiments:
        raise InvalidInput(
            f"{path} holds no released results; expected files such as cla_test_overall.csv, in it or in a directory "
            "NAME_SEED for each seed"
        )
    return experiments


def over_seeds(directories: Sequence[Path], split: str, name: str) -> Curve:
    """One of the names of `_READINGS` over the seeds of an experiment; the last row of each generation counts.

    Raises:
        InvalidInput: a file is missing or is not as released.
    """
    rows = [_by_generation(directory, split, name) for directory in directories]
    length = 1 + max((max(row) for row in rows if row), default=-1)
    table = np.full((len(rows), length), np.nan)
    for line, row in zip(table, rows, strict=True):
        line[list(row)] = list(row.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a generation that no seed has is NaN
        mean, std = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
    return Curve(mean, std, np.isfinite(table).sum(axis=0).astype(np.float64))


Reading = Callable[[Mapping[str, float]], float]


def _column(name: str) -> Reading:
    return lambda row: row[name]


# The file of each number, and its value from a row of it.
_READINGS: dict[str, tuple[str, Reading]] = {
    "acc": ("cla_{split}_overall.csv", _column("Accuracy")),
    "sel": ("cla_{split}_overall.csv", _column("Selection rate")),
    "acc_diff": ("cla_{split}_aggregated.csv", _column("difference_Accuracy")),
    "dp": ("cla_{split}_aggregated.csv", _column("difference_Selection rate")),
    "eodds": ("cla_{split}_aggregated.csv", lambda row: max(row["difference_tpr"], row["difference_fpr"])),
    "label_bal": ("gen_pop_stats.csv", _column("label_bal")),
    "color_bal": ("gen_pop_stats.csv", _column("color_bal")),
}


def _by_generation(directory: Path, split: str, name: str) -> dict[int, float]:
    file, reading = _READINGS[name]
    path = directory / file.format(split=split)
    values = {}
    for line, row in _rows(path):
        try:
            generation = int(row["generation"])
            values[generation] = reading(row)
        except (KeyError, ValueError, OverflowError) as error:
            raise InvalidInput(f"{path}, line {line}: {error!r}; expected a row as released") from error
    return values


def _rows(path: Path) -> Iterator[tuple[int, dict[str, float]]]:
    """Rows of numbers with their lines; what is no number is NaN."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            for row in reader:
                yield reader.line_num, {key: _number(value) for key, value in row.items() if key is not None}
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror}); it is among the released files") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{path} is not a table ({error})") from error


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan
