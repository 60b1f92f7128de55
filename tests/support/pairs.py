"""Two small towers that find each other's rows, fitted by one process or several; as a domain."""

import numpy as np
import torch
from pydantic import BaseModel
from torch import nn

from biasloop.training import distributed, loop
from biasloop.training.common_fits import CommonFit
from biasloop.training.contrastive import Contrastive
from biasloop.training.precision import precision
from biasloop.training.recipe import Recipe
from biasloop.training.sources import Rows, TrainingSet

SAMPLES = 27
RECIPE = Recipe(epochs=3, batch_size=7, learning_rate=0.02, optimizer="adamw", beta2=0.98, decay_vectors=False)


class Settings(BaseModel):
    """None."""


class Towers(nn.Module):
    """Of vectors, and of numbers of words."""

    def __init__(self):
        super().__init__()
        self.pictures, self.words = nn.Linear(5, 4), nn.Embedding(SAMPLES, 4)
        self.logit_scale = nn.Parameter(torch.tensor(2.0))

    def encode_image(self, image):
        return self.pictures(image).tanh()

    def encode_text(self, text):
        return self.words(text).sum(1)


class Pairs:
    """Fits towers of pairs that follow from ids."""

    Config = Settings

    def __init__(self, config, context):
        self.config, self.context = config, context

    def fit(self, train, work):
        draws = torch.Generator().manual_seed(0)
        inputs = torch.randn(SAMPLES, 5, generator=draws)
        words = torch.randint(SAMPLES, (SAMPLES, 2), generator=draws)
        weights = None if train.weights is None else torch.from_numpy(train.weights).float()
        with torch.random.fork_rng([]):
            torch.manual_seed(3)
            network = Towers()
        group = distributed.current()
        source = Rows(TrainingSet(inputs, words, weights), RECIPE, work.streams, lambda part, _: part, group=group)
        objective = Contrastive(precision("float32", torch.device("cpu")), group)
        common = CommonFit(self.config, self.context, "fit", train, work.streams)
        loop.fit(network, source, objective, RECIPE, work, group=group, invitation=common.invitation)
        return network


def saved(name, network, work):
    """Weights and curve in a file."""
    parameters = {key: value.numpy() for key, value in network.state_dict().items()}
    columns = {column: [row[column] for row in work.curve] for column in ("loss", "accuracy")}
    np.savez(name, **parameters, **columns)
