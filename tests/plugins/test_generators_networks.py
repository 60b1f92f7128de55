import numpy as np
import pytest
import torch
from support.generators import filled, golden, latents, pictures

from biasloop.errors import InvalidInput
from biasloop_generators.kinds import CLASSIFIERS, GENERATORS, check_classifier, check_generator
from biasloop_generators.networks import build_classifier, build_generator

torch.set_num_threads(1)
MODELS = golden()["models"]


def counted(network):
    return {
        "params": sum(parameter.numel() for parameter in network.parameters()),
        "buffers": sum(buffer.numel() for buffer in network.buffers()),
        "n_param_tensors": len(list(network.parameters())),
    }


def test_the_golden_networks_are_all_there():
    assert {*GENERATORS, *CLASSIFIERS} == set(MODELS)


def blank(name):
    """A generator without the time that initial weights take, as all will be filled."""
    with torch.device("meta"):
        network = build_generator(name)
    network.to_empty(device="cpu")
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
    return network


@pytest.mark.parametrize("name", GENERATORS)
def test_generators(name):
    expected = MODELS[name]
    network = filled(blank(name)).eval()
    assert counted(network).items() <= expected.items()
    assert [list(parameter.shape) for parameter in network.parameters()] == expected["shapes"]
    assert (network.side, network.latent) == (expected["input_side"], expected["latent"])
    assert GENERATORS[name].side == network.side
    assert GENERATORS[name].latent == network.latent
    with torch.no_grad():
        heads = dict(zip(("mu", "logvar"), network.encode(pictures(network.side)), strict=True))
        images = network.decode(latents(network.latent))
        for head, values in heads.items():
            assert values.shape == (2, network.latent)
            np.testing.assert_allclose(values.flatten()[:5], expected[f"{head}_first5"], rtol=1e-3)
            assert values.double().sum() == pytest.approx(expected[f"{head}_sum"], rel=1e-3)
    assert list(images.shape) == expected["decode_shape"]
    np.testing.assert_allclose(images.flatten()[:5], expected["decode_first5"], rtol=1e-3, atol=1e-6)
    assert images.double().sum() == pytest.approx(expected["decode_sum"], rel=1e-4)
    assert images.double().mean() == pytest.approx(expected["decode_mean"], rel=1e-4)


@pytest.mark.parametrize("name", GENERATORS)
def test_halves_of_a_generator(name):
    with torch.device("meta"):
        network = build_generator(name)
    decoder = counted(network.spread)["params"] + counted(network.grow)["params"]
    assert decoder == MODELS[name].get("params_decoder", decoder)
    assert counted(network)["params"] - decoder == MODELS[name].get("params_encoder", 0) or name == "testvae"


@pytest.mark.parametrize("name", ["vae", "svhnvae", "celebavae"])
def test_the_latent_is_sampled_in_training_alone(name):
    network = build_generator(name)
    images = pictures(network.side)
    with torch.no_grad():
        network.eval()
        first, again = network(images), network(images)
        assert torch.equal(first[0], again[0])
        torch.testing.assert_close(first[0], network.decode(first[1]))
        network.train()
        torch.manual_seed(4)
        reconstruction, mu, logvar = network(images)
        torch.manual_seed(4)
        noise = torch.randn(2, network.latent)
        if name != "celebavae":  # whose batch statistics move
            torch.testing.assert_close(reconstruction, network.decode(mu + noise * torch.exp(logvar / 2)))
        assert not torch.equal(network(images)[0], reconstruction)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name):
    expected = MODELS[name]
    network = filled(build_classifier(name, 2)).eval()
    assert counted(network).items() <= expected.items()
    if expected["shapes"]:
        assert [list(parameter.shape) for parameter in network.parameters()] == expected["shapes"]
    if "logits" in expected:
        with torch.no_grad():
            np.testing.assert_allclose(network(pictures(expected["input_side"])), expected["logits"], rtol=1e-3)


@pytest.mark.parametrize("name", ["SimpleCNN", "lenet", "resnet20"])
def test_sizes_of_images_that_classifiers_take(name):
    """What the published code takes without mixing up rows is taken; all else is refused by name."""
    network = build_classifier(name, 2)
    for side, shape in MODELS[name]["accepts"]:
        if shape == [2, 2]:
            check_classifier(name, side, "some data")
            assert list(network(pictures(side)).shape) == shape
        else:
            with pytest.raises(
                InvalidInput, match=f"only takes {network_side(name)}x.*{side}x{side}; set one of .*res"
            ):
                check_classifier(name, side, "some data")


def network_side(name):
    return MODELS[name]["input_side"]


@pytest.mark.parametrize("name", ["SimpleCNN", "lenet", "resnet32"])
def test_classifiers_have_as_many_outputs_as_classes(name):
    assert build_classifier(name, 7)(pictures(network_side(name))).shape == (2, 7)


def test_weights_of_a_residual_network_are_he_normal():
    torch.manual_seed(0)
    network = build_classifier("resnet20", 2)
    weights = [p.detach() for p in network.parameters() if p.dim() == 4 and p.numel() > 2000]
    for weight in weights:
        assert float(weight.std()) == pytest.approx((2 / weight[0].numel()) ** 0.5, rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("vae", 28, 10, "bce-sum"), "domain.latent is 10 and .*'vae' has 20; set latent = 20 or leave it out"),
        (
            ("vae", 64, None, "bce-sum"),
            "'vae' makes 28x28 images and those of my data are 64x64; set one of svhnvae, c",
        ),
        (("vae", 30, None, "bce-sum"), "no network here takes that size"),
        (
            ("celebavae", 64, None, "bce-mean"),
            "pixels in -1 .. 1, which the loss 'bce-mean' cannot take; set domain.loss",
        ),
        (("VAE", 28, None, "bce-sum"), "no generator is called 'VAE' .*; did you mean 'vae'\\?"),
        (("gan", 28, None, "bce-sum"), "no generator is called 'gan' \\(domain.generator; known: vae, svhnvae"),
    ],
)
def test_generators_that_do_not_fit(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        check_generator(*arguments, "my data")


def test_generators_that_fit():
    assert check_generator("vae", 28, 20, "bce-sum", "my data").latent == 20
    assert check_generator("celebavae", 64, None, "squared-mean", "my data").side == 64


def test_an_unknown_classifier():
    with pytest.raises(InvalidInput, match="no classifier is called 'simplecnn' .*did you mean 'SimpleCNN'"):
        check_classifier("simplecnn", 28, "my data")
