"""Networks of situations and what they are trained by."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.role_fields import all_situations, potentials, vocabulary
from torch import nn

from biasloop.contract.context import Context, Work
from biasloop.contract.randomness import Streams
from biasloop.datasets.assets import Asset
from biasloop.errors import DownloadError, SomethingToFetch
from biasloop.training import torchvision
from biasloop.training.dropout import has_dropout
from biasloop.training.loop import fit
from biasloop.training.precision import Precision
from biasloop.training.recipe import Recipe
from biasloop.training.sources import Batch, Rows, TrainingSet
from biasloop_roles import RolesDomain, crf, networks
from biasloop_roles.config import Config
from biasloop_roles.crf import Layout
from biasloop_roles.objectives import Likelihood, packed, unpacked

torch.set_num_threads(1)
CPU = torch.device("cpu")
FLOAT32 = Precision(torch.float32, CPU)
WORDS = vocabulary([[3, 1], [2], [4, 2, 3]])


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def imsitu():
    """A vocabulary of imSitu's sizes: as many pairs of each published group, and as many slots in all."""
    sizes = np.repeat([26, 58, 84, 132, 220], [697, 485, 334, 192, 80])
    sizes[-1] += 117_304 - sizes.sum()
    per_verb = np.full(504, 3)
    per_verb[: len(sizes) - per_verb.sum()] += 1
    return vocabulary([part.tolist() for part in np.split(sizes, per_verb.cumsum()[:-1])])


def test_the_published_network_has_as_many_parameters_as_published_but_for_padding_and_a_layer_without_use():
    words = imsitu()
    assert (len(words.verbs), len(words.pair_verb), len(words.slot_pair)) == (504, 1788, 117_304)
    with torch.device("meta"):
        network = networks.resnet("resnet18", words)
    unused = 512 * 1000 + 1000  # the published network keeps the classes of ImageNet
    assert count(network.features) + unused == 37_380_648
    assert count(network) == 157_620_848
    groups, outputs = np.unique(networks.group_outputs(words), return_counts=True)
    assert sorted(outputs) == [80, 192, 334, 485, 697]
    assert groups.sum() == 156_555
    assert count(network) + unused + (156_555 - 117_304) * (1024 + 1) == 198_366_123


@pytest.mark.parametrize("name", networks.RESNETS)
def test_residual_networks_give_potentials_of_verbs_and_slots(name):
    with torch.device("meta"):
        a, b = networks.resnet(name, WORDS)(torch.empty(2, 3, 224, 224))
    assert a.shape == (2, len(WORDS.verbs))
    assert b.shape == (2, len(WORDS.slot_pair))


def test_new_layers_begin_uniform_as_published():
    torch.manual_seed(0)
    network = networks.resnet("resnet18", WORDS, side=32, hidden=50)
    hidden = network.features[3]
    # All pairs are in the published group of 45 slots.
    outputs = {hidden: 50, network.potentials.verbs: 3, network.potentials.slots: 45 * 6}
    for layer, fan_out in outputs.items():
        bound = 2 / (layer.in_features + fan_out) ** 0.5
        for numbers in (layer.weight, layer.bias):
            assert 0.5 * bound < float(numbers.detach().abs().max()) <= bound * (1 + 1e-6)
        assert float(layer.weight.detach().abs().max()) > 0.95 * bound


def test_a_pair_of_more_slots_than_any_published_group_has_is_no_error():
    words = vocabulary([[400, 2], [350]])
    assert networks.group_outputs(words).tolist() == [800, 45, 800]


def test_residual_layers_begin_with_published_weights(tmp_path, monkeypatch):
    with pytest.raises(SomethingToFetch, match="biasloop fetch resnet18-imagenet"):
        networks.resnet("resnet18", WORDS, 32, 8, tmp_path)
    monkeypatch.setattr(Asset, "require", lambda asset, data: data)
    published = torchvision.build("resnet18", 1000)
    path = tmp_path / "resnet18-f37072fd.pth"
    torch.save(published.state_dict(), path)
    stored = published.state_dict()
    for name, numbers in networks.resnet("resnet18", WORDS, 32, 8, tmp_path).features[0].state_dict().items():
        torch.testing.assert_close(numbers, stored[name], rtol=0, atol=0)
    path.write_bytes(b"damaged")
    with pytest.raises(DownloadError, match=r"resnet18-f37072fd.pth is damaged: .*biasloop fetch resnet18-imagenet"):
        networks.resnet("resnet18", WORDS, 32, 8, tmp_path)


def test_the_small_network_takes_pictures_of_several_sizes():
    network = networks.small(WORDS).eval()
    assert sum(isinstance(part, nn.Conv2d) for part in network.features) == 4
    for side in (16, 32, 40):
        a, b = network(torch.rand(2, 3, side, side))
        assert (a.shape, b.shape) == ((2, 3), (2, 15))


