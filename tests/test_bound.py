"""The bound against golden values, a direct evaluation of the published formula, and a loop attaining it."""

import math
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.bound import (
    amplification_curve,
    bound,
    limit,
    per_round_bound,
    rounds_to_half,
    smallest_human,
)
from biasloop.errors import BiasloopError, InvalidInput

GOLDEN = [
    (0, 50000, 1000, 4000, 0.05, 0.05),
    (1, 50000, 1000, 4000, 0.05, 0.05363636363636364),
    (10, 50000, 1000, 4000, 0.05, 0.0752028463525891),
    (89, 50000, 1000, 4000, 0.05, 0.12265229974362334),
    (89, 50000, 2500, 2500, 0.05, 0.08392945950236307),
    (13, 20000, 1000, 4000, 0.01, 0.019604652354240512),
    (16, 20000, 2500, 2500, -0.02, -0.030830029705539348),
    (15, 20000, 1000, 4000, 0.1, 0.2025877445562294),
    (50, 20000, 0, 5000, 0.03, 0.1047629118123281),
    (50, 20000, 5000, 0, 0.03, 0.03),
    (1000, 100, 1, 9, 0.25, 1.0755111916555988),
    (7, 1234, 56, 789, 0.123456789, 0.29043498919126154),
    (3, 0, 1, 1, 0.5, 0.84375),
    (3, 10, 0, 0, 0.5, 0.5),
]
CURVE = [
    0.05,
    0.05363636363636364,
    0.05690909090909091,
    0.059879720279720286,
    0.06259572427572428,
    0.06509444795204795,
]

starts = st.integers(0, 60_000)
counts = st.integers(0, 6_000)


def published(t, start, human, model):
    """1 + V_t as the published sum of products, in exact fractions: O(t^2) products of one round each."""
    sizes = [start + s * (human + model) for s in range(t + 1)]
    total = Fraction(1)
    for i in range(1, t + 1):
        term = Fraction(model, sizes[i])
        for size in sizes[i + 1 :]:
            term *= Fraction(size - human, size)
        total += term
    return total


@pytest.mark.parametrize(("t", "start", "human", "model", "delta", "expected"), GOLDEN)
def test_golden_values(t, start, human, model, delta, expected):
    assert bound(start, human, model, delta, t)[-1] == pytest.approx(expected, rel=1e-12, abs=0)


def test_golden_curve():
    np.testing.assert_allclose(bound(50000, 1000, 4000, 0.05, 5), CURVE, rtol=1e-12)


@settings(max_examples=50, deadline=None)
@given(start=starts, human=counts, model=counts, rounds=st.integers(0, 12))
def test_recurrence_equals_the_published_formula(start, human, model, rounds):
    if start + human + model == 0:
        return
    curve = amplification_curve(start, human, model, rounds)
    expected = [float(published(t, start, human, model)) for t in range(rounds + 1)]
    np.testing.assert_allclose(curve, expected, rtol=1e-12)


def toy_loop(start, human, model, deltas, base, *, replace=False):
    """Shares predicted by a learner that overshoots its training set by delta, with unbiased human labels."""
    positives, size, predicted = base * start, start, []
    share = base
    for delta in deltas:
        if size:
            share = positives / size
        predicted.append(share + delta)
        if replace:
            positives, size = 0.0, 0
        positives += human * base + model * predicted[-1]
        size += human + model
    return np.array(predicted)


@settings(max_examples=50, deadline=None)
@given(
    start=st.integers(1, 60_000),
    human=counts,
    model=counts,
    rounds=st.integers(0, 60),
    delta=st.floats(-0.3, 0.3),
    replace=st.booleans(),
)
def test_a_learner_that_always_overshoots_attains_the_bound(start, human, model, rounds, delta, replace):
    if human + model == 0:
        replace = False
    bias = toy_loop(start, human, model, [delta] * (rounds + 1), 0.4, replace=replace) - 0.4
    np.testing.assert_allclose(bias, bound(start, human, model, delta, rounds, replace=replace), atol=1e-12, rtol=0)


