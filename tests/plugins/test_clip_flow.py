"""The generator: which way codes move, and what comes of it in steps."""

import numpy as np
import pytest
import torch

from biasloop.contract.randomness import Streams
from biasloop.training.precision import precision
from biasloop.training.sources import Batch
from biasloop_clip import flow
from biasloop_clip.coding import Coding
from biasloop_clip.learner import _normal
from biasloop_clip.reading import within


@pytest.fixture
def network():
    torch.manual_seed(1)
    made = flow.Flow(roles=3, components=4, width=8, blocks=2)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3)
    return made.eval()


def captions(n=6):
    return torch.tensor([[0, 1, 2], [1, -1, -1], [2, 0, 5]]).repeat(n // 3, 1)


def test_a_network_that_knows_the_way_leads_to_the_picture():
    """With v = noise - picture, Euler's steps are exact, however few."""
    picture = torch.tensor([[1.0, -2.0, 0.5, 3.0]]).expand(6, 4)
    noise = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    for steps in (1, 5, 16):
        made = flow.generated(lambda codes, time, said: noise - picture, captions(), noise, steps, 1.0)
        assert torch.allclose(made, picture, atol=1e-5)


def test_guidance_goes_from_what_is_free_towards_the_caption():
    def network(codes, time, said):
        return torch.where(said[:, :1] < 0, 0.0, 1.0).expand_as(codes)

    for guidance, moved in ((0.0, 0.0), (1.0, -1.0), (2.5, -2.5)):
        made = flow.generated(network, captions(), torch.zeros(6, 4), 8, guidance)
        assert made.flatten().tolist() == pytest.approx([moved] * 24, abs=1e-5)


def test_what_a_caption_does_not_say_is_told_apart(network):
    codes, time = torch.zeros(1, 4), torch.full((1,), 0.5)
    said = {tuple(network(codes, time, torch.tensor([row]))[0].tolist())
            for row in ([0, 0, 0], [0, -1, 0], [0, 0, -1], [-1, 0, 0], [-1, -1, -1])}  # fmt: skip
    assert len(said) == 5


def test_the_loss_is_the_squared_error_of_the_way(network):
    objective = flow.Velocity(precision("float32", torch.device("cpu")), dropped=0.0)
    batch = Batch(torch.randn(6, 4, generator=torch.Generator().manual_seed(2)), captions())
    torch.manual_seed(5)
    losses = objective.losses(network, batch)
    torch.manual_seed(5)
    noise, time = torch.randn(6, 4), torch.rand(2, 6)[0]
    for row in range(6):
        at = (1 - time[row]) * batch.inputs[row] + time[row] * noise[row]
        moved = network(at[None], time[row][None], batch.targets[row][None])[0]
        assert losses[row].item() == pytest.approx(
            ((moved - noise[row] + batch.inputs[row]) ** 2).mean().item(), abs=1e-5
        )


def test_a_share_of_captions_is_not_told():
    told = []

    def network(codes, time, said):
        told.append(said)
        return codes

    objective = flow.Velocity(precision("float32", torch.device("cpu")), dropped=0.3)
    torch.manual_seed(0)
    objective.losses(network, Batch(torch.zeros(3000, 4), captions(3000)))
    assert (told[0] == -1).all(1).float().mean().item() == pytest.approx(0.3, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 4, 16])
def test_the_scheduler_is_that_of_diffusers(steps):
    from diffusers import FlowMatchEulerDiscreteScheduler

    ours, theirs = flow.EulerScheduler(), FlowMatchEulerDiscreteScheduler()
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(num_inference_steps=steps)
    assert torch.allclose(ours.sigmas, theirs.sigmas)
    first = second = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    for timestep, other in zip(ours.timesteps, theirs.timesteps, strict=True):
        assert timestep.item() == pytest.approx(other.item())
        (first,) = ours.step(first.sin(), timestep, first, return_dict=False)
        (second,) = theirs.step(second.sin(), other, second, return_dict=False)
        assert torch.allclose(first, second, atol=1e-6)


def test_noise_is_standard_normal_and_of_ids_alone():
    streams, ids = Streams((0, "noise")), np.arange(5000)
    noise = _normal(streams, ids, 4)
    assert torch.equal(noise[[7, 3]], _normal(streams, np.array([7, 3]), 4))
    assert noise.isfinite().all()
    assert noise.mean().item() == pytest.approx(0, abs=0.03)
    assert noise.std().item() == pytest.approx(1, abs=0.03)


def test_components_are_those_of_the_covariance_and_all_as_wide():
    draws = np.random.default_rng(0)
    pictures = draws.integers(0, 255, (40, 4, 4, 3)).astype(np.uint8)
    pictures[..., 1] = pictures[..., 0]
    coding = Coding.of(pictures, 32, 1)
    assert coding.kept == pytest.approx(1)  # of 48 pixels 16 are others
    codes = coding.encode(pictures)
    assert np.cov(codes.T, bias=True) == pytest.approx(np.eye(32), abs=1e-3)
    assert (coding.decode(codes, 4) == pictures).all()
    few = Coding.of(pictures, 5, 1)
    assert 0.1 < few.kept < 0.6
    assert codes[:, :5] == pytest.approx(few.encode(pictures), abs=1e-4)
    assert coding.decode(codes + 1000, 4).dtype == np.uint8


def test_what_lies_within_is_nearer_than_the_kth_neighbour():
    draws = np.random.default_rng(0)
    first, second = draws.normal(size=(30, 3)), draws.normal(size=(20, 3)) + 0.5
    for k in (1, 3):
        expected = []
        for row in first:
            reach = [sorted(np.linalg.norm(second - of, axis=1))[k] for of in second]
            expected.append(any(np.linalg.norm(row - of) <= r for of, r in zip(second, reach, strict=True)))
        assert within(first, second, k).tolist() == expected
