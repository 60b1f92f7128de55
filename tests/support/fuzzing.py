"""Inputs that are nearly right, and what every try with one has to keep: an expected error or none, soon, in little."""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np


def flipped(content: bytes, draws: np.random.Generator) -> bytes:
    """Some bits changed, in place."""
    data = bytearray(content)
    for at in draws.integers(0, len(data), int(draws.integers(1, 4))).tolist():
        data[at] ^= 1 << int(draws.integers(0, 8))
    return bytes(data)


def damaged(content: bytes, draws: np.random.Generator) -> bytes:
    """Some bytes changed, cut out, doubled or put in; numbers of all bits set among them."""
    data = bytearray(content)
    for _ in range(int(draws.integers(1, 5))):
        at = int(draws.integers(0, len(data) + 1))
        length = int(draws.integers(1, 9))
        kind = int(draws.integers(0, 7))
        if kind == 0:
            data[at : at + length] = b""
        elif kind == 1:
            data[at:at] = draws.bytes(length)
        elif kind == 2:
            data[at : at + length] = b"\xff" * length
        elif kind == 3:
            data[at : at + length] = bytes(length)
        elif kind == 4:
            data[at:at] = data[at : at + 40 * length]
        elif kind == 5 and at < len(data):
            data[at] ^= 1 << int(draws.integers(0, 8))
        elif kind == 6:
            del data[at:]
    return bytes(data)


class Tries:
    """Counts how tries ended."""

    def __init__(self) -> None:
        self.well = self.refused = 0


@contextmanager
def trying(*expected: type[Exception], seconds: float = 20.0, megabytes: int = 400) -> Iterator[Callable[..., Tries]]:
    """Give a function that tries an action: it may raise what is expected, and has to end soon.

    At the end, no more memory was taken in between than stated.
    """
    tries, before = Tries(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def attempt(action: Callable[[], object]) -> Tries:
        begun = time.monotonic()
        try:
            action()
            tries.well += 1
        except expected as error:
            assert str(error)
            assert "\n" not in str(error)
            assert "defect" not in str(error)
            tries.refused += 1
        assert time.monotonic() - begun < seconds
        return tries

    yield attempt
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < megabytes
