"""Running a preset from Python: what `biasloop loop` does, with settings as keywords."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from biasloop.api.runs import Run
from biasloop.api.studies import Study
from biasloop.api.warned import warn
from biasloop.config import presets
from biasloop.config.ineffective import ineffective
from biasloop.config.overrides import Key
from biasloop.config.requested import requested
from biasloop.errors import BiasloopError, InvalidInput
from biasloop.parsing import require_plain
from biasloop.running import study
from biasloop.running.engine import CHECKPOINT_SECONDS, Event, Notice, Options
from biasloop.running.executors import Executor, InProcess, Watcher
from biasloop.running.study import Planned
from biasloop.running.tasks import Ended
from biasloop.store.reader import Run as Stored
from biasloop.system import threads as thread_counts
from biasloop.system.directories import data_directory

if TYPE_CHECKING:
    import numpy as np

_OPTIONS = (
    "seeds", "out", "grid", "arms", "data", "device", "threads", "jobs", "keep_models", "checkpoint", "progress",
)  # fmt: skip
_ALONE = ("compat",)  # a setting that is in no section


def run(
    preset: str | Path,
    changes: Mapping[str, object] | None = None,
    /,
    *,
    seeds: int | str | Iterable[int] = 0,
    out: str | Path | None = None,
    grid: Mapping[str, Sequence[object]] | None = None,
    arms: Sequence[str] = (),
    data: str | Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    jobs: int = 1,
    keep_models: bool = False,
    checkpoint: float = CHECKPOINT_SECONDS,
    progress: bool = False,
    **settings: object,
) -> Study:
    """Run a feedback loop, or go on with it: a run that is finished is opened and not made again.

    Args:
        preset: its name, or the path of its file.
        changes: settings of the preset by key: {"loop.human": 50}.
        seeds: one, several, or as on the command line: "0-2", "0,4".
        out: directory of the runs; None for that of `biasloop loop`, runs/PRESET with the settings.
        grid: values by key, every combination of which is an arm: {"loop.human": [20, 50]}.
        arms: of the preset's [arms]; none for all.
        data: where fetched data sets lie; None for $BIASLOOP_DATA or the usual place.
        device: where to compute: "auto", "cpu", "cuda", "cuda:1", ...
        threads: CPU threads; None for the preset's, 0 leaves the library's choice.
        jobs: runs at once; above 1 each is a process of its own, 0 for as many as there is room for.
        keep_models: keep every round's model, not the newest only.
        checkpoint: seconds between checkpoints in a round, at least.
        progress: print a line a round.
        settings: the same as keywords: loop__human=50.

    Returns:
        The runs, finished.

    Raises:
        InvalidInput: no such preset, setting or arm, or values that do not go together.
        SomethingToFetch: data or weights are missing; the message says what to type.
        BiasloopError: a run failed. What is done of it is kept: the same call goes on from there.

    Warns:
        UserWarning: of what a person should know, such as a reserve that lasts for fewer rounds than were asked for.
    """
    for sentence in thread_counts.mend_environment():
        warn(sentence)
    thread_counts.check(threads)
    from biasloop.config.validation import arms_of

    changed = _changed([*(changes or {}).items(), *settings.items()])
    varied = {key: [_plain(value, key) for value in values] for key, values in (grid or {}).items()}
    asked = requested(str(preset), changed, varied, arms)
    combinations, chosen = arms_of(asked), _seeds(seeds)
    directory = study.default_directory(asked, changed) if out is None else Path(out)
    options = Options(
        data_directory(None if data is None else Path(data)), device, threads, keep_models, _seconds(checkpoint),
        _tell,
    )  # fmt: skip
    planned = study.plan(combinations, chosen, directory, options)
    for sentence in (*asked.notes, *ineffective(asked), *study.shortfalls(planned)):
        warn(sentence)
    executor, watcher = _executor(jobs), _watcher(planned, progress=progress, jobs=jobs)
    _raise_failed(executor.run(planned, options, watcher))
    return Study([Run(Stored.open(item.directory)) for item in planned])


def _changed(settings: Iterable[tuple[str, object]]) -> dict[Key, Any]:
    """Names as keys of a preset."""
    changed: dict[Key, Any] = {}
    for name, value in settings:
        key = tuple(name.replace("__", ".").split("."))
        if len(key) == 1 and name not in _ALONE:
            near = difflib.get_close_matches(name, _OPTIONS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"options are {', '.join(_OPTIONS)}."
            raise InvalidInput(
                f"run() has no option {name!r}; {hint} Settings of the preset have a section: loop__human=50, or "
                'as a mapping before them {"loop.human": 50}'
            )
        if key in changed:
            raise InvalidInput(f"{'.'.join(key)} is given twice; give it once")
        changed[key] = _plain(value, ".".join(key))
    return changed


def _plain(value: object, key: str) -> Any:
    """A value as TOML has it: numbers of NumPy, paths and tuples too.

    Raises:
        InvalidInput: it is nothing that a setting can be.
    """
    if isinstance(value, Path):
        return str(value)
    if _is_scalar(value):
        value = value.item()
    if isinstance(value, Mapping):
        return {str(name): _plain(inner, f"{key}.{name}") for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, key) for inner in value]
    if not isinstance(value, str | int | float | bool):
        raise InvalidInput(
            f"{key} = {value!r}: a setting is a text, a number, true or false, a list or a table of these"
        )
    require_plain(value, key)
    return value


def _is_scalar(value: object) -> TypeGuard[np.generic]:
    """Whether it is a number of NumPy, which need not be loaded for that."""
    return type(value).__module__ == "numpy" and hasattr(value, "item") and not getattr(value, "ndim", 0)


def _seeds(given: int | str | Iterable[int]) -> list[int]:
    if isinstance(given, str):
        return presets.parse_seeds(given)
    texts = [str(seed) for seed in ([given] if isinstance(given, int) else given)]
    if not texts:
        raise InvalidInput("seeds: expected at least one, for example 0, range(3) or '0-2'")
    return presets.parse_seeds(",".join(texts))


def _seconds(checkpoint: float) -> float:
    if not 0 <= checkpoint < float("inf"):
        raise InvalidInput(f"checkpoint {checkpoint}: expected a number of seconds, for example 30")
    return checkpoint


def _executor(jobs: int) -> Executor:
    if jobs < 0:
        raise InvalidInput(f"jobs {jobs}: expected a number of runs at once, or 0 for as many as there is room for")
    if jobs == 1:
        return InProcess()
    from biasloop.running.workers import Workers

    return Workers(jobs)


def _watcher(planned: Sequence[Planned], *, progress: bool, jobs: int) -> Watcher:
    if not progress:
        return _Silent()
    from biasloop.report.live.plain import PlainView

    return PlainView(planned, max(jobs, 1), several=jobs != 1 and len(planned) > 1)


class _Silent:
    """Tells of nothing but what a person should know."""

    def start(self, planned: Planned) -> None:
        pass

    def event(self, planned: Planned, event: Event) -> None:
        _tell(event)

    def end(self, ended: Ended) -> None:
        pass


def _tell(event: Event) -> None:
    if isinstance(event, Notice):
        warn(event.text)


def _raise_failed(ended: Sequence[Ended]) -> None:
    """Raise what went wrong: the error itself where it is one that a person can mend."""
    failed = [item for item in ended if item.error]
    if not failed:
        return
    cause = failed[0].cause
    if len(failed) == 1 and len(ended) == 1 and isinstance(cause, BiasloopError):
        raise cause
    told = "; ".join(f"{item.planned.directory}: {item.error}" for item in failed)
    raise BiasloopError(f"{len(failed):,} of {len(ended):,} runs failed: {told}") from cause
