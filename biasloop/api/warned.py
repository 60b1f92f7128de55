"""Warnings of what a person should know, at the line of theirs that called biasloop."""

from __future__ import annotations

import inspect
import os
import warnings
from pathlib import Path
from types import FrameType

_HERE = Path(__file__).parent
_WITHIN, _PACKAGE = f"{_HERE}{os.sep}", f"{_HERE.parent}{os.sep}"


def warn(text: str) -> None:
    """Warn at the line outside of the package that called a function of `biasloop.api`.

    Domains lie outside of the package as well and may stand between, so the first line outside is not always it.
    Where none called, as in a thread, the warning is at the caller of this function.

    Args:
        text: a sentence.
    """
    frame, level = inspect.currentframe(), 1
    while frame is not None and not _is_called_from_outside(frame):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, UserWarning, stacklevel=2 if frame is None else level + 1)


def _is_called_from_outside(frame: FrameType) -> bool:
    caller = frame.f_back
    return caller is not None and _file(frame).startswith(_WITHIN) and not _file(caller).startswith(_PACKAGE)


def _file(frame: FrameType) -> str:
    return frame.f_code.co_filename
