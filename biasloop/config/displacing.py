"""Which inherited settings a layer of a preset takes the place of: only rules and domains know what stands for what."""

from collections.abc import Callable, Mapping, Set
from typing import Any

from biasloop.config.overrides import Key
from biasloop.errors import InvalidInput

Displaced = Callable[[Key, Any, Mapping[str, Any], Mapping[str, Any]], Set[str]]


def displaced(key: Key, value: Any, table: Mapping[str, Any], layer: Mapping[str, Any]) -> Set[str]:
    """The keys of a table that a layer's key takes the place of; those that the layer has itself stay.

    Args:
        key: of the layer, in full.
        value: that it has there.
        table: what is inherited, the table that the key belongs to.
        layer: the same table of the layer.
    """
    if len(key) == 2 and key[0] == "loop":
        return _written_otherwise(key[1], {**table, **layer})
    if len(key) == 2 and key[0] == "domain" and value is True:
        return set(switches_of(layer.get("name", table.get("name"))).get(key[1], ()))
    return set()


def _written_otherwise(name: str, section: Mapping[str, Any]) -> Set[str]:
    """The other ways to write a setting of the rule that a section [loop] names."""
    from biasloop.feedback import rules

    sugar = rules.meant(section).SUGAR
    setting = sugar.get(name, name)
    return {setting, *(key for key, stands_for in sugar.items() if stands_for == setting)} - {name}


def switches_of(domain: object) -> Mapping[str, tuple[str, ...]]:
    """The switches of a domain that stand for several of its settings, each with their names.

    A domain says so by a class method `switches` of its `Config`. None are known of a domain that does not load;
    whoever validates the preset says why.
    """
    if not isinstance(domain, str):
        return {}
    from biasloop import discovery  # late, as rules are: most presets need neither to be read

    try:
        told = getattr(discovery.load(domain).Config, "switches", None)
    except InvalidInput:
        return {}
    return told() if callable(told) else {}
