"""Processes that train one network together: one leads, the others follow.

A fit is the same program in all of them: each takes its share of the rows of a micro-batch, gradients are added up,
and every process makes the same step. `accelerate` chooses devices and backends (CUDA: NCCL, CPU: gloo).

Between fits the leader may be busy for hours. So followers then wait for no collective operation, which would time
out, but look at a board that the leader holds: while it stands, the leader lives. In a fit, an agreement comes
before every sum of gradients, through which any process ends the fit of all; so none waits for one that has left.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from biasloop.contract.data import Array, Arrays, Ints
from biasloop.contract.randomness import Streams
from biasloop.errors import BiasloopError, Interrupted
from biasloop.training import device as devices
from biasloop.training.collectives import Gathered, buckets

PATIENCE = timedelta(minutes=10)  # of one operation in a fit; the longest pause in it is a checkpoint being written
GRACE = 5.0  # seconds that a follower told to end waits for its leader, and the leader for its followers
_PAUSE = 0.05
_FIT, _END = "fit", "end"


class HelperLost(BiasloopError):
    """A process that helped with a fit failed or was ended."""


class LeaderLost(BiasloopError):
    """The process that followers help is gone, so they have nothing to do."""


class _Over(Exception):
    """The fit is over in all processes."""


@dataclass(frozen=True)
class Message:
    """What the leader tells all followers at once.

    Attributes:
        header: anything that JSON can hold.
        arrays: named arrays.
    """

    header: dict[str, Any]
    arrays: Arrays


class Alone:
    """The only process: all rows are its own, and nothing is added up."""

    count = 1
    rank = 0

    def leads(self, message: Callable[[], Message]) -> AbstractContextManager[None]:
        """What a fit is trained in."""
        return nullcontext()

    def remember(self, update: int, state: Callable[[], Arrays]) -> None:
        """After an update: where this process' random generators are, for a checkpoint of the first process."""

    def remembered(self, update: int) -> dict[int, Arrays]:
        """In the first process: where those of the others are after an update, by rank."""
        return {}

    def part(self, rows: Ints) -> Ints:
        """This process' share of a micro-batch."""
        return rows

    def own(self, streams: Streams) -> Streams:
        """Streams for what must differ between processes (dropout)."""
        return streams

    def gather(self, rows: Tensor, total: int) -> Tensor:
        """Rows of all processes, `(total, ...)`, of this one's `(n, ...)`; gradients go back to where rows are from."""
        return rows

    def add_up(self, parameters: Iterable[nn.Parameter], loss: Tensor) -> Tensor:
        """Gradients of an update become the sums over all processes; the summed loss, or losses."""
        return loss


