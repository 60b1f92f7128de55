"""What a person sees who brings a bad corpus or network, by the command line: one sentence, and nothing is lost."""

import json
from pathlib import Path

import pytest
import torch
from support.language import tiny_gpt2
from support.loops import assert_same_run
from tokenizers import Tokenizer
from transformers import GPT2LMHeadModel

from biasloop.errors import Diverged, InvalidInput, StoreError
from biasloop.store.reader import Run
from biasloop_language import finetuning

WORDS = ["people", "nation", "work", "year", "congress", "peace", "war", "tax", "law", "energy", "world", "hope"]
ROWS = [
    {
        "prompt": f"We {' '.join((WORDS * 2)[n % 12 : n % 12 + 6])}",
        "continuation": f" {WORDS[n % 7]} and {WORDS[n % 5]}",
    }
    for n in range(1500)
]


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    return tiny_gpt2(tmp_path_factory.mktemp("network") / "tiny", [f"{r['prompt']}{r['continuation']}" for r in ROWS])


@pytest.fixture
def loop(cli, network, workplace):
    """Runs a corpus through two rounds of a tiny loop; further settings as `key=value`."""

    def run(rows, *settings, name="own.jsonl", out="runs/bad"):
        lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
        (workplace / name).write_text("".join(f"{line}\n" for line in lines))
        chosen = {
            "domain.data": name, "domain.network": str(network), "domain.test": "20", "domain.new_tokens": "4",
            "domain.decoder": "nucleus", "domain.beams": "2", "domain.epochs": "1", "loop.start": "40",
            "loop.human": "4", "loop.model": "12", "loop.rounds": "2",
            **dict(setting.split("=", 1) for setting in settings),
        }  # fmt: skip
        sets = [part for key, value in chosen.items() for part in ("--set", f"{key}={value}")]
        preset = ["--preset", "quickstart-language-mini", "--seeds", "0", "--threads", "1"]
        return cli("loop", *preset, "--out", out, "--json", *sets)

    return run


def metrics(result) -> list[dict]:
    """Of each round, from what was printed."""
    assert result.exit_code == 0, result.exception
    return [one["metrics"] for one in map(json.loads, result.stdout.splitlines()) if "round" in one]


def said(result, kind: type[Exception]) -> str:
    """The one sentence of a refusal."""
    assert isinstance(result.exception, kind)
    assert "\n" not in str(result.exception)
    return str(result.exception)


def with_row(place: int, row) -> list:
    return [*ROWS[:place], row, *ROWS[place + 1 :]]


def test_rows_with_an_empty_continuation_are_kept_and_teach_nothing(loop):
    rows = [{**row, "continuation": ""} if n % 5 == 0 else row for n, row in enumerate(ROWS[:300])]
    for one in metrics(loop(rows)):
        assert one["quotes.reference"]["n"] == 20
        assert one["perplexity"]["value"] > 1
    added = Run.open(Path("runs/bad/seed-0")).read("setup").added
    assert 0 in added.payload.columns["tokens"].offsets[1:] - added.payload.columns["tokens"].offsets[:-1]


def test_a_corpus_of_empty_continuations_is_refused(loop):
    message = said(loop([{**row, "continuation": ""} for row in ROWS]), InvalidInput)
    assert "every continuation of own.jsonl is empty" in message
    assert "domain.corpus.continuation" in message


def test_a_row_over_the_context_is_named_before_anything_is_trained(loop):
    message = said(loop(with_row(700, {"prompt": "Of " + "peace " * 200, "continuation": " x"})), InvalidInput)
    assert "row 700 of own.jsonl (counted from 0, its prompt is 'Of peace peace" in message
    assert "reads at most 96; shorten it or leave it out" in message
    assert not Run.open(Path("runs/bad/seed-0")).rounds


def test_invalid_json_is_named_with_its_line(loop):
    message = said(loop(with_row(1233, '{"prompt": "We", "continuation": ')), InvalidInput)
    assert message.startswith("own.jsonl, line 1,234: not valid JSON (Expecting value, at character ")


def test_unknown_fields(loop):
    renamed = [{"text": row["prompt"], "answer": row["continuation"]} for row in ROWS[:300]]
    message = said(loop(renamed), InvalidInput)
    assert "line 1: there is no field 'prompt' (found: text, answer)" in message
    assert "domain.corpus.prompt" in message
    named = metrics(loop(renamed, "domain.corpus.prompt=text", "domain.corpus.continuation=answer"))
    more = metrics(loop([{**row, "source": "x", "year": 1} for row in ROWS[:300]], out="runs/more"))
    assert named == more  # fields that nobody asks for change nothing
    assert "did you mean 'prompt'?" in str(loop(ROWS, "domain.corpus.prompts=text").exception)


