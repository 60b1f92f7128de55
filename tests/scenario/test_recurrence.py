"""The expected bias: equal to `biasloop.bound` where that speaks, and properties where it does not."""

import doctest
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.scenarios import scenario

from biasloop import bound
from biasloop.errors import InvalidInput
from biasloop.scenario import recurrence
from biasloop.scenario.recurrence import bound_of, course
from biasloop.scenario.settings import Scenario

shares = st.floats(0, 1)
errors = st.floats(-0.2, 0.2)


def test_doctests():
    assert doctest.testmod(recurrence, extraglobs={"Scenario": Scenario}).failed == 0


@settings(max_examples=60, deadline=None)
@given(
    start=st.integers(1, 10**6), human=st.integers(0, 10**5), model=st.integers(0, 10**5), delta=errors,
    rounds=st.integers(1, 40), replace=st.booleans(),
)  # fmt: skip
def test_a_constant_stream_of_one_source_is_theorem_1(start, human, model, delta, rounds, replace):
    if replace and human + model == 0:
        return
    keep = "replace" if replace else "all"
    asked = scenario(delta, start=start, stream=model, rounds=rounds, keep=keep, human={"samples": human})
    by_round = course(asked)
    expected = bound.bound(start, human, model, delta, rounds, replace=replace)
    assert by_round.bias == pytest.approx(list(expected), rel=1e-12, abs=1e-15)
    assert by_round.bound == pytest.approx(list(abs(expected)), rel=1e-12, abs=1e-15)
    limit = bound.limit(human, model, delta)
    if limit is not None:
        assert by_round.limit == pytest.approx(limit, rel=1e-12, abs=1e-15)
    else:
        assert by_round.limit is None


def test_a_scenario_of_10_to_the_12_is_theorem_1_as_well():
    asked = scenario(0.01, start=10**12, stream=4 * 10**11, rounds=50, human={"samples": 10**11})
    expected = bound.bound(10**12, 10**11, 4 * 10**11, 0.01, 50)
    assert course(asked).bias == pytest.approx(list(expected), rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    weight=st.integers(1, 20), accepted=st.integers(0, 10), removed=st.integers(0, 9), delta=errors,
    generated=st.integers(1, 9),
)  # fmt: skip
def test_weights_acceptance_and_a_detector_stand_for_other_counts(weight, accepted, removed, delta, generated):
    """k becomes lambda a (1 - TPR) k, and m the people's part of the stream that the detector leaves."""
    source = {"name": "x", "weight": weight / 10, "acceptance": accepted / 10}
    asked = scenario(
        delta, generated / 10, stream=10**6, start=10**5, rounds=12, sources=[source],
        detector={"tpr": removed / 10, "fpr": 0.1},
    )  # fmt: skip
    model = Fraction(generated * weight * accepted * (10 - removed), 10**4) * 10**6
    human = Fraction((10 - generated) * 9, 100) * 10**6
    assert model.denominator == human.denominator == 1
    expected = bound.bound(10**5, int(human), int(model), delta, 12)
    assert course(asked).bias == pytest.approx(list(expected), rel=1e-12, abs=1e-15)


def test_sampled_labels_pass_on_no_error_and_are_measured_by_another():
    """Two deltas: B_t = delta_eval + V_t delta_label."""
    asked = scenario(0.1, human={"samples": 1_000}, sources=[{"name": "x", "delta": 0.02}])
    factors = bound.factors(1_000, 1_000, 4_000, 10)
    assert course(asked).bias == pytest.approx([0.1 + (factor - 1) * 0.02 for factor in factors], rel=1e-12)
    silent = scenario(0.1, sources=[{"name": "x", "delta": 0.0}])
    assert course(silent).bias == pytest.approx([0.1] * 11)
    assert course(silent).limit == pytest.approx(0.1)


def test_models_of_others_bring_their_own_bias_which_drifts():
    other = {"name": "x", "labelled_by": "other", "delta": 0.03, "drift": 0.01}
    asked = scenario(0.0, generated=0.5, stream=1_000, start=1_000, rounds=2, sources=[other])
    assert course(asked).bias == pytest.approx([0, 500 * 0.03 / 2_000, (500 * 0.03 + 500 * 0.04) / 3_000])
    assert course(asked).limit is None
    still = scenario(0.0, generated=0.5, sources=[other | {"drift": 0.0}])
    assert course(still).limit == pytest.approx(0.5 * 0.03)
    nothing = scenario(0.0, generated=0.5, sources=[{"name": "own"}, other | {"share": 0.0}])
    assert course(nothing).limit == course(scenario(0.0, generated=0.5)).limit == 0


def test_the_first_model_labels_with_one_error_for_ever():
    asked = scenario(0.05, start_bias=0.01, stream=1_000, rounds=200, sources=[{"name": "x", "labelled_by": "first"}])
    curve = course(asked).bias
    assert curve[1] == pytest.approx((1_000 * 0.01 + 1_000 * 0.06) / 2_000 + 0.05)
    assert curve[-1] < course(asked).limit == pytest.approx(0.06 + 0.05)


def test_errors_of_both_signs_cancel_and_the_bound_counts_both():
    sources = [
        {"name": "up", "labelled_by": "other", "delta": 0.1, "share": 0.5},
        {"name": "down", "labelled_by": "other", "delta": -0.1, "share": 0.5},
    ]
    by_round = course(scenario(0.0, sources=sources))
    assert by_round.bias == pytest.approx([0.0] * 11)
    assert by_round.bound[-1] == pytest.approx(0.1 * by_round.generated[-1])