@dataclass(kw_only=True)
class Group(Alone):
    """This process among several.

    Attributes:
        rank: its number; 0 leads.
        count: how many there are.
        device: what it computes on.
        board: short texts that all can read while the leader lives.
    """

    rank: int
    count: int
    device: torch.device
    store: Any
    broken: bool = False
    _over: bool = True
    _calls: int = 0
    _asked: list[float] = field(default_factory=list)

    def leads(self, message: Callable[[], Message]) -> AbstractContextManager[None]:
        """What the leader trains in: followers begin with the message, and end with it, however it ends."""
        if self.rank:
            return nullcontext()  # a follower is in `together` already
        told = message()  # first, since followers that are called wait for it in earnest
        self._call(_FIT)
        self.send(told)
        return self.together()

    @contextmanager
    def together(self) -> Iterator[None]:
        """What a fit is trained in: it ends in all processes, however it ends in this one."""
        self._over = False
        try:
            yield
            self.agree(over=True)
        except _Over:
            pass
        except (Exception, Interrupted) as error:  # a second Ctrl-C is neither: that ends at once, without a word
            self._give_up(error)
            raise

    def part(self, rows: Ints) -> Ints:
        """Every `count`-th row, so that the shares differ by one row at most."""
        return rows[self.rank :: self.count]

    def own(self, streams: Streams) -> Streams:
        """The leader's are those of a single process."""
        return streams.at("process", self.rank) if self.rank else streams

    def remember(self, update: int, state: Callable[[], Arrays]) -> None:
        """In a follower: on the board, since nobody knows yet whether the leader will write a checkpoint."""
        if self.rank:
            told = json.dumps([update, {name: array.tobytes().hex() for name, array in state().items()}])
            with self.talking():
                self.store.set(f"random/{self.rank}", told)

    def remembered(self, update: int) -> dict[int, Arrays]:
        """In the leader; `HelperLost` if a follower does not say so."""
        return {rank: self._remembered(rank, update) for rank in range(1, self.count)} if self.rank == 0 else {}

    def _remembered(self, rank: int, update: int) -> Arrays:
        until, key = time.monotonic() + PATIENCE.total_seconds(), f"random/{rank}"
        while time.monotonic() < until:
            with self.talking():
                number, arrays = json.loads(self.store.get(key)) if self.store.check([key]) else (0, {})
            if number == update:
                return {name: np.frombuffer(bytes.fromhex(text), np.uint8) for name, text in arrays.items()}
            time.sleep(_PAUSE / 10)
        raise self.lost("it did not end its update")

    def add_up(self, parameters: Iterable[nn.Parameter], loss: Tensor) -> Tensor:
        """Gradients become the sums over all processes; so does the loss, which followers get as 0.

        Raises:
            HelperLost: in the leader, if a follower failed or is gone.
        """
        self.agree()
        for bucket in buckets(parameters):
            gradients = [torch.zeros_like(held) if held.grad is None else held.grad for held in bucket]
            total = self.summed(torch.cat([gradient.reshape(-1) for gradient in gradients]))
            pieces = torch.split(total, [gradient.numel() for gradient in gradients])
            for held, gradient, piece in zip(bucket, gradients, pieces, strict=True):
                held.grad = gradient.copy_(piece.view_as(gradient))
        summed = self.summed(loss.reshape(-1).to(self.device)).view_as(loss)
        # Only the leader judges and writes losses down.
        return torch.zeros_like(summed) if self.rank else summed

    def gather(self, rows: Tensor, total: int) -> Tensor:
        """Rows of all processes, those of the first process first; this one's are as many as its `part` of `total`.

        What each process makes of all rows is a part of the loss, so that a row's gradient is the sum over processes.

        Raises:
            HelperLost: in the leader, if a follower failed or is gone.
        """
        gathered: Tensor = Gathered.apply(rows, self, total)
        return gathered

    def send(self, message: Message) -> None:
        """Tells all followers, which must be in `receive`."""
        told = {name: (array.dtype.str, array.shape) for name, array in message.arrays.items()}
        text = np.frombuffer(json.dumps([message.header, told]).encode(), np.uint8)
        self._broadcast(np.array([len(text)]))
        self._broadcast(text)
        for array in message.arrays.values():
            self._broadcast(array)

    def receive(self) -> Message:
        """What the leader tells."""
        size = int(self._broadcast(np.zeros(1, np.int64))[0])
        header, told = json.loads(self._broadcast(np.zeros(size, np.uint8)).tobytes())
        arrays = {name: self._broadcast(np.zeros(shape, dtype)) for name, (dtype, shape) in told.items()}
        return Message(header, arrays)

    def called(self) -> bool:
        """In a follower: waits, for hours if need be; True when a fit begins, False when there will be none."""
        name = f"call/{self._calls}"
        with self.talking():
            while not self.store.check([name]):
                if self._asked and time.monotonic() - self._asked[0] > GRACE:
                    return False
                time.sleep(_PAUSE)
            self._calls += 1
            return bool(self.store.get(name) == _FIT.encode())

    def leave(self) -> None:
        """In a follower: says that it goes, if there is anybody to hear it."""
        with suppress(RuntimeError):
            self.store.set(f"left/{self.rank}", "")

    def dismiss(self) -> bool:
        """In the leader: lets the followers go; whether all of them were still there to do so."""
        self._call(_END)
        until = time.monotonic() + (0 if self.broken else GRACE)
        names = [f"left/{rank}" for rank in range(1, self.count)]
        while not (there := self.store.check(names)) and time.monotonic() < until:
            time.sleep(_PAUSE)
        return bool(there)

    def asked(self, *_: object) -> None:
        """A handler of SIGTERM: a follower ends soon, but not in the middle of a fit, which the leader ends."""
        self._asked.append(time.monotonic())

    def lost(self, why: str = "") -> HelperLost:
        """What the leader tells the person: the followers' own words where they left any."""
        for rank in range(1, self.count):
            if self.store.check([f"failed/{rank}"]):
                said = self.store.get(f"failed/{rank}").decode(errors="replace")
                who = f"process {rank} of {self.count} (from 0), which helps with training, failed: {said}"
                return HelperLost(f"{who}; the same command goes on from the last checkpoint")
        reason = f" ({why})" if why else ""
        return HelperLost(
            f"a process that helps with training was ended{reason}; the same command goes on from the last checkpoint"
        )

    def _call(self, word: str) -> None:
        self.store.set(f"call/{self._calls}", word)
        self._calls += 1

    def agree(self, *, over: bool = False, failed: bool = False) -> None:
        """All meet here before each sum of gradients, and at the end."""
        ends, failures = self.summed(torch.tensor([over and not self.rank, failed], dtype=torch.int64)).tolist()
        self._over = bool(ends or failures)
        if failures and not self.rank:
            raise self.lost()
        if self._over:
            raise _Over

    def _give_up(self, error: BaseException) -> None:
        """Tells the others that this process leaves the fit, if they do not know."""
        if self._over or self.broken:
            return
        try:
            if self.rank:
                self.store.set(f"failed/{self.rank}", f"{type(error).__name__}: {' '.join(str(error).split())}"[:500])
            self.agree(over=True, failed=bool(self.rank))
        except (_Over, BiasloopError):
            pass  # what is on its way up says more

    def summed(self, tensor: Tensor) -> Tensor:
        """The sum over processes."""
        from accelerate.utils import reduce  # type: ignore[import-untyped]

        with self.talking():
            total: Tensor = reduce(tensor, reduction="sum")
        return total

    def _broadcast(self, array: Array) -> Array:
        """The leader's array; as bytes, which every backend can carry."""
        from accelerate.utils import broadcast

        held = np.array(array)  # writable and contiguous
        if held.size:
            with self.talking():
                broadcast(torch.from_numpy(held.reshape(-1).view(np.uint8)))
        return held

    @contextmanager
    def talking(self) -> Iterator[None]:
        """What fails in here fails because another process is gone."""
        try:
            yield
        except RuntimeError as error:
            self.broken = True
            why = str(error).strip().split("\n")[0]
            raise (LeaderLost(why) if self.rank else self.lost(why)) from error


