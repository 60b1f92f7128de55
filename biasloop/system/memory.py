"""Whether an error says that memory has run out, of the machine or of its GPU, and what to do about it.

The libraries have errors of their own for it, and none of them is imported here: they are known by name and words.
"""

import errno
import re
from collections.abc import Sequence

_WORDS = re.compile(
    r"out of memory|(can't|cannot|unable to|failed to) allocate|not enough memory|alloc_failed|bad_alloc"
    r"|memory allocation (of|failed)|array is too big",
    re.IGNORECASE,
)
_GPU = re.compile(r"cuda|cublas|cudnn|cufft|\bhip\b|\bmps\b|\bgpu\b", re.IGNORECASE)
_LONGEST = 160  # characters of an error's own words


def lacking(error: BaseException) -> str:
    """Which memory has run out: "memory" or "memory of the GPU"; empty if the error is about something else."""
    text = f"{type(error).__module__}.{type(error).__name__}: {error}"
    if isinstance(error, OSError):
        short = error.errno == errno.ENOMEM or bool(_WORDS.search(str(error)))
    else:
        known = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
        short = known or (isinstance(error, RuntimeError | ValueError) and bool(_WORDS.search(str(error))))
    if not short:
        return ""
    return "memory of the GPU" if _GPU.search(text) else "memory"


def sentence(error: BaseException, settings: Sequence[str] = ()) -> str:
    """What to tell a person whose memory has run out; without a full stop.

    Args:
        error: for which `lacking` is not empty.
        settings: whose smaller values need less, the first to try first.
    """
    words = " ".join(str(error).split())
    said = f" ({words if len(words) <= _LONGEST else words[: _LONGEST - 4] + ' ...'})" if words else ""
    listed = ", ".join(settings[:-1]) + (" or " if settings[:-1] else "") + "".join(settings[-1:])
    lower = f"lower {listed}" if settings else "ask for less at a time"
    return f"there is not enough {lacking(error)}{said}; {lower}, end other programs, or take a larger machine"
