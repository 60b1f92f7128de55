"""How many CPU threads may be asked for; libraries end the whole program where the system refuses them."""

import os
import re

from biasloop.errors import InvalidInput
from biasloop.system import cores

VARIABLES = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS",
    "NUMEXPR_MAX_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS",
)  # fmt: skip
_ALWAYS = 256  # so many can be had anywhere, and no result of a larger machine needs more to be computed again


def most() -> int:
    """The largest number of threads that makes sense: four a core, and never fewer than 256."""
    return max(_ALWAYS, 4 * (os.cpu_count() or 1))


def check(threads: int | None) -> None:
    """Refuse a number of threads that cannot be had.

    Raises:
        InvalidInput: if it is negative or absurd; 0 is the library's choice, None is none asked for.
    """
    if threads is not None and not 0 <= threads <= most():
        raise InvalidInput(
            f"--threads {threads}: expected a number from 0 (the library's choice) to {most()}; "
            f"this machine has {os.cpu_count() or 1} cores"
        )


def chosen() -> int:
    """How many CPU threads torch will take where none are set, without asking it.

    What MKL_NUM_THREADS or else OMP_NUM_THREADS says, but no more than this process was given cores for.
    """
    told = [os.environ[name] for name in ("MKL_NUM_THREADS", "OMP_NUM_THREADS") if _sensible(os.environ.get(name, ""))]
    return min([cores.physical(), *(int(value.split(",")[0]) for value in told[:1])])


def mend_environment() -> list[str]:
    """Take variables out of the environment whose values would end the program once a library reads them.

    Returns:
        A sentence about each.
    """
    said = []
    for name in VARIABLES:
        value = os.environ.get(name)
        if value is None or _sensible(value):
            continue
        del os.environ[name]
        if not value.strip():
            continue  # as scripts write what is not set
        shown = value if len(value) <= 20 else f"{value[:16]} ..."
        said.append(f"{name} is {shown!r}, and is ignored: expected a number from 1 to {most()}")
    return said


def _sensible(value: str) -> bool:
    """Whether it is one number of threads, or one a level of nesting ("4,2")."""
    parts = [part.strip() for part in value.split(",")]
    return all(re.fullmatch(r"[0-9]{1,6}", part) and 1 <= int(part) <= most() for part in parts)
