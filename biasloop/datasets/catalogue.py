"""All that `biasloop fetch` knows by name."""

from pathlib import Path

from biasloop.contract.context import Requirement
from biasloop.datasets import registry, texts, weights
from biasloop.datasets.assets import Asset, find
from biasloop.datasets.cc3m import CC3M, CC3M_SD
from biasloop.datasets.clothing1m import CLOTHING1M
from biasloop.datasets.coco_bias import COCO_BIAS
from biasloop.datasets.emoji_roles import EMOJI_ROLES
from biasloop.datasets.imsitu import IMSITU
from biasloop.datasets.people import ADULT


def asset(name: str) -> Asset:
    """The data set or model of that name.

    Raises:
        InvalidInput: if there is none.
    """
    return find(name, all_assets(), "data set or model")


def all_assets() -> tuple[Asset, ...]:
    """All data sets, then all models."""
    named = (ADULT, CC3M, CC3M_SD, CLOTHING1M, COCO_BIAS, EMOJI_ROLES, IMSITU)
    return (*registry.all_datasets(), *named, *texts.DATASETS, *weights.MODELS)


def requirement(name: str, data: Path) -> Requirement:
    """A data set or model by its name, and whether it is in a data directory.

    Raises:
        InvalidInput: as `asset`.
    """
    known = asset(name)
    return Requirement(name, known.kind, known.bytes, known.present(data))


def network_requirements(network: str, data: Path) -> list[Requirement]:
    """The weights of a published network; none of one that is built in or in a directory."""
    known = {asset.name for asset in all_assets() if asset.kind == "weights"}
    return [requirement(network, data)] if network in known else []
