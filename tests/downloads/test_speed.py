"""How fast files come: measured with a clock of its own, told rarely, kept for the next time."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biasloop.downloads import speed
from biasloop.downloads.speed import Speed, about, megabytes, remember, remembered, takes, telling


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def counted(rates: list[float], begun: int = 0) -> tuple[Speed, Clock]:
    """What comes at so many bytes a second, second by second, after some that were there."""
    clock = Clock()
    counting, done = Speed(clock), float(begun)
    counting.count(begun, 10**12)
    for rate in rates:
        clock.now += 1
        done += rate
        counting.count(int(done), 10**12)
    return counting, clock


def test_before_anything_comes_there_is_no_speed():
    assert math.isnan(Speed().now)
    assert math.isnan(Speed().mean)
    counting, _ = counted([], begun=500)
    assert math.isnan(counting.now)


def test_what_was_there_before_did_not_come():
    counting, _ = counted([1_000] * 10, begun=5_000_000)
    assert counting.now == counting.mean == 1_000


def test_the_speed_is_that_of_the_last_half_minute():
    counting, _ = counted([1_000] * 100 + [3_000] * 40)
    assert counting.now == 3_000
    assert counting.mean == pytest.approx((100 * 1_000 + 40 * 3_000) / 140)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=80))
def test_the_speed_lies_between_the_slowest_and_the_fastest(rates):
    counting, _ = counted(rates)
    assert min(rates) <= counting.now <= max(rates)
    assert counting.mean == pytest.approx(sum(rates) / len(rates))


def test_a_start_from_zero_begins_anew():
    counting, clock = counted([1_000] * 10)
    counting.count(0, 10**12)
    clock.now += 2
    counting.count(500, 10**12)
    assert counting.now == 250
    assert counting.bytes == 10_500


def test_a_start_from_less_begins_anew_too():
    counting, clock = counted([1_000] * 10, begun=5_000)
    clock.now += 1
    counting.count(5_000, 10**12)  # a server that goes on where the file began
    clock.now += 2
    counting.count(5_500, 10**12)
    assert counting.now == 250
    assert (counting.bytes, counting.seconds) == (10_500, 12)


def test_sentences_come_after_some_seconds_and_ever_more_rarely():
    clock, told = Clock(), []
    count = telling("set", Speed(clock), told.append, clock)
    when = []
    for _ in range(4_000):
        before = len(told)
        count(int((clock.now - 100) * 2e6), 10**10)
        if len(told) > before:
            when.append(clock.now - 100)
        clock.now += 1
    assert when == [5, 10, 20, 40, 80, 160, 320, 640, 1240, 1840, 2440, 3040, 3640]
    assert told[0] == "set: 10.0 MB of 10.0 GB at 2.0 MB/s; about 83 min to go"
    assert told[8] == "set: 2.5 GB of 10.0 GB at 2.0 MB/s; about 63 min to go"


def test_what_is_there_in_no_time_is_not_talked_about():
    clock, told = Clock(), []
    count = telling("set", Speed(clock), told.append, clock)
    for done in (0, 50, 100):
        count(done, 100)
        clock.now += 2
    clock.now += 60
    count(100, 100)
    assert told == []


def test_a_server_that_sends_nothing_has_no_time_to_go():
    clock, told = Clock(), []
    count = telling("set", Speed(clock), told.append, clock)
    for _ in range(20):
        count(7, 100)
        clock.now += 1
    assert told == []


def test_a_speed_is_kept_and_says_how_long_the_next_one_takes(tmp_path):
    assert remembered(tmp_path) is None
    assert takes(10**9, tmp_path) == ""
    remember(counted([2_000_000] * 10)[0], tmp_path)
    assert remembered(tmp_path) == 2_000_000
    assert takes(10**9, tmp_path) == ", about 8 min at the last fetch's speed"
    assert takes(0, tmp_path) == ""
    assert [path.name for path in tmp_path.iterdir()] == ["speed.json"]


@pytest.mark.parametrize("rates", [[10**9], [1_000] * 20, []])
def test_what_was_too_short_or_too_little_is_not_kept(tmp_path, rates):
    remember(counted(rates)[0], tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_directory_that_cannot_be_written_is_no_mistake(tmp_path):
    remember(counted([10**6] * 10)[0], tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", "no", '{"bytes_per_second": "fast"}', '{"bytes_per_second": 0}', '{"bytes_per_second": -5}',
     '{"bytes_per_second": NaN}', '{"bytes_per_second": Infinity}', '{"bytes_per_second": true}', "[" * 900,
     json.dumps({"bytes_per_second": 5}).rjust(2_000)],
)  # fmt: skip
def test_a_damaged_file_of_the_speed_says_nothing(tmp_path, content):
    (tmp_path / speed._FILE).write_text(content)
    assert remembered(tmp_path) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "less than 10 s"), (9.4, "less than 10 s"), (9.6, "about 10 s"), (44, "about 40 s"), (94, "about 90 s"),
     (96, "about 2 min"), (600, "about 10 min"), (94 * 60, "about 94 min"), (7200, "about 2 h"), (2e5, "about 2 d")],
)  # fmt: skip
def test_times(seconds, words):
    assert about(seconds) == words


@pytest.mark.parametrize(("size", "words"), [(0, "0 kB"), (67_700_000, "67.7 MB"), (3_715_984_281, "3.7 GB")])
def test_sizes(size, words):
    assert megabytes(size) == words
