"""The contract of a domain (a plugin); `biasloop.discovery` finds plugins.

A domain knows data, models and metrics of one kind of problem, and nothing of rounds or files. It is a class with
a pydantic `Config`, built from (config, context). It implements the capabilities it can, as methods; it inherits
nothing, because an inherited stub would pass every check. The feedback rule says which capabilities it needs, and a
mismatch is an error before anything is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, runtime_checkable

from typing_extensions import get_protocol_members

if TYPE_CHECKING:  # finding plugins loads no NumPy
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from biasloop.contract.batching import Batches, Star
    from biasloop.contract.data import (
        Array,
        Arrays,
        Column,
        Frame,
        Ints,
        Metric,
        Page,
        Samples,
        Splits,
        Tables,
    )
    from biasloop.contract.randomness import Streams

M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)


@dataclass(frozen=True)
class Requirement:
    """Something a domain needs on disk: a data set or weights, its size, whether it is there."""

    name: str
    kind: Literal["data", "weights"]
    bytes: int
    present: bool

    @property
    def command(self) -> str:
        """What to type to get it."""
        return f"biasloop fetch {self.name}"


@dataclass(frozen=True)
class Context:
    """What a domain is built with; constant over a run.

    Attributes:
        data: the directory that fetched data sets live in.
        streams: randomness of the data (splits, resampling).
        device: torch's name of the device to compute on ("cpu", "cuda:0", ...).
        threads: CPU threads to compute with; 0 leaves the library's choice.
        on_note: told what a person should know of the data.
    """

    data: Path
    streams: Streams
    device: str = "cpu"
    threads: int = 0
    on_note: Callable[[str], None] = lambda text: None

    def prepared(self, name: str, build: Callable[[Path], None]) -> Path:
        """A directory of prepared data, built once and shared by all runs; a damaged one is built anew.

        Args:
            name: says what is in it and what it was made from; a changed input needs another name.
            build: fills an empty directory; what it leaves there appears whole or not at all.

        Raises:
            DownloadError: a damaged one cannot be removed.
        """
        from biasloop.prepared import take

        return take(self._prepared(name), build, self.on_note)

    def is_prepared(self, name: str) -> bool:
        """Whether such a directory is there; whether it is as it was made is seen when it is taken."""
        from biasloop.prepared import is_sealed

        return is_sealed(self._prepared(name))

    def _prepared(self, name: str) -> Path:
        return self.data / "prepared" / name


class Work:
    """The handle of one call into a domain.

    This base class only gives streams, so a domain's tests, `generate` and `evaluate` need no engine; during a run
    the engine's own kind adds progress, checkpoints and curves.
    """

    def __init__(self, streams: Streams) -> None:
        self.streams = streams

    def at(self, name: str) -> Work:
        """A named inner call, with streams of its own."""
        return Work(self.streams.at(name))

    def tick(
        self, done: int, total: int, state: Callable[[], Arrays] | None = None, epoch: tuple[int, Any] | None = None
    ) -> None:
        """To be called after every step.

        Args:
            done: steps done.
            total: steps in all.
            state: where the call can be resumed from, or None if not here; called only when a checkpoint is due.
            epoch: at the end of one its number, from 1, and the model as it is, for `predict`; else None.

        Raises:
            biasloop.errors.Interrupted: if the person asked to stop.
        """

    def resume(self) -> Arrays | None:
        """The last kept `state` of this very call, or None: then start from the beginning."""
        return None

    def log(self, table: str, **values: float) -> None:
        """Add a row to a curve; kept with the round."""

    def log_many(self, table: str, **columns: Array) -> None:
        """Add many rows at once, `(n,)` values a column; they keep their type, and a table may have both kinds."""

    def note(self, text: str) -> None:
        """Tell the person something that takes long or is unusual, in a sentence."""


@runtime_checkable
class Domain(Protocol):
    """What every domain has, besides a pydantic class `Config` and `__init__(config, context)`."""

    def requirements(self) -> list[Requirement]:
        """Data sets and weights needed; answers in milliseconds and without torch."""

    def fingerprint(self) -> str:
        """Identifies the source data that ids point into; stored, and compared at resume."""

    def vocabularies(self) -> Mapping[str, Column]:
        """Names of what columns index (class names, ...), as text columns."""


@runtime_checkable
class Checking(Protocol):
    """Settings that can be refused before anything is spent."""

    def check(self, *, epochs: bool) -> None:
        """Refuse what a run would fail on later: a device that is not there, a network that nobody knows.

        Answers without loading data or weights, and without torch unless the answer needs it.

        Args:
            epochs: whether somebody is to be told of the end of every epoch of a fit, as `Work.tick` can.

        Raises:
            Mismatch: the domain cannot tell of epochs.
            InvalidInput: a setting or the device is none.
            SomethingToFetch: something is not there.
        """


@runtime_checkable
class Computing(Protocol):
    """Models that the bits of depend on a device and threads."""

    def environment(self) -> Mapping[str, str]:
        """What is computed on: "device", "threads", and whatever else; stored with each round."""


@runtime_checkable
class Sampled(Protocol):
    """Samples with stable ids, of which some are a test set."""

    def splits(self) -> Splits:
        """Ids of the test set and of the pool."""

    def human_labels(self, ids: Ints) -> Frame:
        """Human labels, with the columns and dtypes of `label`; never asked for unlabelled ids."""

    def references(self, work: Work) -> Tables:
        """The test tables as humans fill them, with every column that never changes (ids, targets, groups)."""

    def measure(self, tables: Tables, train: Samples) -> Mapping[str, Metric]:
        """Metrics of answers joined with predictions, as far as the columns allow; NumPy alone, no model."""


@runtime_checkable
class Learning(Protocol[M]):
    """Models that are fitted on samples."""

    def fit(self, train: Samples, work: Work) -> M:
        """A new model, from scratch (never warm-started from an earlier round)."""

    def predict(self, model: M, work: Work) -> Tables:
        """Per-sample outputs on the test set: only what the model changes; rows as in `references`."""


@runtime_checkable
class Labelling(Learning[M], Protocol[M]):
    """Models that label samples for later models."""

    def label_rules(self) -> tuple[str, ...]:
        """The values of `loop.label_by` that `label` knows; the first is the default."""

    def label(self, model: M, ids: Ints, by: str, work: Work) -> Frame:
        """Labels and confidences; a sampled label depends on (stream, id), not on the batch."""


@runtime_checkable
class Scoring(Protocol):
    """Scores of labels, computed once, when rows enter the training set."""

    def score(self, ids: Ints, labels: Frame, work: Work) -> Frame:
        """Columns that travel with the rows from then on; one row per id."""


@runtime_checkable
class ScoringGiven(Scoring, Protocol):
    """Scores of labels that a model gave, where they are not computed as those of human labels are."""

    def score_given(self, ids: Ints, labels: Frame, work: Work) -> Frame:
        """As `score`, of labels that `label` gave."""


@runtime_checkable
class Pretrained(Protocol[M_co]):
    """A model that exists before any round."""

    def pretrained(self, work: Work) -> M_co:
        """The untouched model that round -1 evaluates."""


@runtime_checkable
class Continuing(Learning[M], Protocol[M]):
    """Models that continue texts."""

    def continuations(self, model: M, prompts: list[str], work: Work) -> list[str]:
        """One continuation per prompt."""


@dataclass(frozen=True)
class Source:
    """What a generator or a classifier of a generation learns from.

    Attributes:
        generator: samples come from it; None where all data are real.
        labeller: a classifier that labels samples; None where no label is needed.
        annotators: classifiers of the label and of each group, in the order of `targets`.
        batches: how batches are made of samples and real data.
        earlier: generators before it, each with who labelled its samples, where those are kept: samples come in equal
            shares from each and from `generator`.
        passes: how many times the usual passes a fit takes.
    """

    generator: Any
    labeller: Any
    annotators: Sequence[Any]
    batches: Batches
    earlier: Sequence[tuple[Any, Any]] = ()
    passes: int = 1


@runtime_checkable
class Generating(Protocol):
    """Generators of samples, and classifiers of their label and groups."""

    def targets(self) -> Mapping[str, int]:
        """The label first, then groups, each with its number of classes."""

    def check_star(self, star: Star) -> None:
        """Refuse STAR settings that do not fit the strata, before anything is trained.

        Raises:
            InvalidInput: saying what fits.
        """

    def references(self, work: Work) -> Tables:
        """The test tables as humans fill them, with every column that never changes (targets, groups)."""

    def measure(self, tables: Tables, train: Samples) -> Mapping[str, Metric]:
        """Metrics of answers joined with predictions and of populations, as far as tables allow; NumPy alone."""

    def fit_annotator(self, target: str, work: Work) -> Any:
        """A classifier of a target, trained on real data with their true classes."""

    def fit_generator(self, source: Source, work: Work) -> Any:
        """A new generator."""

    def fit_classifier(self, source: Source, work: Work) -> Any:
        """A new classifier of the label."""

    def predict_classifier(self, classifier: Any, work: Work) -> Tables:
        """Per-sample outputs on the test tables: only what the model changes; rows as in `references`."""

    def predict_population(self, generator: Any, labeller: Any, annotators: Sequence[Any], work: Work) -> Tables:
        """Tables of fresh samples: "population" with the label that the labeller gives and groups; a few samples."""


@runtime_checkable
class Annotating(Protocol):
    """Annotators that can be put to the test on what they are for."""

    def predict_annotator(self, target: str, annotator: Any, work: Work) -> Tables:
        """What an annotator makes of every row of `references`: "prediction", with the target's vocabulary."""


