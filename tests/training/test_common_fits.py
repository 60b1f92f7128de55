"""A fit as a message: whoever receives it calls the same method of a like domain, with the same samples."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from biasloop.contract.context import Context
from biasloop.contract.data import Column, Frame, Samples
from biasloop.contract.randomness import Streams
from biasloop.training import common_fits
from biasloop.training.common_fits import CommonFit
from biasloop.training.distributed import Message


class Settings(BaseModel):
    path: Path
    share: float
    lists: tuple[str, ...] = ()


CONTEXT = Context(Path("there"), Streams((7, "data")), "cpu", 2)
TRAIN = Samples(
    np.array([4, 2, 9]),
    np.array([True, False, True]),
    Frame({"target": Column(np.array([1, 0, 1]), None, "target", "classes"), "text": Column.text(["a", "", "bcd"])}),
    Frame({"code": Column(np.array([[0.5, 1.5], [np.nan, np.nan], [2.5, 3.5]], np.float32))}),
)


class Domain:
    """Notes what it is called with."""

    Config = Settings

    def __init__(self, config, context):
        self.config, self.context, self.calls = config, context, []

    def fit(self, train, work):
        self.calls.append(("fit", train, work))

    def fit_maker(self, train, work):
        self.calls.append(("fit_maker", train, work))

    def save(self, kind, model):
        raise AssertionError("nobody asks for it")


def arrived(method="fit", train=TRAIN):
    """What a message says, the header as JSON, and the domain that was called for it."""
    settings = Settings(path=Path("own.csv"), share=0.25, lists=("a", "b"))
    common = CommonFit(settings, CONTEXT, method, train, Streams((7, 3, "fit")))
    message = common.invitation({"network.weight": np.arange(3.0)})
    told = Message(json.loads(json.dumps(message.header)), message.arrays)
    here = replace(CONTEXT, data=Path("here"), streams=Streams((0, "data")))
    domain = common_fits._like(Domain(settings, here), here, told)
    common_fits._share(domain, told)
    return settings, domain


@pytest.mark.parametrize("method", common_fits.METHODS)
def test_the_method_settings_streams_and_state_arrive(method):
    settings, domain = arrived(method)
    ((called, _, work),) = domain.calls
    assert called == method
    assert domain.config == settings
    assert (domain.context.streams, domain.context.data) == (CONTEXT.streams, Path("here"))
    assert work.streams == Streams((7, 3, "fit"))
    assert work.resume()["network.weight"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("weights", [None, np.array([1.0, 0.0, 2.5])])
def test_samples_arrive_with_every_column_and_what_it_means(weights):
    sent = replace(TRAIN, weights=weights)
    ((_, train, _),) = arrived(train=sent)[1].calls
    assert train.ids.tolist() == [4, 2, 9]
    assert train.synthetic.tolist() == [True, False, True]
    assert (train.weights is None) if weights is None else train.weights.tolist() == weights.tolist()
    for ours, theirs in ((sent.labels, train.labels), (sent.inputs, train.inputs)):
        assert {n: (c.role, c.vocabulary) for n, c in ours.columns.items()} == {
            n: (c.role, c.vocabulary) for n, c in theirs.columns.items()
        }
        assert all(
            np.array_equal(ours[name], theirs[name], equal_nan=ours[name].dtype.kind == "f") for name in ours.columns
        )
    assert train.labels.columns["text"].strings() == ["a", "", "bcd"]


def test_no_other_method_can_be_asked_for():
    with pytest.raises(AssertionError):
        arrived("save")
