"""`biasloop evaluate phase|coco|self-similarity|person-preference|geode`: metrics of stored embeddings of images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from biasloop.cli.evaluate_options import Outcome, Tables
from biasloop.cli.examples import Command, Group
from biasloop.cli.grouped import grouped
from biasloop.cli.options import Data, Device, Threads, data_directory
from biasloop.cli.stopping import stoppable
from biasloop.errors import InvalidInput

if TYPE_CHECKING:
    from biasloop.datasets.annotated import Annotated as Images
    from biasloop.evaluations import EvaluationResult as Result
    from biasloop.evaluations import Gates
    from biasloop.evaluations.retrieval import Compat
    from biasloop.predictions.embeddings import Embeddings

File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE|MODEL",
        help="Embeddings, .safetensors, as `biasloop generate --embeddings` writes them; with --pictures a model, or "
        "a run's directory.",
    ),
]
Against = Annotated[
    Path | None,
    typer.Option(
        "--against", metavar="FILE2|MODEL2", help="The same of another model: differences, paired by caption."
    ),
]
Released = Annotated[
    str, typer.Option("--compat", help='"released": as the published code computes it, its mistakes included.')
]
Resample = Annotated[
    int | None,
    typer.Option("--resample", metavar="DRAWS", min=1, help="Also the published procedure, which draws 10000 times."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Of the draws of --resample.")]


@dataclass(frozen=True)
class Encoding:
    """How a model, given in place of stored embeddings, encodes images."""

    pictures: Annotated[
        Path | None,
        typer.Option(
            "--pictures", metavar="DIR|SHARDS.tar", help="Images that the MODEL encodes first; nothing is kept."
        ),
    ] = None
    device: Device = "auto"
    threads: Threads = None

    def embeddings(self, file: Path, annotated: "Images", texts: Mapping[str, str]) -> "Embeddings":
        """Of a file, or of a model: images that annotations name, and texts by key.

        Raises:
            InvalidInput: there is no such file, or as `encoded` and `read`.
        """
        from biasloop.cli.generate_embeddings import encoded
        from biasloop.contract.encoding import EncoderSettings
        from biasloop.datasets.picture_files import pictures_at
        from biasloop.predictions.embeddings import read

        if self.pictures is None:
            if not file.exists() or file.is_dir():
                raise InvalidInput(
                    f"there is no file {file}; of a model or a run, give its images, too: --pictures DIR"
                )
            return read(file)
        settings = EncoderSettings(str(file), device=self.device, threads=self.threads or 0)
        with stoppable(lambda: "nothing was written; the same command begins anew"):
            return encoded(settings, pictures_at(self.pictures).among(annotated.keys), texts, file)[0]


app = typer.Typer(cls=Group)


@app.command("phase", cls=Command)
@grouped
def phase(
    file: File,
    annotations: Annotated[
        Path, typer.Option("--annotations", metavar="FILE", help="PHASE's file of regions, phase_gcc_val_regions.json.")
    ],
    against: Against = None,
    compat: Released = "fixed",
    *,
    encoding: Encoding,
    written: Tables,
    outcome: Outcome,
) -> None:
    """Retrieval of PHASE's images by their captions: R@1, R@5, R@10 by group, and gaps between groups.

    A gate's metric is gap@1.gender, for example.

    Example: biasloop evaluate phase rn50.safetensors --annotations phase_gcc_val_regions_20221101.json
    """
    from biasloop.datasets import phase as reading
    from biasloop.evaluations import retrieval
    from biasloop.report.tables.embeddings import show_retrieval

    way = _compat(compat)
    written.check()
    gates = outcome.gates(retrieval.gates(reading.CLASSES))
    answer = _retrieved(encoding, file, against, reading.read(annotations, way), way)
    _finish(answer, lambda: show_retrieval(answer, file, against), written, outcome, gates)


@app.command("coco", cls=Command)
@grouped
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
    data: Data = None,
    *,
    encoding: Encoding,
    written: Tables,
    outcome: Outcome,
) -> None:
    """Retrieval of COCO's images by their captions, by perceived gender and skin colour.

    Captions of one image are not independent: standard errors are of images. A gate's metric is gap@1.skin.

    Example: biasloop evaluate coco rn50.safetensors --images images_val2014.csv --annotations captions_val2014.json
    """
    from biasloop.datasets import coco_bias
    from biasloop.evaluations import retrieval
    from biasloop.report.tables.embeddings import show_retrieval

    way = _compat(compat)
    written.check()
    gates = outcome.gates(retrieval.gates(coco_bias.CLASSES))
    if (images is None) != (annotations is None):
        raise InvalidInput("--images and --annotations go together; without both, what was fetched is read")

    if images is not None and annotations is not None:
        annotated = coco_bias.read(images, annotations)
    else:
        annotated = coco_bias.read_made(coco_bias.COCO_BIAS.require(data_directory(data)))
    answer = _retrieved(encoding, file, against, annotated, way)
    _finish(answer, lambda: show_retrieval(answer, file, against), written, outcome, gates)


@app.command("self-similarity", cls=Command)
@grouped
def self_similarity(
    file: File,
    annotations: Annotated[
        Path, typer.Option("--annotations", metavar="FILE", help="FairFace's labels: file, age, gender, race.")
    ],
    resample: Resample = None,
    seed: Seed = 0,
    *,
    encoding: Encoding,
    written: Tables,
    outcome: Outcome,
) -> None:
    """How much faces of a group resemble each other, by race, gender, age and their combinations.

    A gate's metric is gap.race, for example.

    Example: biasloop evaluate self-similarity rn50.safetensors --annotations label_train.csv
    """
    from biasloop.datasets import fairface
    from biasloop.evaluations import self_similarity as measuring
    from biasloop.report.tables.embeddings import show_self_similarity

    written.check()
    gates = outcome.gates(measuring.GATES)
    annotated = fairface.read(annotations)
    embeddings = encoding.embeddings(file, annotated, {})
    answer = measuring.self_similarity(embeddings, annotated, draws=resample, seed=seed)
    _finish(answer, lambda: show_self_similarity(answer, file), written, outcome, gates)


@app.command("person-preference", cls=Command)
@grouped
def person_preference(
    file: File,
    annotations: Annotated[
        Path, typer.Option("--annotations", metavar="FILE", help="FairFace's labels: file, age, gender, race.")
    ],
    resample: Resample = None,
    seed: Seed = 0,
    *,
    encoding: Encoding,
    written: Tables,
    outcome: Outcome,
) -> None:
    """How often "a photo of a person" is nearer to a face than any prompt that names its attribute.

    The prompts' embeddings must be in the file: `generate --embeddings --texts person-preference` puts them there.

    Example: biasloop evaluate person-preference rn50.safetensors --annotations label_train.csv --csv faces.csv
    """
    from biasloop.datasets import fairface
    from biasloop.evaluations import person_preference as measuring
    from biasloop.report.tables.embeddings import show_person_preference

    written.check()
    gates = outcome.gates(measuring.GATES)
    annotated = fairface.read(annotations)
    prompts = {text: text for text in measuring.prompts()}
    embeddings = encoding.embeddings(file, annotated, prompts)
    answer = measuring.person_preference(embeddings, annotated, draws=resample, seed=seed)
    _finish(answer, lambda: show_person_preference(answer, file), written, outcome, gates)


@app.command("geode", cls=Command)
@grouped
def geode(
    file: File,
    annotations: Annotated[
        Path,
        typer.Option("--annotations", metavar="FILE|DIR", help="A table of image, object, region, or region/object/."),
    ],
    *,
    encoding: Encoding,
    written: Tables,
    outcome: Outcome,
) -> None:
    """Zero-shot accuracy of GeoDE's objects by region of the world; a gate's metric is gap.region.

    The prompts' embeddings must be in the file: `generate --embeddings --texts geode` puts them there.

    Example: biasloop evaluate geode rn50.safetensors --annotations index.csv
    """
    from biasloop.datasets import geode as reading
    from biasloop.evaluations import geode as measuring
    from biasloop.report.tables.embeddings import show_geode

    written.check()
    gates = outcome.gates(measuring.GATES)
    annotated = reading.read(annotations)
    prompts = {measuring.prompt(name): measuring.prompt(name) for name in annotated.classes["object"]}
    embeddings = encoding.embeddings(file, annotated, prompts)
    answer = measuring.geode(embeddings, annotated)
    _finish(answer, lambda: show_geode(answer, file), written, outcome, gates)


def _compat(text: str) -> "Compat":
    if text not in ("fixed", "released"):
        raise InvalidInput(f'--compat {text}: expected "fixed" or "released"')
    return "released" if text == "released" else "fixed"


def _retrieved(encoding: Encoding, file: Path, against: Path | None, annotated: "Images", compat: "Compat") -> "Result":
    """Measure retrieval, beside another model's if there is one."""
    from biasloop.evaluations.retrieval import retrieval

    texts = dict(zip(annotated.caption_keys, annotated.captions, strict=True))
    embeddings = encoding.embeddings(file, annotated, texts)
    other = encoding.embeddings(against, annotated, texts) if against else None
    return retrieval(embeddings, annotated, against=other, compat=compat)


def _finish(answer: "Result", shown: Callable[[], None], written: Tables, outcome: Outcome, gates: "Gates") -> None:
    """Print what was measured, write the table asked for, and exit with a code of its own where a gate was crossed."""
    outcome.show(answer, shown)
    written.write(answer, outcome.tell)
    outcome.end(answer, gates)
