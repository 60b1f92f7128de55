"""Networks that are refused before anything is spent."""

from __future__ import annotations

from biasloop.contract.context import Context
from biasloop_images.config import Config


def check_network(config: Config, classes: int, shape: tuple[int, int, int], context: Context) -> None:
    """Refuse a network that is none or takes no such images; each is built once in a plan.

    Args:
        config: names it.
        classes: that it tells apart.
        shape: height, width and channels of images.
        context: of the domain.

    Raises:
        InvalidInput: saying what does not fit.
    """

    def check() -> None:
        from biasloop_images.learner import check_network

        check_network(config, classes, shape, context.device)

    built = (config.network, config.width, config.depth, config.precision)
    context.once("images.network", (built, classes, *shape, context.device), check)
