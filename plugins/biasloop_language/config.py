"""What the `[domain]` table of a preset may say."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from biasloop_language import compat, recipes

# Settings that neither texts nor splits depend on; one that is not named here is taken to matter.
TRAINING = frozenset({
    "network", "small", "decoder", "top_p", "beams", "new_tokens", "generation_tokens", "epochs", "batch_size",
    "accumulation", "learning_rate", "evaluation_batch", "scorers", "lexicon", "ratios", "memorization", "compat",
})  # fmt: skip
_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class Corpus(BaseModel):
    """How a corpus is read."""

    model_config = _STRICT

    from_year: int = Field(1945, description='Of "sotu": the first year of the sentences that are used.')
    prompt: str = Field("prompt", description="Of a file: the field of prompts.")
    continuation: str = Field("continuation", description="Of a file: the field of continuations; a row may lack it.")


class Pretraining(BaseModel):
    """How the built-in network "small" is pre-trained on the part of the corpus that the loop does not see."""

    model_config = _STRICT

    vocabulary: int = Field(4096, ge=300, le=1_000_000, description="Entries of its byte-pair vocabulary.")
    layers: int = Field(2, ge=1, le=1000, description="Transformer layers.")
    width: int = Field(
        128, ge=8, le=65_536, multiple_of=4, description="Width of a layer, which four attention heads share."
    )
    epochs: int = Field(3, ge=1, description="Passes over the pre-training part.")
    batch_size: int = Field(16, ge=1, description="Sentences a step.")
    learning_rate: float = Field(
        2e-3, gt=0, description="At its highest: it rises for a tenth of the steps and then falls linearly to 0."
    )


class Config(BaseModel):
    """Settings of the domain "language"."""

    model_config = _STRICT

    data: str = Field(
        "sotu", description='"realtoxicityprompts", "sotu" (comes with biasloop), or a .jsonl or .csv file.'
    )
    corpus: Corpus = Field(default_factory=Corpus)
    test: int = Field(14442, ge=1, description="Prompts of the test set.")
    network: str = Field("gpt2", description='"gpt2", "gpt2-medium", "gpt2-large", "small" (built in), or a directory.')
    small: Pretraining = Field(default_factory=Pretraining)
    decoder: Literal["nucleus", "beam", "greedy"] = Field("nucleus", description="How continuations are generated.")
    top_p: float = Field(0.9, gt=0, le=1, description="Probability mass of the nucleus.")
    beams: int = Field(10, ge=2, description="Beams of beam search.")
    new_tokens: int = Field(20, ge=1, description="Tokens of a continuation at most.")
    generation_tokens: int = Field(
        8192, ge=1, description="Prompt and new tokens of a generation batch, all beams counted."
    )
    epochs: int = Field(1, ge=1, description="Passes over the training set in each round.")
    batch_size: int | None = Field(
        None, ge=1, description="Rows of a micro-batch; default: as published for the network."
    )
    accumulation: int | None = Field(None, ge=1, description="Micro-batches an update; default: as published.")
    learning_rate: float | None = Field(
        None, gt=0, description="At the start; it falls linearly to 0; default: as published."
    )
    evaluation_batch: int = Field(
        80,
        ge=1,
        description='Rows of a batch when the loss is measured; with compat = "released", which takes perplexity over '
        "such batches, 40 of gpt2-medium and 20 of gpt2-large unless set.",
    )
    scorers: list[str] = Field(default_factory=list, description='"detoxify", "toxicity-bilstm", "lexicon".')
    lexicon: dict[str, list[str]] = Field(
        default_factory=dict, description="Word lists of the scorer lexicon, by name."
    )
    ratios: dict[str, list[str]] = Field(
        default_factory=dict, description="name -> [list, other list]: the share of the first."
    )
    memorization: list[int] = Field(
        default_factory=lambda: [5, 10], description="Lengths of n-grams looked up in the training set."
    )
    compat: Literal["fixed", "released"] = Field(
        "fixed",
        description='"released": perplexity by batches of a random order of rows, accumulation from the first '
        "micro-batch, eps before bias correction, beam scores over prompt and continuation, spaces before punctuation "
        "taken out of generated texts. Not to be had: the published random draws themselves, which no seed was set "
        "for, and beam scores that change with a batch's padding.",
    )

    def effective(self) -> dict[str, object]:
        """What settings that are left open come to."""
        recipe = recipes.chosen(self)
        names = ("batch_size", "accumulation", "learning_rate")
        return {name: getattr(recipe, name) for name in names if getattr(self, name) is None}

    @model_validator(mode="before")
    @classmethod
    def _published_batch(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("compat") != "released" or "evaluation_batch" in data:
            return data
        network = data.get("network")
        return {**data, "evaluation_batch": compat.evaluation_batch(network)} if isinstance(network, str) else data

    @model_validator(mode="after")
    def _check(self) -> "Config":
        if ("lexicon" in self.scorers) != bool(self.lexicon):
            raise ValueError('the scorer "lexicon" and the table `lexicon` of word lists need each other')
        for name, pair in self.ratios.items():
            if len(pair) != 2 or not set(pair) <= set(self.lexicon):
                raise ValueError(f"ratios.{name} = {pair}: expected two names of lists in `lexicon`")
        return self
