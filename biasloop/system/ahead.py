"""Work done in threads ahead of whoever asks for its results, in order and never far ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

K = TypeVar("K")
T = TypeVar("T")


def in_advance(function: Callable[[K], T], keys: Iterable[K], count: int, threads: int = 1) -> Generator[T]:
    """What a function makes of keys, in their order; while one result is used, others are made.

    Whoever stops asking, or raises, ends the threads: what was begun is waited for, what was not is dropped.

    Args:
        function: called in a thread, of one key after the other if there is one thread.
        keys: asked for as needed, by whoever asks for results.
        count: most results that are made or wait while one is used; 0 makes each when it is asked for, in no thread.
        threads: how many.

    Raises:
        Exception: whatever the function raises, in place of its result.
    """
    if count < 1:
        yield from map(function, keys)
        return
    coming = iter(keys)
    with ThreadPoolExecutor(threads, thread_name_prefix="biasloop-ahead") as pool:
        waiting: deque[Future[T]] = deque()
        try:
            while True:
                waiting.extend(pool.submit(function, key) for key in islice(coming, count + 1 - len(waiting)))
                if not waiting:
                    return
                # No name is bound to the result, so that its memory is free once it is used.
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
