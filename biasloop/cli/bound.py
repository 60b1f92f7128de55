"""`biasloop bound`: Theorem 1, as a calculator, over a stored run, and of scenarios."""

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biasloop.cli import completing
from biasloop.cli.options import Json
from biasloop.cli.outputs import Force, check_figure
from biasloop.cli.quantities import amount, count, number
from biasloop.errors import InvalidInput
from biasloop.report.output import emit, note, say, show, table

if TYPE_CHECKING:
    from biasloop.scenario.quantities import Amount

_SIMULATIONS = 1000


def _parse_rounds(text: str) -> int | None:
    """A round's number, or None for infinitely many."""
    if text.strip().lower() in ("inf", "infinity"):
        return None
    if not re.fullmatch(r"\s*[0-9]{1,18}\s*", text):
        raise InvalidInput(f"--rounds {text[:100]}: expected the index of the last round, a whole number, or inf")
    return int(text)


def bound(
    n0: Annotated[int | None, count("--n0", "Samples before round 0.")] = None,
    human: Annotated[
        Any,
        amount("--human", "Human-labelled samples a round (m), or their share: 20%."),
    ] = None,
    model: Annotated[int | None, count("--model", "Model-labelled samples a round (k).")] = None,
    delta: Annotated[float, number("--delta", "Calibration error of round 0, signed: 0.05 or 5%.")] = 1.0,
    rounds: Annotated[str, typer.Option("--rounds", help="Index T of the last round (90 models: 89), or inf.")] = "inf",
    max_amplification: Annotated[
        float | None,
        number("--max-amplification", "Solve for the smallest --human that keeps to it."),
    ] = None,
    per_round: Annotated[int | None, count("--per-round", "Human + model samples a round.")] = None,
    scenario: Annotated[
        str | None,
        typer.Option(
            "--scenario",
            metavar="NAME|FILE",
            help='What-if of streams and sources; "list" names them.',
            autocompletion=completing.scenarios,
        ),
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Of a scenario: override a key, as human.samples=50k."),
    ] = None,
    keep_under: Annotated[
        float | None,
        number("--keep-under", "Of a scenario: solve for human.samples: 0.05 or 5%."),
    ] = None,
    simulations: Annotated[
        int | None,
        count("--simulations", "Of a scenario: how often to draw it; default 1000."),
    ] = None,
    confidence: Annotated[
        float | None,
        number("--confidence", "With --keep-under: this part of the simulations keeps to it, too: 90%."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the simulations.")] = 0,
    run: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="RUN", help="Compare a stored run with its bound.", autocompletion=completing.runs
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="With --from or --scenario: also draw it.")
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """How much feedback can amplify bias at most (Taori & Hashimoto 2022, Theorem 1).

    Counts are read as 50000, 50_000, 5e4, 50k, 1.5M, 2B or 1T, other numbers as 0.2, 20% or 2e-1.

    Example: biasloop bound --n0 50k --human 1000 --model 4000 --delta 5% --rounds 89

    Example: biasloop bound --n0 50k --per-round 5000 --max-amplification 1.5

    Example: biasloop bound --scenario web-text --keep-under 1.5% --plot web-text.png

    Example: biasloop bound --from runs/quickstart/loop.human=20/seed-0
    """
    sizes = any(given is not None for given in (n0, human, model, per_round, max_amplification))
    if scenario is None and (sets or any(given is not None for given in (keep_under, simulations, confidence))):
        raise InvalidInput("--set, --keep-under, --simulations and --confidence need --scenario NAME")
    if plot is not None and (scenario or run):
        check_figure("--plot", plot, force=force)
    if scenario is not None:
        if sizes or run:
            raise InvalidInput("--scenario has its sizes in its file; give it without --n0, --human, ..., --from")
        from biasloop.cli.bound_scenario import Asked, work_out

        drawn = _SIMULATIONS if simulations is None else simulations
        work_out(Asked(scenario, sets or [], keep_under, confidence, drawn, seed), plot, json=json)
    elif run is not None:
        if sizes:
            raise InvalidInput("--from takes the sizes of the loop from the run; give it without --n0, --human, ...")
        _from_run(run, plot, json=json)
    elif plot is not None:
        raise InvalidInput("--plot needs --from RUN or --scenario NAME")
    elif n0 is None:
        raise InvalidInput(
            "give --n0, --human and --model, or --from RUN, or --scenario NAME; `biasloop bound --help` has examples"
        )
    elif max_amplification is not None:
        _solve(n0, max_amplification, human, model, per_round, _parse_rounds(rounds), json=json)
    elif human is None or (model is None) == (per_round is None):
        raise InvalidInput("give --human, and --model or --per-round")
    else:
        people, labelled = _sizes(human, model, per_round)
        _calculate(n0, people, labelled, delta, _parse_rounds(rounds), json=json)


def _sizes(human: "Amount", model: int | None, per_round: int | None) -> tuple[int, int]:
    """Human-labelled and model-labelled samples a round, of which one or both together were given."""
    if per_round is None:
        return human.beside(model or 0), model or 0
    people = human.of(per_round)
    if people > per_round:
        raise InvalidInput(
            f"--human {people} is more than --per-round {per_round}, which counts human and model together"
        )
    return people, per_round - people


def _calculate(n0: int, human: int, model: int, delta: float, last: int | None, *, json: bool) -> None:
    from biasloop import bound as theorem

    limit = theorem.limit(human, model, delta)
    curve = None if last is None else [delta * f for f in theorem.factors(n0, human, model, last)]
    factor = theorem.limit(human, model) if curve is None else theorem.factors(n0, human, model, last or 0)[-1]
    if json:
        emit({"bound": curve, "limit": limit, "amplification": None if factor is None else float(factor)})
        return
    if curve is not None:
        from biasloop.report.tables.formatting import number

        shown = sorted({round(step * (len(curve) - 1) / 10) for step in range(11)})
        rows = [[str(t), f"{n0 + t * (human + model):,}", number(curve[t], 6)] for t in shown]
        show(table(["round", "train", "bound"], rows, right=(0, 1, 2)))
        say(f"amplification at round {last}: {factor:.6g} times the calibration error {delta:g}")
    if limit is None:
        say("without human labels the bound grows without end, like the logarithm of the training set's size")
    else:
        say(f"limit: {limit:.6g} ({theorem.limit(human, model):.6g} times)")


def _solve(
    n0: int,
    most: float,
    human: "Amount | None",
    model: int | None,
    per_round: int | None,
    last: int | None,
    *,
    json: bool,
) -> None:
    from biasloop import bound as theorem

    if human is not None or (model is None) == (per_round is None):
        raise InvalidInput("--max-amplification solves for --human: give --model or --per-round, and not --human")
    fewest = theorem.smallest_human(n0, max_amplification=most, rounds=last, model=model, per_round=per_round)
    labelled = model if model is not None else (per_round or 0) - fewest
    factor = theorem.limit(fewest, labelled) if last is None else float(theorem.factors(n0, fewest, labelled, last)[-1])
    if json:
        emit({"human": fewest, "model": labelled, "amplification": factor})
        return
    when = "however many rounds" if last is None else f"up to round {last}"
    say(
        f"{fewest:,} human-labelled samples a round beside {labelled:,} model-labelled ones: "
        f"at most {factor:.6g} times, {when}"
    )


def _from_run(directory: Path, plot: Path | None, *, json: bool) -> None:
    from biasloop.report.arms import open_runs
    from biasloop.report.tables.against_bound import compare, panel

    runs = open_runs([directory])
    if len(runs) > 1:
        inside = "\n".join(f"  biasloop bound --from {run.directory}" for run in runs)
        raise InvalidInput(f"{directory} holds {len(runs)} runs, --from takes one; type one of:\n{inside}")
    comparison = compare(runs[0])
    if plot is not None:
        from biasloop.report.figures.canvas import draw

        draw([[panel(runs[0])]], plot, y_label=comparison.metric)
        note(f"wrote {plot}")
    if json:
        emit(comparison.as_json())
        return
    columns = ["round", "measured", "baseline", "bias", "bound", "ratio", "per-round bound"]
    show(table(columns, comparison.cells(), right=range(len(columns)), title=f"{comparison.metric} of {directory}"))
    se = "" if math.isnan(comparison.delta_error) else f" ± {comparison.delta_error:.4f} (standard error)"
    say(f"calibration error of round 0: {comparison.delta:+.4f}{se}")
    say(comparison.verdict())
