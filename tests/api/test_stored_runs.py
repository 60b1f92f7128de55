"""Stored runs in Python: metrics, rounds, the ledger, the bound, arms and their comparison, and how they show."""

import math
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest
from support import toy

import biasloop
from biasloop.api import html
from biasloop.errors import InvalidInput
from biasloop.report.comparison import compare
from biasloop.report.planning import of_comparison
from biasloop.store.reader import Run as Stored


@pytest.fixture
def out(toy_study):
    """The directory of a study of two arms, three seeds each."""
    return str(toy_study)


@pytest.fixture
def study(toy_study):
    """The study, arms seed by seed."""
    return biasloop.Study(sorted(biasloop.open_study(toy_study).runs, key=lambda run: run.seed))


class Cells(HTMLParser):
    """Texts of the cells of a table."""

    def __init__(self):
        super().__init__()
        self.tags, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def read(shown):
    cells = Cells()
    cells.feed(shown._repr_html_())
    return cells


# --- a run


def test_metrics_are_those_of_the_store_a_row_each(tiny_run):
    run, stored = biasloop.open_run(tiny_run), Stored.open(tiny_run)
    frame = run.metrics()
    assert frame.columns == ["round", "metric", "value", "n", "se"]
    expected = {(number, name): metric for number, row, *_ in stored.summaries() for name, metric in row.items()}
    assert len(frame) == len(expected)
    for number, name, value, n, se in frame.iter_rows():
        metric = expected[number, name]
        assert value == (metric.value if math.isfinite(metric.value) else None)
        assert (n, se) == (metric.n, metric.error if math.isfinite(metric.error) else None)


def test_a_run_says_what_it_is(tiny_run):
    run = biasloop.open_run(str(tiny_run))
    assert (run.name, run.seed, run.rounds, run.finished, run.arm) == ("tiny", 0, [0, 1], True, "")
    assert run.experiment["domain"]["network"] == "small-cnn"
    run.experiment["seed"] = 9
    assert run.experiment["seed"] == 0
    assert repr(run) == f"<Run tiny, seed 0, 2 rounds: {tiny_run}>"


def test_the_ledger_has_who_labelled_each_sample_and_how_wrong(tiny_run):
    run = biasloop.open_run(tiny_run)
    ledger = run.ledger()
    record = Stored.open(tiny_run).read("round-0001")
    assert ledger.group_by("since", "origin").len().sort("since", "origin").rows() == [
        (0, "human", 60), (1, "human", 10), (1, "model", 10),
    ]  # fmt: skip
    by_model = ledger.filter(pl.col("origin") == "model")
    assert by_model["model"].to_list() == [0] * 10
    assert ledger.filter(pl.col("origin") == "human")["model"].null_count() == 70
    assert by_model["id"].to_list() == record.added.ids[record.added.origin >= 0].tolist()
    wrong = (by_model["target"] != by_model["truth_target"]).cast(pl.Float64)
    assert wrong.to_list() == by_model["error"].to_list() == record.frames["truth"]["error"].tolist()
    rows = run.metrics().filter((pl.col("metric") == "label_error") & (pl.col("round") == 1))
    assert rows["value"].item() == pytest.approx(by_model["error"].mean())
    humans = ledger.filter(pl.col("origin") == "human")
    assert humans["truth_target"].to_list() == humans["target"].to_list()
    assert set(humans["error"]) == {0.0}
    assert run.round(1).added().equals(ledger.filter(pl.col("since") == 1))
    assert run.round(0).added()["id"].to_list() == ledger["id"][:60].to_list()


def test_a_truth_that_nobody_knows_is_null():
    from biasloop.api.frames import ledger_frame
    from biasloop.contract.data import Column, Frame
    from biasloop.records.ledger import Ledger
    from biasloop.records.record import Record

    def labels(*values):
        return Frame({"target": Column(np.array(values), None, "target", "classes")})

    rows = Ledger(np.array([4, 8, 6]), np.array([0, -2, 0], np.int32), np.full(3, 1, np.int32), labels(0, 1, 0),
                  weight=np.array([0.5, 1.0, 0.5]))  # fmt: skip
    said = {"known": Column(np.array([True, False])), "error": Column(np.array([1.0, np.nan]))}
    truth = labels(1, 0).plus(Frame(said))
    frame = ledger_frame([Record(), Record(rows, frames={"truth": truth})], {"classes": ["cat", "dog"]})
    assert frame.rows(named=True) == [
        {"id": 4, "since": 1, "origin": "model", "model": 0, "target": "cat", "truth_target": "dog", "error": 1.0,
         "weight": 0.5},
        {"id": 8, "since": 1, "origin": "human", "model": None, "target": "dog", "truth_target": "dog", "error": 0.0,
         "weight": 1.0},
        {"id": 6, "since": 1, "origin": "model", "model": 0, "target": "cat", "truth_target": None, "error": None,
         "weight": 0.5},
    ]  # fmt: skip
    told = ledger_frame([Record(replace(rows, propensity=np.array([0.25, np.nan, 1.0])))], {})
    assert told["propensity"].to_list() == [0.25, None, 1.0]
    empty = ledger_frame([Record()], {})
    assert empty.is_empty()
    assert empty.columns == ["id", "since", "origin", "model", "error"]


