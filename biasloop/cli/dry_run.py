"""What `biasloop loop --dry-run` prints: the plan, what is done of it, and what the rest will take."""

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biasloop.report.output import aligned, emit, note, say, show, table

if TYPE_CHECKING:
    from biasloop.running.engine import Options
    from biasloop.running.estimate import Estimate
    from biasloop.running.study import Planned


_MOST_DRAWN = 500  # planned runs in a table
_NOT_TYPED_AGAIN = ("--dry-run", "--measure", "--json", "--no-wait")
_WITH_VALUE = ("--jobs", "-j")  # a task of an array makes one run after another


def show_plan(
    planned: "list[Planned]", options: "Options | None" = None, *, jobs: int | None = None, measure: bool = False,
    json: bool = False,
) -> None:  # fmt: skip
    """Print the planned runs, how far each is, and what the rest takes.

    Args:
        planned: the study.
        options: how it will run; None: as by default.
        jobs: runs at once; 0 for as many as there is room for; None for one after another.
        measure: make a few rounds of a few runs where nothing was measured.
        json: for scripts, a list of runs.
    """
    from biasloop.running import estimate
    from biasloop.running.engine import Options

    options = options or Options(Path("data"))
    sources = estimate.Sources(planned, options)
    if measure:
        for item in estimate.measure(planned, sources, options):
            note(f"measured rounds of {item.arm or item.experiment.name}, seed {item.seed}, which are not kept")
    estimated = estimate.estimates(planned, sources)
    states = [_state(item) for item in planned]
    if json:
        emit([_line(*each) for each in zip(planned, states, estimated, strict=True)])
        return
    _show_runs(planned, states)
    if len(planned) > 1:
        rounds, done = (sum(counts) for counts in zip(*((item.rounds, item.done) for item in planned), strict=True))
        note(f"{len(planned):,} runs, {rounds:,} rounds, {done:,} of them finished")
    _tell_labels(planned)
    left = [number for number, item in enumerate(planned) if item.done < item.rounds]
    if left:
        _tell_time(planned, estimated, options, jobs)
        _tell_room([estimated[number] for number in left], planned[0].directory)
        say(f"on a cluster with Slurm:\n  {_array(planned, estimated, options, len(left))}")


def _state(item: "Planned") -> tuple[str, dict[str, Any] | None]:
    """What a person reads of a run, and who makes it now."""
    from biasloop.store import claims

    if item.done >= item.rounds:
        return "finished", None
    holder = claims.holder(item.directory) if item.done or item.directory.exists() else None
    if holder is not None:
        return f"running on {holder.host}", {"host": holder.host, "pid": holder.pid, "since": holder.since}
    return ("stopped" if item.done else "not begun"), None


def _line(item: "Planned", state: tuple[str, dict[str, Any] | None], estimate: "Estimate") -> dict[str, Any]:
    return {
        "run": str(item.directory),
        "seed": item.seed,
        "arm": item.arm,
        "rounds": item.rounds,
        "done": item.done,
        "state": state[0].partition(" on ")[0],
        "holder": state[1],
        "seconds_left": estimate.seconds,
        "bytes_left": estimate.bytes,
        "memory": estimate.memory,
        "measured": None if estimate.source is None or estimate.source.run is None else str(estimate.source.run),
        "human_labels": item.labels,
        "human_labels_bought": item.bought,
    }


def _show_runs(planned: "Sequence[Planned]", states: Sequence[tuple[str, dict[str, Any] | None]]) -> None:
    named = any(item.experiment.arm for item in planned)  # of a grid alone the directory says as much
    cells = [
        [str(item.directory), *([item.arm] if named else []), str(item.seed), str(item.rounds), str(item.done), state]
        for item, (state, _) in zip(planned, states, strict=True)
    ]
    columns = ["run", *(["arm"] if named else []), "seed", "rounds", "done", "state"]
    right = [columns.index(name) for name in ("seed", "rounds", "done")]
    if len(cells) > _MOST_DRAWN:
        say(aligned(columns, cells, right=right))
    else:
        show(table(columns, cells, right=right))


def _tell_labels(planned: "Sequence[Planned]") -> None:
    """Human labels in all, and of an arm where arms differ."""
    labels, bought = sum(item.labels for item in planned), sum(item.bought for item in planned)
    if not labels:
        say("human labels: none are bought")
        return
    of_arms: dict[str, set[int]] = {}
    for item in planned:
        of_arms.setdefault(item.arm, set()).add(item.labels)
    say(f"human labels: {labels:,}, of which finished rounds took {bought:,}; {labels - bought:,} more are needed")
    if 1 < len(of_arms) <= _MOST_DRAWN:
        for arm, counts in of_arms.items():
            say(f"  {arm}: {' or '.join(f'{count:,}' for count in sorted(counts))} a run")


