"""What the rest of a study will take: time, disk and memory, from rounds that were measured."""

import heapq
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import ValidationError

from biasloop.config.experiment import Experiment
from biasloop.errors import BiasloopError
from biasloop.feedback import rules
from biasloop.running import engine
from biasloop.running.engine import Committed, Event, Options
from biasloop.running.room import Needs, Room
from biasloop.running.round_times import RoundTime, fitted
from biasloop.running.study import RUNS, Planned
from biasloop.store import index
from biasloop.store.manifest import SETUP, round_name
from biasloop.store.reader import Run

_MOST_OPENED = 500  # runs of other studies that no index knows
_MOST_COMPARED = 20  # of them that are alike
_MOST_MEASURED = 3  # settings that `measure` runs
_ROUNDS = 6  # of each, at most
_ENOUGH = 20.0  # seconds of rounds after the first, from which on no other is begun
_LEAST = 3  # rounds after the first, for a line through them


@dataclass(frozen=True)
class Measured:
    """What the steps of a stored run took.

    Attributes:
        run: where it lies; None of one that was made to be measured, and is gone.
        rounds: how many of them have a known time.
        setup: seconds of the set-up.
        round_time: seconds of a round by the units of work in it (`RuleSettings.trained`).
        steps: seconds of all its steps.
        loading: seconds that the first round of a process took beyond that, as where libraries are loaded.
        setup_bytes: of the set-up's files.
        round_bytes: of a round without its models; a median.
        model_bytes: of the models of a round; a median.
        all_models: whether the models of all its rounds are there.
        memory: bytes that the process had at most; None where that is not known.
        threads: that it computed with, as its environment says.
    """

    run: Path | None
    rounds: int
    setup: float
    round_time: RoundTime
    loading: float
    steps: float
    setup_bytes: int
    round_bytes: int
    model_bytes: int
    all_models: bool = False
    memory: int | None = None
    threads: str = ""

    @classmethod
    def read(cls, directory: Path) -> "Measured | None":
        """What a stored run says; None where it has no measured round, or cannot be opened."""
        try:
            run = Run.open(directory)
            about = run.manifest.about
            loop = rules.settings_of({**run.identity["loop"], "rounds": about.get("rounds")})
        except (BiasloopError, ValidationError, KeyError, TypeError):
            return None
        files = run.manifest.files
        spent = [(number, files[f"{round_name(number)}.h5"].seconds) for number in run.rounds]
        timed = {n: (loop.trained(n), seconds) for n, seconds in spent if seconds is not None and loop.trained(n)}
        if not timed:
            return None
        round_time = fitted([point for number, point in timed.items() if number] or [*timed.values()])
        of_setup = [entry for name, entry in files.items() if name.removesuffix(".h5").endswith(SETUP)]
        models = [entry.bytes for name, entry in files.items() if name.startswith("model-") and SETUP not in name]
        environment = files[f"{round_name(run.rounds[-1])}.h5"].environment
        memory = about.get("memory")
        return cls(
            directory, len(timed), sum(entry.seconds or 0.0 for entry in of_setup), round_time,
            max(0.0, timed[0][1] - round_time.of(timed[0][0])) if 0 in timed else 0.0,
            sum(entry.seconds or 0.0 for entry in files.values()),
            sum(entry.bytes for entry in of_setup),
            round(statistics.median(files[f"{round_name(number)}.h5"].bytes for number in run.rounds)),
            round(statistics.median(models)) if models else 0,
            len(models) >= len(run.rounds) > 1,
            memory if type(memory) is int else None,
            "" if environment is None else run.manifest.environments[environment].get("threads", ""),
        )  # fmt: skip


@dataclass(frozen=True)
class Estimate:
    """What the rest of one run takes, with `source` None where nothing like it was measured.

    Attributes:
        seconds: of its rounds that are left.
        bytes: on disk that they add.
        memory: bytes of the process, likewise from [resources]; None where neither says.
        source: the measured run that it is judged by.
    """

    seconds: float | None = None
    bytes: int | None = None
    memory: int | None = None
    source: Measured | None = None


