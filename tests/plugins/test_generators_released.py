"""Results in the released layout, against the authors' own rows and fairlearn's table over random predictions."""

import json
import math

import fairlearn.metrics as oracle
import numpy as np
import pytest
import sklearn.metrics
from support.toy import TESTS

from biasloop.contract.data import Column, Evaluation, Frame
from biasloop.errors import InvalidInput
from biasloop.records.record import Record
from biasloop_generators.released import AGGREGATED, OVERALL, aggregated, export, folder, overall

GOLDEN = json.loads((TESTS / "metrics" / "fairness_golden.json").read_text())["eval_classifier"]


# --- a row


@pytest.mark.parametrize("name", GOLDEN["authors_rows"])
def test_rows_are_those_that_the_authors_wrote_to_the_last_bit(name):
    row = GOLDEN["authors_rows"][name]
    groups = [row[f"conf_g{group}_tp_fn_fp_tn"] for group in (0, 1)]
    counts = np.array([[[tn, fp], [fn, tp]] for tp, fn, fp, tn in groups])
    assert aggregated(counts) == row["agg"]
    assert overall(counts) == row["overall"]
    assert list(AGGREGATED) == [*GOLDEN["agg_names"], "generation"]
    assert list(OVERALL) == [*GOLDEN["overall_names"], "generation"]


# --- whole files of made-up predictions


def names(*words):
    return Frame({"name": Column.text(words)})


def references(rng, rows=60, groups=2):
    return Frame(
        {
            "ids": Column(np.arange(rows), role="ids"),
            "target": Column(rng.integers(0, 2, rows), role="target", vocabulary="label"),
            "group.color": Column(rng.integers(0, groups, rows), role="group", vocabulary="color"),
        }
    )


def predicted(rng, rows=60):
    return Frame({"prediction": Column(rng.integers(0, 2, rows), role="prediction")})


def population(rng, margin=None):
    margin = rng.random(40) if margin is None else np.full(40, margin)
    return Frame(
        {
            "label": Column(rng.integers(0, 2, 40)),
            "group.color": Column(rng.integers(0, 2, 40)),
            "margin": Column(margin.astype(np.float32)),
        }
    )


def setup(rng, splits=("test", "valid"), groups=2, **more):
    given = {split: references(rng, groups=groups) for split in splits}
    evaluations = {
        "test": Evaluation({}, given),
        "annotator": Evaluation({}, {split: predicted(rng) for split in splits}),
        "annotator-color": Evaluation({}, {split: predicted(rng) for split in splits}),
    }
    vocabularies = {"vocabulary.color": names(*"gr"[:groups]), "vocabulary.label": names("0", "1"), **more}
    return Record(evaluations=evaluations, frames=vocabularies)


def generation(rng, splits=("test", "valid"), frames=None, **tables):
    tables = {split: predicted(rng) for split in splits} | {"population": population(rng)} | tables
    return Record(evaluations={"test": Evaluation({}, tables)}, frames=frames or {})


def fairlearns(truth, prediction, group):
    """Seven values of all rows, then the 42 between and of groups, as the published code computes them."""
    metrics = {
        "Accuracy": sklearn.metrics.accuracy_score,
        "Selection rate": oracle.selection_rate,
        "Count": oracle.count,
        "tpr": oracle.true_positive_rate,
        "tnr": oracle.true_negative_rate,
        "fpr": oracle.false_positive_rate,
        "fnr": oracle.false_negative_rate,
    }
    frame = oracle.MetricFrame(metrics=metrics, y_true=truth, y_pred=prediction, sensitive_features=group)
    parts = [frame.difference(), frame.ratio(), frame.group_min(), frame.group_max(), *frame.by_group.values]
    return list(frame.overall), np.concatenate([np.asarray(part, float) for part in parts])


