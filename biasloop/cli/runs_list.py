"""What `biasloop runs list` prints: every run below some folders, and in which state it is."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biasloop.report.output import aligned, console, emit, note, say, show, table

if TYPE_CHECKING:
    from biasloop.store.index import Listed

_MOST_DRAWN = 500  # runs in a table


def show_list(folders: Sequence[Path], *, json: bool) -> None:
    """Print the runs at or below folders, each once."""
    lines = [_line(run) for run in _below(folders)]
    if json:
        emit(lines)
        return
    if not lines:
        named = " or ".join(map(str, folders))
        note(f"there are no runs in {named}; `biasloop loop --preset quickstart` makes some")
        return
    arms = ["arm"] if any(line["arm"] for line in lines) else []
    columns = ["run", "preset", *arms, "seed", "rounds", "state"]
    right = [columns.index(name) for name in ("seed", "rounds")]
    cells = [[_shown(line, name) for name in columns] for line in lines]
    text = aligned(columns, cells, right=right)
    if len(cells) > _MOST_DRAWN or max(map(len, text.splitlines())) >= console().width:  # a path is never broken
        say(text)
    else:
        show(table(columns, cells, right=right))


def _shown(line: dict[str, Any], name: str) -> str:
    """A cell; the rounds of a finished run have a column of their own, other reasons stand beside the state."""
    if name == "state" and line["reason"] in (f"{line['rounds']} rounds", f"{line['rounds']} round"):
        return str(line["status"])
    return str(line[name])


def _below(folders: Sequence[Path]) -> "list[Listed]":
    """Runs of all folders; one that is below two of them is listed with the first."""
    from biasloop.store import index

    runs = [run for folder in folders if folder.is_dir() for run in index.listed(folder)]
    return runs if len(folders) == 1 else list({Path(run.run).resolve(): run for run in reversed(runs)}.values())[::-1]


def _line(run: "Listed") -> dict[str, Any]:
    """A run as scripts read it; `status` is one word, `state` what a person reads."""
    from biasloop.store import claims

    line: dict[str, Any] = {"run": run.run, "preset": run.preset, "arm": run.arm}
    if run.problem:
        return line | {"seed": "", "rounds": "", "state": run.problem, "status": "damaged", "reason": run.problem,
                       "holder": None}  # fmt: skip
    line |= {"seed": run.seed, "rounds": run.rounds}
    if run.finished:
        return line | _state("finished", run.finished)
    holder = claims.holder(Path(run.run))
    if holder is not None:
        process = {"host": holder.host, "pid": holder.pid, "since": holder.since}
        return line | _state("running", f"process {holder.pid} on {holder.host}") | {"reason": "", "holder": process}
    return line | (_state("failed", run.failed) if run.failed else _state("stopped"))


def _state(word: str, reason: str = "") -> dict[str, Any]:
    return {"state": f"{word} ({reason})" if reason else word, "status": word, "reason": reason, "holder": None}
