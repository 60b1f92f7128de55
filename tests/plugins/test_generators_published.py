"""What others released of the study of fairness feedback loops: read, averaged over seeds, matched with metrics."""

from pathlib import Path

import numpy as np
import pytest

from biasloop.contract.context import Context
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop_generators import GeneratorsDomain
from biasloop_generators.released import over_seeds, seeds_of

METRICS = (
    "accuracy", "tpr", "equalized_odds_difference", "valid.selection_rate", "population.share_label.0",
    "population.share_label.1", "population.share_group.green", "population.share_group.red",
)  # fmt: skip


def domain(**settings):
    """The domain, which reads nothing for this."""
    config = GeneratorsDomain.Config.model_validate(settings)
    return GeneratorsDomain(config, Context(Path("unused"), Streams((0, "data"))))


# --- directories of results

MEASURES = ("Accuracy", "Selection rate", "Count", "tpr", "tnr", "fpr", "fnr")
OLD = [f"{kind}_{name}" for kind in ("difference", "ratio", "group_min", "group_max") for name in MEASURES]


def written(place, rows, columns):
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")


def seed_of(place, values, *, groups=("group_0", "group_1"), split="test"):
    """Files of one seed: of each (generation, number), all measures are that number, but the difference of fpr."""
    columns = [*OLD, *(f"{group}_{name}" for group in groups for name in MEASURES)]
    written(place / f"cla_{split}_overall.csv", [[value] * 7 + [g] for g, value in values], [*MEASURES, "generation"])
    between = []
    for generation, value in values:
        row = dict.fromkeys(columns, value) | {"difference_fpr": value + 0.125, "difference_tpr": value}
        between.append([*row.values(), generation])
    written(place / f"cla_{split}_aggregated.csv", between, [*columns, "generation"])
    rows = [[g, value, 1 - value] for g, value in values]
    written(place / "gen_pop_stats.csv", rows, ["generation", "label_bal", "color_bal"])


@pytest.mark.parametrize("groups", [("group_0", "group_1"), ()], ids=["42 columns", "28 columns"])
def test_seeds_are_averaged_and_the_last_row_of_a_generation_counts(tmp_path, groups):
    seed_of(tmp_path / "SVHN_MC_0", [(0, 0.5), (1, 0.25), (1, 0.75)], groups=groups)
    seed_of(tmp_path / "SVHN_MC_1", [(0, 0.25), (1, 0.25)], groups=groups)
    seed_of(tmp_path / "SVHN_MC_2", [(0, 0.0)], groups=groups)
    found = seeds_of(tmp_path)
    assert list(found) == ["SVHN_MC"]
    for name, shift in (("acc", 0), ("sel", 0), ("acc_diff", 0), ("dp", 0), ("eodds", 0.125), ("label_bal", 0)):
        curve = over_seeds(found["SVHN_MC"], "test", name)
        assert curve.mean == pytest.approx([0.25 + shift, 0.5 + shift])
        assert curve.std == pytest.approx([np.std([0.5, 0.25, 0.0]), 0.25])
        assert curve.seeds.tolist() == [3, 2]
    assert over_seeds(found["SVHN_MC"], "test", "color_bal").mean == pytest.approx([0.75, 0.5])


def test_one_experiment_or_one_seed_or_all_can_be_given(tmp_path):
    for name in ("SVHN_MC_0", "SVHN_MC_1", "SVHN_NOSEQ_MC_0", "SVHN_AR"):
        seed_of(tmp_path / "SVHN" / name, [(0, 0.5)])
    assert [len(places) for places in seeds_of(tmp_path).values()] == [1, 2, 1]
    assert list(seeds_of(tmp_path / "SVHN")) == ["SVHN_AR", "SVHN_MC", "SVHN_NOSEQ_MC"]
    one_seed = domain().curves(tmp_path / "SVHN" / "SVHN_MC_1", "test", "acc")
    assert {title: curve.seeds.tolist() for title, curve in one_seed.items()} == {"SVHN_MC": [1]}


def test_files_that_are_not_as_released_are_named(tmp_path):
    with pytest.raises(InvalidInput, match="holds no released results; expected files such as cla_test_overall.csv"):
        seeds_of(tmp_path)
    place = tmp_path / "x_0"
    seed_of(place, [(0, 0.5)])
    with pytest.raises(InvalidInput, match=r"cla_valid_overall.csv cannot be read"):
        over_seeds([place], "valid", "acc")
    (place / "gen_pop_stats.csv").write_text("generation,label_bal\n0,0.5\n")
    with pytest.raises(InvalidInput, match=r"gen_pop_stats.csv, line 2: KeyError\('color_bal'\)"):
        over_seeds([place], "test", "color_bal")
    (place / "gen_pop_stats.csv").write_text("generation,label_bal\nNone,0.5\n")
    with pytest.raises(InvalidInput, match=r"gen_pop_stats.csv, line 2: .*NaN"):
        over_seeds([place], "test", "label_bal")


# --- which released number a metric is


@pytest.mark.parametrize(
    ("metric", "split", "name"),
    [
        ("accuracy", "test", "acc"),
        ("valid.selection_rate", "valid", "sel"),
        ("accuracy_difference", "test", "acc_diff"),
        ("valid.demographic_parity_difference", "valid", "dp"),
        ("equalized_odds_difference", "test", "eodds"),
        ("population.share_label.1", "test", "label_bal"),
        ("population.share_group.red", "test", "color_bal"),
    ],
)
def test_metrics_have_released_names(metric, split, name):
    assert domain().published_name(metric, METRICS) == (split, name)


def test_where_valid_alone_is_evaluated_it_is_compared_with_valid():
    assert domain(evaluate_on="valid").published_name("accuracy", METRICS) == ("valid", "acc")


@pytest.mark.parametrize("metric", ["tpr", "population.share_label.0", "valid.population.share_label.1", "nope"])
def test_what_was_not_released_is_refused_with_what_was(metric):
    with pytest.raises(InvalidInput, match=rf"over '{metric}'; they are of accuracy, .*population.share_group.red"):
        domain().published_name(metric, METRICS)


def test_tables_are_called_by_the_split_that_they_are_of():
    assert [domain().split_of(table) for table in ("test", "valid")] == ["test", "valid"]
    assert [domain(evaluate_on=split).split_of("test") for split in ("test", "valid")] == ["test", "valid"]
