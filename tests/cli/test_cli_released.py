"""Runs of the domain "generators": exported, drawn under released results, their annotators in a table."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import fairlearn.metrics as oracle
import numpy as np
import pytest

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.contract.data import Evaluation, Metric
from biasloop.errors import InvalidInput, Mismatch
from biasloop.report.tables.annotators import MEASURES, pooled
from biasloop.running import engine
from biasloop.running.engine import Options
from biasloop.store.manifest import SETUP
from biasloop.store.reader import Run

TINY = {
    "domain.images": 32, "domain.generator_epochs": 1, "domain.classifier_epochs": 2, "domain.generator_batch": 16,
    "domain.classifier_batch": 16, "domain.population": 64, "loop.rounds": 2, "loop.star_budget": 8,
}  # fmt: skip
RUNS = (("classifier", 0), ("none", 0), ("none", 1))
MODELS = {"cla": 2, "ano_label": 1, "ano_fair": 1}  # rows of each


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Runs of one preset: two arms, one of them with two seeds."""
    place = tmp_path_factory.mktemp("study")
    options = Options(place / "data", device="cpu", threads=1, interval=1e9)
    found = presets.read("quickstart-generations")
    found = found.override({tuple(key.split(".")): value for key, value in TINY.items()}, "test")
    for chosen, experiment in arms_of(found):
        (arm,) = chosen.values()
        for seed in (seed for name, seed in RUNS if name == arm):
            engine.run(engine.prepare(experiment, seed, options), place / "runs" / arm / f"seed-{seed}", options)
    return place / "runs"


