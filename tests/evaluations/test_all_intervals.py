"""Whatever the rows, every interval that evaluate gives holds its estimate, has a width and stays within its limits."""

import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biasloop import evaluations
from biasloop.errors import InvalidInput
from biasloop.predictions import open_source

LIMITS = {
    "gap": (-1, 1), "overconfidence": (-1, 1), "bias_amp": (-1, 1), "bias": (-1, 1), "ece": (0, 1), "mce": (0, 1)
}  # fmt: skip
COLUMNS = {"task": "y", "predicted": "p"}

row = st.tuples(
    st.sampled_from("fmx"), st.sampled_from("01"), st.sampled_from("01"),
    st.sampled_from(["0", "0.1", "0.5", "0.9", "0.999999", "1"]),
)  # fmt: skip
# Rows that are all alike, or nearly so, are as frequent as mixed ones.
table = st.one_of(
    st.lists(row, min_size=1, max_size=25),
    st.tuples(row, st.integers(1, 40), st.lists(row, max_size=2)).map(lambda drawn: [drawn[0]] * drawn[1] + drawn[2]),
)


def check(name, value, ends, limits):
    if ends is None:
        return
    low, high = ends
    assert limits[0] <= low <= value <= high <= limits[1], (name, value, ends)
    assert high - low > 1e-9, (name, ends)


def walk(found, limits_of):
    """All intervals of an answer, beside what they are of."""
    for name, ends in found.get("intervals", {}).items():
        if found[name] is not None and not math.isnan(found[name]):
            check(name, found[name], ends, limits_of(name))
            assert ends is not None or f"intervals.{name}" in found["reason"]
    if "interval" in found:
        check("bias_amp", found["bias_amp"], found["interval"], limits_of("bias_amp"))
        assert found["interval"] is not None or found["reason"]["interval"]
    for group in [*found.get("by_group", {}).values(), found.get("overall", {})]:
        for rate in ("accuracy", "selection_rate", "tpr", "tnr", "fpr", "fnr"):
            if isinstance(group.get(rate), dict):
                check(rate, group[rate]["value"], group[rate]["interval"], (0, 1))
                assert group[rate]["interval"] is not None or group[rate]["reason"]
        if "intervals" in group:
            walk(group, limits_of)
    for share in found.get("shares", ()):
        check(share["value"], share["predicted"], share["interval"], (0, 1))
        check(share["value"], share["bias"], share["bias_interval"], (-1, 1))
    for name, apart in found.get("difference", {}).items():
        low, high = limits_of(name)
        if apart["value"] is not None:
            check(name, apart["value"], apart["interval"], (low - high, high - low))
            assert apart["interval"] is not None or apart["reason"]


def answers(sources):
    """The answers of both files, side by side."""
    calls = {
        "fairness": lambda source, first: evaluations.fairness(
            source, **COLUMNS, attribute="a", positive="1", like=first
        ),
        "amplification": lambda source, _: evaluations.amplification(
            source, task=["y"], predicted=["p"], attribute="a", options=evaluations.Options(draws=100)
        ),
        "calibration": lambda source, _: evaluations.calibration(source, **COLUMNS, confidence="c", attribute="a"),
        "probability": lambda source, _: evaluations.calibration(source, **COLUMNS, probability="c", positive="1"),
        "shares": lambda source, _: evaluations.shares(source, **COLUMNS),
    }
    for call in calls.values():
        try:
            first = call(sources[0], None)
            yield evaluations.beside(first, call(sources[1], first)).as_json()
        except InvalidInput as error:
            assert any(words in str(error) for words in ("one value only", "no value"))


def hold(place, first, second):
    sources = []
    for name, rows in (("p.csv", first), ("q.csv", second)):
        path = Path(place, name)
        path.write_text("a,y,p,c\n" + "".join(f"{','.join(cells)}\n" for cells in rows))
        sources.append(path)
    for found in answers([open_source(path) for path in sources]):
        walk(found, lambda name: LIMITS.get(name, (0, 1)))


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=table, second=table)
def test_every_interval(tmp_path, first, second):
    hold(tmp_path, first, second)


@pytest.mark.slow
@settings(deadline=None, max_examples=2000, derandomize=True, suppress_health_check=list(HealthCheck))
@given(first=table, second=table)
def test_every_interval_of_many_more_tables(tmp_path, first, second):
    hold(tmp_path, first, second)


def test_none_of_31_is_not_said_with_certainty(tmp_path):
    hold(tmp_path, [("f", "1", "1", "0.9")] * 31 + [("m", "0", "1", "0.9")], [("f", "1", "1", "0.9")] * 31)
    source = open_source(tmp_path / "p.csv")
    found = evaluations.fairness(source, **COLUMNS, attribute="a", positive="1").details["by_group"]["f"]
    low, high = found["fnr"]["interval"]
    assert found["fnr"]["value"] == 0 == low
    assert high == pytest.approx(0.1103, abs=1e-4)  # Wilson's: z^2 / (n + z^2)
    share = evaluations.shares(open_source(tmp_path / "q.csv"), **COLUMNS).details["shares"][0]
    assert share["bias"] == 0
    assert share["bias_interval"][1] > 0.01
