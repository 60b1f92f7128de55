"""What a scenario file says, typed: streams, sources, filters and prices."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from biasloop.bound import MOST
from biasloop.config.strict import Strict
from biasloop.errors import InvalidInput
from biasloop.scenario import quantities

MOST_ROUNDS = 10_000
MOST_SOURCES = 100
_ROUNDING = 1e-9  # of shares that add up to 1


def _count(value: Any) -> Any:
    """A whole number, also as 1e12 or "50k"; anything else as it is, for pydantic to refuse."""
    if isinstance(value, float):
        value = repr(value)
    return _read(quantities.count, value)


def _number(value: Any) -> Any:
    """A number, also as "20%"."""
    return float(value) if type(value) is int else _read(quantities.number, value)


def _read(reader: Any, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return reader(value, "")
    except InvalidInput as error:  # the value stands in pydantic's own message
        raise ValueError(str(error).partition(": ")[2]) from error


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Count = Annotated[int, BeforeValidator(_count), Field(ge=0, le=MOST)]
Share = Annotated[float, BeforeValidator(_number), Field(ge=0, le=1)]
Bias = Annotated[float, BeforeValidator(_number), Field(ge=-1, le=1)]
Positive = Annotated[float, BeforeValidator(_number), Field(gt=0, le=1e6)]
Spread = Annotated[float, BeforeValidator(_number), Field(ge=0, le=1)]
Growth = Annotated[float, BeforeValidator(_number), Field(ge=0.01, le=100)]
Price = Annotated[float, BeforeValidator(_number), Field(ge=0, le=1e12)]


class Model(Strict):
    """The models that are trained, one a round.

    Attributes:
        delta: calibration error: the share of the followed label in predictions minus that in the training set.
        spread: standard deviation of that error from one fit to the next; what simulations draw.
    """

    delta: Bias
    spread: Spread = 0.0


class Stream(Strict):
    """What comes in every round without being paid for.

    Attributes:
        samples: in round 1.
        growth: factor from one round's samples to the next one's.
        generated: the share that models have labelled or generated: one value, or one a round; the last one stays.
        generated_to: the share in the last round, reached in equal steps from `generated` in round 1.
    """

    samples: Count
    growth: Growth = 1.0
    generated: Annotated[list[Share], BeforeValidator(_listed), Field(min_length=1, max_length=MOST_ROUNDS)]
    generated_to: Share | None = None

    @model_validator(mode="after")
    def _one_course(self) -> Stream:
        if self.generated_to is not None and len(self.generated) > 1:
            raise ValueError("generated_to goes with one value of generated, from which it is reached")
        return self


class Source(Strict):
    """Of the generated samples, those of one kind of model.

    Attributes:
        name: for tables.
        labelled_by: the model of the round before ("previous"), that of round 0 ("first"), or models of others
            ("other"), which do not learn from this training set.
        share: of the generated samples.
        delta: of "previous" and "first", the error of the labels that they give, `model.delta` unless given
            (0 for labels drawn from a calibrated model); of "other", the bias of what they give in round 1.
        drift: by how much that bias grows each round; of "other" alone.
        acceptance: the share that a rule accepts, such as a threshold on confidence; delta is then that of those.
        weight: of one of these samples in training; one of the start or of a person's has 1.
    """

    name: str = Field(min_length=1, max_length=60)
    labelled_by: Literal["previous", "first", "other"] = "previous"
    share: Share = 1.0
    delta: Bias | None = None
    drift: Bias = 0.0
    acceptance: Share = 1.0
    weight: Positive = 1.0

    @model_validator(mode="after")
    def _complete(self) -> Source:
        if self.labelled_by == "other" and self.delta is None:
            raise ValueError('a source that is labelled_by "other" needs its delta')
        if self.labelled_by != "other" and self.drift:
            raise ValueError('drift goes with labelled_by = "other"')
        return self


class Human(Strict):
    """Samples that people label for this purpose, beside what the stream has from people.

    Attributes:
        samples: in round 1.
        growth: factor from one round's samples to the next one's.
        weight: of one of them in training.
        instead_of: whether they come in on top ("nothing"), or generated samples of the stream get a person's label
            instead of a model's ("generated").
        price: of one label; None if nobody asks.
        currency: what prices are in.
    """

    samples: Count = 0
    growth: Growth = 1.0
    weight: Positive = 1.0
    instead_of: Literal["nothing", "generated"] = "nothing"
    price: Price | None = None
    currency: str = Field(default="", max_length=20)


class Detector(Strict):
    """What removes samples of the stream that look generated.

    Attributes:
        tpr: the share of generated samples that it removes.
        fpr: the share of people's samples that it removes, too.
    """

    tpr: Share
    fpr: Share


class Scenario(Strict):
    """A scenario file.

    Attributes:
        summary: for lists.
        baseline: the share of the followed label among what people give.
        rounds: T, the index of the last round; round 0 is the model of the start.
        keep: each round trains on all that came so far ("all"), on as many of it as the start has, drawn anew
            ("subsample"), or on what the round brings alone ("replace").
        start: samples of round 0.
        start_bias: of their labels.
        model: the models that are trained.
        stream: what comes in every round.
        sources: whose generated samples those are; one of the model of the round before, unless given.
        human: what people label for this purpose.
        detector: what removes samples that look generated.
    """

    summary: str = ""
    baseline: Share
    rounds: int = Field(ge=1, le=MOST_ROUNDS)
    keep: Literal["all", "subsample", "replace"] = "all"
    start: Annotated[Count, Field(ge=1)]
    start_bias: Bias = 0.0
    model: Model
    stream: Stream
    sources: list[Source] = Field(default=[Source(name="own")], min_length=1, max_length=MOST_SOURCES)
    human: Human = Human()
    detector: Detector | None = None

    def mistakes(self) -> list[str]:
        """What contradicts each other, a sentence each, beginning with the key."""
        return [mistake for mistake in (self._shares(), self._course(), self._largest()) if mistake]

    def _shares(self) -> str:
        total = sum(source.share for source in self.sources)
        if abs(total - 1) <= _ROUNDING:
            return ""
        return f"sources: their shares add up to {total:.6g}; expected 1, which is all generated samples"

    def _course(self) -> str:
        if len(self.stream.generated) <= self.rounds:
            return ""
        return (
            f"stream.generated: {len(self.stream.generated):,} shares for {self.rounds:,} rounds; "
            "expected one a round at most"
        )

    def _largest(self) -> str:
        for name, samples, growth in (
            ("stream", self.stream.samples, self.stream.growth),
            ("human", self.human.samples, self.human.growth),
        ):
            if self.start + largest_sum(samples, growth, self.rounds) > MOST:
                return (
                    f"{name}: with growth = {growth:g} there would be more than {MOST:,} samples by round "
                    f"{self.rounds:,}; expected less growth, or fewer rounds or samples"
                )
        return ""


def largest_sum(samples: int, growth: float, rounds: int) -> float:
    """Samples of all rounds together, infinite where a computer's numbers end."""
    try:
        return samples * (rounds if growth == 1 else (growth**rounds - 1) / (growth - 1))
    except OverflowError:
        return float("inf") if samples else 0.0
