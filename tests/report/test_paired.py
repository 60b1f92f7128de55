"""Arms against one of them, seed by seed."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from biasloop.contract.data import Metric
from biasloop.errors import InvalidInput
from biasloop.metrics.sequential import e_value
from biasloop.report.arms import Arm
from biasloop.report.paired import compared_round, paired, reference_arm

FIRST = {0: 0.5, 1: 0.6, 2: 0.55, 3: 0.7}
SECOND = {1: 0.65, 2: 0.57, 3: 0.77, 9: 0.1}


def arm(label, values):
    """Runs of two rounds by seed: the first measured 0, the second the value."""
    runs = [
        SimpleNamespace(
            seed=seed,
            finished=True,
            metrics=[{"recall": Metric(0.0, 5)}, {"recall": Metric(value, 5)}],
            run=SimpleNamespace(directory=Path("runs", label.replace(" ", "_"), f"seed-{seed}")),
        )
        for seed, value in values.items()
    ]
    return Arm(label, runs)


def test_differences_are_of_the_seeds_that_both_have():
    base, other = paired([arm("plain", FIRST), arm("rho", SECOND)], None, ["recall"], None)
    differences = np.array([0.65 - 0.6, 0.57 - 0.55, 0.77 - 0.7])
    assert (base.arm, other.arm, other.seeds) == ("plain", "rho", (1, 2, 3))
    assert base.value.mean == pytest.approx(np.mean([*FIRST.values()]))
    assert other.value.mean == pytest.approx(np.mean([0.65, 0.57, 0.77]))
    assert other.difference.mean == pytest.approx(differences.mean())
    low, high = stats.t.interval(0.95, 2, differences.mean(), stats.sem(differences))
    assert (other.difference.low, other.difference.high) == pytest.approx((low, high))
    assert other.evidence == e_value(differences)


def test_the_reference_comes_first_whichever_it_is():
    rows = paired([arm("plain", FIRST), arm("rho", SECOND)], "rho", ["recall"], None)
    assert [row.arm for row in rows] == ["rho", "plain"]
    assert rows[1].difference.mean == pytest.approx(-np.mean([0.05, 0.02, 0.07]))


def test_the_reference_may_be_called_by_its_directory():
    every = [arm("plain", FIRST), arm("equal seconds", SECOND)]
    assert reference_arm(every, "equal_seconds") is reference_arm(every, "equal seconds") is every[1]
    with pytest.raises(InvalidInput, match="--to 'equal_seconds': several arms are called so; did you mean 'equal sec"):
        reference_arm([*every, replace(every[1], label="equal seconds again")], "equal_seconds")


def test_a_round_may_be_chosen():
    rows = paired([arm("plain", FIRST), arm("rho", SECOND)], None, ["recall"], 0)
    assert rows[1].difference.mean == 0
    assert paired([arm("plain", FIRST)], None, ["recall"], 1)[0].value.mean == pytest.approx(np.mean([*FIRST.values()]))


def test_a_run_that_stopped_early_is_left_out_and_does_not_cut_the_others():
    slow, quick = arm("slow", FIRST), arm("quick", FIRST)
    quick.runs[1].metrics.append({"recall": Metric(0.95, 5)})
    slow.runs[3].metrics.clear()
    slow.runs[2].metrics.pop()
    for arms in ([slow, quick], [quick, slow]):
        _, other = rows = paired(arms, None, ["recall"], None)
        assert [row.round for row in rows] == [1, 1]
        assert other.seeds == (0, 1)
        assert other.difference.mean == other.difference.std == 0
        assert other.value.mean == pytest.approx((0.5 + 0.6) / 2)


@pytest.mark.parametrize(
    ("reference", "others", "expected"),
    [
        ([4, 4, 4], [[4, 2, 4]], 3),  # one that stopped early is left out
        ([4, 4, 4], [[4, 4, 4], [2, 2, 2]], 1),  # an arm that is shorter by design is not
        ([4, 4], [[4, 2]], 1),  # no more than half are longer
        ([4, 4, 4], [[4, 4, 4], [-2, -1, -1]], 3),  # unless it is still being made
        ([-2, -1], [[4, 4], [4, 4]], 0),  # which the reference may be
        ([4, 0, 0], [[0, 4, 4]], 3),  # of runs without a round nothing is compared
        ([3, 9, 9], [[9]], 2),  # else no seed would have a pair
        ([3], [[0]], 2),
    ],
)
def test_the_round_is_the_last_that_most_runs_of_each_arm_have(reference, others, expected):
    """Lengths by seed; those below 0 are of runs that are not finished."""

    def of(label, lengths):
        every = arm(label, dict.fromkeys(range(len(lengths)), 0.5))
        for run, length in zip(every.runs, lengths, strict=True):
            run.metrics[:] = [{"recall": Metric(0.5, 5)}] * abs(length)
            run.finished = length > 0
        return every

    base = of("base", reference)
    assert compared_round([base, *(of(str(index), each) for index, each in enumerate(others))], base) == expected


def test_a_round_that_no_run_of_the_reference_has_is_refused():
    with pytest.raises(InvalidInput, match="no run of 'plain' has a round 5; the last is 1"):
        paired([arm("plain", FIRST)], None, ["recall"], 5)


def test_an_arm_without_common_seeds_is_left_out_and_what_is_not_there_is_named():
    assert [row.arm for row in paired([arm("a", {0: 1.0}), arm("b", {1: 1.0})], "a", ["recall"], None)] == ["a"]
    with pytest.raises(InvalidInput, match="--to 'rhoo': no arm is called so; did you mean 'rho'"):
        paired([arm("plain", FIRST), arm("rho", SECOND)], "rhoo", ["recall"], None)
    with pytest.raises(InvalidInput, match="no run of 'plain' has a number of 'recal' in round 1; did you mean recall"):
        paired([arm("plain", FIRST)], None, ["recal"], None)


def test_an_arm_is_called_by_its_selector_and_not_by_the_options_that_others_lack():
    from biasloop.feedback.accumulate_settings import AccumulateSettings
    from biasloop.report.arms import _label

    loop = AccumulateSettings(start=10, rounds=1)
    uniform = {"selection.name": "uniform"}
    slow, fast = ({"selection.name": "reducr", "selection.options.reducr.eta": eta} for eta in (1e-4, 0.1))
    assert [_label(arm, [uniform, slow], loop) for arm in (uniform, slow)] == [
        "selection.name = uniform", "selection.name = reducr",
    ]  # fmt: skip
    assert _label(fast, [uniform, slow, fast], loop) == "selection.name = reducr, selection.options.reducr.eta = 0.1"
    assert _label(uniform, [uniform, slow, fast], loop) == "selection.name = uniform"
    assert _label(fast, [slow, fast], loop) == "selection.options.reducr.eta = 0.1"
