"""Fits of the one loop, as domains start them; and a work that keeps what it is told."""

import torch

from biasloop.contract.context import Work
from biasloop.errors import Interrupted
from biasloop.training import loop
from biasloop.training.compiling import compiled
from biasloop.training.objectives import CrossEntropy
from biasloop.training.precision import Precision
from biasloop.training.recipe import Recipe
from biasloop.training.sources import Batch, Rows


class Recording(Work):
    """Keeps what it is told; stops after a number of steps if asked to, like an engine that was told to."""

    def __init__(self, streams, *, state=None, stop=None):
        super().__init__(streams)
        self.state, self.stop = state, stop
        self.ticks, self.rows, self.states, self.tables, self.epochs = [], [], [], [], []

    def tick(self, done, total, state=None, epoch=None):
        self.ticks.append((done, total, state is not None))
        if epoch is not None:
            self.epochs.append(epoch[0])
        if state is not None:
            self.state = {name: array.copy() for name, array in state().items()}
            self.states.append(self.state)
        if done == self.stop:
            raise Interrupted

    def resume(self):
        return self.state

    def log(self, table, **values):
        self.rows.append((table, values))

    def log_many(self, table, **columns):
        self.tables.append((table, {name: values.tolist() for name, values in columns.items()}))


def sgd(epochs, batch_size, learning_rate, **settings):
    """With momentum and weight decay, as images are trained."""
    usual = {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4, "schedule": "cosine"}
    return Recipe(epochs, batch_size, learning_rate, **{**usual, **settings})


def fit_rows(network, train, recipe, work, prepare, *, precision=None, compile=False):
    """A classifier on stored rows; the network."""
    numbers = precision or Precision(torch.float32, train.labels.device)
    forward = compiled(network, work) if compile else None
    objective = CrossEntropy(numbers, recipe.weighting, recipe.batch_size if recipe.summed else None, forward)
    loop.fit(network, Rows(train, recipe, work.streams, prepare), objective, recipe, work)
    return network


class Listed:
    """Batches that a function of the epoch makes."""

    def __init__(self, make, steps):
        self.make, self.steps, self.updates = make, steps, steps

    def epoch(self, number, start=0):
        for step, batch in enumerate(self.make(number)):
            if step >= start:
                yield (batch if isinstance(batch, Batch) else Batch(*batch),)

    def state(self, done):
        return {}

    def restore(self, state):
        pass

    def finish(self, epoch, work):
        pass


def tuned(epochs=1, batch_size=16, accumulation=1, learning_rate=5e-5, **settings):
    """As language models are fine-tuned."""
    return Recipe(epochs, batch_size, learning_rate, "adamw", accumulation=accumulation, schedule="linear", **settings)
