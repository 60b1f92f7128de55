"""Files of a run that are damaged, or not its own, put out of the way: nothing is deleted."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from biasloop.store.entries import ASIDE
from biasloop.system.claims import Claim


def set_aside(directory: Path, paths: Iterable[Path], claim: Claim) -> Path:
    """Move files into the run's `aside/` without overwriting anything there; nothing is deleted.

    They go by way of the claim's directory, so that nothing moves once the claim is lost.

    Returns:
        The folder they are in now.

    Raises:
        Lost: another process has taken the claim over.
    """
    gathered = claim.directory / ASIDE
    try:
        gathered.mkdir()
        for path in paths:
            path.rename(gathered / path.name)
        return _put(directory, gathered)
    except FileNotFoundError:
        claim.check()
        raise


def rescue(directory: Path, claim: Path) -> None:
    """Move to `aside/` what a process was killed over while it set it aside.

    Args:
        directory: of the run.
        claim: where the dead process wrote.
    """
    if (claim / ASIDE).is_dir():
        with suppress(FileNotFoundError):  # it lives after all, and has moved it there itself
            _put(directory, claim / ASIDE)


def _put(directory: Path, gathered: Path) -> Path:
    (directory / ASIDE).mkdir(exist_ok=True)
    number = 1
    while (target := directory / ASIDE / f"{number:03d}").exists():
        number += 1
    gathered.rename(target)
    return target
