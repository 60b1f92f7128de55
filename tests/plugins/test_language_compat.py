"""What `compat = "released"` measures of language models, against the published code's own arithmetic."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from biasloop.config import presets
from biasloop.config.validation import validate
from biasloop.contract.context import Context, Work
from biasloop.contract.data import Column, Frame, Samples
from biasloop.contract.randomness import Streams
from biasloop.datasets.tokens import ragged
from biasloop_language.config import Config
from biasloop_language.domain import LanguageDomain
from biasloop_language.tokens import TokenRows

ROWS, TEST = 260, 190
NOBODY = Samples(np.zeros(0, np.int64), np.zeros(0, np.bool_), Frame({"tokens": ragged([])}))


def domain(place, seed=0, **settings):
    """Of a file with a continuation in every row; nothing of a network is read."""
    path = place / "mine.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"a {n}", "continuation": f" b {n}"}) + "\n" for n in range(ROWS)))
    config = Config.model_validate({"data": str(path), "test": TEST, "memorization": [2], **settings})
    return LanguageDomain(config, Context(place / "data", Streams((seed, "data"))))


def measured(made):
    """Test tables with losses that differ much from row to row, and their perplexity."""
    ids = made.splits().test
    rng = np.random.default_rng(5)
    tokens = rng.integers(1, 21, ROWS)[ids]
    losses = tokens * rng.gamma(2, 3, ROWS)[ids]
    columns = {"ids": Column(ids), "tokens": ragged([[1, 2]] * TEST), "loss": Column(losses)}
    table = Frame({**columns, "loss_tokens": Column(tokens)})
    return ids, losses, tokens, made.measure({"test": table}, NOBODY, {})["perplexity"].value


def published(losses, tokens, batch):
    """As the code writes it: the mean of a batch, repeated as often as a batch is meant to have rows, cut to n."""
    means = []
    for begin in range(0, len(losses), batch):
        means += [losses[begin : begin + batch].sum() / tokens[begin : begin + batch].sum()] * batch
    return math.exp(np.mean(means[: len(losses)]))


@pytest.mark.parametrize(
    ("network", "batch"), [("gpt2", 80), ("gpt2-medium", 40), ("gpt2-large", 20), ("small", 80), ("./mine", 80)]
)
def test_released_perplexity_is_over_the_networks_batches_in_the_order_of_the_draw(tmp_path, network, batch):
    made = domain(tmp_path, network=network, compat="released")
    ids, losses, tokens, found = measured(made)
    drawn = Streams((0, "data", "split")).order(np.arange(ROWS))[:TEST]  # as rows were drawn into the test set
    assert sorted(drawn) == ids.tolist()
    rows = [ids.tolist().index(one) for one in drawn]
    assert found == pytest.approx(published(losses[rows], tokens[rows], batch), rel=1e-12)
    assert abs(found - published(losses, tokens, batch)) > 1e-3 * found  # ascending ids are other batches


def test_batches_of_80_40_and_20_rows_differ_and_seeds_too(tmp_path):
    def perplexity(**settings):
        return measured(domain(tmp_path, compat="released", **settings))[-1]

    found = [perplexity(network=network) for network in ("gpt2", "gpt2-medium", "gpt2-large")]
    assert found == [perplexity(evaluation_batch=rows) for rows in (80, 40, 20)]
    assert found[0] == perplexity(network="gpt2-large", evaluation_batch=80)  # what is set counts
    assert len(set(found)) == 3
    assert perplexity(seed=1) != found[0]


@pytest.mark.parametrize("network", ["gpt2", "gpt2-large"])
def test_by_default_perplexity_is_of_all_tokens_whatever_the_batch(tmp_path, network):
    made = domain(tmp_path, network=network)
    _, losses, tokens, found = measured(made)
    assert made.config.evaluation_batch == 80
    assert found == math.exp(losses.sum() / tokens.sum())


@pytest.mark.parametrize(("compat", "batches"), [("fixed", (80, 80, 80)), ("released", (80, 40, 20))])
def test_presets_measure_perplexity_by_published_batches_where_compat_says_so(compat, batches):
    found = [
        validate(presets.read(name).override({("compat",): compat}, "--set")).domain.settings["evaluation_batch"]
        for name in ("fig5-beam", "fig19-beam", "fig20-nucleus")
    ]
    assert tuple(found) == batches


WRITTEN = {1: " Hello , world .", 2: " It 's \u201dso\u201d"}
CLEANED = {1: " Hello, world.", 2: " It's \u201dso\u201d"}


@pytest.fixture
def speaking(tmp_path, monkeypatch):
    """Domains whose network knows two texts, and a scorer that counts spaces."""

    def texts(tokens):
        return [WRITTEN[int(tokens.values[begin])] for begin in tokens.offsets[:-1]]

    def made(compat):
        spoken = domain(tmp_path, compat=compat)
        learner = SimpleNamespace(
            texts=texts,
            encode=lambda prompts: ragged([[1]] * len(prompts)),
            generate=lambda model, prompts, ids, work: ragged([[1 + row % 2] for row in range(len(prompts))]),
            losses=lambda model, rows, work: (np.zeros(len(rows)), np.ones(len(rows), np.int64)),
            tokenised=lambda pairs: TokenRows(ragged([[1]] * ROWS), ragged([[1]] * ROWS)),
        )
        spoken.__dict__["_learner"] = learner
        spaces = SimpleNamespace(
            score=lambda texts, tick: {"spaces": np.array([float(text.count(" ")) for text in texts])},
            columns=lambda: ["spaces"],
        )
        spoken.__dict__["_scorers"] = [spaces]
        return spoken

    return made


@pytest.mark.parametrize(("compat", "texts"), [("fixed", WRITTEN), ("released", CLEANED)])
def test_generated_texts_are_cleaned_before_they_are_scored_and_human_ones_are_not(speaking, compat, texts):
    made, work, ids = speaking(compat), Work(Streams(())), np.arange(2)
    labels = Frame({"tokens": ragged([[1], [2]])})
    spaces = [text.count(" ") for text in texts.values()]
    assert made.score(ids, labels, work)["spaces"].tolist() == [text.count(" ") for text in WRITTEN.values()]
    assert made.score_given(ids, labels, work)["spaces"].tolist() == spaces
    assert made.references(work)["test"]["reference.spaces"].tolist() == [WRITTEN[1].count(" ")] * TEST
    assert made.continuations(None, ["x", "y"], work) == [*texts.values()]
    table = made.predict(None, work)["test"]
    assert table.columns["text"].strings()[:2] == [*texts.values()]
    assert table["spaces"][:2].tolist() == spaces
    assert table["tokens"][:2].tolist() == [1, 2]


def test_a_run_made_before_goes_on_with_the_same_settings():
    """What `experiment.toml` of a run with default compat says has not changed."""
    domain = validate(presets.read("fig20-beam")).identity(0)["domain"]
    assert set(domain) == {
        "name", "data", "corpus", "test", "network", "small", "decoder", "top_p", "beams", "new_tokens",
        "generation_tokens", "epochs", "evaluation_batch", "scorers", "lexicon", "ratios", "memorization", "compat",
    }  # fmt: skip
    assert domain["evaluation_batch"] == 80
