"""Groups of classes that selection balances over instead of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from biasloop.contract.data import Ints
from biasloop.datasets import superclasses
from biasloop.datasets.imbalance import class_id
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop_images.config import Config


@dataclass(frozen=True)
class Grouping:
    """Groups of classes.

    Attributes:
        names: of the groups.
        of: `(classes,)` int64 group of each class.
    """

    names: tuple[str, ...]
    of: Ints

    @classmethod
    def made(cls, config: Config, classes: Sequence[str]) -> Grouping | None:
        """Those that `domain.categories` asks for; None for none.

        Args:
            config: the domain's settings.
            classes: names.

        Raises:
            InvalidInput: if the data have no superclasses, or groups are not a partition of the classes.
        """
        setting, name = config.categories, config.path or config.data
        if setting is None:
            return None
        if setting == "superclass":
            known = superclasses.of(config.data)
            if known is None:
                raise InvalidInput(
                    f'domain.categories is "superclass", and {name} has none ({", ".join(superclasses.DATASETS)} has); '
                    "name groups, each with its classes: categories = { tops = [...], ... }"
                )
            setting = {group: [each for each in of if each in classes] for group, of in known.items()}
            setting = {group: of for group, of in setting.items() if of}
        group_of = np.full(len(classes), -1, np.int64)  # (classes,)
        for number, (group, members) in enumerate(setting.items()):
            for member in members:
                label = class_id(member, classes, name, f"domain.categories.{group}")
                if group_of[label] >= 0:
                    raise InvalidInput(
                        f"domain.categories has {classes[label]!r} in two groups; put every class into one"
                    )
                group_of[label] = number
        if (group_of < 0).any():
            without = classes[int(np.flatnonzero(group_of < 0)[0])]
            raise InvalidInput(f"domain.categories has {without!r} in no group; put every class into one")
        return cls(tuple(setting), group_of)
