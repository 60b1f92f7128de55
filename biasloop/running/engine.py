"""Drives the rounds of one run: decide, resume, compute, commit, read back, go on."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from biasloop import discovery
from biasloop.config.experiment import Experiment
from biasloop.config.flatten import flatten
from biasloop.config.resources import Resources
from biasloop.contract import names
from biasloop.contract.context import Context, Memory
from biasloop.contract.data import Metric
from biasloop.contract.domains import Checking, Computing, Domain, Sparing
from biasloop.contract.randomness import Streams
from biasloop.downloads.speed import takes
from biasloop.errors import Diverged, Interrupted, Mismatch, OutOfMemory, SomethingToFetch, StoreError
from biasloop.feedback import rules
from biasloop.feedback.rule import Rule
from biasloop.feedback.work import RoundWork, Session
from biasloop.records.record import Record
from biasloop.running import provenance
from biasloop.running.selection import selecting_of
from biasloop.running.sinks.choosing import Choice
from biasloop.store.claims import claimed
from biasloop.store.manifest import MEMORY, SETUP, round_name
from biasloop.store.shared import SharedCalls
from biasloop.store.writer import RunWriter
from biasloop.system import memory, ram
from biasloop.system.claims import Claim
from biasloop.system.directories import data_option

CHECKPOINT_SECONDS = 30.0
_ANY_DEVICE = ("auto", "cpu")


@dataclass(frozen=True)
class Step:
    """A step of a call is done."""

    call: str
    done: int
    total: int


@dataclass(frozen=True)
class Committed:
    """A round is on disk; `resumed` if it already was when the run was opened."""

    number: int
    metrics: Mapping[str, Metric]
    sizes: Mapping[str, int]
    seconds: float | None
    bytes: int
    resumed: bool = False


@dataclass(frozen=True)
class Notice:
    """Something that a person should know."""

    text: str


Event = Step | Committed | Notice


@dataclass(frozen=True)
class Options:
    """How to run, as opposed to what; of a result the device and the threads change the last bits alone.

    Attributes:
        data: directory of fetched data sets.
        device: where to compute; "auto" takes a GPU if there is one.
        threads: CPU threads, in place of the preset's (`resources.threads`); 0 leaves the library's choice.
        keep_models: keep every round's model.
        interval: seconds between checkpoints.
        on_event: told what happens.
        stopping: whether to stop after the current step.
        wait: whether to wait for runs that other processes make, and to make what is left of them.
        debug: raise what is unexpected, so that its traceback is shown.
        sinks: who is told of each run beside its store, by whoever makes it as a task (`tasks.perform`).
    """

    data: Path
    device: str = "auto"
    threads: int | None = None
    keep_models: bool = False
    interval: float = CHECKPOINT_SECONDS
    on_event: Callable[[Event], None] = lambda event: None
    stopping: Callable[[], bool] = lambda: False
    wait: bool = True
    debug: bool = False
    sinks: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        directory: where it lies.
        reason: why it is finished; empty if it was interrupted.
        rounds: committed rounds.
    """

    directory: Path
    reason: str
    rounds: int


@dataclass
class Prepared:
    """A run that is about to start: everything decidable has been decided, nothing heavy has been loaded."""

    experiment: Experiment
    seed: int
    domain: Domain
    rule: Rule = field(repr=False)


def domain_of(experiment: Experiment, seed: int, options: Options, remembered: Memory | None = None) -> Domain:
    """The domain of an experiment, with the threads that a run of it takes; nothing of its data need be there.

    Args:
        experiment: what is to be run.
        seed: of the run.
        options: where data lie, and where to compute.
        remembered: what other domains have read, if this one is to share it.
    """
    return build_domain(experiment.domain.model_dump(), seed, options, remembered, experiment.resources)


def build_domain(
    settings: Mapping[str, Any], seed: int, options: Options, remembered: Memory | None = None,
    resources: Resources | None = None,
) -> Domain:  # fmt: skip
    """A domain from its section of a preset; nothing of its data need be there.

    Args:
        settings: of [domain].
        seed: of the run.
        options: where data lie, and where to compute.
        remembered: what other domains have read, if this one is to share it.
        resources: of the experiment, where it is to compute as a run of it does.
    """
    loaded = discovery.load(str(settings["name"]))
    config = loaded.Config.model_validate({k: v for k, v in settings.items() if k != "name"})
    resources = resources or Resources()
    domain: Domain = loaded(
        config,
        Context(
            options.data, Streams((seed, "data")), resources.device_with(options.device),
            resources.threads_with(options.threads),
            on_note=lambda text: options.on_event(Notice(text)), memory={} if remembered is None else remembered,
        ),
    )  # fmt: skip
    return domain


