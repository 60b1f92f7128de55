"""The domain of images with a weight for each sample, which no rule of the program gives yet."""

from dataclasses import replace
from importlib.metadata import entry_points


def _images() -> type:
    return next(iter(entry_points(group="biasloop.domains", name="images"))).load()


class WeightedImages(_images()):
    """Every seventh id counts a quarter, others up to three and a quarter."""

    def fit(self, train, work):
        return super().fit(replace(train, weights=0.25 + train.ids % 7 / 2.0), work)
