"""The domain "language" from end to end, small; the published preset on stand-ins in the published formats."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.language import archive, lines, published, tiny_detoxify, tiny_gpt2
from support.loops import assert_same_run
from support.standard_errors import assert_checked

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.contract.context import Context, Work
from biasloop.contract.data import Column, Frame
from biasloop.contract.domains import EPOCHS, Demands
from biasloop.contract.randomness import Streams
from biasloop.datasets.tokens import ragged
from biasloop.errors import InvalidInput, Mismatch
from biasloop.metrics import ngrams
from biasloop.running import engine, generate
from biasloop.running.engine import Notice, Options
from biasloop.running.reopen import reopen, replay
from biasloop.store.reader import Run
from biasloop_language import measures
from biasloop_language.domain import LanguageDomain

TINY = {
    ("domain", "small"): {"vocabulary": 300, "layers": 1, "width": 16, "epochs": 1},
    ("domain", "test"): 20,
    ("domain", "new_tokens"): 6,
    ("domain", "beams"): 2,
    ("loop", "start"): 40,
    ("loop", "human"): 4,
    ("loop", "model"): 16,
    ("loop", "rounds"): 3,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data directory, in which the built-in network is pre-trained once for all tests."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def few_sentences(monkeypatch):
    """The corpus, thinned: what is tested is the same and pre-training takes a second."""
    from biasloop_language import sotu

    whole = sotu.read
    monkeypatch.setattr(sotu, "read", lambda *args: whole(*args).take(np.arange(0, 300)))


def experiment(changes=None):
    preset = presets.read("quickstart-language").override({**TINY, **(changes or {})}, "test")
    preset.values.pop("grid", None)
    return arms_of(preset)[0][1]


def run(data, directory, changes=None, *, seed=0, options=None):
    options = replace(options or Options(data, threads=1), data=data)
    prepared = engine.prepare(experiment(changes), seed, options)
    engine.run(prepared, directory, options)
    return Run.open(directory), prepared


@pytest.mark.parametrize("decoder", ["beam", "nucleus", "greedy"])
def test_a_loop_of_every_decoder(data, tmp_path, decoder):
    stored, prepared = run(data, tmp_path / "run", {("domain", "decoder"): decoder})
    setup = stored.read("setup")
    assert setup.evaluations["pretrained"].metrics["perplexity"].value > 1
    for _, metrics, sizes, _ in stored.summaries():
        assert {"perplexity", "quotes.generated", "repeated.4", "distinct.2", "memorization.5"} <= metrics.keys()
        assert metrics["quotes.bias"].value == pytest.approx(
            metrics["quotes.generated"].value - metrics["quotes.reference"].value
        )
        assert sizes["trained"] == 40
    assert_checked(stored)
    last = stored.read("round-0002")
    assert last.added.origin.tolist() == [-2] * 4 + [1] * 16
    assert set(last.added.payload.columns) == {
        "tokens",
        "quotes",
        *(f"count.{n}" for n in experiment().domain.settings["lexicon"]),
    }
    table = last.evaluations["test"].tables["test"]
    assert table.columns["text"].strings() == prepared.domain._learner.texts(table.columns["tokens"])


def test_stopping_and_metrics_change_no_bit(data, tmp_path):
    run(data, tmp_path / "whole")
    asked = [0]

    def stopping():
        asked[0] += 1
        return asked[0] == 40

    run(data, tmp_path / "stopped", options=Options(data, threads=1, interval=0, stopping=stopping))
    assert len(Run.open(tmp_path / "stopped").rounds) < 3
    stored, _ = run(data, tmp_path / "stopped")
    assert_same_run(tmp_path / "whole", tmp_path / "stopped")
    _, prepared = reopen(tmp_path / "whole", Options(data, threads=1))
    for number, record in replay(stored, prepared.rule):
        again = prepared.rule.measure(number, record, record.evaluations["test"].tables)
        kept = record.evaluations["test"].metrics
        assert {name: repr(m) for name, m in again.items()} == {name: repr(m) for name, m in kept.items()}


def test_snapshots_look_at_the_network_after_every_epoch_and_change_nothing(data, tmp_path):
    changes = {("domain", "epochs"): 2, ("loop", "rounds"): 2}
    plain, _ = run(data, tmp_path / "plain", changes)
    looked, _ = run(data, tmp_path / "looked", {**changes, ("loop", "snapshots"): 1})
    for number in range(2):
        one, other = (stored.read(f"round-{number:04}") for stored in (looked, plain))
        assert set(one.evaluations) == {"test", "epoch-0001", "epoch-0002"}
        values = {name: evaluation.metrics["perplexity"].value for name, evaluation in one.evaluations.items()}
        assert values["epoch-0002"] == values["test"] == other.evaluations["test"].metrics["perplexity"].value
        assert values["epoch-0001"] != values["epoch-0002"]


def test_snapshots_are_refused_where_others_would_wait(data, monkeypatch):
    for name, value in {
        "WORLD_SIZE": "2",
        "RANK": "0",
        "LOCAL_RANK": "0",
        "MASTER_ADDR": "x",
        "MASTER_PORT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Mismatch, match="2 processes were launched"):
        LanguageDomain(LanguageDomain.Config(), Context(data, Streams((0,)))).check(Demands(frozenset({EPOCHS})))


def test_continuations_of_anybodys_prompts(data, tmp_path):
    options = Options(data, threads=1)
    run(data, tmp_path / "run")
    maker = generate.from_run(tmp_path / "run", None, options)
    prompts = ["My fellow Americans,", "The state of our union", "We must"]
    rows = generate.continuations(maker, prompts, options)
    assert [row["prompt"] for row in rows] == prompts
    assert maker.how == "stored"
    assert (
        generate.continuations(maker, prompts[::-1], options)[1] == rows[1] or experiment().domain.settings["decoder"]
    )
    untouched = generate.from_preset(experiment(), options)
    assert untouched.how == "pretrained"
    assert len(generate.continuations(untouched, prompts, options)) == 3


def test_the_built_in_network_is_pretrained_once_and_announced(tmp_path):
    told = []
    options = Options(tmp_path, threads=1, on_event=lambda e: told.append(e.text) if isinstance(e, Notice) else None)
    run(tmp_path, tmp_path / "a", options=options)
    run(tmp_path, tmp_path / "b", seed=1, options=options)
    assert len(told) == 1
    assert "pre-training the built-in network on 300 sentences; this is done once" in told[0]
    one, two = (Run.open(tmp_path / name).read("setup").evaluations["pretrained"] for name in "ab")
    assert one.metrics.keys() == two.metrics.keys()


def test_the_published_preset_runs_on_stand_ins(tmp_path, monkeypatch):
    """fig5-beam as it is, with an archive in the published format, a tiny saved GPT-2, a tiny Detoxify."""
    from biasloop_language import corpora, domain, realtoxicity

    texts = [(f"Prompt number {n} says that", f" the answer is {n * 7} and \u201cso on\u201d.") for n in range(120)]
    content = archive(lines(texts))
    stand_in = published(content, rows=120)
    read = realtoxicity.read
    monkeypatch.setattr(realtoxicity, "read", lambda context: read(context, stand_in))
    data = tmp_path / "data"
    stand_in.directory(data).mkdir(parents=True)
    (stand_in.directory(data) / stand_in.archive.filename).write_bytes(content)
    tiny_detoxify(data)
    network = tiny_gpt2(tmp_path / "gpt2", [a + b for a, b in texts])
    for module in (corpora, domain):
        monkeypatch.setattr(module, "requirement", lambda name, data: _present(name))
    changes = {"network": str(network), "test": 24, "new_tokens": 5, "beams": 3}
    preset = presets.read("fig5-beam").override(
        {**{("domain", name): value for name, value in changes.items()}, ("loop", "start"): 30, ("loop", "human"): 3,
         ("loop", "model"): 12}, "test",
    )  # fmt: skip
    options = Options(data, threads=1)
    prepared = engine.prepare(arms_of(preset)[0][1], 0, options)
    outcome = engine.run(prepared, tmp_path / "run", options)
    assert outcome.rounds == (120 - 24 - 30) // 15 + 1  # until the reserve is used up
    metrics = [row[1] for row in Run.open(tmp_path / "run").summaries()]
    for name in ("toxicity.generated", "toxicity.reference", "toxicity.train", "toxicity.bias", "memorization.10"):
        assert all(name in row for row in metrics)
    assert metrics[0]["has_quote.reference"].value == 1.0
    train = [row["toxicity.train"].n for row in metrics]
    assert train == [30, 45, 60, 75, 90]


def _present(name):
    from biasloop.contract.context import Requirement

    return Requirement(name, "data", 1, True)


def test_what_is_missing_is_said_with_its_commands(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "biasloop", "loop", "--preset", "fig5-beam", "--data", str(tmp_path)],
        capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "40"},
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stdout == ""
    for name in ("realtoxicityprompts", "gpt2", "detoxify-original"):
        assert f"\n  biasloop fetch {name} --data {tmp_path}\n" in done.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({("domain", "scorers"): []}, "need each other"),
        ({("domain", "ratios"): {"x": ["singular", "nobody"]}}, "expected two names of lists"),
        ({("domain", "data"): "nowhere.jsonl"}, "there is no such file"),
        ({("domain", "test"): 400}, "set it below"),
        ({("loop", "label_by"): "argmax"}, "labels by 'beam'"),
        ({("domain", "decoder"): "magic"}, "domain.decoder"),
    ],
)
def test_bad_settings_are_one_sentence(data, tmp_path, changes, message):
    with pytest.raises((InvalidInput, Mismatch), match=message) as caught:
        run(data, tmp_path / "run", changes)
    assert "\n" not in str(caught.value)


def test_an_own_file_partly_without_continuations(data, tmp_path):
    path = tmp_path / "mine.jsonl"
    rows = [{"prompt": f"Question {n}:", "continuation": f" answer {n}"} for n in range(80)]
    rows += [{"prompt": f"Open {n}:"} for n in range(40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    stored, _ = run(data, tmp_path / "run", {("domain", "data"): str(path), ("domain", "test"): 10})
    by_model = [record.added.ids[record.added.origin >= 0] for record in (stored.read(f"round-000{r}") for r in (1, 2))]
    assert all((ids >= 80).all() for ids in by_model)  # what no human has continued comes first


def frame(**columns):
    return Frame({name.replace("__", "."): column for name, column in columns.items()})


def test_scores_and_their_bias():
    generated, reference = np.array([0.9, 0.2, 0.6]), np.array([0.1, 0.2, 0.7])
    test = frame(toxicity=Column(generated), reference__toxicity=Column(reference))
    train = frame(toxicity=Column(np.array([0.0, 0.5, 0.51, 1.0])))
    found = measures.scores(test, train, ["toxicity"])
    assert found["toxicity.generated"].value == pytest.approx(17 / 30)
    assert found["toxicity_above_half.generated"].value == pytest.approx(2 / 3)
    assert found["toxicity_above_half.train"].value == 0.5  # above, not at
    difference = generated - reference
    assert found["toxicity.bias"].value == pytest.approx(difference.mean())
    assert found["toxicity.bias"].error == pytest.approx(difference.std() / np.sqrt(3))


def test_perplexity_and_its_error_against_resampling():
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 21, 400)
    losses = tokens * rng.gamma(4, 1, 400)
    found = measures.fit_quality(losses, tokens, None)
    assert found.value == pytest.approx(np.exp(losses.sum() / tokens.sum()))
    draws = rng.integers(0, 400, (2000, 400))
    resampled = np.exp(losses[draws].sum(1) / tokens[draws].sum(1))
    assert found.error == pytest.approx(resampled.std(), rel=0.15)


def test_memorisation_follows_growing_and_other_sets(data):
    from biasloop.contract.data import Samples
    from biasloop_language.memorization import Memorized

    rng = np.random.default_rng(1)
    rows = [rng.integers(0, 6, rng.integers(0, 9)) for _ in range(60)]
    generated = ragged([rng.integers(0, 6, 8) for _ in range(10)])
    memorized = Memorized([2, 3])

    def samples(chosen):
        tokens = Frame({"tokens": ragged([rows[i] for i in chosen])})
        return Samples(np.array(chosen), np.zeros(len(chosen), np.bool_), tokens)

    for chosen in (range(10), range(25), range(60), range(30, 50), range(12)):
        fresh = ngrams.NgramIndex([2, 3])
        fresh.add(ragged([rows[i] for i in chosen]))
        found = memorized.overlaps(generated, samples(list(chosen)))
        assert found["memorization.2"].value == fresh.overlap(generated, 2).value
        assert found["memorization.3"].value == fresh.overlap(generated, 3).value


def test_labels_do_not_depend_on_the_batch(data, tmp_path):
    _, prepared = run(data, tmp_path / "run", {("domain", "decoder"): "nucleus", ("loop", "rounds"): 1})
    domain: LanguageDomain = prepared.domain
    model = domain.pretrained(Work(Streams(("x",))))
    ids = domain.splits().pool[:12]
    whole = domain.label(model, ids, "nucleus", Work(Streams((5,)))).columns["tokens"]
    part = domain.label(model, ids[::3], "nucleus", Work(Streams((5,)))).columns["tokens"]
    same = whole.take(np.arange(0, 12, 3))
    assert np.array_equal(same.values, part.values)
    assert Path(tmp_path / "run" / "round-0000.h5").exists()


def test_generated_labels_are_texts_beside_those_of_people(data, tmp_path):
    _, prepared = run(data, tmp_path / "run", {("loop", "rounds"): 1})
    domain: LanguageDomain = prepared.domain
    model = domain.pretrained(Work(Streams(("x",))))
    maker = generate.Maker(domain, model, prepared.rule, Streams((0,)), "pretrained")
    table = generate.labels(maker, "test", 3, Options(data, device="cpu", threads=1))
    assert list(table) == ["id", "prediction_text", "text"]
    ids = domain.splits().test[:3]
    assert table["id"] == ids.tolist()
    assert table["text"] == domain._learner.texts(domain.human_labels(ids).columns["tokens"])
    assert all(isinstance(text, str) for text in table["prediction_text"])
