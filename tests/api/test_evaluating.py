"""`biasloop.evaluate`: the numbers of the command line, of tables in memory of any make."""

import json
import math

import numpy as np
import pandas as pd
import polars as pl
import pytest

import biasloop
from biasloop import evaluations
from biasloop.errors import InvalidInput
from biasloop.report.output import finite

ROWS = 60


@pytest.fixture(scope="module")
def columns():
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 2, ROWS)
    flips = rng.random(ROWS) < 0.3
    return {
        "y": [("no", "yes")[value] for value in truth],
        "p": [("no", "yes")[value] for value in truth ^ flips],
        "sex": [("f", "m")[value] for value in rng.integers(0, 2, ROWS)],
        "age": rng.integers(18, 80, ROWS).tolist(),
        "c": rng.uniform(0.5, 1, ROWS).round(3).tolist(),
    }


@pytest.fixture
def file(columns, workplace):
    pl.DataFrame(columns).write_csv("rows.csv")
    return "rows.csv"


CASES = {
    "fairness": ({"attribute": "sex", "positive": "yes"}, ["--attribute", "sex", "--positive", "yes"]),
    "amplification": ({"attribute": "sex"}, ["--attribute", "sex"]),
    "calibration": ({"confidence": "c"}, ["--confidence", "c"]),
    "shares": ({}, []),
}


@pytest.mark.parametrize("kind", CASES)
def test_numbers_are_those_of_the_command_line(kind, columns, file, cli):
    settings, typed = CASES[kind]
    done = cli("evaluate", kind, file, "--task", "y", "--predicted", "p", *typed, "--json")
    answer = getattr(biasloop.evaluate, kind)(pl.DataFrame(columns), task="y", predicted="p", **settings)
    told = json.loads(done.stdout)
    assert answer.n == told["n"] == ROWS
    assert answer.details.keys() == told.keys()
    for name, value in answer.metrics.items():
        assert value == pytest.approx(told[name])
    assert len(answer.table()) > 1
    assert answer[next(iter(answer.metrics))] == next(iter(answer.metrics.values()))


