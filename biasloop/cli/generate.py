"""`biasloop generate`: what a stored round's model, or a pretrained one, makes."""

import shlex
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from biasloop.cli import completing, generate_embeddings, generate_mixture, generate_pictures, generate_training
from biasloop.cli.options import Data, Device, Json, Sets, Threads, data_directory, on_notice, tell_whose
from biasloop.cli.outputs import Force, check_file
from biasloop.cli.stopping import output_of, stoppable
from biasloop.errors import InvalidInput
from biasloop.report.output import emit, note, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from biasloop.running.engine import Options
    from biasloop.running.generate import Maker

PICTURES = (".png", ".h5")


def generate(
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|DIR",
            help="Labels .csv, .jsonl; texts .jsonl; samples .png, .h5; a directory for shards of pictures.",
        ),
    ],
    force: Force = False,
    run: Annotated[
        Path | None, typer.Option("--run", metavar="RUN", help="A run's directory.", autocompletion=completing.runs)
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            "-p",
            help="Instead of --run: the preset's untouched pretrained model.",
            autocompletion=completing.presets,
        ),
    ] = None,
    number: Annotated[
        int | None, typer.Option("--round", min=0, help="Whose model; default: the newest round's.")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--input",
            "-i",
            metavar="FILE",
            help="Prompts to continue: .jsonl or .csv; captions: .tsv, .parquet or .jsonl.",
        ),
    ] = None,
    field: Annotated[str, typer.Option("--prompt", help="The field or column of prompts.")] = "prompt",
    part: Annotated[str, typer.Option("--of", help='Samples to label: "test", "pool" or "reserve".')] = "test",
    count: Annotated[int | None, typer.Option("--count", min=1, help="At most so many.")] = None,
    sets: Sets = None,
    run_programs: Annotated[
        bool, typer.Option("--run-programs", help="Run the programs that the run names; without it they are shown.")
    ] = False,
    data: Data = None,
    device: Device = "auto",
    threads: Threads = None,
    pipeline: generate_pictures.Pipeline = None,
    revision: generate_pictures.Revision = None,
    seed: generate_pictures.Seed = None,
    steps: generate_pictures.Steps = None,
    guidance: generate_pictures.Guidance = None,
    size: generate_pictures.Size = None,
    batch: generate_pictures.Batch = None,
    form: generate_pictures.Form = None,
    flagged: generate_pictures.Flagged = None,
    shard_size: generate_pictures.ShardSize = None,
    jobs: generate_pictures.Jobs = None,
    precision: generate_pictures.Precision = None,
    originals: generate_mixture.Originals = None,
    made: generate_mixture.Pictures = None,
    share: generate_mixture.Share = None,
    equalise: generate_mixture.Equalise = None,
    engine: generate_training.Engine = None,
    embeddings: generate_embeddings.Wanted = False,
    model: generate_embeddings.Model = None,
    images: generate_embeddings.Images = None,
    texts: generate_embeddings.Texts = None,
    json: Json = False,
) -> None:
    """Label samples, continue prompts, or draw pictures, with the model of a stored round or an untouched one.

    Labels have the columns id, prediction, confidence (if there is any) and target, the truth where it is known; those
    of several parts, such as situations, have prediction_verb beside verb, and so on.

    Example: biasloop generate --run runs/quickstart/loop.human=20/seed-0 --output labels.csv

    Example: biasloop generate --run RUN --input prompts.jsonl --output continuations.jsonl

    Example: biasloop generate --run RUN --count 100 --output samples.png

    Example: biasloop generate --preset fig5-beam --input prompts.jsonl --output continuations.jsonl

    Example: biasloop generate --pipeline stable-diffusion-v1-5/stable-diffusion-v1-5 --input captions.tsv --output DIR

    Example: biasloop generate --originals cc3m-shards --pictures made --share 0.4 --output mixed-040

    Example: biasloop generate --originals cc3m-shards --pictures made --share 0.4 -o mixed-040 --engine open_clip_train

    Example: biasloop generate --embeddings --model RN50-quickgelu:openai --images DIR --output images.safetensors

    Example: biasloop generate --embeddings --model runs/clip-cc3m/seed-0 --images DIR --output images.safetensors
    """
    if embeddings:
        if any(option is not None for option in (run, preset, number, source, count, sets, pipeline, originals)):
            raise InvalidInput("--embeddings encodes --images and --texts; leave the options of runs and pictures out")
        generate_embeddings.encode(
            model, images, texts or [], output, batch=batch, precision=precision, device=device, threads=threads,
            data=data, force=force, json=json,
        )  # fmt: skip
        return
    if model or images or texts:
        raise InvalidInput("--model, --images and --texts go with --embeddings; add it, or leave them out")
    asked = generate_pictures.Asked(
        pipeline, revision, seed, steps, guidance, size, batch, form, flagged, shard_size, jobs, precision
    )
    mixed = generate_mixture.Asked(originals, made, share, equalise, engine)
    if pipeline is not None or mixed.any:
        settings = (preset, sets) if engine is None else ()
        if any(option is not None for option in (run, number, count, *settings)):
            raise InvalidInput("--run, --preset, --round, --count and --set do not go with --pipeline and --originals")
        if mixed.any:
            _mixed(asked, mixed, output, preset, sets, json=json)
        else:
            generate_pictures.draw(asked, source, output, device, threads, json=json)
        return
    asked.refuse()
    _check(run, preset, number, source, output, part, sets)
    check_file("--output", output, force=force)

    from biasloop.predictions import read_columns
    from biasloop.running import generate
    from biasloop.running.engine import Options

    options = Options(data_directory(data), device, threads, on_event=on_notice)
    with stoppable(output_of(output)):
        prompts = read_columns(source, [field])[field].tolist()[:count] if source else []
        if run is not None:
            allow = partial(_allow, run, run_programs=run_programs)
            maker = generate.from_run(run, number, options, allow)
        else:
            maker = _untouched(str(preset), sets, options)
        if source is not None:
            rows = generate.continuations(maker, prompts, options)
            generate.write_jsonl(rows, output)
            written, what = len(rows), "continuations"
        elif output.suffix in PICTURES:
            pictures = generate.samples(maker, count or 100, options)
            generate.write_pictures(pictures, output)
            written, what = len(pictures), "samples"
        else:
            table = generate.labels(maker, part, count, options)  # type: ignore[arg-type] # checked above
            generate.write_table(table, output)
            written, what = len(table["id"]), "labels"
    if maker.how == "refitted":
        note("the round's model is no longer stored; it was fitted again from the round's training set")
    if json:
        emit({"file": str(output), "rows": written, "model": maker.how})
    else:
        say(f"wrote {written:,} {what} to {output}")


