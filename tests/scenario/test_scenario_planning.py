"""How many human labels keep the bias below a level: the smallest number, against `biasloop.bound`, and its price."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.scenarios import scenario

from biasloop.bound import smallest_human as smallest_of_theorem_1
from biasloop.errors import BiasloopError, InvalidInput
from biasloop.scenario.planning import Chance, by_share, outcome, smallest_human
from biasloop.scenario.recurrence import bound_of
from biasloop.scenario.simulation import simulate


@settings(max_examples=40, deadline=None)
@given(
    start=st.integers(1, 10**6), model=st.integers(1, 10**5), rounds=st.integers(1, 30),
    hundredths=st.integers(101, 400),
)  # fmt: skip
def test_it_is_the_number_that_theorem_1_gives(start, model, rounds, hundredths):
    asked = scenario(0.01, start=start, stream=model, rounds=rounds)
    human = smallest_of_theorem_1(start, max_amplification=hundredths / 100, rounds=rounds, model=model)
    assert abs(smallest_human(asked, hundredths / 10_000) - human) <= 1  # there equality counts exactly


@settings(max_examples=40, deadline=None)
@given(
    level=st.floats(0.051, 0.08), growth=st.floats(1, 1.5), generated=st.floats(0.3, 1),
    keep=st.sampled_from(["all", "subsample", "replace"]), instead=st.sampled_from(["nothing", "generated"]),
)  # fmt: skip
def test_it_keeps_to_the_level_and_one_fewer_does_not(level, growth, generated, keep, instead):
    asked = scenario(0.05, generated, keep=keep, human={"growth": growth, "instead_of": instead})
    human = smallest_human(asked, level)
    assert bound_of(asked, human) <= level
    assert human == 0 or bound_of(asked, human - 1) > level


def test_nothing_is_needed_where_the_level_is_high():
    assert smallest_human(scenario(0.01, generated=0.1), 0.5) == 0


def test_no_labels_mend_a_model_that_is_worse_by_itself():
    with pytest.raises(BiasloopError, match=r"round 0 alone has a bias of up to 5 %.* above 4 %"):
        smallest_human(scenario(0.05), 0.04)
    with pytest.raises(BiasloopError, match=r"up to 7 %"):
        smallest_human(scenario(0.05, start_bias=-0.02), 0.06)
    with pytest.raises(BiasloopError, match=r"no number of human labels up to 1,000,000,000,000,000"):
        smallest_human(scenario(0.05), 0.05)


def test_most_simulations_take_more_labels_than_the_expected_bias():
    asked = scenario(0.05, start=2_000, rounds=5)
    chance = Chance(0.9, 500, 3)
    expected, sure = smallest_human(asked, 0.08), smallest_human(asked, 0.08, chance)
    assert expected < sure
    assert simulate(asked, 500, 3, sure).under(0.08) >= 0.9
    assert simulate(asked, 500, 3, sure - 1).under(0.08) < 0.9
    assert simulate(asked, 500, 3, expected).under(0.08) < 0.9


def test_fits_that_vary_too_much_are_mended_by_no_labels():
    asked = scenario(model={"delta": 0.05, "spread": 0.02})
    with pytest.raises(BiasloopError, match=r"in 90 % of simulations, where one model alone .* with a spread of 2 %"):
        smallest_human(asked, 0.06, Chance(0.9, 50, 0))


@pytest.mark.parametrize("confidence", [0.0, 1.0, 2.0, float("nan")])
def test_a_confidence_is_between_none_and_all(confidence):
    with pytest.raises(InvalidInput, match="between 0 and 1"):
        Chance(confidence, 10, 0)


@pytest.mark.parametrize("level", [0.0, -0.1, 1.1, float("nan")])
def test_a_level_is_a_share(level):
    with pytest.raises(InvalidInput, match="above 0 and at most 1"):
        smallest_human(scenario(), level)


def test_all_labels_of_all_rounds_are_paid_for():
    asked = scenario(rounds=3, human={"samples": 100, "growth": 2, "price": 0.25, "currency": "EUR"})
    paid = outcome(asked)
    assert (paid.human, paid.labels, paid.cost) == (100, 700, 175.0)
    assert paid.share == pytest.approx(100 / 4_100)
    assert outcome(asked, 0).cost == 0
    assert outcome(scenario(human={"samples": 5})).cost is None
    assert outcome(scenario(0.0)).amplification is None


@pytest.mark.parametrize("instead", ["nothing", "generated"])
def test_shares_are_of_what_is_new_and_lower_the_bound_one_after_the_other(instead):
    asked = scenario(stream=10_000, human={"instead_of": instead})
    others = by_share(asked)
    assert [round(other.share, 2) for other in others] == [0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9]
    half = others[7]
    assert half.human == (10_000 if instead == "nothing" else 5_000)
    bounds = [other.course.bound[-1] for other in others]
    assert bounds == sorted(bounds, reverse=True)
    assert others[0].amplification == pytest.approx(bound_of(asked, 0) / 0.05)


def test_shares_that_cannot_be_counted_are_left_out():
    assert [other.human for other in by_share(scenario(stream=10**14, human={"growth": 3}))] == [0]
    assert by_share(scenario(stream=0))[0].human == 0
