"""Two real processes that add up gradients: an end for both within seconds, however one of them ends."""

import numpy as np
import pytest
from support import several

from biasloop.contract.randomness import Streams
from biasloop.system import launcher
from biasloop.training import distributed as teams


def shared(what, place):
    return several.forked(what, place, 30)


def test_a_helper_that_fails_is_told_of_in_one_sentence(tmp_path):
    (leader, out, _), (follower, said, err) = shared("helper-fails", tmp_path)
    assert (leader, follower) == (1, 1)
    assert out == (
        "HelperLost: process 1 of 2 (from 0), which helps with training, failed: MemoryError: no memory is left; "
        "the same command goes on from the last checkpoint\n"
    )
    assert "followed" not in said
    assert "MemoryError" in err


def test_the_first_process_does_not_wait_for_a_helper_that_was_killed(tmp_path):
    (leader, out, _), (follower, _, _) = shared("helper-dies", tmp_path)
    assert (leader, follower) == (1, -9)
    assert out.startswith("HelperLost: a process that helps with training was ended (")
    assert out.endswith("the same command goes on from the last checkpoint\n")
    assert out.count("\n") == 1


def test_a_helper_does_not_wait_for_a_first_process_that_was_killed(tmp_path):
    (leader, _, _), (follower, said, _) = shared("leader-dies", tmp_path)
    assert (leader, follower) == (-9, 1)
    assert said.startswith("LeaderLost: ")


def test_a_first_process_that_fails_lets_the_helper_go(tmp_path):
    (leader, _, err), (follower, said, _) = shared("leader-fails", tmp_path)
    assert (leader, follower) == (1, 0)
    assert "no memory" in err
    assert said == "followed to the end\n"


def test_rows_are_gathered_and_their_gradients_go_back(tmp_path):
    (leader, out, err), (follower, said, _) = shared("gathers", tmp_path)
    assert (leader, follower) == (0, 0), err
    assert (out, said) == ("gathered\n", "gathered\nfollowed to the end\n")


def members(count):
    return [teams.Group(rank=rank, count=count, device=None, store=None) for rank in range(count)]


def test_the_parts_of_a_batch_are_the_batch():
    rows = np.random.default_rng(0).permutation(11)
    parts = [group.part(rows) for group in members(4)]
    assert sorted(np.concatenate(parts)) == list(range(11))
    assert {len(part) for part in parts} == {2, 3}
    assert teams.Alone().part(rows) is rows
    assert teams.Alone().gather(rows, 11) is rows


def test_noise_differs_between_processes_and_the_firsts_is_that_of_one():
    streams = Streams((1, "noise"))
    first, *others = [group.own(streams) for group in members(4)]
    assert first == teams.Alone().own(streams) == streams
    assert len({other.key for other in [first, *others]}) == 4


def test_without_a_launcher_there_is_no_team():
    assert type(teams.current()) is teams.Alone
    assert (launcher.count(), launcher.rank(), launcher.here()) == (1, 0, 1)


@pytest.mark.parametrize("name", ["RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"])
def test_without_all_that_a_launcher_sets_there_is_one_process(monkeypatch, name):
    launched = {"RANK": "1", "WORLD_SIZE": "3", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    for key, value in launched.items():
        monkeypatch.setenv(key, value)
    assert (launcher.count(), launcher.rank(), launcher.first(), launcher.here()) == (3, 1, False, 3)
    monkeypatch.delenv(name)
    assert (launcher.count(), launcher.rank(), launcher.first(), launcher.here()) == (1, 0, True, 1)
