"""The domain "language": a model continues prompts, and later models are trained on its continuations.

No torch here: it is imported with the learner, by the methods that compute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.contract.context import Context, Requirement, Work
from biasloop.contract.data import (
    Arrays,
    Column,
    Floats,
    Frame,
    Ints,
    Metric,
    Samples,
    Splits,
    Tables,
    Vocabularies,
)
from biasloop.contract.domains import EPOCHS, WEIGHTS, Demands
from biasloop.contract.model_files import ModelFormat
from biasloop.contract.names import IDS, SCORE, TEST, TEXT
from biasloop.datasets.catalogue import network_requirements, requirement
from biasloop.datasets.splitting import draw
from biasloop.errors import Mismatch
from biasloop.lazy import numpy as np
from biasloop.system import launcher
from biasloop_language import checkpoints, compat, corpora, measures, scorers
from biasloop_language import config as settings
from biasloop_language.measures import TOKENS
from biasloop_language.memorization import Memorized

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torch import nn

    from biasloop.contract.randomness import Streams
    from biasloop_language.learner import Learner
    from biasloop_language.tokens import TokenRows
LOSS, LOSS_TOKENS = (
    "loss",
    "loss_tokens",
)  # columns: -log probability of each human continuation, and of how many tokens


class LanguageDomain:
    """Prompts and continuations.

    Args:
        config: the `[domain]` table.
        context: data directory, streams, device.

    Raises:
        InvalidInput: if there is no such corpus, network or scorer.
    """

    Config = settings.Config

    def __init__(self, config: settings.Config, context: Context) -> None:
        self.config = config
        self._context = context
        self._corpus = corpora.source(config, context)

    def memory_settings(self) -> Sequence[str]:
        """Sizes of batches."""
        return ["domain.batch_size", "domain.generation_tokens", "domain.evaluation_batch"]

    def requirements(self) -> list[Requirement]:
        """The corpus, the network, and the scorers' weights."""
        needs = [*self._corpus.requirements(), *network_requirements(self.config.network, self._context.data)]
        if "detoxify" in self.config.scorers:
            needs.append(requirement("detoxify-original", self._context.data))
        return needs

    def honours(self) -> frozenset[str]:
        """The end of every epoch, and weights."""
        return frozenset({EPOCHS, WEIGHTS})

    def check(self, demands: Demands) -> None:
        """Refuse a corpus, network, scorer or device that is none, and epochs where others would wait meanwhile."""
        self._corpus.check()
        if EPOCHS in demands.honoured and launcher.count() > 1:
            raise Mismatch(
                f"loop.snapshots: {launcher.count()} processes were launched, and the others would wait too long for a "
                "look at the model; launch one, or take loop.snapshots out"
            )
        config, data = self.config, self._context.data
        published = corpora.published_networks()
        checkpoints.LANGUAGE_MODEL.check(config.network, data, published, checkpoints.BUILT_IN)
        beams = config.beams if config.decoder == "beam" else 1
        checkpoints.check_decoding(config.network, data, config.new_tokens, beams)
        for scorer in self._scorers:
            scorer.check()
        if self._context.device not in {"auto", "cpu"} or launcher.count() > 1:
            from biasloop.training import device

            device.of_process(self._context.device)

    def environment(self) -> Mapping[str, str]:
        """What it computes on."""
        return self._learner.environment()

    def lead(self) -> AbstractContextManager[None]:
        """In the first of several processes: inside, the others help with every fit."""
        from biasloop.training import distributed

        return distributed.leading(self._context.device)

    def follow(self) -> None:
        """In another process: helps with the fits of the first until that one is done."""
        from biasloop.training import common_fits

        common_fits.follow(self, self._context)

    def fingerprint(self) -> str:
        """A digest of the corpus."""
        return self._pairs.fingerprint

    def vocabularies(self) -> Mapping[str, Column]:
        """None: token ids are explained by the tokenizer, which belongs to the network."""
        return {}

    def splits(self) -> Splits:
        """A uniform test set of rows with a human continuation; the rest is the pool."""
        return self._splits

    def human_labels(self, ids: Ints) -> Frame:
        """Human continuations, as token ids."""
        return Frame({TOKENS: self._tokens.take(ids).continuations})

    def references(self, work: Work) -> Tables:
        """The table "test": ids, human continuations and their scores."""
        ids = self._splits.test
        human = self.human_labels(ids)
        scored = self._score(self._learner.texts(human.columns[TOKENS]), work.at("score"))
        columns = {measures.REFERENCE + name: column for name, column in scored.columns.items()}
        return {TEST: Frame({IDS: Column(ids, role=IDS), "reference": human.columns[TOKENS], **columns})}

    def score(self, ids: Ints, labels: Frame, work: Work) -> Frame:
        """Scores of human continuations, computed once, when the rows enter the training set."""
        return self._score(self._learner.texts(labels.columns[TOKENS]), work)

    def score_given(self, ids: Ints, labels: Frame, work: Work) -> Frame:
        """Scores of generated continuations, likewise."""
        return self._score(self._written(labels.columns[TOKENS]), work)

    def measure(self, tables: Tables, train: Samples, vocabularies: Vocabularies) -> Mapping[str, Metric]:
        """Scores, ratios of word lists, perplexity, repetition, memorisation: what the columns allow."""
        test, columns = tables[TEST], self._score_columns
        metrics = measures.scores(test, train.labels, columns)
        metrics |= measures.ratios(test, train.labels, self.config.ratios)
        if TOKENS in test:
            tokens = test.columns[TOKENS]
            metrics |= measures.texts(tokens)
            metrics |= self._memorized.overlaps(tokens, train)
            metrics["perplexity"] = self._fit_quality(test)
        return metrics

    def _fit_quality(self, test: Frame) -> Metric:
        if self.config.compat != "released":
            return measures.fit_quality(test[LOSS], test[LOSS_TOKENS], None)
        ids = test[IDS]  # ascending; the published batches are cut from rows in the order that they were drawn in
        rows = np.searchsorted(ids, self._drawn.order(ids))
        return measures.fit_quality(test[LOSS][rows], test[LOSS_TOKENS][rows], self.config.evaluation_batch)

    def pretrained(self, work: Work) -> nn.Module:
        """The network before any round."""
        return self._learner.pretrained(work)

    def fit(self, train: Samples, work: Work) -> nn.Module:
        """The pretrained network, fine-tuned on the rows; weights multiply the losses of a row's tokens."""
        return self._learner.fit(self._rows(train.ids, train.labels.columns[TOKENS]), train, work)

    def predict(self, model: nn.Module, work: Work) -> Tables:
        """The table "test": a continuation of each test prompt, its text and scores, and the human one's loss."""
        ids = self._splits.test
        tokens = self._learner.generate(model, self._tokens.take(ids).prompts, ids, work.at("generate"))
        losses, counted = self._learner.losses(model, self._tokens.take(ids), work.at("loss"))
        texts = self._written(tokens)
        columns = {
            TOKENS: tokens,
            TEXT: Column.text(texts),
            LOSS: Column(losses),
            LOSS_TOKENS: Column(counted),
        }
        return {TEST: Frame(columns).plus(self._score(texts, work.at("score")))}

    def label_rules(self) -> tuple[str, ...]:
        """The decoder."""
        return (self.config.decoder,)

    def label(self, model: nn.Module, ids: Ints, by: str, work: Work) -> Frame:
        """The model's continuations of the prompts."""
        return Frame({TOKENS: self._learner.generate(model, self._tokens.take(ids).prompts, ids, work)})

    def texts(self, ids: Ints) -> list[str]:
        """Prompts."""
        return self._learner.texts(self._tokens.take(ids).prompts)

    def describe(self, ids: Ints, labels: Frame) -> list[dict[str, str]]:
        """Continuations as texts, of people or a model."""
        return [{TEXT: text} for text in self._learner.texts(labels.columns[TOKENS])]

    def continuations(self, model: nn.Module, prompts: list[str], work: Work) -> list[str]:
        """The model's continuations of anybody's prompts."""
        tokens = self._learner.generate(model, self._learner.encode(prompts), np.arange(len(prompts)), work)
        return self._written(tokens)

    def save(self, kind: str, model: nn.Module) -> Arrays:
        """Parameters of the network by name."""
        return self._learner.save(model)

    def load(self, kind: str, arrays: Arrays) -> nn.Module:
        """The network that was saved."""
        return self._learner.load(arrays)

    def write_model(self, model: nn.Module, directory: Path) -> ModelFormat:
        """A causal language model with its tokenizer, as transformers writes one."""
        self._learner.write(model, directory)
        return ModelFormat("transformers", "text-generation", "AutoModelForCausalLM", self.config.network)

    def _rows(self, ids: Ints, continuations: Column) -> TokenRows:
        from biasloop_language.tokens import TokenRows

        return TokenRows(self._tokens.prompts.take(ids), continuations)

    def _written(self, tokens: Column) -> list[str]:
        """Generated continuations as texts."""
        texts = self._learner.texts(tokens)
        return [compat.cleaned(text) for text in texts] if self.config.compat == "released" else texts

    def _score(self, texts: list[str], work: Work) -> Frame:
        columns = {}
        for scorer in self._scorers:
            for name, values in scorer.score(texts, work.tick).items():
                columns[name] = Column(_narrow(values), role=SCORE)
        return Frame(columns)

    @cached_property
    def _scorers(self) -> list[scorers.Scorer]:
        options = {"lexicon": {"lists": self.config.lexicon}}
        names = [*self.config.scorers, "quotes"]
        device = self._context.device
        return [scorers.build(name, options.get(name, {}), self._context.data, device) for name in names]

    @property
    def _score_columns(self) -> list[str]:
        return [name for scorer in self._scorers for name in scorer.columns()]

    @cached_property
    def _memorized(self) -> Memorized:
        return Memorized(self.config.memorization)

    @cached_property
    def _pairs(self) -> corpora.Pairs:
        made_from = repr(self.config.model_dump(exclude={*settings.TRAINING, TEST}))
        return self._context.once("language.pairs", made_from, self._corpus.read)

    @cached_property
    def _learner(self) -> Learner:
        from biasloop_language.learner import Learner

        return Learner(self.config, self._corpus, self._context)

    @cached_property
    def _tokens(self) -> TokenRows:
        return self._learner.tokenised(self._pairs)

    @property
    def _drawn(self) -> Streams:
        """What test rows are drawn by, and stand in the order of."""
        return self._context.streams.at("split")

    @cached_property
    def _splits(self) -> Splits:
        made_from = repr(self.config.model_dump(exclude={*settings.TRAINING}))
        return self._context.once("language.splits", (made_from, self._context.streams.path), self._split)

    def _split(self) -> Splits:
        labelled, unlabelled = np.flatnonzero(self._pairs.labelled), np.flatnonzero(~self._pairs.labelled)
        has = f"{self.config.data} has {len(labelled)} rows with a continuation"
        return draw(labelled, self._drawn, self.config.test, unlabelled=unlabelled, has=has)


def _narrow(values: Floats) -> Floats:
    """Scores as they are stored: single precision is more than a scorer has."""
    return values.astype(np.float32)
