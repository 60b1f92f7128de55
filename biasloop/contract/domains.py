"""The contract of a domain (a plugin); `biasloop.discovery` finds plugins.

A domain knows data, models and metrics of one kind of problem, and nothing of rounds or files. It is a class with
a pydantic `Config`, built from (config, context). It implements the capabilities it can, as methods; it inherits
nothing, because an inherited stub would pass every check. The feedback rule says which capabilities it needs, and a
mismatch is an error before anything is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from typing_extensions import get_protocol_members

if TYPE_CHECKING:  # finding plugins loads no NumPy
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from biasloop.contract.batching import Batches, Star
    from biasloop.contract.context import Requirement, Work
    from biasloop.contract.data import (
        Array,
        Arrays,
        Column,
        Floats,
        Frame,
        Ints,
        Metric,
        Page,
        Samples,
        Splits,
        Tables,
        Vocabularies,
    )
    from biasloop.contract.labels import Cell

M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)
M_contra = TypeVar("M_contra", contravariant=True)

EPOCHS, WEIGHTS, INPUTS, SELECTION = "epochs", "weights", "inputs", "selection"
"""What a rule may demand of a fit, and a domain honour (`Honouring`): to say when an epoch ends, as `Work.tick` can; to
weigh samples (`Samples.weights`); to take the inputs that samples name (`Samples.inputs`); to learn from those alone
that are selected of every batch (`Samples.selection`)."""


@dataclass(frozen=True)
class Demands:
    """What a run will ask of a domain's fits, as far as settings say.

    Attributes:
        honoured: those of `EPOCHS`, `WEIGHTS`, `INPUTS` and `SELECTION` that fits must honour.
        rows: the fewest samples that a fit is given; None where settings do not say.
        label_by: how models label, of `Labelling.label_rules`; None for the domain's default, or where none does.
    """

    honoured: frozenset[str] = frozenset()
    rows: int | None = None
    label_by: str | None = None


@runtime_checkable
class Domain(Protocol):
    """What every domain has, besides a pydantic class `Config` and `__init__(config, context)`."""

    def requirements(self) -> list[Requirement]:
        """Data sets and weights needed; answers in milliseconds and without torch."""

    def fingerprint(self) -> str:
        """Identifies the source data that ids point into; stored, and compared at resume.

        What a later version looks at besides comes after a blank: of a run that was begun before it, as much is
        compared as is stored.
        """

    def vocabularies(self) -> Mapping[str, Column]:
        """Names of what columns index (class names, ...), as text columns."""


@runtime_checkable
class Honouring(Protocol):
    """Fits that heed more than ids and labels; without this capability they are taken to heed nothing else."""

    def honours(self) -> frozenset[str]:
        """Those of `EPOCHS`, `WEIGHTS`, `INPUTS` and `SELECTION` that fits honour; a demand for others is refused."""


@runtime_checkable
class Checking(Protocol):
    """Settings that can be refused before anything is spent."""

    def check(self, demands: Demands) -> None:
        """Refuse what a run would fail on later: a file or device that is not there, a network that nobody knows.

        Answers without torch unless the answer needs it, and reads no more of the data than the answer needs. What
        stored results are measured by needs no check: a domain can be made where none of its data are.

        Args:
            demands: of the run; what fits must honour, they do.

        Raises:
            Mismatch: not with these settings.
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

    def measure(self, tables: Tables, train: Samples, vocabularies: Vocabularies) -> Mapping[str, Metric]:
        """Metrics of references joined with predictions, as far as the columns allow.

        A function of settings and of what a run stores, so that a run is measured again where none of its data are:
        it reads no data and needs no model.

        Args:
            tables: of a round; the set-up's references alone, before there is a prediction.
            train: what the round's model was trained on, as far as it is stored.
            vocabularies: names of what columns index.
        """


@runtime_checkable
class Grouped(Protocol):
    """Samples that belong to groups, whatever their labels."""

    def groups(self, ids: Ints) -> Frame:
        """Columns with role "group", a row an id.

        They stand beside the labels of a training set when its round is measured, and are not stored: measured again,
        it lacks them.
        """


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
class Probabilistic(Protocol[M_contra]):
    """Models that say how probable every class is."""

    def probabilities(self, model: M_contra, ids: Ints, work: Work) -> Floats:
        """`(rows, classes)` from 0 to 1; rows sum to 1, a row depends on no other.

        Raises:
            BiasloopError: if this model says none.
        """


@runtime_checkable
class Comparing(Protocol):
    """Labels that can be wrong in part."""

    def errors(self, given: Frame, truth: Frame) -> Floats:
        """`(rows,)` from 0 to 1: the share of each label that is wrong; without this capability it is wrong or not."""


@runtime_checkable
class ComparingParts(Comparing, Protocol):
    """Labels whose parts can be wrong each."""

    def part_errors(self, given: Frame, truth: Frame) -> Mapping[str, Floats]:
        """`(rows,)` from 0 to 1 for each part by name: what is stored, and measured, beside `errors`."""


@runtime_checkable
class Describing(Protocol):
    """Labels that read as something else than the names of classes."""

    def describe(self, ids: Ints, labels: Frame) -> Sequence[Mapping[str, Cell]]:
        """A row an id, of readable cells by name: what `generate`, tables and reports show of labels.

        A cell without a value is None, or is not there; a cell "id" stands for the number of the sample. Without this
        capability labels read as `biasloop.contract.labels.described` has them.
        """


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

    def measure(self, tables: Tables, train: Samples, vocabularies: Vocabularies) -> Mapping[str, Metric]:
        """Metrics of references joined with predictions, and of populations, as far as tables allow.

        As `Sampled.measure`; `train` is empty.
        """

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


def honoured(domain: Domain) -> frozenset[str]:
    """Those of `EPOCHS`, `WEIGHTS`, `INPUTS` and `SELECTION` that fits of a domain honour."""
    return domain.honours() if isinstance(domain, Honouring) else frozenset()


def names_in(domain: Domain) -> Vocabularies:
    """A domain's vocabularies, as `measure` takes them and as they are read back from a store."""
    return {name: column.strings() for name, column in domain.vocabularies().items()}


def missing_methods(domain: type, protocol: Any) -> list[str]:
    """Names of the protocol's methods that a class does not have."""
    return [name for name in _members_of(protocol) if not callable(getattr(domain, name, None))]


@cache
def _members_of(protocol: Any) -> tuple[str, ...]:
    """Sorted names; looked up once, since a plan of thousands of runs asks for each."""
    return tuple(sorted(get_protocol_members(protocol)))
