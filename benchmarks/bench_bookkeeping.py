"""What the rounds of a language loop cost besides fitting, generating and scoring, and whether it grows.

The engine, the store and the domain are the real ones, at the published sizes (fig5: 20,000 training rows, 5,000 more
a round, 14,442 test prompts, 14 rounds); only the network is not: it costs nothing to fit, and what it generates is
drawn from a law of tokens. A scorer that counts texts stands in for the toxicity classifier. The reference does what
the published code does: each round it scores every training text again and looks the generated n-grams up in sets of
tuples built anew. All on one CPU thread in one process. Run as a script, it prints the table;
`pytest benchmarks/bench_bookkeeping.py` times a smaller loop with pytest-benchmark.
"""

import itertools
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from bench_ngrams import SIZES, lists, rebuilt, texts

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.contract.randomness import Streams
from biasloop.feedback.accumulate import Accumulate
from biasloop.running import engine
from biasloop.running.engine import Committed, Options, Prepared
from biasloop.store.manifest import round_name
from biasloop.store.reader import Run
from biasloop_language import scorers, sotu
from biasloop_language.domain import LanguageDomain
from biasloop_language.encoder import Encoder, train
from biasloop_language.measures import TOKENS
from biasloop_language.pairs import Pairs
from biasloop_language.tokens import TokenRows

PUBLISHED = {"rows": 99_442, "test": 14_442, "start": 20_000, "human": 1_000, "model": 4_000}
SMALL = {"rows": 6_000, "test": 500, "start": 1_000, "human": 100, "model": 400}
SCORER = "toxicity-bilstm"


@dataclass
class _Network:
    """In the place of `biasloop_language.learner.Learner`: costs nothing, and its seconds are counted apart."""

    encoder: Encoder
    rows: TokenRows
    spent: dict[str, float] = field(default_factory=dict)

    def environment(self):
        return {}

    def tokenised(self, pairs):
        return self.rows

    def texts(self, tokens):
        return self.encoder.decode(tokens)

    def pretrained(self, work):
        return 0

    def fit(self, rows, work):
        return len(rows)

    def generate(self, model, prompts, ids, work):
        """A quarter of the rows begin as human ones do."""
        begun = time.perf_counter()
        made = texts(np.random.default_rng(model), len(ids), self.rows.continuations, self.encoder.size)
        self.spent["generate"] = self.spent.get("generate", 0) + time.perf_counter() - begun
        return made

    def losses(self, model, rows, work):
        return np.full(len(rows), 60.0), np.full(len(rows), 20)

    def save(self, model):
        return {"rows": np.array(model)}

    def load(self, arrays):
        return int(arrays["rows"])


@dataclass
class _Counting:
    """A scorer with the columns of the real one that counts texts."""

    spent: dict[str, float] = field(default_factory=dict)
    scored: int = 0

    def columns(self):
        return scorers.build(SCORER, {}, Path()).columns()

    def score(self, texts, tick=None):
        begun = time.perf_counter()
        values = np.array([len(text) % 97 for text in texts]) / 97
        self.scored += len(texts)
        self.spent["score"] = self.spent.get("score", 0) + time.perf_counter() - begun
        return dict.fromkeys(self.columns(), values)


def prepared(sizes):
    """A loop of the preset fig5-nucleus over a drawn corpus of a vocabulary of 4,096 tokens."""
    preset = presets.read("fig5-nucleus").override(
        {("domain", "data"): "sotu", ("domain", "network"): "small", ("domain", "test"): sizes["test"],
         ("domain", "scorers"): [SCORER], **{("loop", name): sizes[name] for name in ("start", "human", "model")}},
        "benchmark",
    )  # fmt: skip
    _, experiment = arms_of(preset)[0]
    domain = engine.build_domain(experiment.domain.model_dump(), 0, Options(Path()))
    encoder, draws = train(sotu.read("loop", 1990).texts(), 4_096), np.random.default_rng(0)
    rows = TokenRows(*(texts(draws, sizes["rows"], None, encoder.size) for _ in range(2)))
    network, scorer = _Network(encoder, rows), _Counting()
    scorer.spent = network.spent
    pairs = Pairs.of(["x"] * sizes["rows"], ["y"] * sizes["rows"], "drawn")
    vars(domain).update(_learner=network, _pairs=pairs, _scorers=[scorer, scorers.build("quotes", {}, Path())])
    rule = Accumulate(experiment.loop, domain, "language", Streams((0,)))
    return Prepared(experiment, 0, domain, rule), network, scorer


def index_seconds(domain: LanguageDomain, spent):
    """Count the seconds of adding to the n-gram index and of looking up."""
    overlaps = domain._memorized.overlaps

    def timed(generated, train):
        begun = time.perf_counter()
        found = overlaps(generated, train)
        spent["index"] = spent.get("index", 0) + time.perf_counter() - begun
        return found

    domain._memorized.overlaps = timed


