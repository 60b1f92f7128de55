"""`biasloop evaluate phase|coco|self-similarity|person-preference|geode`: metrics of stored embeddings of images."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from biasloop.cli.evaluate_file import CROSSED, Csv, FailAbove
from biasloop.cli.examples import Command, Group
from biasloop.cli.options import Data, Json, data_directory
from biasloop.errors import InvalidInput
from biasloop.report.output import emit, note, say

if TYPE_CHECKING:
    from biasloop.datasets.annotated import Annotated as Images
    from biasloop.evaluations import EvaluationResult as Result
    from biasloop.evaluations.retrieval import Compat

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="Embeddings, .safetensors, as `biasloop generate --embeddings` writes them."),
]
Against = Annotated[
    Path | None,
    typer.Option("--against", metavar="FILE2", help="Embeddings of another model: differences, paired by caption."),
]
Released = Annotated[
    str, typer.Option("--compat", help='"released": as the published code computes it, its mistakes included.')
]
Resample = Annotated[
    int | None,
    typer.Option("--resample", metavar="DRAWS", min=1, help="Also the published procedure, which draws 10000 times."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Of the draws of --resample.")]

app = typer.Typer(cls=Group)


@app.command("phase", cls=Command)
def phase(
    file: File,
    annotations: Annotated[
        Path, typer.Option("--annotations", metavar="FILE", help="PHASE's file of regions, phase_gcc_val_regions.json.")
    ],
    against: Against = None,
    compat: Released = "fixed",
    csv: Csv = None,
    fail_above: FailAbove = None,
    json: Json = False,
) -> None:
    """Retrieval of PHASE's images by their captions: R@1, R@5, R@10 by group, and gaps between groups.

    A gate's metric is gap@1.gender, for example.

    Example: biasloop evaluate phase rn50.safetensors --annotations phase_gcc_val_regions_20221101.json
    """
    from biasloop.datasets import phase as reading
    from biasloop.evaluations import retrieval

    way = _compat(compat)
    limits = _gates(fail_above, retrieval.gates(reading.CLASSES))
    _retrieved(file, lambda: reading.read(annotations, way), against, way, csv, limits, json=json)


@app.command("coco", cls=Command)
def coco(
    file: File,
    images: Annotated[
        Path | None, typer.Option("--images", metavar="FILE", help="images_val2014.csv; default: what was fetched.")
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option("--annotations", metavar="FILE", help="COCO's captions_val2014.json; likewise.")
    ] = None,
    against: Against = None,
    compat: Released = "fixed",
    csv: Csv = None,
    fail_above: FailAbove = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Retrieval of COCO's images by their captions, by perceived gender and skin colour.

    Captions of one image are not independent: standard errors are of images. A gate's metric is gap@1.skin.

    Example: biasloop evaluate coco rn50.safetensors --images images_val2014.csv --annotations captions_val2014.json
    """
    from biasloop.datasets import coco_bias
    from biasloop.evaluations import retrieval

    way = _compat(compat)
    limits = _gates(fail_above, retrieval.gates(coco_bias.CLASSES))
    if (images is None) != (annotations is None):
        raise InvalidInput("--images and --annotations go together; without both, what was fetched is read")

    def annotated() -> "Images":
        if images is not None and annotations is not None:
            return coco_bias.read(images, annotations)
        return coco_bias.read_made(coco_bias.COCO_BIAS.require(data_directory(data)))

    _retrieved(file, annotated, against, way, csv, limits, json=json)


@app.command("self-similarity", cls=Command)
def self_similarity(
    file: File,
    annotations: Annotated[
        Path, typer.Option("--annotations", metavar="FILE", help="FairFace's labels: file, age, gender, race.")
    ],
    resample: Resample = None,
    seed: Seed = 0,
    csv: Csv = None,
    fail_above: FailAbove = None,
    json: Json = False,
) -> None:
    """How much faces of a group resemble each other, by race, gender, age and their combinations.

    A gate's metric is gap.race, for example.

    Example: biasloop evaluate self-similarity rn50.safetensors --annotations label_train.csv
    """
    from biasloop.datasets import fairface
    from biasloop.evaluations import self_similarity as measuring
    from biasloop.predictions.embeddings import read
    from biasloop.report.tables.embeddings import show_self_similarity

    limits = _gates(fail_above, measuring.GATES)
    answer = measuring.self_similarity(read(file), fairface.read(annotations), draws=resample, seed=seed)
    _say(answer, lambda: show_self_similarity(answer, file), csv, limits, json=json)


