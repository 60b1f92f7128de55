"""A language round as a Hugging Face directory: transformers loads it, and it gives the run's own logits and tokens."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from support.language import tiny_gpt2
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.errors import InvalidInput, Mismatch
from biasloop.running import engine, generate
from biasloop.running.engine import Options
from biasloop.running.model_export import _public, export_model
from biasloop.store.reader import Run

TINY = {
    ("domain", "small"): {"vocabulary": 300, "layers": 1, "width": 16, "epochs": 1},
    ("domain", "test"): 20, ("domain", "new_tokens"): 6, ("domain", "decoder"): "greedy",
    ("loop", "start"): 40, ("loop", "human"): 4, ("loop", "model"): 16, ("loop", "rounds"): 2,
}  # fmt: skip
PROMPTS = ["My fellow citizens,", "The state of the union is", "We   ask for 1,000 é \u2014"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two runs: of the built-in network with every model kept, and of one from a directory with its newest alone."""
    from biasloop_language import sotu

    place, read = tmp_path_factory.mktemp("language"), sotu.read
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sotu, "read", lambda *args: read(*args).take(np.arange(0, 300)))
        (place / "net").mkdir()
        tiny_gpt2(place / "net", read("pretraining").texts()[:300], positions=256)
        for name, network, keep in (("small", "small", True), ("own", str(place / "net"), False)):
            options = Options(place / "data", threads=1, keep_models=keep, interval=1e9)
            asked = experiment(network, "quickstart-language" if name == "small" else str(place / "own.toml"))
            engine.run(engine.prepare(asked, 0, options), place / name / "seed-0", options)
        yield place


def experiment(network: str, name: str):
    """Of a preset that is called so, as one is whose path was given."""
    preset = presets.read("quickstart-language").override({**TINY, ("domain", "network"): network}, "test")
    preset.values.pop("grid", None)
    return arms_of(preset)[0][1].model_copy(update={"name": name})


def options(place: Path) -> Options:
    return Options(place / "data", threads=1)


def loaded(directory: Path):
    return AutoModelForCausalLM.from_pretrained(directory), AutoTokenizer.from_pretrained(directory)


@pytest.mark.parametrize(
    ("name", "number", "how"), [("small", 0, "stored"), ("own", 1, "stored"), ("own", 0, "refitted")]
)
def test_transformers_gives_the_runs_own_logits_and_tokens(place, tmp_path, name, number, how):
    run = place / name / "seed-0"
    exported = export_model(run, number, tmp_path / "model", options(place), force=False)
    assert (exported.round, exported.how) == (number, how)
    assert ("fitted again from its ledger" in (tmp_path / "model" / "README.md").read_text()) == (how == "refitted")
    maker = generate.from_run(run, number, options(place))
    own, encoder = maker.model, maker.domain._learner._encoder
    theirs, tokenizer = loaded(tmp_path / "model")
    assert not theirs.training
    continued = generate.continuations(maker, PROMPTS, options(place))
    for prompt, row in zip(PROMPTS, continued, strict=True):
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        assert ids[0].tolist() == encoder.encode([prompt]).values.tolist()
        with torch.no_grad():
            assert torch.equal(theirs(ids).logits, own(ids).logits)
        written = theirs.generate(ids)[0, ids.shape[1] :]
        assert tokenizer.decode(written, skip_special_tokens=True) == row["continuation"]


def test_what_is_written_needs_nothing_else_and_names_no_path(place, tmp_path):
    directory = tmp_path / "model"
    exported = export_model(place / "own" / "seed-0", None, directory, options(place), force=False)
    needed = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {*needed, "README.md"} <= set(exported.files) == {path.name for path in directory.iterdir()}
    for path in [*directory.glob("*.json"), directory / "README.md"]:
        assert str(place) not in path.read_text(), path.name
    page = (directory / "README.md").read_text()
    assert "Before the first round it was `net`" in page
    assert "# own, round 1, seed 0\n" in page
    assert "of the preset `own`, seed 0" in page
    config, end = json.loads((directory / "config.json").read_text()), tokenizer_end(directory)
    assert config["eos_token_id"] == config["bos_token_id"] == end
    assert not list(tmp_path.glob(".model-*"))


