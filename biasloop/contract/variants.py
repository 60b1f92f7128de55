"""Settings of a domain with some of them changed, for models beside a run's own (`Varied`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, TypeVar

from pydantic import BaseModel, ValidationError

from biasloop.errors import InvalidInput

C = TypeVar("C", bound=BaseModel)
Shared = Literal["data", "inputs", "batches"]
"""What a model has in common with the run's own: nothing but data; the inputs of networks too; or all that it is
taught, since it is trained beside it."""
_WHY: Mapping[Shared, str] = {
    "data": "the data would be others",
    "inputs": "it is given the inputs of the run's own model",
    "batches": "it learns from the batches of the run's own model",
}


def varied(config: C, changes: Mapping[str, object], training: Collection[str], shared: Shared = "data") -> C:
    """The settings with some of those changed that neither data nor labels nor splits depend on.

    Args:
        config: of a run.
        changes: new values by name.
        training: names of what may be changed.
        shared: what nothing may be changed of, for the message.

    Raises:
        InvalidInput: naming what cannot be changed, or what no setting can be.
    """
    fixed = sorted({*changes} - {*training})
    if fixed:
        raise InvalidInput(
            f"{', '.join(fixed)} cannot be set for a model beside the run's own, since {_WHY[shared]}; it "
            f"may have its own {', '.join(sorted(training))}"
        )
    try:
        return type(config).model_validate({**config.model_dump(exclude_none=True), **changes})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidInput(f"settings of a model beside the run's own: {where}: {first['msg']}") from error