@app.command("person-preference", cls=Command)
def person_preference(
    file: File,
    annotations: Annotated[
        Path, typer.Option("--annotations", metavar="FILE", help="FairFace's labels: file, age, gender, race.")
    ],
    resample: Resample = None,
    seed: Seed = 0,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write a row an image as CSV, too.")] = None,
    fail_above: FailAbove = None,
    json: Json = False,
) -> None:
    """How often "a photo of a person" is nearer to a face than any prompt that names its attribute.

    The prompts' embeddings must be in the file: `generate --embeddings --texts person-preference` puts them there.

    Example: biasloop evaluate person-preference rn50.safetensors --annotations label_train.csv --csv faces.csv
    """
    from biasloop.datasets import fairface
    from biasloop.evaluations import person_preference as measuring
    from biasloop.predictions.embeddings import read
    from biasloop.report.tables.embeddings import show_person_preference

    limits = _gates(fail_above, measuring.GATES)
    answer = measuring.person_preference(read(file), fairface.read(annotations), draws=resample, seed=seed)
    _say(answer, lambda: show_person_preference(answer, file), csv, limits, json=json)


@app.command("geode", cls=Command)
def geode(
    file: File,
    annotations: Annotated[
        Path,
        typer.Option("--annotations", metavar="FILE|DIR", help="A table of image, object, region, or region/object/."),
    ],
    csv: Csv = None,
    fail_above: FailAbove = None,
    json: Json = False,
) -> None:
    """Zero-shot accuracy of GeoDE's objects by region of the world; a gate's metric is gap.region.

    The prompts' embeddings must be in the file: `generate --embeddings --texts geode` puts them there.

    Example: biasloop evaluate geode rn50.safetensors --annotations index.csv
    """
    from biasloop.datasets import geode as reading
    from biasloop.evaluations import geode as measuring
    from biasloop.predictions.embeddings import read
    from biasloop.report.tables.embeddings import show_geode

    limits = _gates(fail_above, measuring.GATES)
    answer = measuring.geode(read(file), reading.read(annotations))
    _say(answer, lambda: show_geode(answer, file), csv, limits, json=json)


def _compat(text: str) -> "Compat":
    if text not in ("fixed", "released"):
        raise InvalidInput(f'--compat {text}: expected "fixed" or "released"')
    return "released" if text == "released" else "fixed"


def _gates(texts: list[str] | None, known: Iterable[str]) -> dict[str, float]:
    from biasloop.evaluations import gates

    return gates(texts or [], list(known))


def _retrieved(
    file: Path, annotated: "Callable[[], Images]", against: Path | None, compat: "Compat", csv: Path | None,
    limits: Mapping[str, float], *, json: bool,
) -> None:  # fmt: skip
    """Measure retrieval and say what it is."""
    from biasloop.evaluations.retrieval import retrieval
    from biasloop.predictions.embeddings import read
    from biasloop.report.tables.embeddings import show_retrieval

    embeddings, other = read(file), read(against) if against else None
    answer = retrieval(embeddings, annotated(), against=other, compat=compat)
    _say(answer, lambda: show_retrieval(answer, file, against), csv, limits, json=json)


def _say(
    answer: "Result", shown: Callable[[], None], csv: Path | None, limits: Mapping[str, float], *, json: bool
) -> None:
    """Print what was measured, write the table asked for, and exit with a code of its own where a gate was crossed."""
    if json:
        emit(answer.as_json())
    else:
        from biasloop.report.tables.evaluation import show_remarks

        shown()
        show_remarks(answer)
    if csv is not None:
        from biasloop.evaluations import write_csv

        write_csv(answer, csv)
        (note if json else say)(f"wrote {csv}")
    crossed = answer.crossed(limits)
    for text in crossed:
        note(f"biasloop: {text} (--fail-above)")
    if crossed:
        raise typer.Exit(CROSSED)
