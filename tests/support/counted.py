"""How many parameters the networks of an experiment have, without their data: built on torch's meta device."""

from functools import cache

import torch

from biasloop import datasets
from biasloop.config.experiment import Experiment
from biasloop.datasets import clothing1m
from biasloop.training import networks
from biasloop_clip import config as clip
from biasloop_clip import encoders, flow
from biasloop_generators import networks as generators
from biasloop_language import networks as language
from biasloop_roles import emoji
from biasloop_roles import networks as role_networks
from biasloop_textclass.networks import SmallEncoder

BERT = {"bert-base-uncased": 109_484_547}
WORDS = 100  # of captions, generously
CLIP = {"RN50": 102_007_137, "ViT-B-32": 151_277_313, "tiny": 1_723_777}
CLIP |= {f"{name}-quickgelu": CLIP[name] for name in ("RN50", "ViT-B-32")}
GPT2 = {"gpt2": 124_439_808, "gpt2-medium": 354_823_168, "gpt2-large": 774_030_080}


def parameters(experiment: Experiment) -> int:
    """Of the largest network that a run of it trains."""
    settings = experiment.domain.settings
    if experiment.domain.name == "generators":
        return max(_of_generator(settings["generator"]), _of_classifier(settings["classifier"]))
    if experiment.domain.name == "language":
        small = settings["small"]
        return GPT2.get(settings["network"]) or _of_small(small["vocabulary"], small["layers"], small["width"])
    if experiment.domain.name == "textclass":
        small = settings["small"]
        return BERT.get(settings["network"]) or _of_texts(small["vocabulary"], small["layers"], small["width"])
    if experiment.domain.name == "roles":
        return _of_situations(settings["network"], settings["width"])
    if experiment.domain.name == "tabular":
        return 0  # no network: estimators of tables of a few thousand rows
    if experiment.domain.name == "clip":
        return _of_clip(experiment)
    if experiment.domain.name == "clip-shards":
        return CLIP[settings["network"]]
    biased = settings.get("bias") is not None  # then there are two tasks
    if settings["data"] == "clothing1m":
        channels, classes = 3, len(clothing1m.CLASSES)
    else:
        data = datasets.get(settings["data"])
        channels = (settings.get("shape") or data.shape)[-1]
        classes = 2 if biased else len(data.classes)
    return _of_images(settings["network"], classes, channels, settings["width"], settings.get("depth"))


@cache
def _of_generator(name: str) -> int:
    with torch.device("meta"):
        return language.parameters(generators.build_generator(name))


@cache
def _of_classifier(name: str) -> int:
    with torch.device("meta"):
        return language.parameters(generators.build_classifier(name, 2))


@cache
def _of_small(vocabulary: int, layers: int, width: int) -> int:
    with torch.device("meta"):
        return language.parameters(language.small(vocabulary, layers, width))


@cache
def _of_texts(vocabulary: int, layers: int, width: int) -> int:
    with torch.device("meta"):
        return language.parameters(
            SmallEncoder(vocabulary, 2, length=128, pairs=False, width=width, layers=layers, dropout=0.0)
        )


@cache
def _of_images(name: str, classes: int, channels: int, width: int, depth: int | None) -> int:
    with torch.device("meta"):
        return language.parameters(networks.build(name, classes, channels, width, depth))


@cache
def _of_situations(name: str, width: int) -> int:
    if name != "small":
        return 30_000_000  # without its potentials: those of imSitu are 120 million more
    with torch.device("meta"):
        return language.parameters(role_networks.small(emoji.situations(emoji.EmojiSettings()).vocabulary, width))


def _of_clip(experiment: Experiment) -> int:
    """Of CLIP or the generator, whichever is larger."""
    config = clip.Config.model_validate(experiment.domain.settings)
    maker = config.maker
    with torch.device("meta"):
        return max(
            language.parameters(encoders.build(config, WORDS)),
            language.parameters(flow.Flow(config.pictures.roles, maker.components, maker.width, maker.blocks)),
        )