def test_ledgers_of_arms_with_and_without_model_labels_have_the_same_columns():
    from biasloop.api.frames import ledger_frame
    from biasloop.contract.data import Column, Frame
    from biasloop.records.ledger import Ledger
    from biasloop.records.record import Record

    def entered(origin, *values):
        labels = Frame({"model": Column(np.array(values), None, "target", "classes"),
                        "confidence": Column(np.ones(len(values), np.float32))})  # fmt: skip
        rows = len(values)
        return Ledger(np.arange(rows), np.full(rows, origin, np.int32), np.zeros(rows, np.int32), labels)

    def truth(known):
        return {"truth": Frame({"known": Column(np.array([known] * 2)), "error": Column(np.array([0.0, np.nan]))})}

    words = {"classes": ["cat", "dog"]}
    humans = Record(entered(-2, 0, 1))
    alone = ledger_frame([humans], words)
    by_model = ledger_frame([humans, Record(entered(0, 1, 1), frames=truth(known=True))], words)
    assert alone.schema == by_model.schema  # a label that is called as a column of the ledger is found, too
    assert alone.columns == [
        "id", "since", "origin", "model", "label_model", "confidence", "truth_model", "error",
    ]  # fmt: skip
    assert alone["truth_model"].to_list() == ["cat", "dog"]
    assert alone["error"].to_list() == [0.0, 0.0]
    assert by_model["truth_model"].to_list() == ["cat", "dog", None, None]
    assert by_model["error"].to_list() == [0.0, 0.0, 0.0, None]
    assert pl.concat([alone, by_model]).filter(pl.col("origin") == "model")["error"].mean() == 0


def test_a_round_has_its_outputs_curve_and_sizes(tiny_run):
    last = biasloop.open_run(tiny_run).round(-1)
    assert last.number == 1
    table = last.table()
    right = (table["prediction"] == table["target"]).mean()
    assert last.metrics["accuracy"].value == pytest.approx(right)
    assert last.tables == ["test"]
    assert last.sizes["human"] == 70
    assert last.curve()["epoch"].to_list() == [1]
    assert last.seconds > 0
    with pytest.raises(InvalidInput, match="round 1 has no curve of 'maker'; there are fit"):
        last.curve("maker")
    with pytest.raises(InvalidInput, match="has no round 7; it has rounds 0 to 1"):
        biasloop.open_run(tiny_run).round(7)


def test_the_bound_is_the_one_that_the_command_line_holds_against(study, cli):
    import json

    run = study.runs[0]
    bound = run.bound()
    told = json.loads(cli("bound", "--from", str(run.directory), "--json").stdout)
    assert bound.table()["bound"].to_list() == pytest.approx([row["bound"] for row in told["rounds"]])
    assert (bound.delta, bound.limit, bound.exceeded) == (told["delta"]["value"], told["limit"], told["exceeded"])
    assert bound.verdict in repr(bound)


RUNS_BEFORE = sorted((toy.PROJECT / "tests" / "runs_before").glob("*/unbroken/seed-0"))
KNOWN = {"command", "generators", "images", "images-sampled", "language", "toy"}


@pytest.mark.parametrize("directory", RUNS_BEFORE, ids=lambda path: path.parents[1].name)
def test_runs_of_every_rule_and_domain_can_be_looked_at(directory):
    assert {path.parents[1].name for path in RUNS_BEFORE} == KNOWN
    run = biasloop.open_run(directory)
    ledger, last = run.ledger(), run.round(-1)
    assert run.metrics()["round"].max() == last.number == 2
    assert ledger.columns[:4] == ["id", "since", "origin", "model"]
    assert ledger.filter(pl.col("origin") == "human")["error"].to_list() == [0.0] * (ledger["origin"] == "human").sum()
    if "train" in last.sizes and len(ledger):
        assert len(ledger) == last.sizes["train"]
        assert (ledger["origin"] == "human").sum() == last.sizes["human"]
    for name in last.tables:
        assert last.table(name) is not None
    assert last.added().columns[:4] == ledger.columns[:4]
    assert run._repr_html_().count("<tr>") == 1 + run.metrics()["round"].n_unique()


# --- a study


def test_metrics_of_a_study_name_arm_and_seed(study, out):
    frame = study.metrics()
    assert frame.columns == ["arm", "seed", "round", "metric", "value", "n", "se"]
    assert set(frame["arm"]) == {"20 % human", "55.56 % human"} == set(study.arms())
    run = study.arms()["55.56 % human"][1]
    mine = frame.filter((pl.col("arm") == "55.56 % human") & (pl.col("seed") == 1)).drop("arm", "seed")
    assert mine.equals(run.metrics())
    assert biasloop.open_study(out).metrics().sort("arm", "seed").equals(frame.sort("arm", "seed"))


