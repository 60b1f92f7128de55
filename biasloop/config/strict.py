"""What every section of a preset is: no unknown keys, no silent conversions."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A section of a preset."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)
