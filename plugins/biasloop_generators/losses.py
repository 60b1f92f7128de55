"""What variational autoencoders are trained on: four ways to weigh reconstruction against divergence.

Source: the loss of each data set in the released code of Wyllie et al. (2024).
"""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from biasloop_generators.kinds import LossName

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""`(reconstruction (B, C, H, W), images likewise in 0 .. 1, mu (B, L), logvar (B, L))` to a scalar."""

_LINEAR_LIMIT = 100.0  # of logvar in the linear term of ColoredSVHN's divergence
_MEAN_WEIGHT = 5e-6  # of the summed divergence, beside a mean over pixels
_SQUARED_WEIGHT = 2.5e-4  # of the divergence of an image, beside a mean of squared errors


def divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """Kullback-Leibler divergence from N(0, I), summed over batch and latent (Kingma & Welling 2014, appendix B)."""
    return -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum()


def cross_entropy(reconstruction: Tensor, images: Tensor, reduction: str) -> Tensor:
    """Binary cross-entropy of pixels, NaN if a pixel is.

    Torch's own stops the process on a NaN, on a GPU for good; so that the loss tells instead, NaN goes around it.
    """
    loss = functional.binary_cross_entropy(reconstruction.nan_to_num(0.5), images, reduction=reduction)
    return loss + 0 * reconstruction.detach().sum()


def bce_sum(reconstruction: Tensor, images: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """ColoredMNIST: binary cross-entropy summed over everything, plus the divergence."""
    return cross_entropy(reconstruction, images, "sum") + divergence(mu, logvar)


def squared_sum(reconstruction: Tensor, images: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """ColoredSVHN: squared errors of clamped pixels, summed; only the linear logvar of the divergence is clamped."""
    error = (reconstruction.clamp(0, 1) - images.clamp(0, 1)).square().sum()
    clamped = logvar.clamp(-_LINEAR_LIMIT, _LINEAR_LIMIT)
    return error - 0.5 * (1 + clamped - mu.square() - logvar.exp()).sum()


def bce_mean(reconstruction: Tensor, images: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """CelebA and all others: mean binary cross-entropy, plus 5e-6 of the summed divergence (grows with a batch)."""
    return cross_entropy(reconstruction, images, "mean") + _MEAN_WEIGHT * divergence(mu, logvar)


def squared_mean(reconstruction: Tensor, images: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Mean squared error, plus 2.5e-4 of the divergence of an image; published, but used with no data set."""
    return functional.mse_loss(reconstruction, images) + _SQUARED_WEIGHT * divergence(mu, logvar) / len(images)


LOSSES: dict[LossName, Loss] = {
    "bce-sum": bce_sum,
    "squared-sum": squared_sum,
    "bce-mean": bce_mean,
    "squared-mean": squared_mean,
}


def _row_divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """`(B,)` of each image."""
    return -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(1)


def _row_cross_entropy(reconstruction: Tensor, images: Tensor) -> Tensor:
    """`(B, C, H, W)` of each pixel, NaN for an image with a pixel that is."""
    loss = functional.binary_cross_entropy(reconstruction.nan_to_num(0.5), images, reduction="none")
    return loss + 0 * reconstruction.detach()


def _rows_bce_sum(reconstruction: Tensor, images: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    return _row_cross_entropy(reconstruction, images).flatten(1).sum(1) + _row_divergence(mu, logvar)


def _rows_squared_sum(reconstruction: Tensor, images: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    error = (reconstruction.clamp(0, 1) - images.clamp(0, 1)).square().flatten(1).sum(1)
    clamped = logvar.clamp(-_LINEAR_LIMIT, _LINEAR_LIMIT)
    return error - 0.5 * (1 + clamped - mu.square() - logvar.exp()).sum(1)


def _rows_bce_mean(reconstruction: Tensor, images: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    weight = _MEAN_WEIGHT * len(images)  # the divergence is summed over the batch, whatever its size
    return _row_cross_entropy(reconstruction, images).flatten(1).mean(1) + weight * _row_divergence(mu, logvar)


def _rows_squared_mean(reconstruction: Tensor, images: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    error = (reconstruction - images).square().flatten(1).mean(1)
    return error + _SQUARED_WEIGHT * _row_divergence(mu, logvar)


ROW_LOSSES: dict[LossName, Loss] = {
    "bce-sum": _rows_bce_sum,
    "squared-sum": _rows_squared_sum,
    "bce-mean": _rows_bce_mean,
    "squared-mean": _rows_squared_mean,
}
"""To `(B,)`, one loss an image; `LOSSES` are their sum over a batch, or of "-mean" their mean."""
