"""Which format a file has, by the end of its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from biasloop.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["csv", "tsv", "jsonl", "json", "parquet"]

KINDS: tuple[Kind, ...] = ("csv", "tsv", "jsonl", "json", "parquet")
ENDINGS = ".csv, .tsv, .parquet, .jsonl or .json (those of text may have .gz after it)"

_BY_ENDING: dict[str, Kind] = {
    ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".parquet": "parquet",
}  # fmt: skip
_CURES = {
    (".xls", ".xlsx", ".ods", ".numbers"): "save the sheet as CSV (UTF-8)",
    (".zip", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar", ".tgz"): "unpack it first",
    (".feather", ".arrow", ".orc", ".avro", ".pkl", ".pickle", ".rds", ".sav", ".dta"): "save it as Parquet or CSV",
}


@dataclass(frozen=True)
class Format:
    """How a table is written: `kind`, and whether it is packed by gzip."""

    kind: Kind
    packed: bool = False

    @property
    def separated(self) -> bool:
        """Whether it is CSV or TSV."""
        return self.kind in ("csv", "tsv")

    @property
    def text(self) -> bool:
        """Whether it has lines."""
        return self.kind != "parquet"


def format_of(path: Path) -> Format | None:
    """What the name says, in upper or lower case; None where it says nothing."""
    ending = path.suffix.lower()
    packed = ending == ".gz"
    if packed:
        ending = path.with_suffix("").suffix.lower()
    kind = _BY_ENDING.get(ending)
    return None if kind is None or (packed and kind == "parquet") else Format(kind, packed)


def require_format(path: Path, expected: str = "expected a file", where: str = "") -> Format:
    """What the name says.

    Raises:
        InvalidInput: if it says nothing that is read, with what can be done; `expected` begins that part,
            and `where` follows the name.
    """
    known = format_of(path)
    if known is None:
        ending = path.suffix.lower()
        cure = next((f"; {cure}" for endings, cure in _CURES.items() if ending in endings), "")
        raise InvalidInput(f"{path}{where}: {expected} that ends in {ENDINGS}{cure}")
    return known
