"""Runs over a table: a feedback loop with groups, stored, measured again, and asked for labels."""

import csv
import math

import numpy as np
import pytest
from support import tabular
from support.standard_errors import assert_checked
from typer.testing import CliRunner

from biasloop.cli.main import app
from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.contract.testing.sameness import differing
from biasloop.running.engine import Options, prepare, run
from biasloop.running.remeasure import remeasured
from biasloop.store.reader import Run

SETTINGS = {"loop.start": 40, "loop.rounds": 3, "loop.human": 5, "loop.per_round": 25, "loop.label_by": "argmax",
            "domain.test": 60, "domain.sensitive": ["sex", "race"], "domain.id": "person"}  # fmt: skip


def made(place, **changes):
    """The run of the quickstart with a small table of one's own, and changes."""
    path = tabular.write(place / "own.csv", tabular.rows(400, 330))
    preset = presets.read("quickstart-tabular")
    preset.values["arms"].clear()
    own = {"domain.data": "file", "domain.path": str(path), "domain.outcome": "repaid",
           "bound.metric": "share_predicted.f.sex", "bound.baseline": "share_target.f.sex",
           "bound.train": "share_train.f.sex"}  # fmt: skip
    preset = preset.override(
        {tuple(key.split(".")): value for key, value in (own | SETTINGS | changes).items()}, "test"
    )
    options = Options(place / "data", threads=1)
    run(prepare(arms_of(preset)[0][1], 0, options), place / "run", options)
    return Run.open(place / "run")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    return made(tmp_path_factory.mktemp("tabular"))


def test_a_loop_feeds_labels_back_and_compares_groups(stored):
    rounds = list(stored.summaries())
    assert [sizes["trained"] for _, _, sizes, _ in rounds] == [40, 40, 40]
    for _, metrics, _, _ in rounds:
        assert {"accuracy", "share_train.f.sex", "tpr.m+c.sex+race", "bias.b.race", "bias_amp.sex"} <= metrics.keys()
        assert {"equalized_odds_difference.sex+race", "demographic_parity_difference_train.race"} <= metrics.keys()
    added = [stored.read(f"round-000{number}").added for number in (1, 2)]
    assert [np.unique(rows.origin).tolist() for rows in added] == [[-2, 0], [-2, 1]]
    # Only models can label the last 70 rows, whose turn comes first.
    assert (added[0].ids[added[0].origin == 0] >= 330).all()
    assert_checked(stored)


def test_measured_again_a_run_has_the_same_numbers(stored):
    """But for shares of groups in the training set, whose groups are not stored."""
    again = remeasured(stored.directory, Options(stored.directory / "no data"))
    for number, metrics, _, _ in stored.summaries():
        for name, metric in metrics.items():
            computed = again[number].metrics[name]
            ours, theirs = ([of.value, of.n] for of in (computed, metric))
            assert np.array_equal(ours, theirs, equal_nan=True), name
            assert computed.error == metric.error or math.isnan(metric.error), name
        assert {*again[number].as_stored} == {name for name in metrics if "_train." in name}


def test_a_second_run_has_the_same_bits(stored, tmp_path):
    other = made(tmp_path)
    assert len(stored.rounds) == 3
    for number in stored.rounds:
        ours, theirs = (of.read(f"round-{number:04}").evaluations["test"] for of in (stored, other))
        assert repr({**ours.metrics}) == repr({**theirs.metrics})  # NaN is itself
        assert differing(ours.tables["test"], theirs.tables["test"]) is None


@pytest.mark.parametrize("estimator", ["random-forest", "gradient-boosting"])
def test_labels_are_drawn_with_probabilities_of_any_estimator(tmp_path, estimator):
    small = {f"domain.{estimator}.{key}": value for key, value in tabular.SMALL[estimator].items()}
    rounds = made(tmp_path, **{"domain.estimator": estimator, "loop.label_by": "sample", "loop.rounds": 2, **small})
    given = rounds.read("round-0001").added
    assert len(np.unique(given.payload["target"][given.origin == 0])) == 2


def test_labels_of_a_run_have_the_ids_of_the_table(stored, tmp_path):
    output = tmp_path / "labels.csv"
    ended = CliRunner().invoke(app, ["generate", "--run", str(stored.directory), "--of", "pool", "-o", str(output)])
    assert ended.exit_code == 0, ended.output
    with output.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 340
    known = {row["person"]: row["repaid"] for row in tabular.rows(400, 330)}
    assert all(known[row["id"]] == row["target"] for row in rows)
    assert {row["prediction"] for row in rows} == {"no", "yes"}
