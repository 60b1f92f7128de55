"""What a stored round's model, or a pretrained one, makes: labels, continuations of prompts, pictures."""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from biasloop.config.experiment import Experiment
from biasloop.contract import names
from biasloop.contract.data import Array, Frame, Ints
from biasloop.contract.domains import (
    Continuing,
    Describing,
    Domain,
    Executing,
    Labelling,
    Pretrained,
    Sampled,
    Sampling,
    Storing,
    names_in,
)
from biasloop.contract.labels import Cell, described
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop.feedback.rule import Rule
from biasloop.feedback.work import RoundWork, Session
from biasloop.running.engine import Options, Prepared, prepare
from biasloop.running.reopen import reopen, replay
from biasloop.store.files import write_output
from biasloop.store.manifest import round_name

Part = Literal["test", "pool", "reserve"]
Table = Mapping[str, list[Cell]]
"""Columns of cells, by name; a row is what stands at one place in all of them."""


@dataclass(frozen=True)
class Maker:
    """A model that has been made ready, and where it came from.

    Attributes:
        domain: that can use it.
        model: of that domain.
        rule: that the model's run follows, with all up to the model absorbed; None for an untouched model.
        streams: randomness of what is made.
        how: "stored", "refitted" (its file was dropped, so it was fitted again) or "pretrained".
    """

    domain: Domain
    model: Any
    rule: Rule | None
    streams: Streams
    how: str

    def work(self, options: Options) -> RoundWork:
        """The handle of a call."""
        return RoundWork(self.streams, Session(stopping=options.stopping), "generate")


class _Readable(Domain, Sampled, Protocol):
    """Whose labels can be told by name, beside the truth."""


Allow = Callable[[Sequence[Sequence[str]]], None]
"""Told the argument lists of programs that a run names, before any of them is run; raises if they are not to be."""


def allow_none(programs: Sequence[Sequence[str]]) -> None:
    """Refuse to run programs.

    Raises:
        InvalidInput: showing them.
    """
    raise InvalidInput(f"the run names programs that would be run here:\n{shown(programs)}")


def shown(programs: Sequence[Sequence[str]]) -> str:
    """Argument lists as a preset has them, a line each and in full; nothing in them reaches a terminal as an order."""
    return "\n".join(f"  {json.dumps(list(arguments))}" for arguments in programs)


def from_run(directory: Path, number: int | None, options: Options, allow: Allow = allow_none) -> Maker:
    """The model of a stored round; one that is no longer stored is fitted again from ledger and streams.

    Args:
        directory: the run's.
        number: of the round; None for the newest.
        options: how to compute.
        allow: asked before programs are run that the run names.

    Raises:
        InvalidInput: the run has no such round, or names programs that are not to be run.
    """
    stored, prepared = reopen(directory, options)
    if isinstance(prepared.domain, Executing):
        allow(prepared.domain.programs())
    if not stored.rounds:
        raise InvalidInput(f"{directory} has no finished round yet; the same `biasloop loop` goes on with it")
    number = stored.rounds[-1] if number is None else number
    for _ in replay(stored, prepared.rule, number):
        pass
    model, how = _model(prepared, number, options)
    return Maker(prepared.domain, model, prepared.rule, Streams((prepared.seed, number, "generate")), how)


def from_preset(experiment: Experiment, options: Options) -> Maker:
    """The untouched pretrained model of a preset.

    Raises:
        InvalidInput: its domain has none.
    """
    domain = prepare(experiment, 0, options).domain
    if not isinstance(domain, Pretrained):
        raise InvalidInput(f"the domain {experiment.domain.name!r} has no pretrained model; give --run RUN")
    streams = Streams((0, "generate"))
    model = domain.pretrained(RoundWork(streams.at("pretrained"), Session(stopping=options.stopping), "pretrained"))
    return Maker(domain, model, None, streams, "pretrained")


def labels(maker: Maker, part: Part, count: int | None, options: Options) -> Table:
    """Labels of samples.

    Args:
        maker: a run's model.
        part: whose samples: of the test set, the pool, or the part of the pool not yet in the training set.
        count: at most so many; None for all.
        options: how to compute.

    Returns:
        Columns id, "prediction" (the model's label), what comes with it ("confidence"), and where there is truth
        "target", None where nobody labelled the sample: named as in stored tables. Of a domain with several label
        columns, or that describes labels in several cells, each has its own, `prediction_NAME` beside `NAME`.

    Raises:
        InvalidInput: the domain labels nothing.
    """
    domain = maker.domain
    if not (isinstance(domain, Sampled) and isinstance(domain, Labelling)):
        raise InvalidInput("this run's domain labels nothing; for its samples give --output FILE.png or FILE.h5")
    if maker.rule is None:
        raise InvalidInput("an untouched model labels nothing; give --run RUN")
    ids = _ids(domain, maker.rule, part)[:count]
    return _beside_truth(domain, ids, maker.rule.label(maker.model, ids, maker.work(options)))


