"""Results in the file layout of the published code (Wyllie et al. 2024): two labels, one group of two classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from biasloop.contract.data import Frame, Ints, Tables
from biasloop.contract.domains import Kept
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.metrics import fairness
from biasloop_generators.measures import GROUP
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
    answers = setup.evaluations["test"].tables
    files: Files = {}
    for who, evaluation, target in (
        ("ano_label", "annotator", "target"),
        ("ano_fair", f"annotator-{group}", GROUP + group),
    ):
        if evaluation in setup.evaluations:
            _add_model(files, who, split, answers, setup.evaluations[evaluation].tables, group, target, None)
    number, final = -1, None
    for number, step in enumerate(later):
        tables = step.evaluations["test"].tables
        _add_model(files, "cla", split, answers, tables, group, "target", number)
        _add_population(files, tables["population"], group, number)
        _add_curves(files, step, number)
        final = tables.get("final_population")
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
    prefix = "vocabulary."
    sizes = {name.removeprefix(prefix): len(frame) for name, frame in setup.frames.items() if name.startswith(prefix)}
    groups = [name for name in sizes if name != LABEL]
    if len(groups) != 1 or set(sizes.values()) != {2}:
        found = ", ".join(f"{name} ({size})" for name, size in sizes.items())
        raise InvalidInput(
            "the released files hold two labels and one group of two classes, and this run has the classes "
            f"{found}; export it with --format csv"
        )
    return groups[0]


def _add_model(
    files: Files, who: str, split: str, answers: Tables, predicted: Tables, group: str, target: str, number: int | None
) -> None:
    both = "valid" in answers
    for published in ("valid", "test") if both else (split,):
        table = published if both else "test"
        if table not in predicted:
            continue
        truth = answers[table]
        counts = fairness.counts(truth[target], predicted[table]["prediction"], truth[GROUP + group], 2)
        _add(files, f"{who}_{published}_overall", OVERALL, [(*overall(counts), number)])
        _add(files, f"{who}_{published}_aggregated", AGGREGATED, [(*aggregated(counts), number)])


def _add_population(files: Files, table: Frame, group: str, number: int) -> None:
    labels, groups, margin = table[LABEL], table[GROUP + group], table["margin"].astype(np.float64)
    _add(files, "gen_pop_stats", POPULATION, [(number, float(labels.mean()), float(groups.mean()))])
    sure = [margin[(groups == value) & (margin >= SURE)] for value in (0, 1)]
    confidence = [float(values.mean()) if len(values) else float("nan") for values in sure]
    _add(files, "confidence_sens", CONFIDENCE, [(*confidence, number)])


def _add_curves(files: Files, step: Kept, number: int) -> None:
    if "generator.curve" in step.frames:
        curve = step.frames["generator.curve"]
        epochs = zip(curve["epoch"].tolist(), curve["loss"].tolist(), strict=True)
        _add(files, "gen_loss", LOSS, [(number, int(epoch) - 1, loss) for epoch, loss in epochs])
    for model, short in (("classifier", "cla"), ("generator", "gen")):
        star = step.frames.get(f"{model}.star")
        if star is not None and "batch" in star:  # earlier versions kept means over the batches of an epoch
            _add(files, f"ar_{short}_batches", BATCHES, _batches(star, number))


def _join_batches(files: Files) -> None:
    """With STAR on both sides the released code writes one file: each generation's generator first."""
    if not {"ar_gen_batches", "ar_cla_batches"} <= files.keys():
        return
    batches = files.pop("ar_gen_batches")[1:] + files.pop("ar_cla_batches")[1:]
    _add(files, "ar_both_batches", BATCHES, sorted(batches, key=lambda row: int(str(row[0]))))


def _batches(star: Frame, number: int) -> Iterator[Row]:
    columns = ["epoch", "shortfall", *(f"drawn.{stratum}" for stratum in range(len(STRATA)))]
    for epoch, *counts in zip(*(star[column].tolist() for column in columns), strict=True):
        yield number, int(epoch) - 1, *map(int, counts)


def _add(files: Files, name: str, header: Row, rows: Iterable[Sequence[object]]) -> None:
    files.setdefault(name, [header]).extend(tuple(row) for row in rows)
