"""Results of an evaluation: for scripts, gates, tables, and beside those of another file."""

import csv
import math
import os
import threading

import numpy as np
import pytest

from biasloop.errors import BiasloopError
from biasloop.evaluations.result import EvaluationResult, beside, ends_of, rounded, write_csv
from biasloop.metrics.intervals import newcombe

NAN = math.nan


def test_as_json_leaves_out_what_there_is_not():
    assert EvaluationResult(3, {"ece": 0.1}, {"bins": []}).as_json() == {"n": 3, "ece": 0.1, "bins": []}
    part = EvaluationResult(2, {"ece": 0.2}, {})
    answer = EvaluationResult(3, {"ece": NAN}, {}, reason={"ece": "why"}, notes=("note",), parts={"a": part})
    written = answer.as_json()
    assert math.isnan(written.pop("ece"))
    assert written == {
        "n": 3, "by_attribute": {"a": {"n": 2, "ece": 0.2}}, "reason": {"ece": "why"}, "notes": ["note"]
    }  # fmt: skip


def test_a_difference_of_resampled_metrics_has_the_basic_interval():
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0, 0.03, 20_000), rng.normal(0, 0.04, 20_000)
    first = EvaluationResult(10, {"gap": 0.2}, {"bins": 1}, errors={"gap": ours}, notes=("own",))
    result = beside(first, EvaluationResult(20, {"gap": -0.1}, {}, errors={"gap": theirs}), ["of both"])
    difference = result.details["difference"]["gap"]
    assert difference["value"] == pytest.approx(0.3)
    assert difference["interval"] == pytest.approx([0.3 - 1.96 * 0.05, 0.3 + 1.96 * 0.05], abs=0.003)
    assert result.details["against"] == {"n": 20, "gap": -0.1}
    assert (result.n, result.details["bins"], list(result.notes)) == (10, 1, ["own", "of both"])


def test_the_basic_interval_mirrors_skewed_errors():
    first = EvaluationResult(10, {"ece": 0.5}, {}, errors={"ece": np.linspace(0, 0.2, 1001)})
    result = beside(first, EvaluationResult(10, {"ece": 0.2}, {}, errors={"ece": np.zeros(1001)}))
    assert result.details["difference"]["ece"]["interval"] == pytest.approx([0.3 - 0.195, 0.3])


@pytest.mark.parametrize(("name", "most"), [("ece", 1), ("gap", 2)])
def test_no_difference_reaches_beyond_what_it_can_be(name, most):
    wide = np.array([-5.0, 5.0] * 100)
    first, second = (
        EvaluationResult(10, {name: value}, {}, errors={name: wide * sign}) for value, sign in ((0.9, 1), (0.1, -1))
    )
    assert beside(first, second).details["difference"][name]["interval"] == [-most, most]


def test_a_difference_of_intervals_is_put_together_of_both():
    first = EvaluationResult(10, {"accuracy_difference": 0.5}, {}, spans={"accuracy_difference": (0.2, 0.9)})
    second = EvaluationResult(10, {"accuracy_difference": 0.4}, {}, spans={"accuracy_difference": (0.1, 0.8)})
    difference = beside(first, second).details["difference"]["accuracy_difference"]
    assert difference == {"value": pytest.approx(0.1), "interval": [pytest.approx(0.1 - 0.5), pytest.approx(0.1 + 0.5)]}


def test_nor_does_one_of_intervals():
    first = EvaluationResult(10, {"accuracy_difference": 0.95}, {}, spans={"accuracy_difference": (0.5, 1)})
    second = EvaluationResult(10, {"accuracy_difference": 0.05}, {}, spans={"accuracy_difference": (0, 0.6)})
    difference = beside(first, second).details["difference"]["accuracy_difference"]
    assert difference["interval"] == [
        pytest.approx(0.9 - math.hypot(0.45, 0.55)),
        pytest.approx(0.9 + math.hypot(0.05, 0.05)),
    ]
    second = EvaluationResult(10, {"accuracy_difference": 0.01}, {}, spans={"accuracy_difference": (-0.5, 0.6)})
    assert beside(first, second).details["difference"]["accuracy_difference"]["interval"][1] == 1


def test_a_difference_that_lacks_an_interval_or_a_value_says_so():
    first = EvaluationResult(10, {"ece": 0.5, "mce": NAN}, {}, errors={"ece": np.arange(5.0)})
    differences = beside(first, EvaluationResult(10, {"ece": 0.2, "mce": 0.3}, {})).details["difference"]
    assert differences["ece"] == {
        "value": pytest.approx(0.3), "interval": None, "reason": "one of the two numbers has no interval"
    }  # fmt: skip
    assert differences["mce"] == {"value": None, "interval": None, "reason": "a file has no value"}


def test_shares_of_values_that_only_one_file_has_are_compared_too():
    first = EvaluationResult(10, {}, {"shares": [{"value": "a", "predicted": 0.4}, {"value": "b", "predicted": 0.6}]})
    second = EvaluationResult(20, {}, {"shares": [{"value": "a", "predicted": 0.1}, {"value": "c", "predicted": 0.9}]})
    differences = beside(first, second).details["difference"]
    counts = {"share.a": (4, 2), "share.b": (6, 0), "share.c": (0, 18)}
    assert differences == {
        name: {"value": pytest.approx(ours / 10 - theirs / 20), "interval": list(newcombe((ours, 10), (theirs, 20)))}
        for name, (ours, theirs) in counts.items()
    }


def test_numbers_as_scripts_read_them():
    assert rounded([[1.0, NAN], ["a", 2], None]) == [[1.0, None], ["a", 2], None]
    assert ends_of((0.1, 0.2)) == [0.1, 0.2]
    assert ends_of((NAN, NAN)) is None


ROWS = [{"group": 'f,"', "ok": True, "n": 1, "value": NAN}, {"group": "m", "low": None, "ok": False, "value": 0.25}]


def read(text):
    return list(csv.reader(text.splitlines()))


def test_a_table_has_all_columns_and_nothing_where_a_value_is_missing(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("old")
    write_csv(EvaluationResult(2, {}, {}, rows=ROWS), path)
    assert read(path.read_text()) == [
        ["group", "ok", "n", "value", "low"], ['f,"', "1", "1", "", ""], ["m", "0", "", "0.25", ""]
    ]  # fmt: skip
    assert list(tmp_path.iterdir()) == [path]


def test_a_pipe_is_written_into(tmp_path):
    path, got = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: got.append(path.read_text()))
    reader.start()
    write_csv(EvaluationResult(2, {}, {}, rows=ROWS), path)
    reader.join(timeout=10)
    assert read(got[0])[0] == ["group", "ok", "n", "value", "low"]
    assert path.is_fifo()


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    with pytest.raises(BiasloopError, match=r"the table cannot be written to .* \(Is a directory\); choose another"):
        write_csv(EvaluationResult(2, {}, {}, rows=ROWS), tmp_path)
