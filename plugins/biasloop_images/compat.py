"""What the published code does otherwise (Taori & Hashimoto 2022)."""

from biasloop_images.config import Config


def released_weight_decay(config: Config) -> float:
    """Weight decay relative to the mean loss of a batch.

    The published loss is the sum over a batch. The weight decay of baidunet9 is scaled to that, the one of
    resnet18 is not, so relative to the mean it is divided by the batch size.
    """
    return config.weight_decay / (config.batch_size if config.network == "resnet18" else 1)
