"""Random generators that a whole process shares: a domain leaves them alone."""

from __future__ import annotations

import random
import sys
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from biasloop.contract.testing.subject import demand
from biasloop.lazy import numpy as np


@contextmanager
def no_global_draws(where: str) -> Iterator[None]:
    """Around a call that may draw from its own streams alone."""
    _draw_globally()
    before = _global_states()
    yield
    changed = [name for name, state in _global_states().items() if before.get(name, state) != state]
    demand(
        not changed,
        f"{where} draws from or seeds the global generator of {', '.join(changed)}; draw from work.streams instead "
        "(generator(), uniform(ids), or seed for a library's own generator)",
    )


def _draw_globally() -> None:
    """So that no generator is where a seed of an earlier call has put it."""
    random.random()
    np.random.random_sample()
    if "torch" in sys.modules:
        sys.modules["torch"].rand(1)


def _global_states() -> dict[str, Hashable]:
    """Of the generators that a whole process shares."""
    kind, key, *rest = np.random.get_state(legacy=True)
    states: dict[str, Hashable] = {
        "random": random.getstate(),
        "numpy.random": (kind, np.asarray(key).tobytes(), *rest),
    }
    if "torch" in sys.modules:
        states["torch"] = sys.modules["torch"].get_rng_state().numpy().tobytes()
    return states
