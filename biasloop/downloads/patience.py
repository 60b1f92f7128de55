"""How long to wait for a server, and how often to ask it again."""

import time
from collections.abc import Callable
from dataclasses import dataclass


def _uniform() -> float:
    from random import random

    return random()


@dataclass(frozen=True)
class Patience:
    """Time limits and exponential back-off.

    Attributes:
        timeout: seconds that a server may stay silent.
        window: seconds that it has to come to the point: to give the head of an answer, and then each piece of it.
        least: bytes of the file that it has to give in each such window.
        tries: how often in a row an address may fail; counted anew when a try brought a hundredth of the file.
        first: most seconds before the second try; doubles with every further one.
        longest: most seconds between two tries.
        longest_asked: most seconds to wait where the server itself names a time (`Retry-After`).
        sleep: waits that many seconds.
        clock: seconds that have passed.
        uniform: draws from [0, 1); waits are spread over their upper half, so that clients do not return all at once.
    """

    timeout: float = 30.0
    window: float = 60.0
    least: int = 16_384
    tries: int = 5
    first: float = 1.0
    longest: float = 60.0
    longest_asked: float = 300.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    uniform: Callable[[], float] = _uniform

    def seconds(self, failures: int, asked: float | None) -> float:
        """Seconds to wait.

        Args:
            failures: tries that failed in a row, from 1.
            asked: seconds that the server asks for, if it does.
        """
        if asked is not None:
            return min(asked, self.longest_asked)
        most: float = min(self.longest, self.first * 2.0 ** (failures - 1))
        return most * (0.5 + self.uniform() / 2)
