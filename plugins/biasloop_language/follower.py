"""What a process does that only helps the first one to fine-tune."""

from biasloop.contract.context import Work
from biasloop.contract.data import Arrays
from biasloop.contract.randomness import Streams
from biasloop.training import distributed as teams
from biasloop.training.distributed import Group, Message
from biasloop_language import fit_message
from biasloop_language.finetuning import fit


def follow(device: str) -> None:
    """Does this process' share of every fit until the first process is done.

    Args:
        device: as the first process was given it.

    Raises:
        InvalidInput: if this machine has too few such devices.
        LeaderLost: if the first process ends without a word.
    """
    with teams.following(device) as group:
        while group.called():
            told = group.receive()
            with group.together():
                _share(told, group)


def _share(told: Message, group: Group) -> None:
    """One fit; ends with the first process', which judges and keeps it."""
    model = fit_message.network(told).to(group.device)
    work = _Given(fit_message.streams(told), fit_message.state(told))
    fit(
        model, fit_message.rows(told), fit_message.recipe(told), work,
        weights=fit_message.weights(told), released=fit_message.released(told), group=group,
    )  # fmt: skip


class _Given(Work):
    """A call that begins where the first process' does, and tells nobody anything."""

    def __init__(self, streams: Streams, state: Arrays) -> None:
        super().__init__(streams)
        self._state = state

    def resume(self) -> Arrays:
        """The state that came with the message."""
        return self._state
