"""Run in each of two processes: fits of language models that they share, or sums whose end the argument says."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from biasloop.contract.context import Context, Work
from biasloop.contract.randomness import Streams
from biasloop.errors import BiasloopError, Interrupted
from biasloop.system import launcher
from biasloop.training import distributed as teams


class Watched(Work):
    """Does something at a step; keeps the curve."""

    def __init__(self, at=None, do=None, state=None):
        super().__init__(Streams((1, "fit")))
        self.at_step, self.do, self.state, self.curve = at, do, state, []

    def tick(self, done, total, state=None, epoch=None):
        if done == self.at_step:
            self.do(state)

    def resume(self):
        return self.state

    def log(self, table, **values):
        self.curve.append(values)


def raising(error):
    def do(state):
        raise error

    return do


def keep(held):
    def do(state):
        held.update(state())
        raise Interrupted

    return do


class Settings(BaseModel):
    """Which of `several.recipes` is fitted, and with what network."""

    number: int = 0
    seed: int = 0
    dropout: float = 0.0


class Fits:
    """As a domain: rows, network and recipe follow from its settings, in every process."""

    Config = Settings

    def __init__(self, config, context):
        self.config, self.context = config, context

    def fit(self, train, work):
        from support import several

        from biasloop.training.common_fits import CommonFit
        from biasloop_language.finetuning import fit

        name, count, recipe = several.recipes()[self.config.number]
        network = several.network(self.config.seed, self.config.dropout)
        common = CommonFit(self.config, self.context, "fit", train, work.streams)
        return fit(
            network, several.rows(count), recipe, work, weights=train.weights, released=name == "released",
            invitation=common.invitation,
        )  # fmt: skip


def samples(count, weights=None):
    from biasloop.contract.data import Column, Frame, Samples

    ids = np.arange(count)
    return Samples(ids, ids % 2 == 0, Frame({"target": Column(ids % 3, None, "target", "classes")}), weights=weights)


CONTEXT = Context(Path("data"), Streams((0, "data")), "cpu", 1)


def fitted(work, number=0, weights=None, **settings):
    """A fit of these settings; in all processes, where several are led."""
    from support import several

    count = several.recipes()[number][1]
    return Fits(Settings(number=number, **settings), CONTEXT).fit(samples(count, weights), work)


def language_fits():
    """In the first process: fits that end well, early, and where an earlier one had stopped."""
    from support import several

    for number, (name, *_) in enumerate(several.recipes()):
        work = Watched()
        save(name, fitted(work, number), work)
    work = Watched()
    save("weighed", fitted(work, weights=np.linspace(0.5, 2, several.recipes()[0][1])), work)
    for error in (ValueError("in the middle"), Interrupted()):
        try:
            fitted(Watched(3, raising(error)), 1)
        except (ValueError, Interrupted) as raised:
            print(f"left by {type(raised).__name__}")
    held = {}
    try:
        fitted(Watched(8, keep(held)), 1)
    except Interrupted:
        print("interrupted after an epoch")
    work = Watched(state=held)
    save("resumed", fitted(work, 1, seed=5), work)
    work = Watched()
    save("drops", fitted(work, dropout=0.5), work)
    held.clear()
    try:
        # After the first of three updates of an epoch: in the last one a helper has nothing to do, and draws no noise.
        fitted(Watched(1, keep(held)), dropout=0.5)
    except Interrupted:
        print("interrupted in an epoch")
    work = Watched(state=held)
    save("drops-resumed", fitted(work, seed=5, dropout=0.5), work)


def save(name, model, work):
    from biasloop_language import networks

    np.savez(f"{name}.npz", **networks.save(model), curve=[row["loss"] for row in work.curve])


def sums(group, wrong=None):
    """Many updates of nothing, one of which may go wrong in this process."""
    import torch

    held = torch.nn.Parameter(torch.zeros(3))
    for update in range(1000):
        if update == 20 and wrong:
            wrong()
        held.grad = torch.full((3,), float(update + group.rank))
        group.add_up([held], torch.zeros(()))
        assert held.grad.tolist() == [2.0 * update + 1] * 3


def gathers(group):
    """Rows of both processes, and gradients that go back: those of one process that has all rows."""
    import torch

    for total in (5, 4, 1):
        every = torch.arange(3.0 * total).reshape(total, 3) / 10
        mine = every[group.rank :: group.count].clone().requires_grad_()
        gathered = group.gather(mine, total)
        order = torch.cat([torch.arange(rank, total, group.count) for rank in range(group.count)])
        assert torch.equal(gathered, every[order])
        # Of the pairs of rows each process has those of its own: together all of them.
        (torch.tanh(mine @ gathered.T) ** 2).sum().backward()
        alone = every.clone().requires_grad_()
        (torch.tanh(alone @ alone.T) ** 2).sum().backward()
        assert torch.allclose(mine.grad, alone.grad[group.rank :: group.count], atol=1e-6)
    print("gathered")


def pair_fits():
    """In the first process: towers of pairs, also weighed ones, and from where a fit had stopped."""
    from support import pairs

    for name, weights in (("pairs", None), ("weighed", np.linspace(0, 2, pairs.SAMPLES))):
        work = Watched()
        pairs.saved(name, pairs.Pairs(pairs.Settings(), CONTEXT).fit(samples(pairs.SAMPLES, weights), work), work)
    held = {}
    try:
        pairs.Pairs(pairs.Settings(), CONTEXT).fit(samples(pairs.SAMPLES), Watched(6, keep(held)))
    except Interrupted:
        print("interrupted in an epoch")
    work = Watched(state=held)
    pairs.saved("resumed", pairs.Pairs(pairs.Settings(), CONTEXT).fit(samples(pairs.SAMPLES), work), work)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def fail():
    raise MemoryError("no memory\nis left")


def main(what: str) -> None:
    if launcher.first():
        with teams.leading("cpu"):
            if what in ("language", "pairs"):
                language_fits() if what == "language" else pair_fits()
                return
            group = teams.current()
            with group.leads(lambda: teams.Message({"what": what}, {})):
                if what == "gathers":
                    gathers(group)
                    return
                sums(group, {"leader-dies": die, "leader-fails": fail}.get(what))
        return
    if what in ("language", "pairs"):
        from support import pairs

        from biasloop.training import common_fits

        kind = Fits if what == "language" else pairs.Pairs
        common_fits.follow(kind(kind.Config(), CONTEXT), CONTEXT)
    else:
        with teams.following("cpu") as group:
            while group.called():
                assert group.receive().header == {"what": what}
                with group.together():
                    if what == "gathers":
                        gathers(group)
                        continue
                    sums(group, {"helper-dies": die, "helper-fails": fail}.get(what))
    print("followed to the end")


def run(what: str, place: Path) -> int:
    """The exit code, as of the program."""
    os.chdir(place)
    try:
        main(what)
    except BiasloopError as error:
        print(f"{type(error).__name__}: {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], Path(sys.argv[2])))