def known(
    experiment: Experiment,
    seed: int,
    options: Options,
    domain: Domain | None = None,
    remembered: Memory | None = None,
) -> Prepared:
    """Domain and rule of an experiment, where nothing of its data need be there; to measure what is stored.

    Args:
        experiment: what is to be run, or was.
        seed: of the run.
        options: where data lie, and where to compute.
        domain: of this very section [domain], its threads and seed; without it, it is built.
        remembered: what other domains have read, if that one is to share it.

    Raises:
        Mismatch: the domain cannot do what the rule needs.
    """
    if domain is None:
        domain = domain_of(experiment, seed, options, remembered)
    selecting = selecting_of(experiment, domain, seed)
    rule = rules.build(experiment.loop, domain, experiment.domain.name, Streams((seed,)), selecting)
    return Prepared(experiment, seed, domain, rule)


def prepare(experiment: Experiment, seed: int, options: Options, remembered: Memory | None = None) -> Prepared:
    """Build domain and rule and check all that settings, files and capabilities say; sizes of data, the rule compares.

    Args:
        experiment: what is to be run.
        seed: of the run.
        options: where data lie, and where to compute.
        remembered: what earlier runs of this process have read.

    Raises:
        Mismatch: the domain cannot do what the rule needs.
        SomethingToFetch: naming what is missing, with sizes and commands.
        InvalidInput: a setting, a file or the device is none.
    """
    prepared = known(experiment, seed, options, remembered=remembered)
    check(prepared.domain, experiment, options)
    return prepared


def check(domain: Domain, experiment: Experiment, options: Options, *, weights: bool = True) -> None:
    """Check what of a domain is to be there for an experiment, or (without `weights`) to look at its data alone.

    Raises:
        Mismatch, SomethingToFetch, InvalidInput: as `prepare`.
    """
    missing = [need for need in domain.requirements() if not need.present and (weights or need.kind == "data")]
    if missing:
        needs = ", ".join(need.told for need in missing) + takes(sum(need.bytes for need in missing), options.data)
        commands = "\n".join(f"  {need.command}{data_option(options.data)}" for need in missing)
        raise SomethingToFetch(f"{experiment.name} needs {needs}; type:\n{commands}")
    if options.device not in _ANY_DEVICE and not isinstance(domain, Computing):
        raise Mismatch(
            f"--device {options.device}: the domain {experiment.domain.name!r} chooses no device; leave the option out"
        )
    if isinstance(domain, Checking):
        domain.check(experiment.loop.demands())


def run(prepared: Prepared, directory: Path, options: Options) -> Outcome:
    """Run, or go on with, one experiment with one seed in one directory.

    Raises:
        Held: another process makes it, or has taken it over from this one.
        StoreError: the directory holds something else, or cannot be written.
        DamagedStore: what it holds cannot be read.
        Diverged: a model could not be trained; earlier rounds are kept.
        OutOfMemory: there is not enough memory; likewise.
    """
    ram.forget()
    directory.mkdir(parents=True, exist_ok=True)
    with claimed(directory) as claim:
        return _Driver(prepared, directory, options, claim).drive()


