"""Settings of a domain with some of them changed, for models beside a run's own (`Varied`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from biasloop.errors import InvalidInput

C = TypeVar("C", bound=BaseModel)


def varied(config: C, changes: Mapping[str, object], training: Collection[str]) -> C:
    """The settings with some of those changed that neither data nor labels nor splits depend on.

    Args:
        config: of a run.
        changes: new values by name.
        training: names of what may be changed.

    Raises:
        InvalidInput: naming what cannot be changed, or what no setting can be.
    """
    fixed = sorted({*changes} - {*training})
    if fixed:
        raise InvalidInput(
            f"{', '.join(fixed)} cannot be set for a model beside the run's own, since the data would be others; it "
            f"may have its own {', '.join(sorted(training))}"
        )
    try:
        return type(config).model_validate({**config.model_dump(exclude_none=True), **changes})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidInput(f"settings of a model beside the run's own: {where}: {first['msg']}") from error
