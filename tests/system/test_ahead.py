"""Work ahead of whoever asks: in order, never far ahead, and no thread left over."""

import threading
import time

import pytest

from biasloop.system.ahead import in_advance


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("biasloop-ahead")]


@pytest.mark.parametrize("count", [0, 1, 2, 50])
@pytest.mark.parametrize("several", [1, 3])
def test_results_come_in_the_order_of_keys(count, several):
    assert list(in_advance(lambda key: key * key, range(20), count, several)) == [key * key for key in range(20)]
    assert list(in_advance(str, [], count, several)) == []
    assert not threads()


def test_no_more_are_made_than_asked_for():
    made = []
    results = in_advance(made.append, range(100), 2)
    for asked in range(1, 5):
        next(results)
        deadline = time.monotonic() + 5
        while len(made) < asked + 2 and time.monotonic() < deadline:
            time.sleep(0.001)
        assert made == list(range(asked + 2))
    results.close()
    assert len(made) <= 7
    assert not threads()


def test_the_next_is_made_while_one_is_used():
    begun = threading.Event()
    results = in_advance(lambda key: begun.set() if key else None, range(2), 1)
    next(results)
    assert begun.wait(5)
    assert list(results) == [None]


def test_errors_reach_whoever_asks_where_they_belong():
    def of(key):
        if key == 3:
            raise OSError("gone")
        return key

    results = in_advance(of, range(10), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="gone"):
        next(results)
    assert list(results) == []
    assert not threads()


def test_who_raises_leaves_no_thread():
    def use():
        for result in in_advance(lambda key: key, range(1000), 2):
            if result == 5:
                raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        use()
    assert not threads()