@settings(max_examples=50, deadline=None)
@given(
    start=st.integers(1, 60_000),
    human=counts,
    model=counts,
    deltas=st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=40),
)
def test_measured_errors_give_the_loop_they_were_measured_in(start, human, model, deltas):
    bias = toy_loop(start, human, model, deltas, 0.4) - 0.4
    np.testing.assert_allclose(bias, per_round_bound(start, human, model, deltas), atol=1e-12, rtol=0)


@pytest.mark.parametrize("replace", [False, True])
def test_equal_measured_errors_give_the_plain_bound(replace):
    plain = bound(20000, 1000, 4000, 0.03, 40, replace=replace)
    np.testing.assert_allclose(per_round_bound(20000, 1000, 4000, [0.03] * 41, replace=replace), plain, rtol=1e-14)


@settings(max_examples=50, deadline=None)
@given(start=starts, human=st.integers(1, 6_000), model=counts, delta=st.floats(-1, 1))
def test_the_bound_approaches_its_limit_from_one_side(start, human, model, delta):
    curve = bound(start, human, model, delta, 200)
    end = limit(human, model, delta)
    assert end is not None
    assert (np.diff(np.abs(curve)) >= -1e-15).all()
    assert (np.abs(curve) <= abs(end) * (1 + 1e-13)).all()


def test_limits():
    assert limit(1000, 4000, 0.05) == pytest.approx(0.25)
    assert limit(0, 4000, 0.05) is None
    assert limit(0, 0, 0.05) == 0.05
    assert limit(7, 0, -0.05) == -0.05
    assert limit(0, 5, 0.0) == 0.0
    near = bound(100, 50, 50, 0.05, 1_000_000)[-1]
    assert near == pytest.approx(limit(50, 50, 0.05), rel=2e-3)


def test_replacing_reaches_the_same_limit_geometrically():
    assert bound(50000, 1000, 4000, 0.05, 100, replace=True)[-1] == pytest.approx(limit(1000, 4000, 0.05))
    np.testing.assert_allclose(amplification_curve(50000, 1000, 4000, 2, replace=True), [1, 1.8, 2.44], rtol=1e-15)


@pytest.mark.parametrize(
    ("start", "human", "model", "expected"),
    [(50000, 1000, 4000, 323), (50000, 2500, 2500, 31), (20000, 1000, 4000, 137), (20000, 2500, 2500, 13)],
)
def test_rounds_to_half(start, human, model, expected):
    assert rounds_to_half(start, human, model) == expected
    excess = amplification_curve(start, human, model, expected) - 1
    assert excess[-2] < model / human / 2 <= excess[-1]


def test_rounds_to_half_beyond_what_is_counted():
    found = rounds_to_half(10_000, 300, 3_700)
    assert found is not None
    assert 10_000 < found < 100_000
    start, human, model = 10_000, 240, 3_760  # a human fraction of 6 %: about 300,000 rounds
    found = rounds_to_half(start, human, model)
    assert found is not None
    assert found > 100_000
    excess = amplification_curve(start, human, model, found)[[-2, -1]] - 1
    half = model / human / 2
    np.testing.assert_allclose(excess, half, rtol=1e-6)
    step = excess[1] - excess[0]
    assert excess[0] - step < half <= excess[1] + step  # the right round, or the one next to it


def test_rounds_to_half_at_the_edges():
    assert rounds_to_half(100, 5, 0) == 0
    assert rounds_to_half(100, 0, 5) is None
    assert rounds_to_half(50_000, 1, 5_000) is None
    assert rounds_to_half(0, 1, 1) == 1


def test_smallest_human_golden_values():
    assert smallest_human(50_000, max_amplification=1.5, model=4000, rounds=89) == 6_758
    assert smallest_human(50_000, max_amplification=1.5, model=4000) == 8_000
    assert smallest_human(50_000, max_amplification=1.5, per_round=5000, rounds=89) == 2_990
    assert smallest_human(50_000, max_amplification=1.5, per_round=5000) == 3_334