_ALONE = Alone()
_current: list[Group] = []


def current() -> Alone:
    """The team that this process leads or is in; else it is alone."""
    return _current[-1] if _current else _ALONE


@contextmanager
def leading(device: str) -> Iterator[None]:
    """In the first process, around all that trains: connects the others, and lets them go at the end.

    Args:
        device: "auto", "cpu" or "cuda"; with GPUs, each process takes the one of its number on its machine.

    Raises:
        InvalidInput: if there are fewer GPUs here than processes, or one of them is named.
        HelperLost: at the end, if a follower was ended while nothing was trained.
    """
    group = _join(device)
    _current.append(group)
    try:
        yield
    except (Exception, Interrupted):
        group.dismiss()
        raise
    else:
        if not group.dismiss():
            group.broken = True
            raise group.lost()
    finally:
        _current.remove(group)
        _part(group)


@contextmanager
def following(device: str) -> Iterator[Group]:
    """In another process: the team, to be asked whether it is `called`.

    Raises:
        InvalidInput: as `leading`.
        LeaderLost: if the first process ends without a word.
    """
    group = _join(device)
    _current.append(group)
    before = signal.signal(signal.SIGTERM, group.asked)
    try:
        yield group
    finally:
        signal.signal(signal.SIGTERM, before)
        group.leave()
        _current.remove(group)
        _part(group)


def _join(name: str) -> Group:
    """All processes meet; later steps of the leader wait for nobody."""
    device = devices.of_process(name)
    from accelerate import PartialState  # type: ignore[import-untyped]
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    cuda = device.type == "cuda"
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))  # else accelerate sets it, with a warning
    # Without a launcher's word on it, gloo carries what lies on the host.
    backend = {"backend": "cuda:nccl,cpu:gloo"} if cuda else {}
    state: Any = PartialState(cpu=not cuda, timeout=PATIENCE, **backend)
    group = Group(rank=state.process_index, count=state.num_processes, device=state.device, store=None)
    host = os.environ["MASTER_ADDR"]
    if group.rank == 0:
        group.store = TCPStore(host, 0, is_master=True, wait_for_workers=False)
    port = int(group._broadcast(np.array([group.store.port if group.store else 0]))[0])
    if group.rank:
        group.store = TCPStore(host, port, is_master=False)
    return group


def _part(group: Group) -> None:
    """Closes the connections, unless one is broken: then that could wait for nobody."""
    if not group.broken:
        torch.distributed.destroy_process_group()
