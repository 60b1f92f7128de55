"""The loss of pictures and captions that find each other."""

import math

import numpy as np
import pytest
import torch
from support import fitting_together, pairs, several
from torch import nn

from biasloop.training.contrastive import HIGHEST, Contrastive
from biasloop.training.precision import precision
from biasloop.training.sources import Batch


class Towers(nn.Module):
    """Of vectors as they are."""

    def __init__(self, scale=2.0):
        super().__init__()
        self.logit_scale = nn.Parameter(torch.tensor(scale))

    def encode_image(self, image):
        return image

    def encode_text(self, text):
        return text


@pytest.fixture
def batch():
    draws = torch.Generator().manual_seed(0)
    return Batch(torch.randn(5, 3, generator=draws), torch.randn(5, 3, generator=draws))


@pytest.fixture
def objective():
    return Contrastive(precision("float32", torch.device("cpu")))


def by_hand(batch, scale):
    """One loss a pair, in Python's floats."""
    unit = [[[x / math.hypot(*row) for x in row] for row in rows.tolist()] for rows in (batch.inputs, batch.targets)]
    logits = [[math.exp(scale) * sum(a * b for a, b in zip(u, v, strict=True)) for v in unit[1]] for u in unit[0]]
    n = len(logits)
    losses = []
    for i in range(n):
        row = math.log(sum(math.exp(logits[i][j]) for j in range(n))) - logits[i][i]
        column = math.log(sum(math.exp(logits[j][i]) for j in range(n))) - logits[i][i]
        losses.append((row + column) / 2)
    return losses


def test_losses_are_symmetric_cross_entropies(objective, batch):
    expected = by_hand(batch, 2.0)
    assert objective.losses(Towers(), batch).tolist() == pytest.approx(expected, abs=1e-5)
    loss, told = objective.value(Towers(), batch)
    assert loss.item() == pytest.approx(sum(expected) / 5, abs=1e-6)
    assert told[0].item() == pytest.approx(sum(expected), abs=1e-5)


def test_weights_are_factors_of_pairs(objective, batch):
    weights = torch.tensor([0.0, 1.0, 2.0, 0.5, 1.5])
    weighted = Batch(batch.inputs, batch.targets, None, weights)
    expected = sum(w * loss for w, loss in zip(weights.tolist(), by_hand(batch, 2.0), strict=True)) / 5
    assert objective.value(Towers(), weighted)[0].item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("scale", "kept"), [(-1.0, 0.0), (3.0, 3.0), (9.0, HIGHEST)])
def test_the_logit_scale_is_kept_in_its_limits(objective, batch, scale, kept):
    towers = Towers(scale)
    objective.value(towers, batch)
    assert towers.logit_scale.item() == pytest.approx(kept)


def test_a_picture_with_the_caption_of_another_is_not_counted_as_wrong(objective):
    same = Batch(torch.eye(3)[[0, 0, 1]], torch.eye(3)[[0, 0, 2]])
    assert objective.value(Towers(), same)[1][1].item() == 3  # the last one is equally far from all
    turned = Batch(torch.eye(3), torch.eye(3)[[1, 0, 2]])
    assert objective.value(Towers(), turned)[1][1].item() == 1


def loaded(place, name):
    with np.load(place / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def test_two_processes_fit_as_one_does_of_the_same_whole_batches(tmp_path):
    (leader, out, err), (follower, said, _) = several.forked("pairs", tmp_path, 60)
    assert (leader, follower, out, said) == (0, 0, "interrupted in an epoch\n", "followed to the end\n"), err
    for name, weights in (("pairs", None), ("weighed", np.linspace(0, 2, pairs.SAMPLES))):
        train, work = fitting_together.samples(pairs.SAMPLES, weights), fitting_together.Watched()
        alone = pairs.Pairs(pairs.Settings(), fitting_together.CONTEXT).fit(train, work)
        together = loaded(tmp_path, name)
        assert together["loss"] == pytest.approx([row["loss"] for row in work.curve], abs=1e-5)
        assert together["accuracy"] == pytest.approx([row["accuracy"] for row in work.curve])
        for key, value in alone.state_dict().items():
            assert together[key] == pytest.approx(value.numpy(), abs=1e-4)
        assert together["loss"][-1] < together["loss"][0] - 0.1
    resumed, unbroken = loaded(tmp_path, "resumed"), loaded(tmp_path, "pairs")
    assert all(np.array_equal(resumed[key], unbroken[key]) for key in pairs.Towers().state_dict())


@pytest.mark.slow
def test_the_loss_is_that_of_open_clip(objective, batch):
    open_clip = pytest.importorskip("open_clip")
    unit = [nn.functional.normalize(rows, dim=1) for rows in (batch.inputs, batch.targets)]
    theirs = open_clip.ClipLoss()(*unit, torch.tensor(2.0).exp())
    assert objective.value(Towers(), batch)[0].item() == pytest.approx(theirs.item(), abs=1e-6)
