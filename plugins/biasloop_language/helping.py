"""What a process does that only helps the first one to fine-tune."""

from biasloop.data import Arrays
from biasloop.domains import Work
from biasloop.randomness import Streams
from biasloop.training import team as teams
from biasloop.training.team import Message, Team
from biasloop_language import messages
from biasloop_language.finetuning import Fit


def follow(device: str) -> None:
    """Does this process' share of every fit until the first process is done.

    Args:
        device: as the first process was given it.

    Raises:
        InvalidInput: if this machine has too few such devices.
        LeaderLost: if the first process ends without a word.
    """
    with teams.following(device) as team:
        while team.called():
            told = team.receive()
            with team.together():
                _share(told, team)


def _share(told: Message, team: Team) -> None:
    """One fit; ends with the first process', which judges and keeps it."""
    model = messages.network(told).to(team.device)
    work = _Given(messages.streams(told), messages.state(told))
    fit = Fit(model, messages.rows(told), messages.recipe(told), work, team)
    fit.train(fit.restore())


class _Given(Work):
    """A call that begins where the first process' does, and tells nobody anything."""

    def __init__(self, streams: Streams, state: Arrays) -> None:
        super().__init__(streams)
        self._state = state

    def resume(self) -> Arrays:
        """The state that came with the message."""
        return self._state
