"""All that `biasloop fetch` knows by name."""

from biasloop.datasets import registry, texts, weights
from biasloop.datasets.assets import Asset, find
from biasloop.datasets.clothing1m import CLOTHING1M


def asset(name: str) -> Asset:
    """The data set or model of that name.

    Raises:
        InvalidInput: if there is none.
    """
    return find(name, all_assets(), "data set or model")


def all_assets() -> tuple[Asset, ...]:
    """All data sets, then all models."""
    return (*registry.all_datasets(), CLOTHING1M, *texts.DATASETS, *weights.MODELS)
