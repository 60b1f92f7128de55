"""Tables of a preset's layers, merged: what a later layer says goes over what an earlier one said."""

from collections.abc import Iterator, Mapping
from typing import Any

from biasloop.config.displacing import Displaced, displaced
from biasloop.config.overrides import Key
from biasloop.errors import InvalidInput
from biasloop.parsing import shown


def unset(values: dict[str, Any], origins: dict[Key, str], names: Any, origin: str) -> None:
    """Take keys off that were inherited: TOML has no value for none.

    Raises:
        InvalidInput: they are no list of keys, or one of them was not inherited.
    """
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidInput(f'{origin}: unset = {shown(names)}: expected a list of keys, for example ["domain.path"]')
    for name in names:
        table, _, inner = name.partition(".")
        dotted = table in ("grid", "arms")  # what is in these has names with dots
        *tables, last = key = (table, inner) if dotted else tuple(name.split("."))
        place: Any = values
        for part in tables:
            place = place.get(part) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place:
            raise InvalidInput(f"{origin}: unset: there is no key {name[:200]!r} to take off; it is not inherited")
        del place[last]
        for inner in [inner for inner in origins if inner[: len(key)] == key]:
            del origins[inner]


def merge(
    values: dict[str, Any], layer: Mapping[str, Any], origins: dict[Key, str], origin: str, at: Key = (),
    *, displaced: Displaced = displaced,
) -> None:  # fmt: skip
    """Put a layer over values, table by table; another domain takes none of the former one's settings along.

    Args:
        values: what is inherited; changed.
        layer: what goes over it.
        origins: for each key, where its value came from; changed.
        origin: of the layer.
        at: the key of both, in full.
        displaced: which inherited settings a key of the layer takes the place of.
    """
    for name, value in layer.items():
        key = (*at, name)
        for inherited in displaced(key, value, values, layer) - layer.keys() if values else ():
            values.pop(inherited, None)
        tables = isinstance(value, dict) and isinstance(values.get(name), dict)
        if tables and key == ("domain",) and value.get("name", values[name].get("name")) != values[name].get("name"):
            values[name] = {}  # another domain: none of the former one's settings apply
        if tables and at != ("grid",):
            merge(values[name], value, origins, origin, key, displaced=displaced)
        else:
            values[name] = copied(value)
            origins[key] = origin
            for inner in paths(value, key):
                origins[inner] = origin


def paths(value: Any, at: Key) -> Iterator[Key]:
    """The keys of all tables and values below one, in full."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*at, name)
            yield from paths(inner, (*at, name))


def copied(value: Any) -> Any:
    """A table whose tables can be changed, and the former one's are not."""
    return {name: copied(inner) for name, inner in value.items()} if isinstance(value, dict) else value
