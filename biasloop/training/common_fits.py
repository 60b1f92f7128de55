"""Fits that several processes do in common: the first says which, and the others call the same method.

What travels are numbers and JSON: the settings of [domain], the streams of its data and of the fit, the samples, and
the state to begin with. Data and weights each process reads by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from biasloop.contract.context import Context, Work
from biasloop.contract.data import Arrays, Column, Frame, Samples
from biasloop.contract.randomness import Streams
from biasloop.training import device as devices
from biasloop.training import distributed
from biasloop.training.distributed import Message
from biasloop.training.weights import prefixed, under

METHODS = ("fit", "fit_maker")
"""Those of a domain that others can be asked to call, with samples and a `Work`."""
_STATE, _IDS, _SYNTHETIC, _WEIGHTS = "state", "ids", "synthetic", "weights"
_FRAMES = ("labels", "inputs")


@dataclass(frozen=True)
class CommonFit:
    """A call of a domain's method, for others to make as well.

    Attributes:
        config: the domain's settings.
        context: what the domain was built with.
        method: one of `METHODS`.
        train: what it is given; samples with a selection are fitted on by one process.
        streams: of its work.
    """

    config: BaseModel
    context: Context
    method: str
    train: Samples
    streams: Streams

    def invitation(self, state: Arrays) -> Message:
        """What the first process tells the others.

        Args:
            state: as checkpoints hold it.
        """
        assert self.method in METHODS
        assert self.train.selection is None, "`loop.fit` refuses a selection of several processes"
        header, arrays = _packed(self.train)
        header |= {
            "settings": self.config.model_dump(mode="json"),
            "data": self.context.streams.path,
            "method": self.method,
            "streams": self.streams.path,
        }
        return Message(header, arrays | prefixed(_STATE, state))


def follow(domain: Any, context: Context) -> None:
    """Does this process' share of every fit until the first process is done.

    Args:
        domain: one of the class that the first process has, whose `Config` its settings are of.
        context: as this process has it; settings and streams of each fit are the first one's.

    Raises:
        InvalidInput: if this machine has too few such devices.
        LeaderLost: if the first process ends without a word.
    """
    with devices.computing(context.threads), distributed.following(context.device) as group:
        while group.called():
            told = group.receive()
            with group.together():
                _share(_like(domain, context, told), told)


def _like(domain: Any, context: Context, told: Message) -> Any:
    """The domain that the first process fits a model of."""
    config = domain.Config.model_validate(told.header["settings"])
    return type(domain)(config, replace(context, streams=Streams(tuple(told.header["data"]))))


def _share(domain: Any, told: Message) -> None:
    """One fit; ends with the first process', which judges and keeps what comes of it."""
    method = told.header["method"]
    assert method in METHODS
    work = _Given(Streams(tuple(told.header["streams"])), under(_STATE, told.arrays))
    getattr(domain, method)(_unpacked(told), work)


class _Given(Work):
    """A call that begins where the first process' does, and tells nobody anything."""

    def __init__(self, streams: Streams, state: Arrays) -> None:
        super().__init__(streams)
        self._state = state

    def resume(self) -> Arrays:
        """The state that came with the message."""
        return self._state


def _packed(train: Samples) -> tuple[dict[str, Any], dict[str, Any]]:
    """Samples as a header, which says what columns mean, and arrays."""
    header: dict[str, Any] = {}
    arrays: dict[str, Any] = {_IDS: train.ids, _SYNTHETIC: train.synthetic}
    if train.weights is not None:
        arrays[_WEIGHTS] = train.weights
    for name in _FRAMES:
        columns: Mapping[str, Column] = getattr(train, name).columns
        header[name] = {key: [column.role, column.vocabulary] for key, column in columns.items()}
        for key, column in columns.items():
            arrays[f"{name}.values.{key}"] = column.values
            if column.offsets is not None:
                arrays[f"{name}.offsets.{key}"] = column.offsets
    return header, arrays


def _unpacked(told: Message) -> Samples:
    arrays = told.arrays
    frames = {
        name: Frame({
            key: Column(arrays[f"{name}.values.{key}"], arrays.get(f"{name}.offsets.{key}"), role, vocabulary)
            for key, (role, vocabulary) in told.header[name].items()
        })
        for name in _FRAMES
    }  # fmt: skip
    return Samples(arrays[_IDS], arrays[_SYNTHETIC], frames["labels"], frames["inputs"], arrays.get(_WEIGHTS))
