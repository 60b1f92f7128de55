"""`biasloop bound --scenario`: what-if at any size, with chance, a level to keep to, and what labels cost."""

from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.report.output import emit, note, say, show, table

if TYPE_CHECKING:
    from biasloop.report.tables.of_scenario import Answer

LIST = "list"  # in place of a scenario's name


def scenario(
    name: str,
    sets: list[str],
    *,
    keep_under: float | None,
    simulations: int,
    seed: int,
    plot: Path | None,
    json: bool,
) -> None:
    """Work a scenario out and print it, or list scenarios."""
    if name == LIST:
        _list(json=json)
        return
    answer = _answer(name, sets, keep_under, simulations, seed)
    if plot is not None:
        from biasloop.report.figures.of_scenario import draw

        note(f"wrote {draw(answer, plot)}")
    if json:
        emit(answer.as_json())
    else:
        _print(answer)


def _answer(name: str, sets: list[str], keep_under: float | None, simulations: int, seed: int) -> "Answer":
    from biasloop.report.tables.of_scenario import Answer
    from biasloop.scenario import planning, reading

    asked = reading.read(name, sets)
    human = None if keep_under is None else planning.smallest_human(asked, keep_under)
    outcome = planning.outcome(asked, human)
    simulated = None
    if simulations:
        from biasloop.scenario.simulation import simulate

        simulated = simulate(asked, simulations, seed, outcome.human)
    return Answer(Path(name).stem, asked, outcome, planning.by_share(asked), keep_under, simulated)


def _print(answer: "Answer") -> None:
    from biasloop.report.tables import of_scenario

    columns, rows = of_scenario.by_round(answer)
    title = f"{answer.name}: {answer.scenario.summary}" if answer.scenario.summary else answer.name
    show(table(columns, rows, right=range(len(columns)), title=title))
    for sentence in of_scenario.sentences(answer):
        say(sentence)
    say()
    columns, rows = of_scenario.by_share(answer)
    show(table(columns, rows, right=range(len(columns)), title="Other shares of human labels, in the last round"))


def _list(*, json: bool) -> None:
    from biasloop.config.presets import is_shipped
    from biasloop.scenario import reading

    listed = reading.listing()
    if json:
        emit([{"name": known.name, "summary": known.summary, "path": str(known.path)} for known in listed])
        return
    rows = [
        [known.name, known.summary, "biasloop" if is_shipped(known.path.parent.parent) else str(known.path)]
        for known in listed
    ]
    show(table(["scenario", "what if", "comes from"], rows))
    say("`biasloop bound --scenario NAME` works one out; a path that ends in .toml names your own")