def test_a_comparison_is_that_of_the_command_line(study):
    answer = study.compare("bias")
    (row,) = answer.differences().rows(named=True)
    expected = compare([run.stored for run in study.runs], metrics=["bias"]).of("bias")[1]
    assert (row["mean"], row["low"], row["n"]) == (expected.difference.mean, expected.difference.low, 3)
    assert row["e_value"] == expected.evidence
    assert answer.arms()["arm"].to_list() == ["20 % human", "55.56 % human"]
    (plan,) = answer.plan().rows(named=True)
    assert plan["effect"] == pytest.approx(row["mean"] / row["std"])
    (planned,) = of_comparison(answer.comparison)
    by_kind = {"paired": planned.needed.paired, "unpaired": planned.needed.unpaired}
    assert {key: value for key, value in plan.items() if key != "effect"} == {
        "metric": "bias", "arm": "55.56 % human", "seeds": 3,
        "low": planned.interval[0], "high": planned.interval[1],
        **{f"{kind}_{power}": seeds[power / 100] for kind, seeds in by_kind.items() for power in (80, 90)},
        "e_value_50": planned.needed.sequential, "e_value_80": planned.needed.sequential_most,
    }  # fmt: skip
    assert plan["low"] < plan["effect"] < plan["high"]
    other = study.compare(["bias", "label_error"], to="55.56 % human", round=2)
    assert (other.reference, other.round) == ("55.56 % human", 2)
    assert set(other.differences()["metric"]) == {"bias", "label_error"}
    assert study.compare().notes == []


def test_a_comparison_of_one_arm_has_no_differences_but_their_columns(workplace):
    answer = biasloop.run("toy").compare()
    assert answer.differences().is_empty()
    assert answer.differences().columns[-1] == "e_value"
    assert answer.plan().columns[:3] == ["metric", "arm", "seeds"]


def test_where_there_are_no_runs_or_several_that_is_said(out):
    with pytest.raises(InvalidInput, match="out holds 6 runs; open them with open_study"):
        biasloop.open_run(out)
    with pytest.raises(InvalidInput, match="there is no run at nowhere"):
        biasloop.open_study("nowhere")


# --- what is shown


def test_figures_can_be_shown_and_written(study, out):
    figure = biasloop.plot(study)
    assert figure._repr_png_().startswith(b"\x89PNG")
    titles = [axes.get_ylabel() for axes in figure.axes]
    assert titles == ["Share predicted"]
    figures = [biasloop.plot(f"{out}/loop.human=5", "share_train"), study.plot("share_train", x="loop.human")]
    assert [len(figure.axes) for figure in figures] == [1, 1]


def test_what_a_figure_leaves_out_is_a_warning_at_the_line_that_asked(study, monkeypatch):
    from dataclasses import replace

    from biasloop.report.figures import composed

    drawn = composed.composed
    monkeypatch.setattr(composed, "composed", lambda *given: replace(drawn(*given), left_out=["recall"]))
    for draw in (study.plot, study.runs[0].plot, lambda: biasloop.plot(study)):
        with pytest.warns(UserWarning, match="no round has a value of recall") as heard:
            draw()
        assert [warning.filename for warning in heard] == [__file__]


def test_objects_show_themselves_as_tables(study, tiny_run):
    run = biasloop.open_run(tiny_run)
    for shown in (study, study.runs[0], study.compare(), study.runs[0].bound(), run, run.round(0)):
        cells = read(shown)
        assert "table" in cells.tags
        assert len(cells.texts) > 4
        assert repr(shown).startswith("<")
    assert "bias at end" in read(study).texts
    assert "+0.136" not in read(study).texts


def test_what_a_page_shows_is_text_and_no_markup():
    text = html.table(["<b>"], [["<script>alert(1)</script>"], ["a & \x1b[0m"]], title="<i>") + html.lines(["<u>"])
    cells = Cells()
    cells.feed(text)
    assert set(cells.tags) == {"table", "caption", "thead", "tbody", "tr", "th", "td", "div"}
    assert "<script>alert(1)</script>" in cells.texts
    assert "\x1b" not in text


def test_columns_of_numbers_stand_to_the_right():
    numbers = ["+0.1", "–", "0.2 ± 0.1", "64.0 %", "+0.2 [0.1, 0.3]", "[-0.1, 0.3]", "34 / 44", "1.2e-05", "1,400"]
    text = html.table(["arm", "bias"], [["20 % human", number] for number in numbers])
    for number in numbers:
        assert f'<td style="text-align: right; padding: 2px 8px">{number}</td>' in text
    assert '<td style="text-align: left; padding: 2px 8px">20 % human</td>' in text
