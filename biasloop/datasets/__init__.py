"""Named data sets and weights: where from, how large, under which licence; data sets of images as plain arrays.

Importing this package loads no NumPy; the readers do, when they are used.
"""

from biasloop.datasets.assets import Asset
from biasloop.datasets.catalogue import all_assets, asset
from biasloop.datasets.fetching import fetch
from biasloop.datasets.images import ImageDataset, Images, LabelledImages
from biasloop.datasets.registry import all_datasets, get, names
from biasloop.datasets.texts import TextDataset

__all__ = [
    "Asset", "ImageDataset", "Images", "LabelledImages", "TextDataset", "all_assets", "all_datasets", "asset", "fetch",
    "get", "names",
]  # fmt: skip
