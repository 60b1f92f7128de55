"""Directories of prepared data: made once, shared by all runs, and compared with their digests whenever one is taken.

`SHA256SUMS` in such a directory has a line for each of its files, as `sha256sum` writes and checks them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from biasloop.errors import DownloadError, Lost
from biasloop.system.claims import Claim, alone

SUMS = "SHA256SUMS"
_BLOCK = 1 << 20  # bytes
_checked: dict[Path, tuple[object, ...]] = {}
"""How each directory's files looked when this process compared them: a study takes the same ones for all its runs."""


def is_sealed(directory: Path) -> bool:
    """Whether prepared data are there; that they are as they were made is seen when they are taken."""
    return (directory / SUMS).is_file()


def take(directory: Path, build: Callable[[Path], None], on_note: Callable[[str], None]) -> Path:
    """A directory of prepared data as it was made, by one process while others wait; a damaged one counts as absent.

    Args:
        directory: where it is, or will be.
        build: fills an empty directory; what it leaves there appears whole or not at all.
        on_note: told of one that is damaged, and of another process that is making it.

    Raises:
        DownloadError: a damaged one cannot be removed.
    """
    if directory.exists() and _checked.get(directory) != _looks(directory):
        if reason := _why_damaged(directory):
            on_note(f"{directory} {reason}; it counts as absent and is made anew")
            _remove(directory, on_note)
        else:
            _checked[directory] = _looks(directory)
    if not directory.exists():
        directory.parent.mkdir(parents=True, exist_ok=True)
        while not directory.exists():
            # Who lost the claim while it slept waits for whoever has it now.
            with suppress(Lost), alone(directory, "preparing", on_note) as (claim, _):
                if not directory.exists():
                    _make(directory, build, claim)
        _checked[directory] = _looks(directory)
    return directory


def _make(directory: Path, build: Callable[[Path], None], claim: Claim) -> None:
    made = claim.directory / "made"
    try:
        made.mkdir()
        build(made)
        (made / SUMS).write_text(_sums(made), encoding="utf-8")
        made.rename(directory)
    except OSError:
        claim.check()
        raise


def _remove(directory: Path, on_note: Callable[[str], None]) -> None:
    """Out of the way at once, so that nobody finds a part of it, unless another process has made it anew meanwhile."""
    try:
        with suppress(Lost), alone(directory, "preparing", on_note) as (claim, _):
            if _why_damaged(directory):
                claim.remove(directory)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DownloadError(
            f"{directory} is damaged and cannot be removed ({reason}); delete it, or use another --data"
        ) from error


def _why_damaged(directory: Path) -> str | None:
    try:
        written = (directory / SUMS).read_bytes()
        return None if written == _sums(directory).encode() else "is damaged (it does not match its digests)"
    except FileNotFoundError:
        gone = not directory.exists()  # another process makes it anew
        return None if gone else f"was made by an earlier biasloop, without {SUMS}"
    except OSError as error:
        return f"is damaged ({error.strerror or error})"


def _looks(directory: Path) -> tuple[object, ...]:
    """What changes with every write to a file of it; nothing while another process removes it."""
    paths = sorted(directory.rglob("*"))
    try:
        return tuple(
            (path, at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns) for path in paths for at in [path.stat()]
        )
    except FileNotFoundError:
        return ()


def _sums(directory: Path) -> str:
    """A line for each file, by name."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path != directory / SUMS)
    return "".join(f"{_sha256(path)}  {path.relative_to(directory).as_posix()}\n" for path in files)


def _sha256(path: Path) -> str:
    digest, buffer = hashlib.sha256(), bytearray(_BLOCK)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(memoryview(buffer)[:count])
    return digest.hexdigest()
