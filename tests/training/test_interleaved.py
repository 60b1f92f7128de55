"""Several generators as one."""

import pytest
import torch

from biasloop.contract.batching import Batches, Star
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop.training.sources import Drawing
from biasloop.training.star import Generated, interleaved

torch.set_num_threads(1)


def part(number, latent=2, label=True):
    """A generator whose images say whose they are, and a labeller that says who was asked."""
    return Generated(
        lambda latents: torch.cat([torch.full_like(latents[:, :1], number), latents], 1),
        latent,
        (lambda images: (images[:, 0] + 10 * number).long()) if label else None,
        lambda images: (images[:, 1] > 0).long(),
        (99, 2),
    )


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64])
def test_samples_come_in_turn_and_keep_their_labeller(count):
    together = interleaved([part(0), part(1), part(2)])
    latents = torch.randn(count, 2, generator=torch.Generator().manual_seed(0))
    images = together.sample(latents)
    assert images[:, 0].tolist() == [i % 3 for i in range(count)]
    assert torch.equal(images[:, 1:], latents)
    assert together.labels(images).tolist() == [11 * (i % 3) for i in range(count)]


def test_a_part_alone_is_itself():
    alone = part(4)
    assert interleaved([alone]) is alone


def test_parts_without_labels():
    assert interleaved([part(0, label=False), part(1, label=False)]).label is None


@pytest.mark.parametrize("parts", [[], [part(0), part(1, latent=3)]])
def test_parts_that_do_not_go_together(parts):
    with pytest.raises(InvalidInput, match="need latents of one size"):
        interleaved(parts)


@pytest.mark.parametrize("refill", ["single", "until-met", "surplus-first"])
def test_filled_batches_have_samples_of_all_parts_with_their_labels(refill):
    parts = [part(0), part(1)]
    parts = [
        Generated(one.sample, 2, lambda images, n=number: torch.full_like(images[:, 0], n).long(), one.groups, (2, 2))
        for number, one in enumerate(parts)
    ]
    drawing = Drawing(
        Batches(1.0, Star(budget=8, refill=refill)), 32, 6, Streams((0,)), torch.device("cpu"),
        generated=interleaved(parts), chunk=100,
    )  # fmt: skip
    for images, labels in drawing.epoch(0):
        assert torch.equal(images[:, 0].long(), labels)
        assert labels.bincount(minlength=2).min() >= 8
