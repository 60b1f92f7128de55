"""A stored round's model as a directory that another library loads, with a page that says which run it is from."""

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from biasloop import discovery
from biasloop.contract.domains import missing_methods
from biasloop.contract.model_files import ModelFiles, ModelFormat
from biasloop.errors import BiasloopError, InvalidInput, Mismatch, StoreError
from biasloop.printable import printable
from biasloop.running.engine import Options
from biasloop.running.generate import from_run
from biasloop.running.reopen import without_data
from biasloop.store.reader import Run

CARD = "README.md"
_METRICS = 40  # of a round, on its page


@dataclass(frozen=True)
class ExportedModel:
    """A model in a directory.

    Attributes:
        directory: where it lies.
        round: whose it is.
        how: "stored", or "refitted" where the run does not hold it any more.
        format: what loads it.
        files: names of what was written.
    """

    directory: Path
    round: int
    how: str
    format: ModelFormat
    files: list[str]


def export_model(run: Path, number: int | None, output: Path, options: Options, *, force: bool) -> ExportedModel:
    """Write a round's model; one that is no longer stored is fitted again.

    Args:
        run: the run's directory.
        number: of the round; None for the newest.
        output: the model's directory, made if need be.
        options: how to compute, and where data lie.
        force: whether files that are there already are replaced.

    Raises:
        Mismatch: the run's domain writes no such models.
        InvalidInput: there is no such run or round, files are there already, or this model is of no known kind.
        SomethingToFetch: the network or data that the run was made with are not there.
    """
    if output.is_dir() and any(output.iterdir()) and not force:
        raise InvalidInput(f"{output} has files already; give --force to replace those, or another --output")
    stored, prepared = without_data(run, options)
    if not isinstance(prepared.domain, ModelFiles):
        name = prepared.experiment.domain.name
        raise Mismatch(
            f'{run}: the domain {name!r} writes no models that another library loads; those of "language" can be '
            "written, and `biasloop generate --run` uses any"
        )
    maker = from_run(run, number, options)
    number = stored.rounds[-1] if number is None else number
    assert isinstance(maker.domain, ModelFiles)
    with _directory(output) as directory:
        kind = maker.domain.write_model(maker.model, directory)
        (directory / CARD).write_text(_card(stored, number, kind, maker.how))
        files = sorted(path.name for path in directory.iterdir())
    return ExportedModel(output, number, maker.how, kind, files)


def _writing() -> list[str]:
    """Names of the installed domains that can."""
    named = []
    for name in discovery.entries():
        with suppress(BiasloopError):  # one that does not import
            if not missing_methods(discovery.load(name), ModelFiles):
                named.append(name)
    return named


@contextmanager
def _directory(output: Path) -> Iterator[Path]:
    """A new directory beside another, whose files take their places there once all are written."""
    output = output.absolute()
    new = output.parent / f".{output.name}-{secrets.token_hex(4)}"
    try:
        new.mkdir(parents=True)
        yield new
        output.mkdir(exist_ok=True)
        for path in sorted(new.iterdir()):
            path.chmod(0o644)  # a library may write for one person alone
            os.replace(path, output / path.name)  # noqa: PTH105
    except OSError as error:
        raise StoreError(
            f"{output} could not be written ({error.strerror or error}); choose another --output"
        ) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _card(run: Run, number: int, kind: ModelFormat, how: str) -> str:
    """The page of a model, in the form that model hubs read: which run and round, what it measured, how to load it."""
    about = run.manifest.about
    preset = Path(str(about.get("name", run.directory.name))).name.removesuffix(".toml")  # may be a path
    name, seed = printable(preset), run.identity["seed"]
    ((_, metrics, sizes, _),) = run.summaries([number])
    where = f"round {number} of the preset `{name}`" + (
        f", arm `{printable(about['arm'])}`" if about.get("arm") else ""
    )
    refitted = "The run held this model no longer; it was fitted again from its ledger.\n" if how == "refitted" else ""
    rows = [
        f"| {printable(metric)} | {measured.value:.6g} | {measured.n} | {_number(measured.error)} |"
        for metric, measured in list(metrics.items())[:_METRICS]
        if measured.n
    ]
    counted = ", ".join(f"{size} {word}" for word, size in sizes.items())
    return "\n".join([
        "---", f"library_name: {kind.library}", f"pipeline_tag: {kind.task}", "tags:", "- biasloop", "---", "",
        f"# {name}, round {number}, seed {seed}", "",
        f"The model of {where}, seed {seed}, written by `biasloop export --format hf`. It belongs to an experiment in "
        "which models are trained on data that earlier models labelled or generated, and may be biased by design: it "
        "is there to be measured, not to be used.", "",
        f"* Before the first round it was `{printable(_public(kind.base))}`, whose licence and limits it inherits.",
        f"* Rows: {counted}.", f"* The run: `{run.manifest.experiment}` (SHA-256 of its `experiment.toml`).", refitted,
        "```python", f"from transformers import {kind.loader}, AutoTokenizer", "",
        f'model = {kind.loader}.from_pretrained("this directory")',
        'tokenizer = AutoTokenizer.from_pretrained("this directory")', "```", "",
        "| metric | value | n | standard error |", "|---|---|---|---|", *rows, "",
        "```toml", tomli_w.dumps(_public(run.identity)).strip(), "```", "",
    ])  # fmt: skip


def _public(value: Any) -> Any:
    """Settings whose paths are names alone: where files lie on the machine that made the run is nobody's business."""
    if isinstance(value, Mapping):
        return {key: _public(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_public(inner) for inner in value]
    if isinstance(value, str) and value.startswith(("/", "~/", "./", "../")):
        return Path(value).name
    return value


def _number(value: float) -> str:
    return f"{value:.3g}" if value == value else ""  # noqa: PLR0124 - NaN is no number
