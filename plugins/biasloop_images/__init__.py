"""Image classification in a feedback loop."""

from biasloop_images.domain import ImagesDomain

__all__ = ["ImagesDomain"]
