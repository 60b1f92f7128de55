"""Which plugins are installed, and their classes."""

import difflib
import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import BaseModel

from biasloop.domains import Domain, missing_methods
from biasloop.errors import InvalidInput

GROUP = "biasloop.domains"


def entries(group: str = GROUP) -> dict[str, list[EntryPoint]]:
    """Installed entry points of a group by name; a name with two distributions is listed twice."""
    return _entries(group, tuple(sys.path))


@lru_cache(maxsize=8)  # a grid of a thousand arms asks for each
def _entries(group: str, places: tuple[str, ...]) -> dict[str, list[EntryPoint]]:
    found: dict[str, dict[str, EntryPoint]] = {}
    for entry in entry_points(group=group):
        distribution = entry.dist.name if entry.dist else "?"
        found.setdefault(entry.name, {})[distribution] = entry
    return {name: list(found[name].values()) for name in sorted(found)}


def load(name: str) -> type[Any]:
    """The domain class of that name.

    Raises:
        InvalidInput: if there is no such plugin, two have that name, or it does not import.
    """
    found = entries()
    if name not in found:
        near = difflib.get_close_matches(name, found, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        known = ", ".join(found) or "none"
        raise InvalidInput(f"no domain is called {name!r} (installed: {known}){hint}")
    if len(found[name]) > 1:
        both = " and ".join(entry.dist.name for entry in found[name] if entry.dist)
        raise InvalidInput(f"two distributions declare the domain {name!r}: {both}; uninstall one of them")
    try:
        loaded = found[name][0].load()
    except Exception as error:
        raise InvalidInput(
            f"the plugin of domain {name!r} ({found[name][0].value}) does not import: "
            f"{type(error).__name__}: {error}; `biasloop plugins` lists the state of each"
        ) from error
    return checked(name, loaded)


def checked(name: str, loaded: object) -> type[Any]:
    """The class if it looks like a domain.

    Raises:
        InvalidInput: naming what is lacking.
    """
    if not isinstance(loaded, type):
        raise InvalidInput(f"the entry point of domain {name!r} is not a class")
    config = getattr(loaded, "Config", None)
    if not (isinstance(config, type) and issubclass(config, BaseModel)):
        raise InvalidInput(f"the class of domain {name!r} has no pydantic `Config`")
    lacking = missing_methods(loaded, Domain)
    if lacking:
        raise InvalidInput(f"the class of domain {name!r} lacks {', '.join(lacking)}")
    return loaded
