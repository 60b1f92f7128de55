"""Unpack an archive that may be hostile: whole or not at all, and never outside its directory."""

import re
import shutil
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.downloads.remote import Notice
from biasloop.downloads.temporary import flush_directory
from biasloop.errors import DownloadError
from biasloop.system.claims import alone
from biasloop.system.regular import require_regular

if TYPE_CHECKING:
    from tarfile import TarFile
    from zipfile import ZipFile


@dataclass
class _Limits:
    """What an archive may hold, and what it held so far."""

    archive: Path
    most_bytes: int
    most_members: int
    bytes: int = 0
    members: int = 0

    def check(self, name: str, size: int, *, plain: bool) -> None:
        """Refuse a member: also what a library would quietly mend or allow; no published archive we read has it."""
        self.members += 1
        self.bytes += size
        if self.members > self.most_members or self.bytes > self.most_bytes:
            limits = f"{self.most_bytes:,} bytes or {self.most_members:,} members"
            raise DownloadError(f"{self.archive} is not unpacked: it holds more than {limits}, passed at {name!r}")
        if re.match(r"[/\\]|[A-Za-z]:[/\\]", name) or ".." in re.split(r"[/\\]", name):
            raise DownloadError(f"{self.archive} is not unpacked: its member {name!r} leads out of it")
        if not plain:
            raise DownloadError(f"{self.archive} is not unpacked: its member {name!r} is no plain file or directory")


def unpack(archive: Path, target: Path, limit_bytes: int, limit_members: int, *, notice: Notice | None = None) -> Path:
    """Unpack an archive (tar, plain or with gzip, bzip2 or xz; zip) of files and directories into a new directory.

    Everything goes into a temporary directory beside the target, which is renamed when it is whole. A process that
    finds another one at it waits, and takes what that one made.

    Args:
        archive: the archive.
        target: the directory to make; must not be there.
        limit_bytes: most bytes that the files may have together.
        limit_members: most files and directories.
        notice: told, in a sentence, if it has to wait.

    Returns:
        The target.

    Raises:
        DownloadError: if the target is there, the archive is damaged, a member is neither file nor directory
            (but a link, a device) or would land outside the target, or a limit is passed.
    """
    limits = _Limits(archive, limit_bytes, limit_members)
    require_regular(archive)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with alone(target, "unpacking", notice or (lambda _: None)) as (claim, waited):
            if not target.exists():
                _unpack(archive, target, limits, claim.directory / "unpacked")
            elif not waited:
                raise DownloadError(f"{target} is there already; move it away to unpack {archive} again")
    except OSError as error:
        raise DownloadError(f"cannot unpack {archive} into {target}: {error.strerror or error}") from error
    return target


def _unpack(archive: Path, target: Path, limits: _Limits, temporary: Path) -> None:
    import tarfile
    import zlib
    from lzma import LZMAError
    from zipfile import BadZipFile, ZipFile

    temporary.mkdir()
    try:
        if _is_zip(archive):
            with ZipFile(archive) as opened_zip:
                _extract_zip(opened_zip, temporary, limits)
        else:
            from biasloop.downloads.tarheads import bounded

            with tarfile.open(archive, tarinfo=bounded(archive)) as opened_tar:
                _extract_tar(opened_tar, temporary, limits)
        temporary.replace(target)
        flush_directory(target.parent)
    except (tarfile.TarError, BadZipFile, EOFError, zlib.error, LZMAError, NotImplementedError, ValueError,
            OverflowError, RuntimeError, struct.error) as error:  # fmt: skip
        reason = " ".join(str(error).split())  # tarfile lists what it tried in several lines
        raise DownloadError(f"{archive} is damaged or no tar or zip archive ({reason}); fetch it again") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _is_zip(archive: Path) -> bool:
    """By its beginning: `zipfile.is_zipfile` looks at the end, where a tar may hold a zip."""
    with archive.open("rb") as stream:
        return stream.read(4) in {b"PK\x03\x04", b"PK\x05\x06"}


def _extract_tar(tar: "TarFile", directory: Path, limits: _Limits) -> None:
    for member in tar:
        limits.check(member.name, member.size, plain=(member.isreg() and not member.issparse()) or member.isdir())
        tar.extract(member, directory, filter="data")
        tar.members.clear()  # type: ignore[attr-defined] # else it keeps the heads of all


def _extract_zip(archive: "ZipFile", directory: Path, limits: _Limits) -> None:
    for member in archive.infolist():
        kind = stat.S_IFMT(member.external_attr >> 16)
        plain = kind in {0, stat.S_IFREG, stat.S_IFDIR} and not member.flag_bits & 1  # bit 0: encrypted
        limits.check(member.filename, member.file_size, plain=plain)
    for member in archive.infolist():  # zipfile stops at the stated size and checks it and the CRC
        archive.extract(member, directory)
