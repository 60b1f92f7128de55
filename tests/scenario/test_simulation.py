"""Chance in scenarios: against exact formulas, against plays of single samples, and against the recurrence."""

import math

import numpy as np
import pytest
from scipy import stats
from support.scenarios import played, scenario

from biasloop.errors import InvalidInput
from biasloop.scenario.drawing import EXACT, binomial, hypergeometric
from biasloop.scenario.recurrence import course
from biasloop.scenario.settings import Scenario
from biasloop.scenario.simulation import simulate


def close(measured, expected: float, within: float = 4.0) -> bool:
    """Whether the mean of independent values is some standard errors from what it should be at most."""
    measured = np.asarray(measured, np.float64)
    error = measured.std(ddof=1) / math.sqrt(len(measured))
    return abs(measured.mean() - expected) <= within * error + 1e-12


# --- counts


@pytest.mark.parametrize(
    ("samples", "share"), [(7, 0.3), (1000, 0.999), (10**12, 0.3), (10**12, 1e-11), (10**15, 0.5), (10**7, 0.9999)]
)
def test_binomial_counts_have_their_mean_and_variance(samples, share):
    n = 20_000
    drawn = binomial(np.random.default_rng(1), np.full(n, samples), np.full(n, share))
    assert drawn.dtype == np.int64
    assert drawn.min() >= 0
    assert drawn.max() <= samples
    assert close(drawn, samples * share)
    variance = samples * share * (1 - share)
    assert close((drawn - samples * share) ** 2, variance)


@pytest.mark.parametrize(
    ("marked", "others", "drawn"),
    [
        (3, 4, 5), (300, 700, 999), (6 * 10**8, 3 * 10**8, 10**8), (10**12, 10**12, 10**12), (10**12, 3 * 10**12, 1000),
        (2000, 10**12, 10**11), (10**12, 2000, 10**11), (10**12, 10**12, 2 * 10**12 - 900),
        (0, 10**12, 5), (10**12, 0, 5),
    ],
)  # fmt: skip
def test_counts_without_replacement_have_their_mean_and_variance(marked, others, drawn):
    n, total = 20_000, marked + others
    counts = hypergeometric(
        np.random.default_rng(2), *(np.full(n, value, np.int64) for value in (marked, others, drawn))
    )
    assert counts.min() >= max(drawn - others, 0)
    assert counts.max() <= min(drawn, marked)
    mean = drawn * marked / total
    variance = mean * (others / total) * (total - drawn) / (total - 1)
    assert close(counts, mean)
    assert close((counts - mean) ** 2, variance)


def test_nothing_of_nothing():
    none = np.zeros(3, np.int64)
    assert binomial(np.random.default_rng(0), none, np.full(3, 0.5)).tolist() == [0, 0, 0]
    assert hypergeometric(np.random.default_rng(0), none, none, none).tolist() == [0, 0, 0]


def test_exact_and_normal_counts_meet():
    """Right below and above the size from which counts are drawn by the normal distribution."""
    n = 20_000
    below, above = (binomial(np.random.default_rng(3), np.full(n, EXACT + k), np.full(n, 0.4)) for k in (0, 1))
    for q in (0.025, 0.5, 0.975):
        assert np.quantile(above, q) == pytest.approx(np.quantile(below, q), abs=40)  # 490 is a standard deviation


# --- the whole play


@pytest.mark.parametrize("keep", ["replace", "all"])
def test_labels_of_labels_lose_their_variety_as_the_wright_fisher_model_says(keep):
    """Without error: E p (1 - p) falls by 1 - 1/n a round, or by 1 - 1/(n (t + 1)^2) where all is kept."""
    n, rounds = 40, 12
    asked = scenario(0.0, start=n, stream=n, rounds=rounds, keep=keep)
    share = simulate(asked, 20_000, 5).bias + 0.3
    variety = 0.3 * 0.7 * (1 - 1 / n)
    for t in range(rounds + 1):
        if t:
            variety *= 1 - 1 / n if keep == "replace" else 1 - 1 / (n * (t + 1) ** 2)
        assert close(share[:, t] * (1 - share[:, t]), variety), t


MANY_THINGS = {
    "start_bias": 0.05,
    "rounds": 3,
    "start": 60,
    "model": {"delta": 0.06, "spread": 0.02},
    "stream": {"samples": 50, "generated": [0.5, 0.8]},
    "sources": [
        {"name": "a", "share": 0.5, "weight": 0.5, "acceptance": 0.8},
        {"name": "b", "share": 0.2, "labelled_by": "first", "delta": 0.1},
        {"name": "c", "share": 0.3, "labelled_by": "other", "delta": -0.1, "drift": 0.05},
    ],
    "detector": {"tpr": 0.4, "fpr": 0.6},
}


@pytest.mark.parametrize(
    ("keep", "people"),
    [
        ("all", {"samples": 20, "weight": 3.0}),
        ("subsample", {"samples": 20, "instead_of": "generated"}),
        ("replace", {"samples": 20, "weight": 2.0, "instead_of": "generated"}),
    ],
)
def test_counts_behave_as_samples_that_are_drawn_one_by_one(keep, people):
    asked = Scenario.model_validate({"baseline": 0.4, "keep": keep, "human": people} | MANY_THINGS)
    apart = np.array([played(asked, seed) for seed in range(400)])  # (plays, rounds + 1)
    together = simulate(asked, 20_000, 7).bias
    for t in range(asked.rounds + 1):
        exact = together[:, t].mean()
        assert abs(apart[:, t].mean() - exact) <= 4 * apart[:, t].std() / math.sqrt(len(apart)), t
        variance = together[:, t].var()
        assert close((apart[:, t] - exact) ** 2, variance), t


