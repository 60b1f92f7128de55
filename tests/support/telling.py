"""Sinks that write down what they are told, or fail at one of their calls in any way."""

import random
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from biasloop import discovery

CALLS = ("make", "start", "curve", "round", "end")
WAYS: dict[str, Callable[[], Any]] = {
    "OSError": lambda: _raise(OSError(28, "No space left on device")),
    "BrokenPipeError": lambda: _raise(BrokenPipeError()),
    "SystemExit": lambda: sys.exit(3),
    "KeyboardInterrupt": lambda: _raise(KeyboardInterrupt()),
    "ZeroDivisionError": lambda: 1 / 0,
}


def _raise(error: BaseException) -> None:
    raise error


def recording(do: Callable[[str], object] = lambda call: None) -> tuple[type[Any], list[tuple[str, Any]]]:
    """A sink's class, and the list of what its sinks are told: the call and its arguments.

    Args:
        do: also done in each call, whose name it is told.
    """
    told: list[tuple[str, Any]] = []

    class Recording:
        def __init__(self) -> None:
            self._note("make")

        def start(self, run: Any) -> None:
            self._note("start", run)

        def curve(self, *arguments: Any) -> None:
            self._note("curve", *arguments)

        def round(self, *arguments: Any) -> None:
            self._note("round", *arguments)

        def end(self, *arguments: Any) -> None:
            self._note("end", *arguments)

        def _note(self, call: str, *arguments: Any) -> None:
            assert threading.current_thread() is not threading.main_thread() or call == "make"
            told.append((call, *arguments))
            do(call)

    return Recording, told


def failing(call: str, way: str) -> tuple[type[Any], list[tuple[str, Any]]]:
    """One that fails at a call, in one of `WAYS`."""
    return recording(lambda called: WAYS[way]() if called == call else None)


def hanging(call: str, seconds: float) -> tuple[type[Any], list[tuple[str, Any]]]:
    """One that takes its time at a call."""
    return recording(lambda called: time.sleep(seconds) if called == call else None)


def disturbing() -> tuple[type[Any], list[tuple[str, Any]]]:
    """One that draws from every generator of the process."""

    def draw(call: str) -> None:
        import torch

        random.random()
        np.random.random()
        np.random.seed(4711)
        torch.rand(3)
        torch.manual_seed(4711)

    return recording(draw)


def known(monkeypatch: Any, **sinks: type[Any]) -> None:
    """Sinks of these names are installed, and no others."""
    monkeypatch.setattr(discovery, "sink", sinks.__getitem__)
