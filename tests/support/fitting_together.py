"""Run in each of two processes: fits of language models that they share, or sums whose end the argument says."""

import os
import signal
import sys
from pathlib import Path

from biasloop.contract.context import Work
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


def language_fits():
    """In the first process: fits that end well, early, and where an earlier one had stopped."""
    from support import several

    from biasloop_language.finetuning import fit

    for name, count, recipe in several.recipes():
        work = Watched()
        model = fit(several.network(), several.rows(count), recipe, work, released=name == "released")
        save(name, model, work)
    name, count, recipe = several.recipes()[1]
    for error in (ValueError("in the middle"), Interrupted()):
        try:
            fit(several.network(), several.rows(count), recipe, Watched(3, raising(error)))
        except (ValueError, Interrupted) as raised:
            print(f"left by {type(raised).__name__}")
    held = {}
    try:
        fit(several.network(), several.rows(count), recipe, Watched(8, keep(held)))
    except Interrupted:
        print("interrupted after an epoch")
    work = Watched(state=held)
    save("resumed", fit(several.network(seed=5), several.rows(count), recipe, work), work)
    _, count, recipe = several.recipes()[0]
    work = Watched()
    save("drops", fit(several.network(dropout=0.5), several.rows(count), recipe, work), work)
    held.clear()
    try:
        # After the first of three updates of an epoch: in the last one a helper has nothing to do, and draws no noise.
        fit(several.network(dropout=0.5), several.rows(count), recipe, Watched(1, keep(held)))
    except Interrupted:
        print("interrupted in an epoch")
    work = Watched(state=held)
    save("drops-resumed", fit(several.network(seed=5, dropout=0.5), several.rows(count), recipe, work), work)


def save(name, model, work):
    import numpy as np

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


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def fail():
    raise MemoryError("no memory\nis left")


def main(what: str) -> None:
    if launcher.first():
        with teams.leading("cpu"):
            if what == "language":
                language_fits()
                return
            group = teams.current()
            with group.leads(lambda: teams.Message({"what": what}, {})):
                sums(group, {"leader-dies": die, "leader-fails": fail}.get(what))
        return
    if what == "language":
        from biasloop_language import follower

        follower.follow("cpu")
    else:
        with teams.following("cpu") as group:
            while group.called():
                assert group.receive().header == {"what": what}
                with group.together():
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