@pytest.mark.parametrize("seed", range(5))
def test_every_model_is_measured_as_fairlearn_measures_it(seed):
    rng = np.random.default_rng(seed)
    start, later = setup(rng), [generation(rng), generation(rng)]
    files = export("colored-mnist", "test", "MC_7", start, iter(later))
    given = start.evaluations["test"].tables
    models = [
        ("ano_label", "target", start.evaluations["annotator"].tables, 1, None),
        ("ano_fair", "group.color", start.evaluations["annotator-color"].tables, 1, None),
        *(("cla", "target", step.evaluations["test"].tables, 1 + n, n) for n, step in enumerate(later)),
    ]
    for name, target, tables, line, number in models:
        for split in ("test", "valid"):
            truth, group = given[split][target], given[split]["group.color"]
            whole, between = fairlearns(truth, tables[split]["prediction"], group)
            place = f"ColoredMNIST/ColoredMNIST_MC_7/{name}_{split}"
            assert files[f"{place}_overall.csv"][0] == OVERALL
            assert files[f"{place}_aggregated.csv"][0] == AGGREGATED
            found = files[f"{place}_overall.csv"][line]
            assert (list(found[:-1]), found[-1]) == (pytest.approx(whole, abs=1e-12), number)
            found = files[f"{place}_aggregated.csv"][line]
            assert np.array(found[:-1]) == pytest.approx(between, abs=1e-12, nan_ok=True)
            assert found[-1] is number
    assert [len(files[f"ColoredMNIST/ColoredMNIST_MC_7/{name}_test_overall.csv"]) for name in ("cla", "ano_fair")] == [
        3,
        2,
    ]


def test_populations_have_shares_and_confidences_and_a_frozen_chain_one_row_more():
    rng = np.random.default_rng(3)
    unsure = population(rng, margin=0.25)
    extended = generation(rng, final_population=population(rng))  # was the last one before the run went on
    later = [extended, generation(rng, population=unsure, final_population=population(rng))]
    files = export("colored-svhn", "test", "NOMC_0", setup(rng), later)
    tables = [step.evaluations["test"].tables for step in later]
    rows = files["SVHN/SVHN_NOMC_0/gen_pop_stats.csv"]
    every = [tables[0]["population"], tables[1]["population"], tables[1]["final_population"]]
    assert rows[0] == ("generation", "label_bal", "color_bal")
    assert rows[1:] == [(n, one["label"].mean(), one["group.color"].mean()) for n, one in enumerate(every)]
    rows = files["SVHN/SVHN_NOMC_0/confidence_sens.csv"]
    assert rows[0] == ("proba_0", "proba_1", "generation")
    for number in (0, 2):
        # As published: signed margins p1 - p0, of which those beyond a half count.
        margin, group = every[number]["margin"].astype(float), every[number]["group.color"]
        signed = np.where(group == 1, margin, -margin)
        assert rows[1 + number] == pytest.approx((-signed[signed <= -0.5].mean(), signed[signed >= 0.5].mean(), number))
    assert [math.isnan(value) for value in rows[2][:2]] == [True, True]


def test_a_margin_of_exactly_a_half_counts_for_the_confidence():
    rng = np.random.default_rng(3)
    step = generation(rng, population=population(rng, margin=0.5))
    rows = export("colored-svhn", "test", "NOMC_0", setup(rng), [step])["SVHN/SVHN_NOMC_0/confidence_sens.csv"]
    assert rows[1] == (0.5, 0.5, 0)


def test_curves_of_losses_and_of_batches_count_epochs_from_0_and_hold_whole_numbers():
    rng = np.random.default_rng(4)
    drawn = rng.integers(0, 40, (6, 4)).astype(float)
    star = Frame(
        {"epoch": Column(np.repeat([1.0, 2.0], 3)), "batch": Column(np.tile([1.0, 2.0, 3.0], 2)),
         "shortfall": Column(np.arange(6.0)), "draws": Column(np.full(6, 40.0))}
        | {f"drawn.{k}": Column(drawn[:, k]) for k in range(4)}
    )  # fmt: skip
    curve = Frame({"epoch": Column(np.array([1.0, 2.0])), "loss": Column(np.array([0.1, 1 / 3]))})
    means = Frame({name: column for name, column in star.columns.items() if name != "batch"})
    later = [generation(rng, frames={"generator.curve": curve, "classifier.star": star, "generator.star": means})]
    files = export("own", "test", "x_0", setup(rng), later)
    assert files["own/own_x_0/gen_loss.csv"] == [("generation", "epoch", "gen_loss"), (0, 0, 0.1), (0, 1, 1 / 3)]
    rows = files["own/own_x_0/ar_cla_batches.csv"]
    assert rows[0] == ("generation", "epoch", "resampled", "c0g0", "c0g1", "c1g0", "c1g1")
    assert rows[1:] == [(0, n // 3, n, *map(int, drawn[n])) for n in range(6)]
    assert all(type(value) is int for row in rows[1:] for value in row)
    assert "own/own_x_0/ar_gen_batches.csv" not in files  # means over batches are not batches


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ffl-cmnist-mc_3", "MC_3"),
        ("ffl-cmnist-mc-mini_0", "MC_0"),
        ("ffl-svhn-mc-nonseq_1", "NOSEQ_MC_1"),
        ("ffl-cmnist-mc-clastar_24", "AR_24"),
        ("ffl-svhn-mc-clastar_2", "ARCLA_2"),
        ("ffl-celeba-mc-genstar_0", "ARGEN_0"),
        ("ffl-celeba-seqclass_0", "NOMC25_0"),
        ("ffl-cmnist-seqclass-star-mini_0", "ARNOMC25_0"),
        ("ffl-cmnist-syn20_4", "syn20_4"),
        ("ffl-cmnist-mc-loop.star_budget=0.2_0", "ffl-cmnist-mc-loop.star_budget=0.2_0"),  # no published experiment
        ("ffl-cmnist-grp55_0", "ffl-cmnist-grp55_0"),
        ("quickstart-generations_0", "quickstart-generations_0"),
        ("mine_0", "mine_0"),
    ],
)
def test_published_experiments_have_the_folders_that_published_scripts_look_for(name, expected):
    assert folder(name) == expected
    files = export("celeba", "test", name, setup(np.random.default_rng(8)), [generation(np.random.default_rng(9))])
    assert {path.rpartition("/")[0] for path in files} == {f"celeba/celeba_{expected}"}


