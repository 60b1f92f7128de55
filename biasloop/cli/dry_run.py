"""What `biasloop loop --dry-run` prints."""

from typing import TYPE_CHECKING

from biasloop.report.output import aligned, emit, note, say, show, table

if TYPE_CHECKING:
    from biasloop.running.study import Planned


_MOST_DRAWN = 500  # planned runs in a table


def show_plan(planned: "list[Planned]", *, json: bool) -> None:
    """Print the planned runs, and of each how many rounds are finished."""
    if json:
        emit(
            [
                {
                    "run": str(item.directory),
                    "seed": item.seed,
                    "arm": item.arm,
                    "rounds": item.rounds,
                    "done": item.done,
                }
                for item in planned
            ]
        )
        return
    cells = [[str(item.directory), str(item.seed), str(item.rounds), str(item.done)] for item in planned]
    columns, right = ["run", "seed", "rounds", "done"], (1, 2, 3)
    if len(cells) > _MOST_DRAWN:
        say(aligned(columns, cells, right=right))
    else:
        show(table(columns, cells, right=right))
    if len(planned) > 1:
        rounds, done = (sum(counts) for counts in zip(*((item.rounds, item.done) for item in planned), strict=True))
        note(f"{len(planned):,} runs, {rounds:,} rounds, {done:,} of them finished")
