"""What presets cost: how many runs, how large the last training set, and what has to be fetched."""

import pytest
from support import toy

from biasloop.contract.context import Requirement
from biasloop.running.catalogue import _by_number, _domains, _runs, _samples, _seconds, missing


def test_what_is_there_is_not_fetched_and_what_is_asked_for_has_no_size():
    needs = [
        Requirement("there", "data", 10**9, present=True),
        Requirement("absent", "data", 2_000, present=False),
        Requirement("weights", "weights", 300, present=False),
        Requirement("on request", "data", 0, present=False),
    ]
    assert missing(needs) == 2_300
    assert missing([]) == 0


@pytest.mark.parametrize(
    ("values", "runs"),
    [
        ({}, 1),
        ({"seeds": "0-2"}, 3),
        ({"seeds": "0,4", "grid": {"loop.human": [1, 2, 3], "loop.model": [4, 5]}}, 12),
        ({"seeds": "0-1", "arms": {"plain": {}, "other": {}}, "grid": {"loop.human": [1, 2]}}, 8),
        ({"seeds": "no seeds"}, 1),
    ],
)
def test_runs_are_seeds_times_combinations_times_arms(values, runs):
    assert _runs(values) == runs


@pytest.mark.parametrize(
    ("loop", "samples"),
    [
        ({"start": 100, "human": 5, "model": 15, "rounds": 4}, 160),  # round 0 has the start alone
        ({"start": 100, "rounds": 4}, 100),
        ({"start": 100, "human": 5, "model": 15, "rounds": 4, "keep": "subsample"}, 100),
        ({"start": 100, "human": 5, "model": 15}, None),
        ({"rule": "mixing", "start": 100, "rounds": 4}, None),
    ],
)
def test_samples_are_those_of_the_last_training_set(loop, samples):
    assert _samples(loop) == samples


def test_numbers_in_names_are_ordered_as_numbers():
    assert sorted(["fig10", "fig4b", "fig4", "ffl-2"], key=_by_number) == ["ffl-2", "fig4", "fig4b", "fig10"]


def test_what_any_arm_or_value_of_the_grid_needs_is_needed():
    values = {
        "domain": {"name": "images", "data": "a", "imbalance": {"class": "dog", "factor": 9}},
        "arms": {"plain": {}, "other": {"domain": {"imbalance": {"factor": 2}}}, "human": {"loop": {"model": 0}}},
        "grid": {"domain.data": ["b", "c"], "loop.human": [1, 2], "domain.imbalance.factor": [3]},
    }
    plain = values["domain"]
    assert list(_domains(values)) == [
        plain, {**plain, "imbalance": {"class": "dog", "factor": 2}}, {**plain, "data": "b"}, {**plain, "data": "c"},
    ]  # fmt: skip


def test_only_finished_runs_say_how_long_one_takes():
    before = toy.TESTS / "runs_before" / "images"
    (seconds,) = _seconds(before / "finished").values()
    assert seconds > 0
    assert _seconds(before / "stopped") == {}
    assert _seconds(before / "none") == {}
