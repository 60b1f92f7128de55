"""Networks of open_clip by name, and how pictures are prepared for them and rates go, against the libraries' own."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from support import clip_shards
from support.clip_shards import RESIDUAL, both, network
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms import functional as of_torchvision

from biasloop.contract.context import Context
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput, SomethingToFetch
from biasloop.training.optimizers import build
from biasloop_clip import ShardsDomain, preparing, recipes, towers

CONFIG = ShardsDomain.Config
PUBLISHED = {
    "0": 5e-08,
    "99": 5e-06,
    "9999": 0.0005,
    "10000": 0.0005,
    "57700": 0.0002871202107,
    "115399": 1.11052556e-13,
}


@pytest.fixture(scope="module")
def residual(tmp_path_factory):
    name = network(tmp_path_factory.mktemp("networks") / "residual", RESIDUAL)
    return name, towers.build(name)


@pytest.fixture(scope="module")
def transformer():
    return towers.build("tiny")


def test_rates_are_those_of_the_published_training():
    recipe = recipes.of_shards(CONFIG(), 2308 * 1440, is_vision_transformer=False)
    planned = recipe.planned(recipe.steps(2308 * 1440))
    assert planned == 115_400
    for step, rate in PUBLISHED.items():
        assert recipe.rate(int(step) + 1, planned) == pytest.approx(rate, rel=1e-6)


def test_fewer_steps_than_the_warm_up_rise_alone():
    recipe = recipes.of_shards(CONFIG(), 1440 * 10, is_vision_transformer=False)
    assert recipe.rate(500, recipe.planned(10)) == pytest.approx(5e-4 * 500 / 10_000)


def test_betas_are_those_of_the_architecture_whatever_the_name(residual, transformer):
    assert [towers.is_vision_transformer(each) for each in (residual[1], transformer)] == [False, True]
    of = {kind: recipes.of_shards(CONFIG(), 9999, is_vision_transformer=kind) for kind in (False, True)}
    assert [(each.beta1, each.beta2, each.epsilon) for each in of.values()] == [(0.9, 0.999, 1e-8), (0.9, 0.98, 1e-6)]
    chosen = recipes.of_shards(CONFIG(beta2=0.95, epsilon=1e-7), 9999, is_vision_transformer=True)
    assert (chosen.beta2, chosen.epsilon) == (0.95, 1e-7)


def test_what_does_not_decay_is_what_open_clip_leaves_out(residual, transformer):
    for each in (residual[1], transformer):
        optimizer = build(recipes.of_shards(CONFIG(), 9999, is_vision_transformer=True), each)
        decaying, exempt = optimizer.param_groups
        left_out = {
            name for name, values in each.named_parameters()
            if values.ndim < 2 or "bn" in name or "ln" in name or "bias" in name or "logit_scale" in name
        }  # fmt: skip
        names = {id(values): name for name, values in each.named_parameters()}
        assert {names[id(values)] for values in exempt["params"]} == left_out
        assert (decaying["weight_decay"], exempt["weight_decay"]) == (0.2, 0.0)


def test_a_part_of_a_picture_is_what_torchvision_cuts_and_resizes():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8))
    for number in range(20):
        draws = Streams((number,)).uniform(np.array([5]), preparing.DRAWS)[0]
        box = preparing.random_box(37, 53, draws)
        expected = of_torchvision.resized_crop(picture, *box, [24, 24], Image.Resampling.BICUBIC)
        assert np.array_equal(preparing.cropped(picture, draws, (24, 24)), np.asarray(expected))


def test_boxes_are_as_large_as_those_of_torchvision():
    draws = Streams((0,)).uniform(np.arange(4000), preparing.DRAWS)
    ours = np.array([preparing.random_box(256, 256, row)[2:] for row in draws])
    image = torch.zeros(3, 256, 256)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = np.array([RandomResizedCrop.get_params(image, [0.9, 1.0], [3 / 4, 4 / 3])[2:] for _ in range(4000)])
    assert np.abs(ours.mean(0) - theirs.mean(0)).max() < 3 * ours.std() / np.sqrt(2000)
    assert np.abs(ours.std(0) - theirs.std(0)).max() < 0.5
    assert preparing.random_box(10, 1000, np.full(preparing.DRAWS, 0.5)) == (0, 493, 10, 13)


def test_embeddings_are_those_of_a_network_in_evaluation_mode_and_change_nothing_of_it(tmp_path, residual):
    name, trained = residual
    domain = ShardsDomain(
        CONFIG.model_validate({**both(tmp_path), "network": name}), Context(None, Streams((0, "d")), threads=1)
    )
    trained.train()
    before = {key: values.clone() for key, values in trained.state_dict().items()}
    ids = domain.splits().test
    embedded = domain._learner.embedded(trained, ids)
    assert trained.training
    assert all(torch.equal(values, before[key]) for key, values in trained.state_dict().items())
    for row, key in enumerate(ids):
        assert np.allclose(domain._learner.embedded(trained, np.array([key]))[0], embedded[row], atol=1e-5)
    assert np.allclose(np.linalg.norm(embedded, axis=1), 1, atol=1e-6)


def test_weights_of_a_directory_are_where_training_begins(tmp_path, transformer):
    from safetensors.torch import save_file

    folder = tmp_path / "network"
    shutil.copytree(towers.Path(towers.__file__).with_name(towers.TINY), folder)
    save_file({name: values.contiguous() for name, values in transformer.state_dict().items()},
              folder / "open_clip_model.safetensors")  # fmt: skip
    with torch.random.fork_rng():
        read, drawn = (towers.build(f"local-dir:{folder}", read=read) for read in (True, False))
    name = "visual.conv1.weight"
    assert torch.equal(read.state_dict()[name], transformer.state_dict()[name])
    assert not torch.equal(drawn.state_dict()[name], transformer.state_dict()[name])


@pytest.mark.parametrize("name", ["RN50", "ViT-B-32", "RN50-quickgelu", "tiny", "hf-hub:owner/name"])
def test_networks_are_known_by_name(name):
    towers.check(name)


def test_a_directory_without_a_network_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="open_clip_config.json cannot be read as a network"):
        towers.check(f"local-dir:{tmp_path}")
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": 3}))
    with pytest.raises(InvalidInput, match="is no JSON object"):
        towers.check(f"local-dir:{tmp_path}")
    described = {**RESIDUAL, "vision_cfg": {"layers": "many"}}
    with pytest.raises(InvalidInput, match="cannot be built"):
        towers.build(network(tmp_path / "odd", described))


def test_a_network_on_the_hub_that_cannot_be_had_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("open_clip.create_model", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("offline")))
    with pytest.raises(SomethingToFetch, match="hf download owner/name"):
        towers.build("hf-hub:owner/name")


def test_tokens_of_a_network_are_as_many_as_it_reads():
    tokens = towers.tokenizer("tiny")(["a man rowing", "x " * 99])
    assert tokens.shape == (2, clip_shards.TEXT["context_length"])