@pytest.mark.parametrize(
    "asked",
    [
        scenario(start=500, stream=400, human={"samples": 50}),
        scenario(start=500, stream=400, human={"samples": 50}, keep="subsample"),
        scenario(-0.02, generated=[0.1, 0.5], start=10**12, stream=10**11, human={"samples": 10**10}, keep="replace"),
        scenario(0.01, start=10**12, stream=10**11, sources=[
            {"name": "a", "share": 0.6}, {"name": "b", "share": 0.4, "labelled_by": "other", "delta": 0.02,
                                            "drift": 0.001},
        ]),
        scenario(start=10**6, stream=10**5, model={"delta": 0.01, "spread": 0.01}),
    ],
    ids=["small", "subsample", "replace", "two-sources", "spread"],
)  # fmt: skip
def test_the_mean_is_the_recurrence_where_it_is_a_straight_line(asked):
    simulated, expected = simulate(asked, 4_000, 11), course(asked).bias
    assert (np.abs(simulated.mean - expected) <= 4 * simulated.error + 1e-12).all()
    low, high = simulated.band()
    assert (low < simulated.mean).all()
    assert (simulated.mean < high).all()


def test_noise_falls_with_the_root_of_the_size():
    spreads = [simulate(scenario(start=n, stream=n), 4_000, 0).bias.std(axis=0) for n in (10**4, 10**8, 10**12)]
    assert spreads[0] / spreads[1] == pytest.approx(np.full(11, 100), rel=0.06)
    assert spreads[1] / spreads[2] == pytest.approx(np.full(11, 100), rel=0.06)
    assert spreads[2][0] == pytest.approx(math.sqrt(0.3 * 0.7 / 10**12), rel=0.06)


def test_errors_of_fits_add_up_over_rounds_that_replace():
    """Of 10^12 samples sampling says nothing: alpha_t = (t + 1) delta + the errors of t + 1 fits."""
    asked = scenario(start=10**12, stream=10**12, rounds=6, keep="replace", model={"delta": 0.001, "spread": 0.01})
    simulated = simulate(asked, 20_000, 4).bias
    for t in range(7):
        assert close(simulated[:, t], (t + 1) * 0.001)
        assert close((simulated[:, t] - (t + 1) * 0.001) ** 2, (t + 1) * 0.01**2)


def test_people_who_label_generated_samples_leave_fewer_of_those_and_a_detector_fewer_of_theirs():
    """Of 10^12 samples a play is the recurrence."""
    for changes in (
        {"human": {"samples": 3 * 10**11, "weight": 2.0, "instead_of": "generated"}},
        {"human": {"samples": 10**11}, "detector": {"tpr": 0.3, "fpr": 0.8}},
        {"human": {"samples": 9 * 10**11, "instead_of": "generated"}},
    ):
        for keep in ("all", "subsample", "replace"):
            asked = scenario(0.01, 0.6, 10**12, start=10**12, keep=keep, rounds=5, **changes)
            np.testing.assert_allclose(simulate(asked, 3, 0).bias, [course(asked).bias] * 3, atol=2e-5)


def test_a_share_stays_a_share_where_the_recurrence_goes_on():
    asked = scenario(0.2, rounds=30, keep="replace")
    assert course(asked).bias[-1] > 1
    simulated = simulate(asked, 100, 0)
    assert simulated.bias.max() == pytest.approx(0.7)
    assert simulated.under(0.7) == 1
    assert simulated.under(0.1) == 0


def test_a_level_is_kept_to_in_every_round_and_not_in_the_last_alone():
    healed = simulate(scenario(0.0, 0.0, 10**6, start_bias=0.4), 50, 0)
    assert (np.abs(healed.bias[:, -1]) < 0.01).all()
    assert (healed.under(0.1), healed.under(0.45)) == (0, 1)


def test_a_band_holds_the_share_of_plays_that_it_says_and_leaves_as_many_on_either_side():
    simulated = simulate(scenario(), 2_000, 3)
    for given, share in (((), 0.95), ((0.5,), 0.5)):
        low, high = simulated.band(*given)
        assert (simulated.bias < low).mean(axis=0) == pytest.approx(np.full(11, (1 - share) / 2), abs=0.01)
        assert (simulated.bias > high).mean(axis=0) == pytest.approx(np.full(11, (1 - share) / 2), abs=0.01)


def test_the_error_of_a_mean_of_few_plays_is_that_of_a_sample():
    simulated = simulate(scenario(), 4, 0)
    assert simulated.error == pytest.approx(stats.sem(simulated.bias, axis=0))


def test_equal_seeds_give_equal_plays_and_others_others():
    asked = scenario(keep="subsample", human={"samples": 100})
    first, again, other = (simulate(asked, 20, seed).bias for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, simulate(asked, 20, 1, human=200).bias)


def test_one_play_has_no_standard_error():
    assert np.isnan(simulate(scenario(), 1, 0).error).all()


@pytest.mark.parametrize("simulations", [0, 100_001])
def test_too_many_plays_are_refused(simulations):
    with pytest.raises(InvalidInput, match="expected 1 to 100,000"):
        simulate(scenario(), simulations, 0)


def test_too_many_rounds_together_are_refused():
    with pytest.raises(InvalidInput, match="at most 10,000,000 rounds together"):
        simulate(scenario(rounds=1_001), 10_000, 0)


def test_a_round_that_may_have_nothing_is_refused():
    asked = scenario(generated=0.5, stream=2, keep="replace", detector={"tpr": 1.0, "fpr": 0.5})
    with pytest.raises(InvalidInput, match="nothing to train on in some simulations"):
        simulate(asked, 100, 0)
