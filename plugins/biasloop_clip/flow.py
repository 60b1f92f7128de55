"""A rectified flow: straight ways from noise to codes of pictures, learnt for given captions.

With x a code, e noise and s from 0 (picture) to 1 (noise), x_s = (1 - s) x + s e, a network learns e - x from x_s, s
and the caption (Liu et al. 2023, "Flow Straight and Fast"; Lipman et al. 2023). Sampling goes from s = 1 to 0 in steps
of a scheduler. Guidance g goes along v(nothing said) + g (v(caption) - v(nothing said)) (Ho & Salimans 2022).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from biasloop.datasets.emoji_roles import TONES
from biasloop.training.objectives import weighted_mean
from biasloop.training.precision import Precision
from biasloop.training.sources import Batch
from biasloop_clip.captions import GENDERS

_FREQUENCIES = 16  # of the time s


class Flow(nn.Module):
    """Which way a code moves: residual blocks, each told of time and caption.

    Args:
        roles: how many there are.
        components: of a code.
        width: of its layers.
        blocks: how many.
    """

    frequencies: Tensor

    def __init__(self, roles: int, components: int, width: int, blocks: int) -> None:
        super().__init__()
        sizes = (roles, len(GENDERS), TONES)
        self.silent = [*sizes]  # the last embedding of each: not said
        self.said = nn.ModuleList(nn.Embedding(size + 1, width) for size in sizes)
        self.time = nn.Sequential(nn.Linear(2 * _FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))
        self.into = nn.Linear(components, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, components)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.register_buffer("frequencies", math.pi * torch.arange(1, _FREQUENCIES + 1) / 2, persistent=False)

    def forward(self, codes: Tensor, time: Tensor, captions: Tensor) -> Tensor:
        """Where codes go.

        Args:
            codes: `(n, components)`.
            time: `(n,)` from 0 to 1.
            captions: `(n, 3)` int64 role, gender and skin tone; what is not said is -1.
        """
        angles = time[:, None] * self.frequencies  # (n, frequencies)
        told = self.time(torch.cat([angles.sin(), angles.cos()], 1))  # (n, width)
        for column, (embedding, silent) in enumerate(zip(self.said, self.silent, strict=True)):
            values = captions[:, column]
            told = told + embedding(torch.where(values < 0, silent, values))
        told = functional.silu(told)
        hidden = self.into(codes)
        for block in self.blocks:
            hidden = block(hidden, told)
        moved: Tensor = self.out(self.norm(hidden))
        return moved


class _Block(nn.Module):
    """A residual block; what it is told scales and shifts its input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.told = nn.Linear(width, 2 * width)
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, hidden: Tensor, told: Tensor) -> Tensor:
        """`(n, width)` of `(n, width)` and what is told, likewise."""
        scale, shift = self.told(told).chunk(2, 1)
        added: Tensor = self.outer(functional.silu(self.inner(self.norm(hidden) * (1 + scale) + shift)))
        return hidden + added


@dataclass(frozen=True)
class Velocity:
    """The mean squared error of which way codes move.

    Attributes:
        precision: what the network computes in; the loss is float32.
        dropped: share of captions that the network is not told.
    """

    precision: Precision
    dropped: float
    columns: tuple[str, ...] = ("loss",)
    extra: tuple[str, ...] = ("lr",)

    def value(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """This process' part of the scalar, and the sum of its losses."""
        losses = self.losses(network, batch)
        told = losses if batch.weights is None else losses * batch.weights
        loss = weighted_mean(losses, batch.weights) * (len(batch) / self.count(batch))
        return loss, told.detach().double().sum()[None]

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        """`(n,)`, with noise, times and captions left out drawn from torch's global generator."""
        codes, captions = batch.inputs, batch.targets
        assert captions is not None
        noise = torch.randn_like(codes)
        time, drop = torch.rand(2, len(codes), device=codes.device)
        told = torch.where(drop[:, None] < self.dropped, -1, captions)
        with self.precision.casting():
            moved = network(torch.lerp(codes, noise, time[:, None]), time, told)
        errors: Tensor = (moved.float() - (noise - codes)).square().mean(1)
        return errors

    def count(self, batch: Batch) -> int:
        """Samples, in all processes together."""
        return len(batch) if batch.total is None else batch.total


class EulerScheduler:
    """Equal steps along straight ways: as `diffusers.FlowMatchEulerDiscreteScheduler`, in the part that is used here.

    It has that one's interface (`set_timesteps`, `timesteps`, `sigmas`, `step`), so that either can be given; importing
    diffusers takes longer than making ten thousand pictures of 24 pixels.
    """

    def __init__(self) -> None:
        self.timesteps, self.sigmas = torch.zeros(0), torch.zeros(1)
        self._at = 0

    def set_timesteps(self, num_inference_steps: int) -> None:
        """So many steps from noise to picture; timesteps are sigmas times 1000."""
        self.timesteps = torch.linspace(1000, 1, num_inference_steps)  # (steps,)
        self.sigmas = torch.cat([self.timesteps / 1000, torch.zeros(1)])  # (steps + 1,)
        self._at = 0

    def step(
        self, model_output: Tensor, timestep: Tensor, sample: Tensor, *, return_dict: bool = False
    ) -> list[Tensor]:
        """The next sample; timesteps are to come in their order."""
        moved = sample + (self.sigmas[self._at + 1] - self.sigmas[self._at]) * model_output
        self._at += 1
        return [moved]


def generated(network: nn.Module, captions: Tensor, noise: Tensor, steps: int, guidance: float) -> Tensor:
    """Codes of pictures for captions.

    Args:
        network: in evaluation mode.
        captions: `(n, 3)` int64, -1 for what is not said.
        noise: `(n, components)` standard normal.
        steps: of the scheduler.
        guidance: 1 for what was learnt; 0 leaves captions out.

    Returns:
        `(n, components)`.
    """
    scheduler = EulerScheduler()
    scheduler.set_timesteps(steps)
    nothing = torch.full_like(captions, -1)
    codes = noise
    for timestep in scheduler.timesteps:
        time = (timestep / 1000).expand(len(codes)).to(codes)
        moved = network(codes, time, captions)
        if guidance != 1:
            freely = network(codes, time, nothing)
            moved = freely + guidance * (moved - freely)
        (codes,) = scheduler.step(moved, timestep, codes, return_dict=False)
    return codes
