"""`biasloop page`: draw what the data of a preset look like."""

from pathlib import Path
from typing import Annotated

import typer

from biasloop.cli.options import Data, Json, PresetName, Sets, data_directory, on_notice, tell_whose
from biasloop.cli.outputs import Force, check_figure
from biasloop.errors import InvalidInput
from biasloop.report.output import emit, say


def page(
    preset: PresetName,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help=".png, .pdf or .svg; default: PRESET-data.png."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The run's seed: of splits, colours, and samples.")] = 0,
    sets: Sets = None,
    force: Force = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Draw what the data of a preset look like: 49 training samples, and the share of each stratum in every split.

    Of a preset with a grid, the first of its combinations is drawn.

    Example: biasloop page --preset quickstart-generations --output page.png
    """
    from biasloop.config import presets

    asked = presets.read(preset).override(presets.parse_sets(sets or []), "--set")

    from biasloop.config.validation import arms_of

    experiment = arms_of(asked)[0][1]
    tell_whose(asked, json=json)

    from biasloop.contract.context import Work
    from biasloop.contract.domains import Showing
    from biasloop.contract.randomness import Streams
    from biasloop.running.engine import Options, check, known

    target = output or Path(f"{experiment.name}-data.png")
    check_figure("--output", target, force=force)  # before anything is read
    options = Options(data_directory(data), on_event=on_notice)
    domain = known(experiment, seed, options).domain
    check(domain, experiment, options, weights=False)
    if not isinstance(domain, Showing):
        raise InvalidInput(f"the domain {experiment.domain.name!r} of {experiment.name} has no pictures to show")

    from biasloop.report.figures import data_page

    shown = domain.page(data_page.PICTURES, Work(Streams((seed, "page"))))
    data_page.draw(shown, target)
    if json:
        counts = {
            split: dict(zip(data_page.strata(shown), c.ravel().tolist(), strict=True))
            for split, c in shown.counts.items()
        }
        emit({"file": str(target), "counts": counts})
    else:
        say(f"wrote {target}")
