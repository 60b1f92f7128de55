"""`biasloop bound`: Theorem 1, as a calculator and over a stored run."""

import math
import re
from pathlib import Path
from typing import Annotated

import typer

from biasloop.cli.options import Json
from biasloop.errors import InvalidInput
from biasloop.report.output import emit, note, say, show, table


def _parse_rounds(text: str) -> int | None:
    """A round's number, or None for infinitely many."""
    if text.strip().lower() in ("inf", "infinity"):
        return None
    if not re.fullmatch(r"\s*[0-9]{1,18}\s*", text):
        raise InvalidInput(f"--rounds {text[:100]}: expected the index of the last round, a whole number, or inf")
    return int(text)


def bound(
    n0: Annotated[int | None, typer.Option("--n0", min=0, help="Human-labelled samples before round 0.")] = None,
    human: Annotated[int | None, typer.Option("--human", min=0, help="Human-labelled samples a round (m).")] = None,
    model: Annotated[int | None, typer.Option("--model", min=0, help="Model-labelled samples a round (k).")] = None,
    delta: Annotated[float, typer.Option("--delta", help="Calibration error of round 0, signed.")] = 1.0,
    rounds: Annotated[str, typer.Option("--rounds", help="Index T of the last round (90 models: 89), or inf.")] = "inf",
    max_amplification: Annotated[
        float | None,
        typer.Option("--max-amplification", help="Solve for the smallest --human that keeps to it."),
    ] = None,
    per_round: Annotated[int | None, typer.Option("--per-round", min=1, help="Human + model samples a round.")] = None,
    run: Annotated[
        Path | None, typer.Option("--from", metavar="RUN", help="Compare a stored run with its bound.")
    ] = None,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="With --from: also draw it.")] = None,
    json: Json = False,
) -> None:
    """How much feedback can amplify bias at most (Taori & Hashimoto 2022, Theorem 1).

    Example: biasloop bound --n0 50000 --human 1000 --model 4000 --delta 0.05 --rounds 89

    Example: biasloop bound --n0 50000 --per-round 5000 --max-amplification 1.5

    Example: biasloop bound --from runs/quickstart/loop.human=20/seed-0
    """
    if run is not None:
        if any(given is not None for given in (n0, human, model, per_round, max_amplification)):
            raise InvalidInput("--from takes the sizes of the loop from the run; give it without --n0, --human, ...")
        _from_run(run, plot, json=json)
    elif plot is not None:
        raise InvalidInput("--plot needs --from RUN")
    elif n0 is None:
        raise InvalidInput("give --n0, --human and --model, or --from RUN; `biasloop bound --help` has examples")
    elif max_amplification is not None:
        _solve(n0, max_amplification, human, model, per_round, _parse_rounds(rounds), json=json)
    elif human is None or (model is None) == (per_round is None):
        raise InvalidInput("give --human, and --model or --per-round")
    elif per_round is not None and human > per_round:
        raise InvalidInput(
            f"--human {human} is more than --per-round {per_round}, which counts human and model together"
        )
    else:
        labelled = model if model is not None else (per_round or 0) - human
        _calculate(n0, human, labelled, delta, _parse_rounds(rounds), json=json)


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
    human: int | None,
    model: int | None,
    per_round: int | None,
    last: int | None,
    *,
    json: bool,
) -> None:
    from biasloop import bound as theorem

    if human is not None or (model is None) == (per_round is None):
        raise InvalidInput("--max-amplification solves for --human: give --model or --per-round, and not --human")
    found = theorem.smallest_human(n0, max_amplification=most, rounds=last, model=model, per_round=per_round)
    labelled = model if model is not None else (per_round or 0) - found
    factor = theorem.limit(found, labelled) if last is None else float(theorem.factors(n0, found, labelled, last)[-1])
    if json:
        emit({"human": found, "model": labelled, "amplification": factor})
        return
    when = "however many rounds" if last is None else f"up to round {last}"
    say(
        f"{found:,} human-labelled samples a round beside {labelled:,} model-labelled ones: "
        f"at most {factor:.6g} times, {when}"
    )


def _from_run(place: Path, plot: Path | None, *, json: bool) -> None:
    from biasloop.report.arms import open_runs
    from biasloop.report.tables.against_bound import compare, panel

    runs = open_runs([place])
    if len(runs) > 1:
        inside = "\n".join(f"  biasloop bound --from {run.directory}" for run in runs)
        raise InvalidInput(f"{place} holds {len(runs)} runs, --from takes one; type one of:\n{inside}")
    found = compare(runs[0])
    if plot is not None:
        from biasloop.report.figures.canvas import draw

        draw([[panel(runs[0])]], plot, y_label=found.metric)
        note(f"wrote {plot}")
    if json:
        emit(found.as_json())
        return
    columns = ["round", "measured", "baseline", "bias", "bound", "ratio", "per-round bound"]
    show(table(columns, found.cells(), right=range(len(columns)), title=f"{found.metric} of {place}"))
    se = "" if math.isnan(found.delta_error) else f" ± {found.delta_error:.4f} (standard error)"
    say(f"calibration error of round 0: {found.delta:+.4f}{se}")
    say(found.verdict())