def test_batches_of_star_on_both_sides_are_one_file_the_generators_first():
    rng = np.random.default_rng(10)

    def star(epoch, shortfall):
        columns = {"epoch": [epoch], "batch": [0], "shortfall": [shortfall], "draws": [40]}
        columns |= {f"drawn.{k}": [k] for k in range(4)}
        return Frame({name: Column(np.array(values, np.int32)) for name, values in columns.items()})

    both = {"classifier.star": star(2, 7), "generator.star": star(1, 5)}
    later = [generation(rng, frames={"classifier.star": star(1, 3)}), generation(rng, frames=both)]
    files = export("celeba", "test", "x_0", setup(rng), later)
    assert not [path for path in files if "ar_cla" in path or "ar_gen" in path]
    rows = files["celeba/celeba_x_0/ar_both_batches.csv"]
    assert rows[0] == ("generation", "epoch", "resampled", "c0g0", "c0g1", "c1g0", "c1g1")
    assert rows[1:] == [(0, 0, 3, 0, 1, 2, 3), (1, 0, 5, 0, 1, 2, 3), (1, 1, 7, 0, 1, 2, 3)]


def test_one_split_alone_has_the_name_of_what_it_is():
    rng = np.random.default_rng(5)
    start, later = setup(rng, ("test",)), [generation(rng, ("test",))]
    for split in ("test", "valid"):
        files = export("celeba", split, "x_0", start, later)
        assert {name.split("_")[-2] for name in files if "cla_" in name and "ar_" not in name} == {split}


def test_a_run_from_before_groups_were_told_has_no_file_of_their_annotator():
    rng = np.random.default_rng(6)
    start = setup(rng)
    del start.evaluations["annotator-color"]
    files = export("celeba", "test", "x_0", start, [generation(rng)])
    assert not [name for name in files if "ano_fair" in name]
    assert [name for name in files if "ano_label" in name]


@pytest.mark.parametrize(
    ("groups", "more", "words"),
    [(1, {}, r"color \(1\), label \(2\)"), (2, {"vocabulary.age": names("y", "o")}, r"label \(2\), age \(2\)")],
)
def test_other_strata_are_refused(groups, more, words):
    rng = np.random.default_rng(7)
    with pytest.raises(InvalidInput, match=f"two labels and one group of two classes.*{words}.*--format csv"):
        export("celeba", "test", "x_0", setup(rng, groups=groups, **more), [])


def test_several_epochs_of_both_sides_are_not_mixed():
    rng = np.random.default_rng(11)

    def star(*epochs):
        columns = {"epoch": epochs, "batch": [0] * len(epochs), "shortfall": [len(epochs)] * len(epochs)}
        columns |= {f"drawn.{k}": [k] * len(epochs) for k in range(4)}
        return Frame({name: Column(np.array(values, np.int32)) for name, values in columns.items()})

    later = [generation(rng, frames={"classifier.star": star(1, 2), "generator.star": star(1, 2, 3)}) for _ in range(2)]
    rows = export("celeba", "test", "x_0", setup(rng), later)["celeba/celeba_x_0/ar_both_batches.csv"][1:]
    expected = [(0, 3), (1, 3), (2, 3), (0, 2), (1, 2)]  # epoch, resampled: all of the generator, then the classifier
    assert [row[:3] for row in rows] == [(number, *row) for number in range(2) for row in expected]
