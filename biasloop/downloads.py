"""Fetch a published file and unpack an archive, so that nothing half-made is ever seen under a final name."""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from biasloop.errors import DownloadError

if TYPE_CHECKING:
    from tarfile import TarInfo
    from urllib.request import OpenerDirector

TIMEOUT = 30.0
"""Seconds that a server may stay silent."""

BLOCK = 1 << 16
"""Bytes read at a time, and so the step of progress."""

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all)."""

_DIGITS = {"sha256": 64, "md5": 32}


@dataclass(frozen=True)
class Remote:
    """A published file.

    Attributes:
        filename: its name without a directory; also its name once fetched.
        urls: where it is published; tried in this order.
        size: bytes.
        checksum: `sha256:` or `md5:` followed by hexadecimal digits.
    """

    filename: str
    urls: tuple[str, ...]
    size: int
    checksum: str

    def __post_init__(self) -> None:
        algorithm, _, digest = self.checksum.partition(":")
        if len(digest) != _DIGITS.get(algorithm) or not re.fullmatch("[0-9a-f]+", digest):
            raise ValueError(f"{self.filename}: {self.checksum!r} is not sha256:... or md5:...")
        if self.filename in {"", ".", ".."} or Path(self.filename).name != self.filename:
            raise ValueError(f"{self.filename!r} is not the bare name of a file")

    def same_size(self, path: Path) -> bool:
        """Whether a file of the right size is there; does not read it."""
        return path.is_file() and path.stat().st_size == self.size

    def intact(self, path: Path) -> bool:
        """Whether the file is there with the right size and checksum; reads it all."""
        if not self.same_size(path):
            return False
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, self._hash)
        return digest.hexdigest() == self.checksum.partition(":")[2]

    def _hash(self) -> "hashlib._Hash":
        return hashlib.new(self.checksum.partition(":")[0], usedforsecurity=False)


def download(remote: Remote, directory: Path, *, source: str | None = None, progress: Progress | None = None) -> Path:
    """Fetch one file into a directory: temporary file, check of size and checksum, rename.

    Args:
        remote: what to fetch.
        directory: where it goes; made if it is not there.
        source: instead of the published addresses: a path or URL of the file, or of a directory that has it
            under its name (such a URL ends in `/`).
        progress: told how many bytes have come.

    Returns:
        The file; one that was there is replaced.

    Raises:
        DownloadError: if no address gives the file as published, or it cannot be written.
    """
    path = directory / remote.filename
    places = remote.urls if source is None else (_place(source, remote.filename),)
    failures = []
    for place in places:
        try:
            _download_from(place, remote, path, progress)
        except _PlaceError as failure:
            failures.append(f"{place}: {failure}")
        except OSError as error:
            raise DownloadError(
                f"cannot write {path}: {error.strerror or error}; {remote.size:,} bytes are needed there"
            ) from error
        else:
            return path
    raise DownloadError(
        f"cannot fetch {remote.filename} ({'; '.join(failures) or 'it is published nowhere'}); "
        f"put a copy at {path} or name one with --from PATH_OR_URL"
    )


class _PlaceError(Exception):
    """One address did not give the file; another may."""


def _place(source: str, filename: str) -> str:
    """The file's own address, where `source` may be that of its directory."""
    if "://" in source:
        return source + filename if source.endswith("/") else source
    path = Path(source).expanduser()
    return str(path / filename if path.is_dir() else path)