class _Driver:
    """The state of one `run`."""

    def __init__(self, prepared: Prepared, directory: Path, options: Options, claim: Claim) -> None:
        self.options = options
        self.rule = prepared.rule
        self.domain = prepared.domain
        experiment = prepared.experiment
        self.rule.prepare()
        identity = experiment.identity(prepared.seed)
        made_with = provenance.environment(self.domain) | experiment.resources.told()
        self.store = RunWriter.create_or_resume(
            directory, identity, about(experiment), made_with, claim,
            keep_models=options.keep_models or self.rule.needs_all_models,
            defaults=defaults(type(self.domain), experiment),
        )  # fmt: skip
        # The loop's own settings are left out: calls that do not depend on them are what is shared.
        alike = {name: identity[name] for name in ("seed", "compat", "domain")} | {
            n: made_with.get(n) for n in provenance.COMPARED
        }
        shared = SharedCalls(options.data / "shared", alike | {"data": self.domain.fingerprint()})
        self.session = Session(self.store, self._on_step, self._on_note, options.stopping, options.interval, shared)
        self.streams = Streams((prepared.seed,))
        self.steps = 0

    def drive(self) -> Outcome:
        """Resume what is there, then compute round after round."""
        for notice in self.store.notices:
            self.options.on_event(Notice(notice))
        try:
            reason = self._explained()
        except Interrupted:
            self._end()
            return Outcome(self.store.directory, "", len(self.store.rounds))
        except StoreError:
            raise  # it may not be ours to write any more, or not what it seems
        except Exception as error:
            self._end(failed=(str(error) or type(error).__name__).encode(errors="replace").decode())
            raise
        self.store.clear_partial()  # a kill between the last commit and here leaves some
        self._end(finished=reason)
        return Outcome(self.store.directory, reason, len(self.store.rounds))

    def _explained(self) -> str:
        """All rounds; what keeps them from going on says what is kept."""
        try:
            return self._rounds()
        except Diverged as error:
            raise Diverged(f"{error}{self._kept()}") from error
        except Exception as error:
            if not memory.lacking(error):
                raise
            raise OutOfMemory(f"{memory.sentence(error, _sparing(self.domain))}{self._kept()}") from error

    def _end(self, **how: str) -> None:
        """Note how the run ended, and how much memory it took, beside what it holds."""
        described = self.store.manifest.about
        if not self.steps and described | how == self.store.described:
            return  # it was finished already, and nothing was made
        before = described.get(MEMORY)
        described |= {**how, MEMORY: max(ram.peak(), before if isinstance(before, int) else 0)}
        with suppress(StoreError) if "finished" not in how else nullcontext():
            self.store.manifest.write(self.store.directory, self.store.claim)

    def _kept(self) -> str:
        """What a run that cannot go on leaves behind, as the end of a sentence."""
        if not self.store.rounds:
            return ""
        last = self.store.rounds[-1]
        return f"; all up to round {last} stays in {self.store.directory}, and other settings need another --output"

    def _rounds(self) -> str:
        self._resume()
        number = len(self.store.rounds)
        if number and self.rule.stop(number) is None and not self.rule.can_go_on:
            self._fit_again(number - 1)
        while (reason := self.rule.stop(number)) is None:
            if self.options.stopping():
                raise Interrupted
            self._step(round_name(number), number)
            number += 1
        return reason

    def _resume(self) -> None:
        """Absorb what is committed; the set-up is made if there is none."""
        if not self.store.manifest.steps():
            self._step(SETUP, -1)
            return
        if changed := provenance.other_environment(self.store):
            self.options.on_event(Notice(changed))
        for step in (steps := self.store.manifest.steps()):
            record = self.store.read(step, models=self.rule.needs_all_models or step in {SETUP, steps[-1]})
            if step == SETUP:
                provenance.check_data(self.store.directory, record, self.domain)
            self._report(step, record, 0, resumed=True)
            self.rule.absorb(record)

    def _fit_again(self, number: int) -> None:
        """The newest round's model was lost, or dropped before later rounds were; the next round needs it."""
        self.options.on_event(Notice(f"the model of round {number} is not stored any more; it is fitted again"))
        self.rule.recover(number, RoundWork(self.streams.at(number), self.session, round_name(number)))
        self.session.take_logs()  # they are in the round's file already

    def _step(self, step: str, number: int) -> None:
        begun = time.perf_counter()
        self.steps += 1
        work = RoundWork(self.streams.at(number), self.session, step)
        record = self.rule.setup(work) if step == SETUP else self.rule.round(number, work)
        frames = {**record.frames, **self.session.take_logs()}
        if step == SETUP:
            frames |= provenance.of_domain(self.domain)
        record = replace(record, frames=frames)
        size = self.store.commit(step, record, time.perf_counter() - begun)
        self.store.clear_partial()
        record = self.store.read(step, models=True)
        self.rule.absorb(record)
        self._report(step, record, size)

    def _report(self, step: str, record: Record, size: int, *, resumed: bool = False) -> None:
        seconds = self.store.manifest.files[f"{step}.h5"].seconds
        number = -1 if step == SETUP else int(step.removeprefix("round-"))
        if (evaluation := record.evaluations.get(names.PRETRAINED if step == SETUP else names.MAIN)) is not None:
            self.options.on_event(Committed(number, evaluation.metrics, record.sizes, seconds, size, resumed))

    def _on_note(self, text: str) -> None:
        self.options.on_event(Notice(text))

    def _on_step(self, call: str, done: int, total: int) -> None:
        self.options.on_event(Step(call, done, total))


def _sparing(domain: Domain) -> Sequence[str]:
    """Settings whose smaller values need less memory, if the domain names any."""
    return domain.memory_settings() if isinstance(domain, Sparing) else ()


def defaults(domain: type[Domain], experiment: Experiment) -> dict[str, Any]:
    """Default values of the settings that a run's identity holds as one value, by flat key."""
    settings = flatten(experiment.identity(0))
    config: type[BaseModel] = domain.Config  # type: ignore[attr-defined] # `discovery` has seen it
    fields = {"domain": config.model_fields, "loop": rules.RULES[experiment.loop.rule].Settings.model_fields}
    fields |= {} if experiment.selection is None else {"selection": type(experiment.selection).model_fields}
    return {
        f"{section}.{name}": info.default
        for section, infos in fields.items()
        for name, info in infos.items()
        if isinstance(info.default, bool | int | float | str) and f"{section}.{name}" in settings
    }


def about(experiment: Experiment) -> dict[str, Any]:
    """What a person wants to know of a run that does not determine its results."""
    named = ("name", "arm", "summary", "source", "parameters", "bound", "plot")
    told = {key: value for key, value in experiment.nesting().items() if key in named}
    return told | {"rounds": experiment.loop.rounds}
