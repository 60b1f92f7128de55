"""Ctrl-C and SIGTERM end a run after the current step; a second one ends it at once."""

import signal
from types import FrameType

from biasloop.report.output import note


class Stopping:
    """Whether, and by which signal, the person asked to stop."""

    def __init__(self) -> None:
        self.signal = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._asked)

    def __call__(self) -> bool:
        """True once asked."""
        return bool(self.signal)

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + self.signal

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        note("stopping after the current step (once more stops at once)")