@dataclass
class Sources:
    """Finds for each planned run the measured one that is most like it.

    In this order: itself, one of its arm, another of the study, an earlier one; they have the same settings but for
    seed and numbers of [loop].

    Attributes:
        planned: the study.
        options: how it will run.
        measured: runs that were made to be measured, by `alike`.
    """

    planned: Sequence[Planned]
    options: Options
    measured: dict[str, Measured] = field(default_factory=dict)
    _read: dict[Path, Measured | None] = field(default_factory=dict)
    _arms: dict[str, Planned] = field(default_factory=dict)
    _study: dict[str, Planned] = field(default_factory=dict)
    _alike: dict[Any, str] = field(default_factory=dict)
    _earlier: dict[str, list[Path]] | None = None
    _chosen: dict[str, Measured | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for item in self.planned:
            if item.done:
                self._arms.setdefault(item.arm, item)
                self._study.setdefault(self.alike(item.experiment), item)

    def alike(self, experiment: Experiment) -> str:
        """As `index.alike`, worked out once for all that differ in numbers of [loop]."""
        words = tuple((name, str(v)) for name, v in vars(experiment.loop).items() if type(v) not in (int, float))
        selection = "" if experiment.selection is None else repr(experiment.selection.identity())
        key = (id(experiment.domain), experiment.compat, words, selection)
        if key not in self._alike:
            self._alike[key] = index.alike(experiment.identity(0))
        return self._alike[key]

    def of(self, item: Planned) -> Measured | None:
        """The measured run to judge a planned one by; None if there is none."""
        if item.done:
            measured = self._opened(item.directory)
            if measured is not None:
                return measured
        same = self._arms.get(item.arm)
        if same is not None and (measured := self._opened(same.directory)):
            return measured
        return self._like(item.experiment)

    def take(self, experiment: Experiment, measured: Measured) -> None:
        """Judge all that are like an experiment by rounds that were made for it."""
        self.measured[self.alike(experiment)] = measured
        self._chosen.clear()

    def _like(self, experiment: Experiment) -> Measured | None:
        alike = self.alike(experiment)
        if alike not in self._chosen:
            of_study = self._study.get(alike)
            self._chosen[alike] = (
                self.measured.get(alike)
                or (of_study and self._opened(of_study.directory))
                or self._earlier_one(experiment, alike)
            )
        return self._chosen[alike]

    def _earlier_one(self, experiment: Experiment, alike: str) -> Measured | None:
        """The one with most measured rounds, of those with as many threads if there are any."""
        if self._earlier is None:
            self._earlier = {}
            lines = index.listed(RUNS, keep=False, anew=_MOST_OPENED) if RUNS.is_dir() else []
            for line in sorted(lines, key=lambda line: -line.measured):
                if line.measured:
                    self._earlier.setdefault(line.alike, []).append(Path(line.run))
        read = map(self._opened, self._earlier.get(alike, [])[:_MOST_COMPARED])
        candidates = [measured for measured in read if measured is not None]
        threads = experiment.resources.threads_with(self.options.threads)
        fitting = [measured for measured in candidates if threads and measured.threads == str(threads)]
        return next(iter(fitting or candidates), None)

    def _opened(self, directory: Path) -> Measured | None:
        if directory not in self._read:
            self._read[directory] = Measured.read(directory)
        return self._read[directory]


def estimates(planned: Sequence[Planned], sources: Sources) -> list[Estimate]:
    """What the rest of every run takes; runs of one experiment and as many finished rounds are worked out once."""
    known: dict[Any, Estimate] = {}
    every = []
    for item in planned:
        if item.done >= item.rounds:
            every.append(Estimate(0.0, 0))
            continue
        key = (id(item.experiment), item.directory if item.done else None)
        if key not in known:
            known[key] = _estimate(item, sources)
        every.append(known[key])
    return every


def _estimate(item: Planned, sources: Sources) -> Estimate:
    measured, memory = sources.of(item), item.experiment.resources.memory
    if measured is None:
        return Estimate(memory=memory)
    left = range(item.done, item.rounds)
    seconds = math.fsum(measured.round_time.of(item.experiment.loop.trained(number)) for number in left)
    models = len(left) if sources.options.keep_models or measured.all_models else int(not item.done)
    return Estimate(
        (0.0 if item.done else measured.setup) + seconds,
        (0 if item.done else measured.setup_bytes) + len(left) * measured.round_bytes + models * measured.model_bytes,
        measured.memory or memory,
        measured,
    )


def wall_seconds(estimated: Sequence[Estimate], needs: Sequence[Needs], room: Room, jobs: int) -> float:
    """How long runs take that start in order, as many at once as there is room for.

    Args:
        estimated: of every run; those without seconds count as nothing.
        needs: of every run.
        room: what there is; it is used up meanwhile, and free again at the end.
        jobs: runs at once, at most; each process loads what it needs once.
    """
    now, running, loaded = 0.0, list[tuple[float, int, tuple[str, ...]]](), 0
    for number, (estimate, need) in enumerate(zip(estimated, needs, strict=True)):
        seconds = estimate.seconds or 0.0
        if not seconds:
            continue
        while len(running) >= jobs or (chosen := room.take(need)) is None:
            now, over, given = heapq.heappop(running)
            room.give_back(needs[over], given)
        if loaded < jobs and estimate.source is not None:
            seconds, loaded = seconds + estimate.source.loading, loaded + 1
        heapq.heappush(running, (now + seconds, number, chosen))
    end = max((each[0] for each in running), default=now)
    for _, over, given in running:
        room.give_back(needs[over], given)
    return end


def measure(planned: Sequence[Planned], sources: Sources, options: Options) -> list[Planned]:
    """Make set-up and some rounds of runs of which nothing like them was measured, and forget them again.

    Args:
        planned: the study.
        sources: what is told of them.
        options: how to run.

    Returns:
        Those that were made: the first of each section [domain], with most work to do, a few of them.

    Raises:
        BiasloopError: a run could not be made.
    """
    first: dict[str, Planned] = {}
    for item in planned:
        if item.done < item.rounds and sources.of(item) is None:
            first.setdefault(sources.alike(item.experiment), item)
    chosen = sorted(first.values(), key=lambda item: -_work(item))[:_MOST_MEASURED]
    for item in chosen:
        rounds = min(_ROUNDS, item.rounds)
        loop = rules.settings_of(_limited(item.experiment, rounds))
        short = item.experiment.model_copy(update={"loop": loop})
        enough = _Enough(options)
        limited = replace(options, on_event=enough.told, stopping=enough)
        with TemporaryDirectory(prefix="biasloop-measure-") as folder:
            begun = time.monotonic()
            engine.run(engine.prepare(short, item.seed, limited), Path(folder) / "run", limited)
            spent, measured = time.monotonic() - begun, Measured.read(Path(folder) / "run")
        if measured is not None:
            # Libraries are loaded before the first step, too, whose time no store has.
            loading = measured.loading + max(0.0, spent - measured.steps)
            sources.take(item.experiment, replace(measured, run=None, loading=loading))
    return chosen


class _Enough:
    """Stops a run that is made to be measured, once enough rounds after the first have taken long enough."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._since, self._over = math.inf, False

    def told(self, event: Event) -> None:
        """Watches what happens."""
        self._options.on_event(event)
        if isinstance(event, Committed) and event.number == 0:
            self._since = time.monotonic()
        elif isinstance(event, Committed):
            self._over = event.number >= _LEAST and time.monotonic() - self._since >= _ENOUGH

    def __call__(self) -> bool:
        return self._over or self._options.stopping()


def _limited(experiment: Experiment, rounds: int) -> Mapping[str, Any]:
    return {**experiment.loop.model_dump(exclude_none=True), "rounds": rounds}


def _work(item: Planned) -> float:
    return math.fsum(map(item.experiment.loop.trained, range(item.done, item.rounds)))