def test_of_paths_in_settings_the_page_has_the_names_alone():
    paths = ["/home/me/a.txt", "~/b.txt", "./c.txt", "../d.txt", "e/f.txt", "g"]
    settings = {"path": paths[0], "files": paths, "inner": [{"path": paths[1]}], "rounds": 3, "keep": True}
    names = ["a.txt", "b.txt", "c.txt", "d.txt", "e/f.txt", "g"]
    told = {"path": "a.txt", "files": names, "inner": [{"path": "b.txt"}], "rounds": 3, "keep": True}
    assert _public(settings) == told


def tokenizer_end(directory: Path) -> int:
    tokenizer = AutoTokenizer.from_pretrained(directory)
    assert tokenizer.eos_token == tokenizer.bos_token
    return tokenizer.eos_token_id


def test_the_page_says_which_run_and_round(place, tmp_path):
    export_model(place / "small" / "seed-0", 0, tmp_path / "model", options(place), force=False)
    page = (tmp_path / "model" / "README.md").read_text()
    run = Run.open(place / "small" / "seed-0")
    assert page.startswith("---\nlibrary_name: transformers\npipeline_tag: text-generation\n")
    assert "# quickstart-language, round 0, seed 0\n" in page
    assert run.manifest.experiment in page
    ((_, metrics, _, _),) = run.summaries([0])
    rows = dict(re.findall(r"^\| (\S+) \| (\S+) \| \d+ \| \S* \|$", page, re.MULTILINE))
    assert rows["perplexity"] == f"{metrics['perplexity'].value:.6g}"
    assert 'network = "small"' in page


@pytest.mark.parametrize(
    ("decoder", "said"),
    [
        ("greedy", {"do_sample": False, "num_beams": 1}),
        ("beam", {"do_sample": False, "num_beams": 3, "early_stopping": False}),
        ("nucleus", {"do_sample": True, "top_p": 0.7, "top_k": 0}),
    ],
)
def test_generate_is_set_to_decode_as_the_run_does(decoder, said):
    from biasloop_language.model_files import _decoding
    from biasloop_language.recipes import Decoder

    config = GenerationConfig(**_decoding(Decoder(kind=decoder, beams=3, top_p=0.7, new_tokens=6)))
    assert config.max_new_tokens == 6
    told = {"do_sample": False, "num_beams": 1, "early_stopping": False} | config.to_diff_dict()
    assert {key: told[key] for key in said} == said


# --- the command


@pytest.fixture
def export(cli, place):
    return lambda *typed: cli("export", *typed, "--format", "hf", "--data", str(place / "data"))


def test_the_command_writes_a_model_and_says_where(export, place):
    result = export(str(place / "small"), "--round", "0", "-o", "model")
    assert result.exit_code == 0, result.exception
    assert "wrote the model of round 0 to model; transformers loads it" in result.stdout
    assert loaded(Path("model"))
    again = export(str(place / "small" / "seed-0"), "-o", "model")
    assert isinstance(again.exception, InvalidInput)
    assert "--force" in str(again.exception)
    forced = export(str(place / "small" / "seed-0"), "-o", "model", "--force", "--json")
    assert json.loads(forced.stdout)["round"] == 1
    assert "round 1" in Path("model/README.md").read_text()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["--round", "7"], "has no round 7; it has rounds 0 to 1"),
        (["RUNS"], "writes the model of one run, and there are 2; name "),
    ],
)
def test_what_cannot_be_written_is_refused(export, place, typed, words):
    typed = [str(place) if word == "RUNS" else word for word in typed]
    result = export(str(place / "small" / "seed-0"), *typed, "-o", "model")
    assert isinstance(result.exception, InvalidInput)
    assert words in str(result.exception)
    assert not Path("model").exists()


def test_another_domain_refuses_in_a_sentence(cli, tiny_run):
    result = cli("export", str(tiny_run), "--format", "hf", "-o", "model")
    assert isinstance(result.exception, Mismatch)
    assert "the domain 'images' writes no models that another library loads" in str(result.exception)


def test_a_round_belongs_to_models(cli, tiny_run):
    result = cli("export", str(tiny_run), "--round", "0")
    assert isinstance(result.exception, InvalidInput)
    assert "--round goes with --format hf" in str(result.exception)


def test_a_run_that_is_none_is_refused(place, tmp_path):
    with pytest.raises(InvalidInput, match="seed-0"):
        export_model(place / "none" / "seed-0", None, tmp_path / "x", options(place), force=False)
