"""What pictures will take is told from a first batch, and then from how they come."""

from biasloop.running.drawing_pace import Pace, bytes_in_words, time_in_words
from biasloop.running.shards import BatchDrawn


def test_room_and_time_follow_from_a_first_batch():
    pace = Pace(3_318_333, 0, clock=lambda: 8.0)
    assert pace.drawn(BatchDrawn(0, 8, 8 * 420_000, 8.0))
    assert pace.estimate() == (
        "3,318,325 of 3,318,333 captions are left: about 1.39 TB and 38.4 days, by a first batch "
        "(1 images/s with one process)"
    )
    assert not pace.drawn(BatchDrawn(0, 8, 8 * 420_000, 8.0))


def test_several_processes_are_that_much_faster_and_shards_that_are_done_count():
    pace = Pace(1000, 200, workers=4)
    pace.drawn(BatchDrawn(0, 8, 80, 2.0))
    assert (pace.rate, pace.left, pace.seconds_left) == (16.0, 792, 49.5)


def test_after_some_batches_the_pace_is_what_it_was():
    now = [1.0]
    pace = Pace(1000, 0, clock=lambda: now[0])
    for number in range(20):
        now[0] = 1.0 + 2 * number
        pace.drawn(BatchDrawn(0, 8, 80, 1.0))
    assert pace.rate == 160 / 39


def test_numbers_are_told_with_units_that_suit_them():
    assert [bytes_in_words(count) for count in (10, 2500, 1.4e12)] == ["10 B", "2.5 kB", "1.4 TB"]
    assert [time_in_words(seconds) for seconds in (5, 300, 7200, 864_000)] == ["5 s", "5 min", "2 h", "10 days"]