def _download_from(place: str, remote: Remote, path: Path, progress: Progress | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with _opened(place) as (stream, media), _published(path) as temporary, temporary.open("wb") as file:
        _copy(stream, media, file, remote, progress)
        file.flush()
        os.fsync(file.fileno())


def _copy(stream: IO[bytes], media: str, file: IO[bytes], remote: Remote, progress: Progress | None) -> None:
    """Copy and check; stops as soon as what comes cannot be right."""
    digest, done = remote._hash(), 0
    while block := _read(stream):
        if done == 0 and re.match(rb"\s*(<!doctype html|<html)", block, re.IGNORECASE):
            media = "text/html"
            break
        done += len(block)
        if done > remote.size:
            break
        file.write(block)
        digest.update(block)
        if progress is not None:
            progress(done, remote.size)
    came = f"{digest.name}:{digest.hexdigest()}"
    if done == remote.size and came == remote.checksum:
        return
    if media == "text/html":
        raise _PlaceError(f"an HTML page came instead of the {remote.size:,} bytes expected")
    if done > remote.size:
        raise _PlaceError(f"more than the {remote.size:,} bytes expected came")
    if done < remote.size:
        raise _PlaceError(f"only {done:,} of the {remote.size:,} bytes expected came")
    raise _PlaceError(f"its checksum is {came}, expected {remote.checksum}")


def _read(stream: IO[bytes]) -> bytes:
    from http.client import HTTPException

    try:
        return stream.read(BLOCK)
    except TimeoutError as error:
        raise _PlaceError(f"the server was silent for {TIMEOUT:g} s") from error
    except (OSError, HTTPException) as error:
        raise _PlaceError(f"it broke off: {error}") from error


@contextmanager
def _opened(place: str) -> Iterator[tuple[IO[bytes], str]]:
    """A stream of the bytes at a URL or path, and the media type the server states."""
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.parse import urlsplit
    from urllib.request import Request, url2pathname

    scheme = urlsplit(place).scheme if "://" in place else "file"
    try:
        if scheme == "file":
            local = url2pathname(urlsplit(place).path) if "://" in place else place
            stream: IO[bytes] = Path(local).open("rb")  # noqa: SIM115 (closed below)
            media = ""
        elif scheme in {"http", "https"}:
            request = Request(place, headers={"User-Agent": "biasloop"})  # noqa: S310 (scheme just checked)
            response = _opener().open(request, timeout=TIMEOUT)
            stream, media = response, response.headers.get_content_type()
        else:
            raise _PlaceError(f"{scheme}:// is not http, https or file")
    except HTTPError as error:
        with error:
            raise _PlaceError(f"HTTP {error.code} {error.reason}") from error
    except (URLError, OSError, HTTPException, ValueError) as error:
        if isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError):
            raise _PlaceError(f"the server was silent for {TIMEOUT:g} s") from error
        raise _PlaceError(getattr(error, "strerror", None) or str(getattr(error, "reason", error))) from error
    with stream:
        yield stream, media


def _opener() -> "OpenerDirector":
    """Opens http and https, also by redirect, and no more; urllib's own also knows ftp, file and data."""
    from urllib import request

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler, request.HTTPHandler, request.HTTPSHandler, request.HTTPRedirectHandler,
        request.HTTPDefaultErrorHandler, request.HTTPErrorProcessor, request.UnknownHandler,
    ):  # fmt: skip
        opener.add_handler(handler())
    return opener


@contextmanager
def _published(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`; what is made there gets the final name if all goes well, else goes."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        temporary.replace(path)
        _flush_directory(path.parent)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def _flush_directory(directory: Path) -> None:
    """Make a rename survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unpack(archive: Path, target: Path, limit_bytes: int, limit_members: int) -> Path:
    """Unpack a tar archive (plain, gzip, bzip2, xz) of files and directories into a new directory.

    Everything goes into a temporary directory beside the target, which is renamed when it is whole.

    Args:
        archive: the archive.
        target: the directory to make; must not be there.
        limit_bytes: most bytes that the files may have together.
        limit_members: most files and directories.

    Returns:
        The target.

    Raises:
        DownloadError: if the target is there, the archive is damaged, a member is neither file nor directory
            (but a link, a device) or would land outside the target, or a limit is passed.
    """
    import tarfile
    import zlib
    from lzma import LZMAError

    if target.exists():
        raise DownloadError(f"{target} is there already; move it away to unpack {archive} again")
    unpacked = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as tar, _published(target) as temporary:
            temporary.mkdir()
            for number, member in enumerate(tar, 1):
                unpacked += member.size
                if number > limit_members or unpacked > limit_bytes:
                    limits = f"{limit_bytes:,} bytes or {limit_members:,} members, passed at {member.name!r}"
                    raise DownloadError(f"{archive} is not unpacked: it holds more than {limits}")
                _check_member(archive, member)
                tar.extract(member, temporary, filter="data")
    except (tarfile.TarError, EOFError, zlib.error, LZMAError) as error:
        raise DownloadError(f"{archive} is damaged or no tar archive ({error}); fetch it again") from error
    except OSError as error:
        raise DownloadError(f"cannot unpack {archive} into {target}: {error.strerror or error}") from error
    return target


def _check_member(archive: Path, member: "TarInfo") -> None:
    """Refuse what the filter `data` would quietly mend or allow: no published archive we read has it."""
    if member.name.startswith("/") or ".." in member.name.split("/"):
        raise DownloadError(f"{archive} is not unpacked: its member {member.name!r} leads out of it")
    if not (member.isreg() or member.isdir()):
        raise DownloadError(f"{archive} is not unpacked: its member {member.name!r} is no file or directory")
