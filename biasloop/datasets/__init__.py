"""Named data sets as plain arrays: where from, how large, under which licence, and a reader that checks.

Importing this package loads no NumPy; the readers do, when they are used.
"""

from biasloop.datasets.fetching import fetch
from biasloop.datasets.images import ImageDataset, LabelledImages
from biasloop.datasets.registry import all_datasets, get, names

__all__ = ["ImageDataset", "LabelledImages", "all_datasets", "fetch", "get", "names"]