class Given(nn.Module):
    """Potentials that do not depend on pictures: rows of two parameters."""

    def __init__(self, a, b):
        super().__init__()
        self.a, self.b = nn.Parameter(a), nn.Parameter(b)

    def forward(self, rows):
        return self.a[rows], self.b[rows]


def batch(references=1):
    verbs, slots = all_situations(WORDS)
    verb = verbs[[0, 4, 6, 20]]
    frames = slots[[0, 4, 6, 20]][:, None]
    if references == 3:
        frames = torch.cat([frames, slots[[1, 3, 7, 21]][:, None], frames], 1)
    targets = torch.from_numpy(packed(verb.numpy(), frames.numpy()))
    return Batch(torch.arange(4), targets, weights=torch.tensor([2.0, 0.0, 0.5, 1.0]))


def test_targets_are_packed_into_one_array_and_back():
    verb, slots = np.array([1, 0]), np.arange(36).reshape(2, 3, 6)
    targets = packed(verb, slots)
    assert (targets.dtype, targets.shape) == (np.int64, (2, 19))
    unpacked_verb, unpacked_slots = unpacked(torch.from_numpy(targets))
    assert np.array_equal(unpacked_verb, verb)
    assert np.array_equal(unpacked_slots, slots)
    assert packed(verb, slots[:, 0]).shape == (2, 7)


@pytest.mark.parametrize("references", [1, 3])
def test_the_objective_is_the_mean_of_weighted_losses_and_tells_sums(references):
    layout = Layout.of(WORDS, CPU)
    network = Given(*potentials(WORDS, 4, dtype=torch.float32))
    objective, samples = Likelihood(FLOAT32, layout), batch(references)
    verb, slots = unpacked(samples.targets)
    losses = -crf.any_of(crf.log_probabilities(network.a, network.b, verb, slots, layout))
    torch.testing.assert_close(objective.losses(network, samples), losses)
    loss, told = objective.value(network, samples)
    assert float(loss.detach()) == pytest.approx(float((losses * samples.weights).detach().mean()))
    right = (crf.verb_marginals(network.a, network.b, layout).argmax(1) == verb).sum()
    assert told.tolist() == pytest.approx([float((losses * samples.weights).detach().sum()), float(right)])
    plain, _ = objective.value(network, replace(samples, weights=None))
    assert float(plain.detach()) == pytest.approx(float(losses.detach().mean()))
    normalised, _ = replace(objective, weighting="normalised").value(network, samples)
    assert float(normalised.detach()) == pytest.approx(float((losses * samples.weights).detach().sum() / 3.5))
    assert objective.count(samples) == 4
    assert (objective.columns[0], len(told)) == ("loss", len(objective.columns))


def test_log_z_is_float32_where_the_network_computes_in_bfloat16():
    network = networks.small(WORDS)
    samples = replace(batch(), inputs=torch.rand(4, 3, 16, 16))
    objective = Likelihood(Precision(torch.bfloat16, CPU), Layout.of(WORDS, CPU))
    marginals, losses = objective.outputs(network, samples)
    assert marginals.dtype == losses.dtype == torch.float32
    loss, _ = objective.value(network, samples)
    loss.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_the_one_loop_teaches_a_network_its_situations():
    torch.manual_seed(2)
    layout = Layout.of(WORDS, CPU)
    verbs, slots = all_situations(WORDS)
    chosen = torch.arange(0, len(verbs), 4)
    pictures = torch.rand(len(chosen), 3, 16, 16)
    labels = torch.from_numpy(packed(verbs[chosen].numpy(), slots[chosen].numpy()))
    recipe = Recipe(epochs=40, batch_size=len(chosen), learning_rate=0.01, optimizer="adamw")
    network = networks.small(WORDS)
    source = Rows(TrainingSet(pictures, labels), recipe, Streams((0, "fit")), lambda rows, generator: rows)
    fit(network, source, Likelihood(FLOAT32, layout), recipe, Work(Streams((0, "fit"))))
    with torch.inference_mode():
        best = crf.best(*network.eval()(pictures), "max_max", layout)
    assert torch.equal(best.verb, verbs[chosen])
    assert torch.equal(best.slots, slots[chosen])


@pytest.mark.parametrize("name", ["small", *networks.RESNETS])
def test_it_is_known_before_a_fit_whether_a_network_has_dropout(name, tmp_path):
    settings = {"network": name} if name == "small" else {"network": name, "side": 224}
    domain = RolesDomain(Config.model_validate(settings), Context(tmp_path, Streams((0, "data")), threads=1))
    with torch.device("meta"):
        network = networks.small(WORDS) if name == "small" else networks.resnet(name, WORDS)
    assert domain.has_dropout() is has_dropout(network)