def test_the_generated_share_may_grow_in_steps_or_by_a_list():
    steps = scenario(generated=0.1, rounds=5).model_copy()
    linear = Scenario.model_validate(
        steps.model_dump() | {"stream": {"samples": 4_000, "generated": 0.1, "generated_to": 0.5}}
    )
    listed = scenario(generated=[0.1, 0.2, 0.3, 0.4, 0.5], rounds=5)
    assert course(linear).bias == pytest.approx(course(listed).bias, rel=1e-12)
    short = scenario(generated=[0.1, 0.2], rounds=4)
    assert course(short).bias == course(scenario(generated=[0.1, 0.2, 0.2, 0.2], rounds=4)).bias


def test_rounds_that_grow_are_whole_samples():
    asked = scenario(rounds=3, start=100, stream=10, human={"samples": 3, "growth": 2})
    grown = Scenario.model_validate(asked.model_dump() | {"stream": {"samples": 10, "growth": 1.25, "generated": 1}})
    assert course(grown).human == [0, 3, 6, 12]
    assert course(grown).train == [100, 113, 131, 159]  # 10, 12.5 to the even 12, 15.6 to 16
    assert course(grown, human=0).train == [100, 110, 122, 138]


def test_the_limit_is_where_many_rounds_arrive_whatever_the_growth():
    for growth in (1.0, 1.05):
        stream = {"samples": 1_000, "growth": growth, "generated": 0.8}
        human = {"samples": 300, "growth": growth, "weight": 2.0}
        sources = [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.5, "labelled_by": "other", "delta": -0.1}]
        asked = scenario(0.05, rounds=500, human=human, sources=sources)
        asked = Scenario.model_validate(asked.model_dump() | {"stream": stream, "start": 1})
        by_round = course(asked)
        assert by_round.bias[-1] == pytest.approx(by_round.limit, abs=2e-3)


def test_labels_in_place_of_generated_ones_leave_the_size_alone():
    asked = scenario(human={"samples": 1_000, "instead_of": "generated"})
    assert course(asked).bias == pytest.approx(list(bound.bound(1_000, 1_000, 3_000, 0.05, 10)), rel=1e-12)
    over = scenario(human={"samples": 9_000, "instead_of": "generated"})
    assert course(over).bias == pytest.approx([0.05] * 11)


def test_a_persons_weight_stands_for_so_many_persons():
    heavy, many = (scenario(human=human) for human in ({"samples": 100, "weight": 3.0}, {"samples": 300}))
    assert course(heavy).bias == pytest.approx(course(many).bias, rel=1e-12)
    assert course(heavy).limit == pytest.approx(course(many).limit, rel=1e-12)
    assert course(heavy).train[1] == 1_000 + 4_000 + 100


def test_a_subsample_has_the_size_of_the_start_and_the_bias_of_all():
    part, every = (course(scenario(keep=keep)) for keep in ("subsample", "all"))
    assert part.train == [1_000] * 11
    assert part.bias == every.bias


def test_labels_that_pass_on_no_error_leave_the_bias_of_the_start_where_it_is():
    by_round = course(scenario(0.05, start_bias=0.02, sources=[{"name": "x", "delta": 0.0}]))
    assert by_round.bias == pytest.approx([0.07] * 11)
    assert by_round.limit == pytest.approx(0.07)


def test_a_round_that_replaces_with_nothing_is_refused():
    with pytest.raises(InvalidInput, match="round 1 brings no samples"):
        course(scenario(stream=0, keep="replace"))


@st.composite
def scenarios(draw) -> Scenario:
    count = draw(st.integers(1, 3))
    sources = []
    for index in range(count):
        kind = draw(st.sampled_from(["previous", "first", "other"]))
        source = {
            "name": str(index), "labelled_by": kind, "share": 1 / count, "delta": draw(errors),
            "acceptance": draw(shares), "weight": draw(st.floats(0.01, 5)),
        }  # fmt: skip
        sources.append(source | ({"drift": draw(st.floats(-0.02, 0.02))} if kind == "other" else {}))
    return Scenario.model_validate({
        "baseline": draw(shares), "rounds": draw(st.integers(1, 8)), "start": draw(st.integers(1, 10_000)),
        "keep": draw(st.sampled_from(["all", "subsample", "replace"])), "start_bias": draw(errors),
        "model": {"delta": draw(errors)}, "sources": sources,
        "stream": {
            "samples": draw(st.integers(1, 10_000)), "growth": draw(st.floats(0.5, 2)),
            "generated": draw(st.lists(shares, min_size=1, max_size=8)),
        },
        "human": {
            "growth": draw(st.floats(1, 2)), "weight": draw(st.floats(0.1, 5)),
            "instead_of": draw(st.sampled_from(["nothing", "generated"])),
        },
        "detector": {"tpr": draw(st.floats(0, 0.9)), "fpr": draw(st.floats(0, 0.9))},
    })  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(scenarios(), st.lists(st.integers(1, 50_000), min_size=2, max_size=4))
def test_more_human_labels_never_raise_the_bound(asked, counts):
    bounds = [bound_of(asked, human) for human in sorted(counts)]
    assert all(more <= fewer + 1e-12 for fewer, more in pairwise(bounds))


@settings(max_examples=100, deadline=None)
@given(scenarios(), st.integers(1, 1_000))
def test_the_bound_is_never_below_the_expected_bias(asked, human):
    by_round = course(asked, human)
    assert all(abs(bias) <= most + 1e-12 for bias, most in zip(by_round.bias, by_round.bound, strict=True))
    assert max(by_round.bound) == pytest.approx(bound_of(asked, human))
    assert all(0 <= share <= 1 + 1e-12 for share in by_round.generated)
