"""What a run takes of a machine: the section [resources], which is no part of a run's identity."""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from biasloop.config.strict import Strict
from biasloop.system import threads

_UNITS = {"": 1, "b": 1} | {
    f"{letter}{ending}": base**power
    for power, letter in enumerate("kmgtp", 1)
    for ending, base in (("b", 1000), ("ib", 1024))
}
_AMOUNT = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)\s*([A-Za-z]*)")
_MOST_BYTES = 2**63 - 1  # TOML promises 64 bits
_MOST_CORES = 65_536  # of a run; no machine has more


def bytes_of(value: Any) -> Any:
    """An amount of memory as bytes: "2 GB" is 2,000,000,000, "500 MiB" is 524,288,000; a number of bytes stays.

    Raises:
        ValueError: it is neither, or less than a byte.
    """
    expected = 'expected a number of bytes, or text such as "2 GB" or "500 MiB"'
    amount = value
    if isinstance(value, str):
        written = _AMOUNT.fullmatch(value.strip())
        if written is None or written[2].lower() not in _UNITS:
            raise ValueError(expected)
        amount = int(Decimal(written[1]) * _UNITS[written[2].lower()])
    if value is not None and (type(amount) is not int or not 1 <= amount <= _MOST_BYTES):
        raise ValueError(expected)
    return amount


class Resources(Strict):
    """What a run takes, whatever runs beside it; recorded with each round, and no part of what makes two runs one."""

    threads: int | None = Field(
        None, description="CPU threads that it computes with, on which results depend; default: the library's choice."
    )
    cpus: int | None = Field(None, description="CPU cores that it takes; default: its threads, else all there are.")
    gpus: float | None = Field(
        None, description="GPUs that it takes; 0.5: two runs share one; default: 1 if it computes on one, else 0."
    )
    memory: Annotated[int | None, BeforeValidator(bytes_of)] = Field(
        None, description='Main memory that it takes: bytes, or text such as "2 GB" or "500 MiB".'
    )

    @field_validator("threads", mode="after")
    @classmethod
    def _can_be_had(cls, value: int | None) -> int | None:
        if value is not None and not 1 <= value <= threads.most():
            raise ValueError(f"expected a number from 1 to {threads.most()}; leave it out for the library's choice")
        return value

    @field_validator("cpus", mode="after")
    @classmethod
    def _some(cls, value: int | None) -> int | None:
        if value is not None and not 1 <= value <= _MOST_CORES:
            raise ValueError(f"expected a number of cores from 1 to {_MOST_CORES:,}")
        return value

    @field_validator("gpus", mode="after")
    @classmethod
    def _shared_or_entire(cls, value: float | None) -> float | None:
        if value is not None and not (0 <= value < 1 or (value.is_integer() and value >= 1)):
            raise ValueError("expected 0, a fraction such as 0.5 so that runs share one, or a whole number")
        return value

    def threads_with(self, asked: int | None) -> int:
        """CPU threads that a run computes with: those asked for with --threads, else these; 0, the library's choice."""
        return (self.threads or 0) if asked is None else asked

    def device_with(self, asked: str) -> str:
        """Where a run computes: on no GPU if it takes none, unless one is asked for with --device."""
        return "cpu" if asked == "auto" and self.gpus == 0 else asked

    def told(self) -> dict[str, str]:
        """Those that are set, as each round's environment has them; without threads, which a domain says itself."""
        given = self.model_dump(exclude_none=True, exclude={"threads"})
        return {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in given.items()}