@pytest.fixture
def other(columns):
    """Other rows, of younger people, whose predictions are more often right; two have no truth."""
    table = pl.DataFrame(
        {**columns, "age": [age // 2 for age in columns["age"]], "p": [*columns["y"][:40], *columns["p"][40:]]}
    )
    return table.with_columns(y=pl.when(pl.int_range(pl.len()) < 2).then(None).otherwise("y"))


OPTIONS = {
    "fairness": (
        {"attribute": "age", "bins": 4, "positive": "no", "smallest": 16},
        ["--attribute", "age", "--bins", "4", "--positive", "no", "--min-group", "16"],
    ),
    "amplification": (
        {"attribute": "age", "bins": 3, "draws": 150, "train": "train.csv"},
        ["--attribute", "age", "--bins", "3", "--draws", "150", "--train", "train.csv"],
    ),
    "calibration": (
        {"probability": "c", "positive": "no", "attribute": "age", "attribute_bins": 2, "bins": 6},
        ["--probability", "c", "--positive", "no", "--attribute", "age", "--attribute-bins", "2", "--bins", "6"],
    ),
    "shares": ({}, []),
}  # fmt: skip


@pytest.mark.parametrize("kind", OPTIONS)
def test_every_option_is_that_of_the_command_line(kind, columns, other, file, cli):
    other.write_csv("other.csv")
    train = {**columns, "age": [100 - age for age in columns["age"]], "y": columns["y"][::-1]}
    pl.DataFrame(train).write_csv("train.csv")
    settings, typed = OPTIONS[kind]
    done = cli("evaluate", kind, file, "--task", "y", "--predicted", "p", *typed, "--against", "other.csv",
               "--missing", "skip", "--json")  # fmt: skip
    assert done.exit_code == 0, done.exception
    answer = getattr(biasloop.evaluate, kind)(
        file, task="y", predicted="p", against="other.csv", missing="skip", **settings
    )
    told = json.loads(done.stdout)
    assert finite(answer.details) == told
    assert told["against"]["skipped"] == 2


GATES = {
    "fairness": evaluations.FAIRNESS, "amplification": evaluations.AMPLIFICATION,
    "calibration": evaluations.CALIBRATION, "shares": evaluations.SHARES_OF_TRUTH,
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_what_a_gate_may_name_an_answer_has(kind, columns):
    settings = {**CASES[kind][0], **({"attribute": "sex"} if kind == "calibration" else {})}
    answer = getattr(biasloop.evaluate, kind)(columns, task="y", predicted="p", **settings)
    ends = ["yes", "no"] if kind == "shares" else ["f", "m"]
    for gate in GATES[kind]:
        for name in [gate.replace("*", end) for end in ends] if gate.endswith("*") else [gate]:
            value = answer[name]
            (limit,) = evaluations.gates([f"{name}={value - 1e-6}"], GATES[kind]).limits
            assert limit.crossed(answer.result), name


def test_rates_and_shares_are_those_of_rows_counted_by_hand(columns):
    table = pl.DataFrame(columns)
    answer = biasloop.evaluate.fairness(table, task="y", predicted="p", attribute="sex", positive="yes")
    positive = table.filter(pl.col("y") == "yes")
    assert answer["tpr"] == pytest.approx((positive["p"] == "yes").mean())
    women = positive.filter(pl.col("sex") == "f")
    assert answer["tpr.f"] == pytest.approx((women["p"] == "yes").mean())
    shares = biasloop.evaluate.shares(table, predicted="p", task="y")
    assert shares["share.yes"] == pytest.approx((table["p"] == "yes").mean())
    assert shares["bias.yes"] == pytest.approx((table["p"] == "yes").mean() - (table["y"] == "yes").mean())


def test_a_number_that_there_is_not_is_refused_with_the_nearest(columns):
    answer = biasloop.evaluate.fairness(columns, task="y", predicted="p", attribute="sex", positive="yes")
    for name, said in (
        ("tpr.ff", "did you mean 'tpr.f'"),
        ("tpt", "did you mean 'tpr'"),
        ("zzz", "it has demographic"),
    ):
        with pytest.raises(InvalidInput, match=f"fairness has no number '{name}'; {said}"):
            answer[name]
    alone = biasloop.evaluate.shares(columns, predicted="p")
    with pytest.raises(InvalidInput, match="shares has no number 'bias.yes'; it has share.no, share.yes"):
        alone["bias.yes"]


def test_a_rate_of_no_rows_is_no_number_and_no_mistake():
    table = {"y": ["no", "yes", "no"], "p": ["no", "yes", "yes"], "sex": ["f", "m", "m"]}
    answer = biasloop.evaluate.fairness(table, task="y", predicted="p", attribute="sex", positive="yes")
    assert math.isnan(answer["tpr.f"])
    assert answer["fpr.m"] == 1.0


def every_make(columns):
    yield "polars", pl.DataFrame(columns)
    yield "lazy", pl.LazyFrame(columns)
    yield "categories", pl.DataFrame(columns).with_columns(pl.col("sex", "y", "p").cast(pl.Categorical))
    yield "pandas", pd.DataFrame(columns)
    yield "pandas categories", pd.DataFrame(columns).astype({"sex": "category", "age": "float32"})
    yield "mapping", columns
    yield "arrays", {name: np.array(values) for name, values in columns.items()}


def test_any_make_of_table_gives_the_same(columns, file):
    def measured(rows):
        return biasloop.evaluate.fairness(rows, task="y", predicted="p", attribute=["sex", "age"], bins=3).details

    expected = measured(file)
    for make, rows in every_make(columns):
        assert measured(rows) == expected, make


def test_a_stored_run_is_a_table_too(tiny_run):
    answer = biasloop.evaluate.shares(tiny_run, predicted="prediction", task="target")
    table = biasloop.open_run(tiny_run).round(-1).table()
    assert answer.details == biasloop.evaluate.shares(table, predicted="prediction", task="target").details


def test_another_table_stands_beside(columns):
    other = {**columns, "p": columns["y"]}
    answer = biasloop.evaluate.shares(columns, predicted="p", task="y", against=other)
    gap = answer.details["difference"]["largest_bias"]["value"]
    assert gap == pytest.approx(answer["largest_bias"])  # the other one is right throughout


def test_of_another_table_the_same_value_is_positive():
    first = {"y": ["no", "yes"] * 10, "p": ["no", "yes"] * 10, "sex": ["f", "f", "m", "m"] * 5}
    other = {**first, "y": ["no"] * 20, "p": ["no"] * 20}
    answer = biasloop.evaluate.fairness(first, task="y", predicted="p", attribute="sex", against=other)
    assert answer.details["positive"] == "yes"
    assert answer.details["against"]["positive"] == "yes"


def test_rows_without_a_value_are_refused_or_left_out_as_told(columns):
    lacking = pd.DataFrame(columns).astype({"y": "object"})
    lacking.loc[[3, 5], "y"] = np.nan
    with pytest.raises(InvalidInput, match="the table, row 4: no value in column 'y' \\(2 rows have none\\)"):
        biasloop.evaluate.shares(lacking, predicted="p", task="y")
    answer = biasloop.evaluate.shares(lacking, predicted="p", task="y", missing="skip")
    assert answer.n == ROWS - 2
    assert answer.notes == ["2 rows without a value left out"]


def test_one_value_written_in_two_ways_is_refused_or_read_as_one(columns):
    odd = {**columns, "y": ["Yes" if value == "yes" else value for value in columns["y"]]}
    with pytest.raises(InvalidInput, match="look like one value written in two ways"):
        biasloop.evaluate.shares(odd, predicted="p", task="y")
    same = biasloop.evaluate.shares(odd, predicted="p", task="y", same=True)
    assert same.metrics == biasloop.evaluate.shares(columns, predicted="p", task="y").metrics


def test_words_of_texts_that_stand_in_others_are_counted(workplace):
    known = {"text": ["the cat sat on the mat and slept", "a dog"]}
    answer = biasloop.evaluate.memorization({"text": ["the cat sat on a dog"]}, known, text="text", ngrams=[2])
    assert answer["memorization.2"] == pytest.approx(4 / 5)  # "on a" alone stands nowhere
    with pytest.raises(InvalidInput, match="expected lengths of at least 1"):
        biasloop.evaluate.memorization(known, known, text="text", ngrams=[0])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (3, "the table is a int, which has no columns"),
        ({}, "the table is a dict, which has no columns"),
        ([1, 2], "the table is a list, which has no columns"),
        ({"p": ["a", "b"], "y": ["a"]}, "columns have different numbers of rows: 'p' has 2, 'y' has 1"),
        ({"p": ["a", 1], "y": ["a", "b"]}, "column 'p' cannot be read"),
        ({"q": ["a"], "y": ["a"]}, "the table: no column 'p'"),
        (pd.DataFrame([["a", "b"]], columns=["p", "p"]), "two columns are called 'p'"),
        ("nowhere.csv", "nowhere.csv"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(rows, said, workplace):
    with pytest.raises(InvalidInput, match=said.replace("(", "\\(")):
        biasloop.evaluate.shares(rows, predicted="p", task="y")


def test_an_answer_shows_itself(columns):
    answer = biasloop.evaluate.fairness(columns, task="y", predicted="p", attribute="sex")
    assert repr(answer).startswith(f"<Fairness of {ROWS} rows: demographic_parity_difference 0.")
    assert "<table>" in answer._repr_html_()