@runtime_checkable
class Sampling(Protocol):
    """Generators of pictures."""

    def samples(self, generator: Any, count: int, work: Work) -> Array:
        """`(count, H, W, C)` uint8 fresh samples."""


@runtime_checkable
class Showing(Protocol):
    """Data that can be looked at before anything is trained."""

    def page(self, count: int, work: Work) -> Page:
        """That many training samples, drawn at random, and the strata of all splits."""


@runtime_checkable
class Storing(Protocol):
    """Models that can be written as named arrays and read back exactly."""

    def save(self, kind: str, model: Any) -> Arrays:
        """Named arrays; no pickle."""

    def load(self, kind: str, arrays: Arrays) -> Any:
        """The model: `load(kind, save(kind, m))` predicts the same bits as `m`."""


@runtime_checkable
class Executing(Protocol):
    """Settings that name programs of the person's machine; a run that was received may name any."""

    def programs(self) -> Sequence[Sequence[str]]:
        """The argument lists of all programs that fits and predictions run, as the settings give them."""


@runtime_checkable
class Sparing(Protocol):
    """Settings that say how much memory is needed."""

    def memory_settings(self) -> Sequence[str]:
        """Those whose smaller values need less, such as "domain.batch_size"; the first to try first."""


@runtime_checkable
class Following(Protocol):
    """Fits that several processes, started together, do in common; the first alone runs, writes and prints."""

    def lead(self) -> AbstractContextManager[None]:
        """In the first process, around all of its runs: connects the others, and lets them go at the end."""

    def follow(self) -> None:
        """In another process: helps with the fits of the first, whatever the run, until that one is done."""


def missing_methods(domain: type, protocol: Any) -> list[str]:
    """Names of the protocol's methods that a class does not have."""
    return [name for name in sorted(get_protocol_members(protocol)) if not callable(getattr(domain, name, None))]
