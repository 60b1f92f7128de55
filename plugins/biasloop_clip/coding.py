"""Pictures as principal components: what the generator makes, and what is stored of the pictures that it made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from biasloop.contract.data import Array
from biasloop.training import device as devices

_AT_A_TIME = 2048  # pictures


@dataclass(frozen=True)
class Coding:
    """The principal components of some pictures, all of variance 1 (Jolliffe 2002).

    Attributes:
        mean: `(pixels,)` float32 in 0 .. 255.
        basis: `(components, pixels)` float32, a row a component, as long as its standard deviation.
        kept: share of the variance that is theirs, 0 .. 1.
    """

    mean: Tensor
    basis: Tensor
    kept: float

    @staticmethod
    def of(pictures: Array, components: int, threads: int) -> Coding:
        """Fitted on pictures, in float64 on the CPU: the same bits with as many threads.

        Args:
            pictures: `(n, H, W, 3)` uint8, no fewer than components.
            components: how many.
            threads: 0 for torch's choice.
        """
        with devices.computing(threads):
            flat = torch.from_numpy(pictures).flatten(1)  # (n, pixels)
            mean = flat.double().mean(0)
            covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64)
            for part in _parts(flat):
                centred = part.double() - mean
                covariance += centred.T @ centred
            variance, vectors = torch.linalg.eigh(covariance / len(flat))  # ascending
            kept = vectors[:, -components:].flip(1).T  # (components, pixels)
            largest = kept.gather(1, kept.abs().argmax(1, keepdim=True))
            spread = variance[-components:].flip(0).clamp(min=1e-12).sqrt()
            basis = kept * largest.sign() * spread[:, None]  # of either sign the one whose largest part is positive
            share = float(variance[-components:].sum() / variance.sum())
        return Coding(mean.float(), basis.float(), share)

    def encode(self, pictures: Array) -> Array:
        """`(n, components)` float32 of `(n, H, W, 3)` uint8."""
        scaled = (self.basis / self.basis.square().sum(1, keepdim=True)).T  # (pixels, components)
        flat = torch.from_numpy(pictures).flatten(1)
        codes = [(part.float() - self.mean) @ scaled for part in _parts(flat)]
        encoded: Array = torch.cat(codes).numpy()
        return encoded

    def decode(self, codes: Array, side: int) -> Array:
        """`(n, side, side, 3)` uint8 of `(n, components)`, rounded to the nearest colour there is."""
        parts = [
            (part @ self.basis + self.mean).round_().clamp_(0, 255).to(torch.uint8)
            for part in _parts(torch.from_numpy(codes))
        ]
        pictures: Array = torch.cat(parts).reshape(-1, side, side, 3).numpy()
        return pictures


def _parts(rows: Tensor) -> Iterator[Tensor]:
    """A few rows at a time, so that float copies of all never stand in memory."""
    return (rows[start : start + _AT_A_TIME] for start in range(0, len(rows), _AT_A_TIME))