@pytest.mark.parametrize("decoder", ["beam", "nucleus"])
def test_a_tokenizer_needs_no_pad_token(loop, network, tmp_path, decoder):
    tokenizer = Tokenizer.from_file(str(network / "tokenizer.json"))
    assert tokenizer.padding is None
    assert json.loads((network / "config.json").read_text()).get("pad_token_id") is None
    padding = tmp_path / "padding"
    model = GPT2LMHeadModel.from_pretrained(network)
    model.config.pad_token_id = 5
    model.save_pretrained(padding)
    tokenizer.enable_padding(pad_id=5, pad_token=tokenizer.id_to_token(5))
    tokenizer.save(str(padding / "tokenizer.json"))
    setting = f"domain.decoder={decoder}"
    without = metrics(loop(ROWS[:300], setting))
    assert without == metrics(loop(ROWS[:300], setting, f"domain.network={padding}", out="runs/padding"))


@pytest.mark.parametrize("decoder", ["beam", "nucleus", "greedy"])
def test_empty_generations_are_rows_of_the_next_training_set(loop, network, tmp_path, decoder):
    mute = tmp_path / "mute"
    model = GPT2LMHeadModel.from_pretrained(network)
    with torch.no_grad():  # whatever the prompt: end of text
        model.transformer.ln_f.bias.copy_(model.transformer.wte.weight[model.config.eos_token_id] * 1e4)
    model.save_pretrained(mute)
    (mute / "tokenizer.json").write_bytes((network / "tokenizer.json").read_bytes())
    found = metrics(loop(ROWS[:300], f"domain.network={mute}", f"domain.decoder={decoder}"))
    for one in found:
        assert one["empty"] == {"value": 1.0, "n": 20, "se": 0.0}
        assert one["quotes.generated"]["value"] == 0
        assert one["memorization.5"] == {
            "value": None,
            "n": 0,
            "se": None,
            "reason": "0/0: there are no rows that it could rest on",
        }
    added = Run.open(Path("runs/bad/seed-0")).read("round-0001").added
    by_model = added.payload.take(added.origin >= 0).columns["tokens"]
    assert (len(by_model), len(by_model.values)) == (12, 0)


def test_a_loss_that_is_nan_leaves_the_rounds_before_it(loop, monkeypatch):
    """The weights are spoilt in round 2; when they no longer are, the same command gives what it always gives."""
    whole = loop(ROWS[:300], "loop.rounds=4", out="runs/whole")
    fit, calls = finetuning.fit, []

    def spoilt(model, *rest, **more):
        calls.append(1)
        if len(calls) == 3:
            torch.nn.init.constant_(model.transformer.ln_f.weight, float("nan"))
        return fit(model, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(finetuning, "fit", spoilt)
        message = said(loop(ROWS[:300], "loop.rounds=4"), Diverged)
    assert "epoch 1 of 1 (mean loss nan); set a learning_rate below 0.0003; all up to round 1 stays in" in message
    assert Run.open(Path("runs/bad/seed-0")).rounds == [0, 1]
    slower = loop(ROWS[:300], "loop.rounds=4", "domain.learning_rate=1e-4")
    assert "domain.learning_rate is 0.0003 there and 0.0001 here; use another --output" in said(slower, StoreError)
    assert metrics(loop(ROWS[:300], "loop.rounds=4"))[2:] == metrics(whole)[2:]
    assert_same_run(Path("runs/whole/seed-0"), Path("runs/bad/seed-0"))


def test_the_last_update_can_spoil_a_network_too(loop):
    settings = ("domain.learning_rate=1e30", "domain.batch_size=1000")
    message = said(loop(ROWS[:300], *settings), Diverged)
    assert "loss on 20 of 20 test rows is not a finite number; set domain.learning_rate below 1e+30" in message
    assert not Run.open(Path("runs/bad/seed-0")).rounds


def test_weights_that_are_nan_are_refused(loop, network, tmp_path):
    model = GPT2LMHeadModel.from_pretrained(network)
    torch.nn.init.constant_(model.transformer.ln_f.weight, float("nan"))
    model.save_pretrained(tmp_path / "nan")
    (tmp_path / "nan" / "tokenizer.json").write_bytes((network / "tokenizer.json").read_bytes())
    message = said(loop(ROWS[:300], f"domain.network={tmp_path / 'nan'}"), InvalidInput)
    assert "are not all finite numbers, those of transformer.ln_f.weight" in message
