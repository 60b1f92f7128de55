"""Heads of the members of a tar archive that cannot take more memory or time than a name needs.

Python's tarfile reads extended headers (long names, PAX records, maps of sparse files) into memory whatever their size,
one inside the other, and goes backwards where a size is negative.
"""

from pathlib import Path
from tarfile import (
    GNUTYPE_LONGLINK,
    GNUTYPE_LONGNAME,
    GNUTYPE_SPARSE,
    SOLARIS_XHDTYPE,
    XGLTYPE,
    XHDTYPE,
    TarFile,
    TarInfo,
)
from typing import Any

from biasloop.errors import DownloadError

LONGEST = 1 << 14
"""Most bytes of an extended header; the longest path that systems take has 4,096."""

IN_A_ROW = 8
"""Most extended headers of one member."""

GLOBAL = 1 << 20
"""Most bytes that headers which hold for all members may have together; they are kept."""

_EXTENDED = {XHDTYPE, XGLTYPE, SOLARIS_XHDTYPE, GNUTYPE_LONGNAME, GNUTYPE_LONGLINK}


def bounded(archive: Path) -> type[TarInfo]:
    """The class of members to open an archive with, which raises DownloadError for those that are refused."""

    class Bounded(TarInfo):
        """`_proc_member` is where tarfile lets subclasses look at a head before what follows it is read."""

        in_a_row = 0
        of_all = 0

        def _proc_member(self, tar: TarFile) -> TarInfo:
            if self.size < 0:
                raise _refused(archive, f"its member {self.name!r} has a negative size")
            if self.type == GNUTYPE_SPARSE:
                raise self._sparse()
            if self.type in _EXTENDED:
                Bounded.in_a_row += 1
                Bounded.of_all += self.size if self.type == XGLTYPE else 0
                if self.size > LONGEST or Bounded.in_a_row > IN_A_ROW or Bounded.of_all > GLOBAL:
                    raise _refused(
                        archive, f"it has an extended header of {self.size:,} bytes, the {Bounded.in_a_row}. of a "
                        f"member; {LONGEST:,} bytes and {IN_A_ROW} of them are the most that is read"
                    )  # fmt: skip
            else:
                Bounded.in_a_row = 0
            member: TarInfo = super()._proc_member(tar)  # type: ignore[misc]
            return member

        def _block(self, count: int) -> int:
            if count < 0:  # a PAX record may say so, too
                raise _refused(archive, f"its member {self.name!r} has a negative size")
            return int(super()._block(count))  # type: ignore[misc]

        def _proc_gnusparse_10(self, *_: Any) -> None:
            raise self._sparse()

        _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10

        def _sparse(self) -> DownloadError:
            return _refused(archive, f"its member {self.name!r} is no plain file or directory (a sparse file)")

    return Bounded


def _refused(archive: Path, why: str) -> DownloadError:
    return DownloadError(f"{archive} is not unpacked: {why}")