def _tell_time(
    planned: "Sequence[Planned]", estimated: "Sequence[Estimate]", options: "Options", jobs: int | None
) -> None:
    """How long the rest takes, and by which measured run that is judged."""
    from biasloop.report.tables import formatting
    from biasloop.running import estimate, resources
    from biasloop.running.room import Needs, Room

    sources = {each.source.run: each.source for each in estimated if each.source is not None}
    unknown = sum(each.seconds is None for each in estimated)
    if unknown:
        of_some = f" of {formatting.counted(unknown, 'run')}" if unknown < len(planned) else ""
        note(f"time{of_some}: unknown; nothing like it was measured here yet (`--measure` does)")
    if not sources:
        return
    needs = resources.needs_of(planned, options)
    room = Room.of_machine()
    exceeded = next(filter(None, map(room.exceeded_by, dict.fromkeys(needs))), "")
    if exceeded:
        note(f"a run asks for {exceeded} that this machine has; here it would be made alone")
    alone = estimate.wall_seconds(estimated, needs, room, 1)
    computing = sum((each.seconds or 0.0) * need.cores for each, need in zip(estimated, needs, strict=True))
    text = f"time: about {formatting.duration(alone)} one after another"
    if max(need.cores for need in needs) > 1:
        text += f", {formatting.duration(computing)} of CPU cores"
    if jobs is not None and jobs != 1:
        at_once = jobs or room.lasts_for(Needs(*(max(column) for column in zip(*needs, strict=True))))
        wall = estimate.wall_seconds(estimated, needs, room, at_once)
        text += f"; about {formatting.duration(wall)} with {at_once} at once"
    named = ", ".join(str(run or "rounds that were made for it") for run in list(sources)[:3]) + (
        ", ..." if len(sources) > 3 else ""
    )
    say(f"{text} (judged by {named})")


def _tell_room(left: "Sequence[Estimate]", directory: Path) -> None:
    """Disk and memory."""
    from biasloop.report.tables import formatting

    sizes = [each.bytes for each in left if each.bytes is not None]
    if sizes:
        needed = sum(sizes)
        there = next(path for path in directory.absolute().parents if path.exists())
        free = shutil.disk_usage(there).free
        say(f"disk: about {formatting.size(needed)} (free: {formatting.size(free)})")
        if needed > free:
            note(
                f"{there} has {formatting.size(free)} free, which does not suffice; free some, or use another --output"
            )
    memory = max((each.memory for each in left if each.memory is not None), default=None)
    say(f"memory: {'not known yet' if memory is None else f'about {formatting.size(memory)} a run'}")


def _array(planned: "Sequence[Planned]", estimated: "Sequence[Estimate]", options: "Options", runs: int) -> str:
    """The command that has Slurm make the runs: each of its tasks takes what nobody makes."""
    from biasloop.cli.study import ELSEWHERE
    from biasloop.running import resources

    needs = resources.needs_of(planned, options)
    asked = max(need.memory for need in needs)
    measured = max((each.memory or 0 for each in estimated), default=0)
    memory = asked or measured * 5 // 4  # a quarter beyond what was measured
    gpus = max(need.gpus for need in needs)
    words = ["sbatch", f"--array=1-{runs}", f"--cpus-per-task={max(need.cores for need in needs)}"]
    words += [f"--gres=gpu:{max(1, round(gpus))}"] if gpus else []
    words += [f"--mem={-(-memory // 1_048_576)}M"] if memory else []
    command = shlex.join(["biasloop", *_typed(sys.argv[1:]), "--no-wait"])
    # Its exit code says that others make the rest, which is no failure of this task.
    return shlex.join([*words, "--wrap", f"{command} || test $? -eq {ELSEWHERE}"])


def _typed(arguments: Sequence[str]) -> list[str]:
    """The command as it was typed, without what asks for the plan."""
    words: list[str] = []
    skipped = False
    for word in arguments:
        if skipped:
            skipped = False
        elif word in _WITH_VALUE:
            skipped = True
        elif word not in _NOT_TYPED_AGAIN and not word.startswith(("--jobs=", "-j")):
            words.append(word)
    return words