@settings(max_examples=60, deadline=None)
@given(
    start=st.integers(1, 300),
    total=st.integers(1, 40),
    by_total=st.booleans(),
    rounds=st.integers(0, 6),
    tenths=st.integers(10, 40),
)
def test_smallest_human_equals_an_exhaustive_search(start, total, by_total, rounds, tenths):
    allowed = Fraction(tenths, 10)

    def factor(human):
        return published(rounds, start, human, total - human if by_total else total)

    largest = total if by_total else 500
    expected = next((human for human in range(largest + 1) if factor(human) <= allowed), None)
    how = {"per_round": total} if by_total else {"model": total}
    if expected is None:
        with pytest.raises(BiasloopError):
            smallest_human(start, max_amplification=tenths / 10, rounds=rounds, **how)
    else:
        assert smallest_human(start, max_amplification=tenths / 10, rounds=rounds, **how) == expected


@settings(max_examples=50, deadline=None)
@given(model=st.integers(1, 5_000), hundredths=st.integers(101, 400))
def test_smallest_human_is_exact_at_the_limit(model, hundredths):
    expected = math.ceil(Fraction(model * 100, hundredths - 100))
    assert smallest_human(1000, max_amplification=hundredths / 100, model=model) == expected


def test_smallest_human_where_equality_is_reached_exactly():
    # One round: 1 + k / (n_0 + m + k) = 1 + 10 / 100, and 1.1 is not a binary number.
    assert smallest_human(10, max_amplification=1.1, model=10, rounds=1) == 80
    assert smallest_human(90, max_amplification=1.1, per_round=10, rounds=1) == 0


def test_smallest_human_at_the_edges():
    assert smallest_human(100, max_amplification=1, model=0) == 0
    assert smallest_human(0, max_amplification=1, model=0) == 1
    assert smallest_human(100, max_amplification=1, per_round=50) == 50
    assert smallest_human(100, max_amplification=1, model=50, rounds=0) == 0
    assert smallest_human(100, max_amplification=1e9, model=50, rounds=10) == 0
    assert smallest_human(100, max_amplification=1 + 2**-52, model=50) > 10**17
    assert smallest_human(100, max_amplification=3, per_round=0) == 0


def test_an_amplification_of_one_is_unreachable_with_model_labels():
    with pytest.raises(BiasloopError, match="no number of human-labelled") as caught:
        smallest_human(100, max_amplification=1, model=50)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda: bound(-1, 1, 1, 0.1, 3),
        lambda: bound(1, -1, 1, 0.1, 3),
        lambda: bound(1, 1, -1, 0.1, 3),
        lambda: bound(1, 1, 1, 0.1, -1),
        lambda: bound(0, 0, 0, 0.1, 3),
        lambda: bound(1, 1, 1, math.nan, 3),
        lambda: bound(1, 0, 0, 0.1, 3, replace=True),
        lambda: limit(1, -1, 0.1),
        lambda: limit(1, 1, math.inf),
        lambda: per_round_bound(1, 1, 1, []),
        lambda: per_round_bound(1, 1, 1, [0.1, math.nan]),
        lambda: smallest_human(1, max_amplification=0.9, model=1),
        lambda: smallest_human(1, max_amplification=math.inf, model=1),
        lambda: smallest_human(1, max_amplification=2),
        lambda: smallest_human(1, max_amplification=2, model=1, per_round=1),
        lambda: smallest_human(0, max_amplification=2, per_round=0),
        lambda: smallest_human(-1, max_amplification=2, model=1),
    ],
)
def test_invalid_arguments_are_refused(call):
    with pytest.raises(InvalidInput):
        call()


def test_the_message_names_the_round():
    with pytest.raises(InvalidInput, match="round 1 is nan"):
        per_round_bound(1, 1, 1, [0.1, math.nan])


def test_long_curves_are_cheap():
    def once():
        before = time.process_time()
        amplification_curve(50_000, 1000, 4000, 100_000)
        return time.process_time() - before

    assert min(once() for _ in range(5)) < 0.1
