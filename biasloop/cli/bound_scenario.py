"""`biasloop bound --scenario`: what-if at any size, with chance, a level to keep to, and what labels cost."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.errors import InvalidInput
from biasloop.report.output import emit, hint, note, say, show, table

if TYPE_CHECKING:
    from biasloop.report.tables.of_scenario import Answer

LIST = "list"  # in place of a scenario's name


@dataclass(frozen=True)
class Asked:
    """What was typed.

    Attributes:
        name: of a scenario, a path, or "list".
        sets: overrides, each KEY=VALUE.
        keep_under: the bias to keep to, or None.
        confidence: the share of simulations that keep to it, or None.
        simulations: how many; 0 for none.
        seed: of them.
    """

    name: str
    sets: list[str]
    keep_under: float | None
    confidence: float | None
    simulations: int
    seed: int

    def __post_init__(self) -> None:
        if self.confidence is not None and (self.keep_under is None or not self.simulations):
            raise InvalidInput(
                "--confidence is that of a level and of simulations: give --keep-under, and no 0 of them"
            )


def work_out(asked: Asked, plot: Path | None, *, json: bool) -> None:
    """Work a scenario out and print it, or list scenarios."""
    if asked.name == LIST:
        _list(json=json)
        return
    answer = _answer(asked)
    if plot is not None:
        from biasloop.report.figures.of_scenario import draw

        note(f"wrote {draw(answer, plot)}")
    if json:
        emit(answer.as_json())
    else:
        _print(answer)


def _answer(asked: Asked) -> "Answer":
    from biasloop.report.tables.of_scenario import Answer
    from biasloop.scenario import planning, reading
    from biasloop.scenario.simulation import simulate

    scenario, human = reading.read(asked.name, asked.sets), None
    if asked.keep_under is not None:
        sure = asked.confidence
        chance = None if sure is None else planning.Chance(sure, asked.simulations, asked.seed)
        human = planning.smallest_human(scenario, asked.keep_under, chance)
    outcome = planning.outcome(scenario, human)
    simulated = simulate(scenario, asked.simulations, asked.seed, outcome.human) if asked.simulations else None
    shares = planning.by_share(scenario)
    return Answer(Path(asked.name).stem, scenario, outcome, shares, asked.keep_under, simulated)


def _print(answer: "Answer") -> None:
    from biasloop.report.tables import of_scenario

    columns, rows = of_scenario.by_round(answer)
    title = f"{answer.name}: {answer.scenario.summary}" if answer.scenario.summary else answer.name
    show(table(columns, rows, right=range(len(columns)), title=title))
    for sentence in of_scenario.sentences(answer):
        say(sentence)
    say()
    columns, rows = of_scenario.by_share(answer)
    show(
        table(
            columns,
            rows,
            right=range(len(columns)),
            title="Other shares of human labels: bias in the last round, and what it tends to",
        )
    )


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
    hint("`biasloop bound --scenario NAME` works one out; a path that ends in .toml names your own")