def read(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def refused(result, kind=InvalidInput):
    assert isinstance(result.exception, kind), result.output
    return str(result.exception)


# --- the released layout


def test_a_run_is_written_as_the_published_code_writes_it(cli, study):
    result = cli("export", str(study / "classifier" / "seed-0"), "-o", "out", "--format", "released", "--json")
    assert result.exit_code == 0, result.exception
    place = Path("out/colored-fashion/colored-fashion_quickstart-generations_0")
    kinds = [f"{split}_{kind}" for split in ("valid", "test") for kind in ("overall", "aggregated")]
    rows = {f"{model}_{kind}": count for model, count in MODELS.items() for kind in kinds}
    rows |= {"gen_pop_stats": 2, "confidence_sens": 2, "gen_loss": 2, "ar_cla_batches": 2 * 2 * 2}
    written = {one["file"]: one["rows"] for one in json.loads(result.stdout)["files"]}
    assert written == {str(place / f"{name}.csv"): count for name, count in rows.items()}
    for name, count in rows.items():
        assert len(read(place / f"{name}.csv")) == 1 + count, name
    assert {len(row) for row in read(place / "cla_test_aggregated.csv")} == {43}
    assert [row[-1] for row in read(place / "cla_test_overall.csv")] == ["generation", "0", "1"]
    assert read(place / "ano_fair_test_overall.csv")[1][-1] == "None"
    batches = read(place / "ar_cla_batches.csv")
    assert {sum(map(int, row[3:])) >= 24 for row in batches[1:]} == {True}
    assert not {'"', "\r"} & set((place / "cla_test_aggregated.csv").read_text())


def test_its_numbers_are_those_of_the_stored_predictions(cli, study):
    cli("export", str(study / "none" / "seed-1"), "-o", "out", "--format", "released")
    place = Path("out/colored-fashion/colored-fashion_quickstart-generations_1")
    run = Run.open(study / "none" / "seed-1")
    truth = run.read(SETUP).evaluations["test"].tables["valid"]
    for number in (0, 1):
        tables = run.read(f"round-{number:04d}").evaluations["test"].tables
        given = {"y_true": truth["target"], "y_pred": tables["valid"]["prediction"]}
        frame = oracle.MetricFrame(metrics=oracle.selection_rate, sensitive_features=truth["group.color"], **given)
        row = dict(zip(*(read(place / "cla_valid_aggregated.csv")[i] for i in (0, 1 + number)), strict=True))
        assert row["difference_Selection rate"] == str(float(frame.difference()))
        assert row["group_1_Count"] == str(float((truth["group.color"] == 1).sum()))
        shares = read(place / "gen_pop_stats.csv")[1 + number]
        population = tables["population"]
        assert shares == [str(number), str(population["label"].mean()), str(population["group.color"].mean())]
    judged = run.read(SETUP).evaluations["annotator-color"].tables["test"]
    assert judged.columns["prediction"].vocabulary == "color"
    right = judged["prediction"] == run.read(SETUP).evaluations["test"].tables["test"]["group.color"]
    assert read(place / "ano_fair_test_overall.csv")[1][0] == str(right.mean())
    losses = [row[2] for row in read(place / "gen_loss.csv")[1:]]
    assert losses[:1] == [str(loss) for loss in run.read("round-0000").frames["generator.curve"]["loss"].tolist()]


def test_arms_of_one_preset_have_names_of_their_own_and_nothing_is_replaced_unasked(cli, study):
    arguments = ("export", str(study), "--output", "out", "--format", "released")
    result = cli(*arguments)
    assert result.exit_code == 0, result.exception
    assert sorted(path.name for path in Path("out/colored-fashion").iterdir()) == [
        f"colored-fashion_quickstart-generations-loop.star={arm}_{seed}" for arm, seed in RUNS
    ]
    assert "is there already; give --force" in refused(cli(*arguments))
    assert cli(*arguments, "--force").exit_code == 0


def test_a_run_twice_and_a_domain_without_such_files_are_refused(cli, study):
    one = study / "none" / "seed-0"
    Path("copy").mkdir()
    for file in filter(Path.is_file, one.iterdir()):
        (Path("copy") / file.name).write_bytes(file.read_bytes())
    assert "have the same settings and seed" in refused(
        cli("export", str(one), "copy", "-o", "out", "--format", "released")
    )
    cli("loop", "-p", "toy")
    text = refused(cli("export", "runs/toy", "-o", "out", "--format", "released"), Mismatch)
    assert "the domain 'toy' has no files that a study's code has published; use --format csv" in text
    text = refused(cli("export", "runs/toy", "-o", "out", "--format", "parket"), InvalidInput)
    assert "--format parket: there is no such format; expected csv, parquet, hf, released, bias-amp, ffl" in text
    assert text.endswith("did you mean 'parquet'?")
    other = refused(cli("export", str(one), "-o", "out", "--format", "bias-amp"), Mismatch)
    assert "the domain 'generators' has no files in the layout 'bias-amp'; use --format ffl or csv" in other
    assert not Path("out").exists()


# --- one table


def test_metrics_of_runs_are_one_tidy_table(cli, study):
    result = cli("export", str(study), "--output", "out", "--json")
    assert json.loads(result.stdout)["format"] == "csv"
    header, *rows = read(Path("out/metrics.csv"))
    assert header == ["run", "loop.star", "seed", "round", "metric", "value", "n", "se"]
    assert json.loads(result.stdout)["files"] == [{"file": "out/metrics.csv", "rows": len(rows)}]
    found = {tuple(row[:5]): row[5:] for row in rows}
    for arm, seed in RUNS:
        place = study / arm / f"seed-{seed}"
        for number, metrics, _, _ in Run.open(place).summaries():
            for name, metric in metrics.items():
                value, n, error = found.pop((str(place), arm, str(seed), str(number), name))
                numbers = [float(text) if text else np.nan for text in (value, error)]
                assert np.array_equal(numbers, [metric.value, metric.error], equal_nan=True)
                assert int(n) == metric.n
    assert not found


def test_any_domain_has_a_table_with_the_untouched_model_as_round_minus_1(cli, monkeypatch):
    cli("loop", "-p", "toy")
    monkeypatch.setattr(Run, "pretrained", lambda self: {"accuracy": Metric(0.5, 10)})
    cli("export", "runs/toy", "--output", "out")
    rows = read(Path("out/metrics.csv"))
    assert rows[0] == ["run", "seed", "round", "metric", "value", "n", "se"]
    assert "is there already" in refused(cli("export", "runs/toy", "--output", "out"))
    assert rows[1][1:] == ["0", "-1", "accuracy", "0.5", "10", ""]
    assert [row[2] for row in rows[2:] if row[3] == "share_predicted"] == ["0", "1", "2", "3"]


# --- annotators


def test_annotators_are_pooled_over_seeds_and_counted_once_where_arms_share_them(cli, study):
    result = cli("evaluate", "run", str(study), "--metric", "annotators", "--json")
    found = json.loads(result.stdout)
    assert found["runs"] == 3
    rows = {(row["annotator"], row["split"]): row for row in found["annotators"]}
    assert list(rows) == [("label", "test"), ("label", "valid"), ("color", "test"), ("color", "valid")]
    setups = [Run.open(study / "none" / f"seed-{seed}").read(SETUP) for seed in (0, 1)]
    for (target, split), row in rows.items():
        assert row["n"] == 2
        prefix = "" if split == "test" else "valid."
        if target == "label":
            for measure in MEASURES:
                values = [setup.evaluations["annotator"].metrics[prefix + measure].value for setup in setups]
                assert row[measure] == pytest.approx({"mean": np.mean(values), "std": np.std(values)})
        else:
            values = [
                np.mean(
                    setup.evaluations["annotator-color"].tables[split]["prediction"]
                    == setup.evaluations["test"].tables[split]["group.color"]
                )
                for setup in setups
            ]
            assert row["accuracy"] == pytest.approx({"mean": np.mean(values), "std": np.std(values)})
            assert row["equalized_odds_difference"] is None
    text = cli("evaluate", "run", str(study), "--metric", "annotators").stdout
    assert "annotators of 3 runs, mean ± population standard deviation" in text
    assert text.count("color") == 2


def test_annotators_of_a_run_without_them_or_from_before_are_refused(cli, study, monkeypatch):
    cli("loop", "-p", "toy")
    assert "has no annotators" in refused(cli("evaluate", "run", "runs/toy", "--metric", "annotators"))
    text = refused(cli("evaluate", "run", str(study), "--metric", "annotators", "--metric", "accuracy"))
    assert "a table of its own" in text
    run = Run.open(study / "none" / "seed-0")
    kept = run.read(SETUP)
    evaluations = {name: one for name, one in kept.evaluations.items() if name != "annotator-color"}
    monkeypatch.setattr(Run, "read", lambda self, step, models=False: replace(kept, evaluations=evaluations))
    with pytest.raises(InvalidInput, match="was made before runs kept what the annotator of color makes"):
        pooled([run])


def test_annotators_on_one_split_alone_are_told_by_what_it_is(study, monkeypatch):
    run = Run.open(study / "none" / "seed-0")
    kept = run.read(SETUP)
    alone = {name: Evaluation({}, {"test": one.tables["test"]}) for name, one in kept.evaluations.items()}
    monkeypatch.setattr(Run, "read", lambda self, step, models=False: replace(kept, evaluations=alone))
    run.identity["domain"]["evaluate_on"] = "valid"
    assert [(row.annotator, row.split) for row in pooled([run])] == [("label", "valid"), ("color", "valid")]


def test_other_metrics_of_several_runs_are_a_list(cli, study):
    places = [str(study / "none" / f"seed-{seed}") for seed in (0, 1)]
    found = json.loads(cli("evaluate", "run", *places, "--metric", "accuracy", "--json").stdout)
    assert [one["run"] for one in found] == places
    assert [[row["round"] for row in one["rounds"]] for one in found] == [[0, 1], [0, 1]]
    text = cli("evaluate", "run", *places, "--metric", "accuracy").stdout
    assert all(f"{place}\n" in text for place in places)


# --- drawn under released results


def test_an_export_can_be_drawn_over_the_runs_it_is_of(cli, study):
    cli("export", str(study), "--output", "out", "--format", "released")
    for metric in ("equalized_odds_difference", "valid.accuracy", "population.share_group.red"):
        result = cli("plot", str(study), "--metric", metric, "--overlay", "out", "--out", "x.svg", "--force")
        assert result.exit_code == 0, result.exception
    drawn = Path("x.svg").read_text()
    assert "colored-fashion_quickstart-generations-loop.star=none" in drawn.replace("\n", "")
    assert "released results" in drawn


def test_published_curves_go_with_presets_that_say_so(cli, study):
    text = refused(cli("plot", str(study), "--overlay", "published"))
    assert "no published curves go with" in text
    result = cli("plot", str(study / "none"), "--overlay", "published:ColoredMNIST|MC", "--out", "x.svg")
    assert result.exit_code == 0, result.exception
    drawn = Path("x.svg").read_text()
    assert "published ColoredMNIST MC (25 seeds)" in drawn
    assert "quickstart-generations" in drawn
    assert "no released results can be drawn over 'tpr'" in refused(
        cli("plot", str(study), "--metric", "tpr", "--overlay", "published:ColoredMNIST|MC")
    )


def test_a_layout_is_drawn_of_the_runs_named_behind_it_and_takes_no_overlay(cli, study):
    result = cli("plot", "ffl-single", str(study / "none"), "--out", "x.svg", "--json")
    assert result.exit_code == 0, result.exception
    assert json.loads(result.stdout) == {"file": "x.svg"}
    assert "Generation" in Path("x.svg").read_text()
    text = refused(cli("plot", "ffl-single", str(study), "--overlay", "published"))
    assert "--overlay goes with runs" in text