def ours(sizes, directory):
    """Runs the loop; (bookkeeping and index seconds of set-up with round 0, round 1, ...), texts scored, its run."""
    made, network, scorer = prepared(sizes)
    index_seconds(made.domain, network.spent)
    marks = []

    def mark(event):
        if isinstance(event, Committed):
            kept = sum(network.spent.get(name, 0) for name in ("generate", "score"))
            marks.append((time.perf_counter() - kept, network.spent["index"]))

    begun = time.perf_counter()
    engine.run(made, directory, Options(directory, on_event=mark))
    return np.diff([(begun, 0.0), *marks], axis=0), scorer.scored, made.domain


def reference(run):
    """What the published code does besides fitting, generating and scoring new texts, over the rounds of a run.

    Returns:
        Seconds of n-grams, training texts scored, the shares of n-grams of each round.
    """
    story, spent, size, scored = [], {}, 0, 0
    before = run.read("setup").added
    for number in run.rounds:
        record = run.read(round_name(number))
        added = record.added or before
        story.append(tuple(
            lists(frame.columns[TOKENS]) for frame in (added.payload, record.evaluations["test"].tables["test"])
        ))  # fmt: skip
        size += len(added)
        scored += size
    shares = [share for share, _ in rebuilt(story, spent)]
    return sum(spent.values()), scored, shares


def stored_shares(run):
    return [metrics[f"memorization.{n}"].value for _, metrics, _, _ in run.summaries() for n in SIZES]


def scoring_cost(domain, rows=4_000):
    """Seconds that the real classifier takes for a text of this corpus."""
    scorer = scorers.build(SCORER, {}, Path())
    some = domain._learner.texts(domain._tokens.continuations.take(np.arange(rows)))
    scorer.score(some[:10])
    begun = time.perf_counter()
    scorer.score(some)
    return (time.perf_counter() - begun) / rows


def test_bookkeeping(benchmark):
    with tempfile.TemporaryDirectory() as place:
        directories = (Path(place) / str(number) for number in itertools.count())
        _, scored, _ = benchmark.pedantic(lambda: ours(SMALL, next(directories)), rounds=3)
        run = Run.open(Path(place) / "0")
        _, rescored, shares = reference(run)
        assert shares == stored_shares(run)
    rounds, growth = len(run.rounds), SMALL["human"] + SMALL["model"]
    train = SMALL["start"] + (rounds - 1) * growth
    assert scored == train + (rounds + 2) * SMALL["test"]  # by each model, by the untouched one, by humans
    assert rescored == sum(SMALL["start"] + number * growth for number in range(rounds))


def compare(repeats=3):
    """Prints the table; the least of alternating repeats, since whatever else the machine does only adds."""
    seconds, others_seconds = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as place:
            taken, scored, domain = ours(PUBLISHED, Path(place))
            run = Run.open(Path(place))
            grams_again, rescored, shares = reference(run)
            assert shares == stored_shares(run), "the fractions differ"
        seconds.append(taken)
        others_seconds.append((grams_again, scoring_cost(domain)))
    rounds, index = np.min(seconds, axis=0).T
    grams_again, cost = np.min(others_seconds, axis=0)
    train = PUBLISHED["start"] + (len(run.rounds) - 1) * (PUBLISHED["human"] + PUBLISHED["model"])
    others = scored - train
    again = (rescored - train) * cost
    both = grams_again + again
    new = PUBLISHED["human"] + PUBLISHED["model"] + PUBLISHED["test"]
    print(f"{len(run.rounds)} rounds                        ours   reference   ratio")
    print(f"training texts scored      {train:>10,} {rescored:>11,} {rescored / train:7.1f}")
    print(f"... and all other texts    {scored:>10,} {rescored + others:>11,} {(rescored + others) / scored:7.1f}")
    print(f"n-grams                    {index.sum():>8.2f} s {grams_again:>9.1f} s {grams_again / index.sum():7.1f}")
    print(f"all bookkeeping            {rounds.sum():>8.2f} s {both:>9.1f} s {both / rounds.sum():7.1f}")
    print(f"  of the reference: {again:.0f} s score {rescored - train:,} old texts at {cost * 1e3:.2f} ms ({SCORER})")
    print("bookkeeping by round, ms: " + " ".join(f"{1e3 * one:.0f}" for one in rounds[1:]))
    first, last = rounds[1:4].mean(), rounds[-3:].mean()
    print(f"last three rounds / rounds 1 to 3: {last / first:.2f} (+{1e3 * (last - first):.0f} ms)")
    print(f"scoring the {new:,} new texts of a round with {SCORER}: {new * cost:.1f} s")


if __name__ == "__main__":
    torch.set_num_threads(1)
    compare()
