"""What runs that go on at once take of a machine."""

import pytest

from biasloop.running.room import Needs, Room
from biasloop.system import gpus


def room() -> Room:
    return Room(8, {"0": 1.0, "1": 1.0}, 16 * 10**9)


def test_what_was_taken_is_free_again_when_it_is_given_back():
    free = room()
    needs = Needs(3, 1 / 3, 5 * 10**9)
    taken = [free.take(needs) for _ in range(3)]
    assert taken == [("0",), ("0",), None]  # the cores last for two
    for names in (("0",), ("0",)):
        free.give_back(needs, names)
    assert free == room()


@pytest.mark.parametrize(
    ("needs", "lasts"),
    [
        (Needs(1), 8), (Needs(3), 2), (Needs(9), 1), (Needs(1, 2.0), 1), (Needs(1, 1.0), 2), (Needs(1, 0.3), 6),
        (Needs(1, 3.0), 1), (Needs(1, 0.0, 6 * 10**9), 2), (Needs(1, 0.0, 60 * 10**9), 1),
    ],
)  # fmt: skip
def test_as_many_runs_as_it_lasts_for_find_room(needs, lasts):
    free = room()
    assert free.lasts_for(needs) == lasts
    for _ in range(lasts):
        assert free.take(needs) is not None
    assert free.take(needs) is None


def test_fractions_share_the_fullest_gpu_so_that_others_find_an_empty_one():
    free = room()
    assert free.take(Needs(1, 0.5)) == ("0",)
    assert free.take(Needs(1, 0.5)) == ("0",)
    assert free.take(Needs(1, 1.0)) == ("1",)
    assert free.take(Needs(1, 0.5)) is None


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        (Needs(8, 2.0, 16 * 10**9), ""),
        (Needs(9), "9 CPU cores of 8"),
        (Needs(1, 3.0, 20 * 10**9), "3 GPUs of 2 and 20.0 GB of memory of 16.0"),
    ],
)
def test_what_is_not_there_is_named(needs, words):
    assert room().exceeded_by(needs) == words


def test_a_run_that_asks_for_too_much_gets_everything_and_nothing_beside_it():
    free = room()
    assert free.take(Needs(99, 1.0)) == ("0", "1")
    assert free.take(Needs(1)) is None
    free.give_back(Needs(99, 1.0), ("0", "1"))
    assert free == room()


@pytest.mark.parametrize(
    ("chosen", "names"), [(None, ["0", "1", "2"]), ("2, GPU-7f", ["2", "GPU-7f"]), ("", [])],
)  # fmt: skip
def test_gpus_are_called_what_the_person_chose(monkeypatch, chosen, names):
    monkeypatch.setattr(gpus, "visible", lambda: len(names))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if chosen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert list(Room.of_machine().gpus) == names