def continuations(maker: Maker, prompts: list[str], options: Options) -> list[dict[str, str]]:
    """Continuations of prompts, each beside its prompt.

    Raises:
        InvalidInput: the domain continues no texts.
    """
    if not isinstance(maker.domain, Continuing):
        raise InvalidInput("--input: this run's domain continues no texts; leave it out to label the run's own samples")
    made = maker.domain.continuations(maker.model, prompts, maker.work(options))
    return [{"prompt": prompt, "continuation": text} for prompt, text in zip(prompts, made, strict=True)]


def samples(maker: Maker, count: int, options: Options) -> Array:
    """Fresh samples of a generator.

    Returns:
        `(count, H, W, C)` uint8.

    Raises:
        InvalidInput: the domain generates no pictures.
    """
    if not isinstance(maker.domain, Sampling):
        raise InvalidInput("--output: this run's domain generates no pictures; write labels, FILE.csv or FILE.jsonl")
    return np.asarray(maker.domain.samples(maker.model, count, maker.work(options)))


def _model(prepared: Prepared, number: int, options: Options) -> tuple[Any, str]:
    """The model of the newest absorbed round, and whether it was stored or had to be fitted again."""
    stored = prepared.rule.produced()
    if stored is not None and isinstance(prepared.domain, Storing):
        return prepared.domain.load(stored.kind, stored.arrays), "stored"
    work = RoundWork(Streams((prepared.seed, number)), Session(stopping=options.stopping), round_name(number))
    return prepared.rule.refit(number, work), "refitted"


def _ids(domain: Sampled, rule: Rule, part: Part) -> Ints:
    splits = domain.splits()
    if part == "test":
        return np.asarray(splits.test)
    if part == "pool":
        return np.asarray(splits.pool)
    return np.setdiff1d(splits.pool, rule.entered())


def _read_as(domain: Domain, ids: Ints, labels: Frame) -> Table:
    """What labels read as: what the domain says, else the names of classes."""
    if not isinstance(domain, Describing):
        return described(labels, names_in(domain))
    rows = domain.describe(ids, labels)
    return {name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}


def _beside_truth(domain: _Readable, ids: Ints, given: Frame) -> Table:
    """Ids, the model's labels and what comes with them, and the human label where there is one."""
    known = ~np.isin(ids, domain.splits().unlabelled)  # (rows,)
    human = domain.human_labels(ids[known])
    # A domain's labels are targets of what is trained on them; beside the truth they are predictions.
    columns = {**given.columns, **human.columns}
    with_labels = {name for name, column in columns.items() if column.role != names.TARGET}
    table: dict[str, list[Cell]] = {"id": ids.tolist()}
    for name, cells in _read_as(domain, ids, given).items():
        table[name if name in {*with_labels, *table} else _predicted(name)] = cells
    for name, cells in _read_as(domain, ids[known], human).items():
        if name not in {*with_labels, "id"}:
            rows = iter(cells)
            table[name] = [next(rows) if is_known else None for is_known in known.tolist()]
    return table


def _predicted(name: str) -> str:
    return names.PREDICTION if name == names.TARGET else f"prediction_{name}"


def write_table(table: Table, path: Path) -> None:
    """Columns as a CSV file with a header, or as a file .jsonl of one object a row.

    A cell without a value is empty, or null; so is a number that is none.
    """
    if path.suffix == ".jsonl":
        write_jsonl([dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)], path)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(map(_valued, row) for row in zip(*table.values(), strict=True))
    write_output(path, text.getvalue().encode())


def write_pictures(pictures: Array, path: Path) -> None:
    """Pictures `(n, H, W, C)` uint8: as a grid in a .png file, else as the array "images" of an HDF5 file."""
    held = io.BytesIO()
    if path.suffix == ".png":
        from PIL import Image

        count, height, width, channels = pictures.shape
        columns = math.ceil(math.sqrt(count))
        rows = math.ceil(count / columns)
        grid = np.zeros((rows * columns, height, width, channels), np.uint8)
        grid[:count] = pictures
        tiled = grid.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
        image = tiled.reshape(rows * height, columns * width, channels)
        Image.fromarray(image[..., 0] if channels == 1 else image).save(held, "PNG")
    else:
        import h5py

        with h5py.File(held, "w") as file:
            file.create_dataset("images", data=pictures, chunks=(1, *pictures.shape[1:]), compression="gzip")
    write_output(path, held.getvalue())


def write_jsonl(rows: Sequence[Mapping[str, Cell]], path: Path) -> None:
    """One JSON object a line; null where there is no value, or a number is none."""
    lines = [{name: _valued(cell) for name, cell in row.items()} for row in rows]
    write_output(path, "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines).encode())


def _valued(cell: Cell) -> Cell:
    """The cell; None of a number that is none."""
    return None if cell != cell else cell  # noqa: PLR0124 # NaN
