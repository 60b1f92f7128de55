"""What generators and classifiers of generations are trained on, as published: means and sums of whole batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from biasloop.training.precision import Precision
from biasloop.training.sources import Batch
from biasloop_generators.kinds import LossName
from biasloop_generators.losses import LOSSES, ROW_LOSSES
from biasloop_generators.networks import VAE


@dataclass(frozen=True)
class Evidence:
    """The loss of a variational autoencoder: reconstruction and divergence (`losses`).

    Attributes:
        loss: by its name; batch sums or batch means, as published.
        precision: what the network computes in; the loss is float32.
    """

    loss: LossName
    precision: Precision
    columns: tuple[str, ...] = ("loss",)
    extra: tuple[str, ...] = ()

    def value(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss of the batch, twice."""
        loss = LOSSES[self.loss](*self._outputs(network, batch))
        return loss, loss.detach()[None]

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        """`(n,)` terms of the images; the loss of the batch is their sum, or of "-mean" losses their mean."""
        return ROW_LOSSES[self.loss](*self._outputs(network, batch))

    def count(self, batch: Batch) -> int:
        """A batch: means over batches are told, as published."""
        return 1

    def _outputs(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Reconstruction `(n, C, H, W)`, images likewise, mu and logvar `(n, latent)`."""
        with self.precision.casting():
            reconstruction, mu, logvar = cast("VAE", network)(batch.inputs)
        return reconstruction.float(), batch.inputs, mu.float(), logvar.float()


@dataclass(frozen=True)
class BatchCrossEntropy:
    """Cross-entropy as torch takes the mean of it over a batch; told are means over batches, as published.

    Attributes:
        precision: what the network computes in; the loss is float32.
    """

    precision: Precision
    columns: tuple[str, ...] = ("loss", "accuracy")
    extra: tuple[str, ...] = ()

    def value(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """The mean loss of the batch; that, and the share of right answers."""
        logits, targets = self._logits(network, batch)
        loss = functional.cross_entropy(logits.float(), targets)
        with torch.no_grad():
            return loss, torch.stack([loss.detach(), (logits.argmax(1) == targets).float().mean()])

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        """`(n,)` cross-entropy of each image."""
        logits, targets = self._logits(network, batch)
        return functional.cross_entropy(logits.float(), targets, reduction="none")

    def count(self, batch: Batch) -> int:
        """A batch."""
        return 1

    def _logits(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """`(n, classes)` logits and `(n,)` classes."""
        assert batch.targets is not None
        with self.precision.casting():
            return network(batch.inputs), batch.targets