def _mixed(
    asked: generate_pictures.Asked, mixed: generate_mixture.Asked, output: Path, preset: str | None,
    sets: list[str] | None, *, json: bool,
) -> None:  # fmt: skip
    """Mix pictures that are there."""
    if asked.pipeline is not None:
        raise InvalidInput(f"--pipeline draws pictures, and {mixed.first} is of mixtures of them; give one of the two")
    replace(asked, seed=None).refuse()
    generate_mixture.mix(mixed, asked.seed or 0, output, preset=preset, sets=sets or [], json=json)


def _untouched(preset: str, sets: list[str] | None, options: "Options") -> "Maker":
    from biasloop.config import presets
    from biasloop.config.validation import arms_of
    from biasloop.running import generate

    asked = presets.read(preset).override(presets.parse_sets(sets or []), "--set")
    tell_whose(asked, json=True)
    return generate.from_preset(arms_of(asked)[0][1], options)


def _allow(run: Path, programs: "Sequence[Sequence[str]]", *, run_programs: bool) -> None:
    """Show programs and ask: a run that was received may name any."""
    if run_programs:
        return
    from biasloop.running.generate import shown

    again = shlex.join(["biasloop", *sys.argv[1:], "--run-programs"])
    raise InvalidInput(
        f"{run} names programs, which would run on this machine with your rights:\n{shown(programs)}\n"
        f"nothing has been run; if you trust them, type:\n  {again}"
    )


def _check(
    run: Path | None, preset: str | None, number: int | None, source: Path | None, output: Path, part: str,
    sets: list[str] | None,
) -> None:  # fmt: skip
    """Refuse what cannot work before anything is loaded."""
    if run is None and preset is None:
        raise InvalidInput("give --run RUN or --preset NAME")
    if run is not None and preset is not None:
        raise InvalidInput("--run and --preset are both given, and each names a model; leave one of them out")
    if preset is not None and (source is None or number is not None):
        raise InvalidInput("--preset takes the untouched model: give --input FILE, and no --round")
    if sets and preset is None:
        raise InvalidInput("--set goes with --preset; a run's settings are fixed")
    if part not in ("test", "pool", "reserve"):
        raise InvalidInput(f'--of {part}: expected "test", "pool" or "reserve"')
    if source is not None and output.suffix != ".jsonl":
        raise InvalidInput(f"--output {output}: continuations are written as a .jsonl file")
    if source is None and output.suffix not in {".csv", ".jsonl", *PICTURES}:
        raise InvalidInput(f"--output {output}: labels are written as a .csv or .jsonl file, samples as .png or .h5")
