import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save_file
from tokenizers import ByteLevelBPETokenizer

from biasloop.datasets.checkpoints import directory as directory_of
from biasloop.datasets.tokens import ragged
from biasloop.errors import InvalidInput, SomethingToFetch
from biasloop_language import checkpoints, networks
from biasloop_language.encoder import END, Encoder, train

WORDS = np.random.default_rng(0)
TEXTS = [
    " ".join("".join(chr(97 + letter) for letter in WORDS.integers(0, 26, size)) for size in WORDS.integers(2, 9, 12))
    for _ in range(700)
]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def encoder():
    return train(TEXTS, 4096)


@pytest.fixture
def directory(tmp_path, encoder):
    """A network on disk, as it is published."""
    place = tmp_path / "data" / "tiny"
    torch.manual_seed(3)
    networks.small(encoder.size, layers=1, width=8, heads=2).save_pretrained(place)
    encoder.inner.save(str(place / "tokenizer.json"))
    return place


def logits(network):
    with torch.inference_mode():
        return network(torch.tensor([[5, 6, 7, 300]])).logits


def test_the_small_network_has_at_most_a_million_parameters():
    network = networks.small(4096)
    assert networks.parameters(network) == 937_472
    assert network.lm_head.weight is network.transformer.wte.weight
    assert not network.training
    with pytest.raises(InvalidInput, match="a width of 30 cannot be shared by 4 heads"):
        networks.small(300, width=30)


def test_a_small_network_as_arrays():
    network, other = networks.small(300), networks.small(300)
    arrays = networks.save(network)
    assert sum(array.size for array in arrays.values()) == networks.parameters(network)  # tied weights once
    networks.load(other, arrays)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])
    with pytest.raises(RuntimeError, match="wpe"):
        networks.load(other, {name: array for name, array in arrays.items() if "wpe" not in name})


def test_tokens_of_a_trained_vocabulary(encoder):
    assert encoder.size == 4096
    assert encoder.eos == encoder.inner.token_to_id(END) == 0
    column = encoder.encode([*TEXTS[:3], ""])
    assert column.values.dtype == np.int32
    assert column.offsets.tolist()[-2:] == [len(column.values)] * 2
    assert len(column.values) < sum(map(len, TEXTS[:3])) / 2
    assert encoder.decode(column) == [*TEXTS[:3], ""]
    assert encoder.decode(ragged([[0, *column.values[:4].tolist(), 0], [0]]))[1] == ""
    assert encoder.decode(ragged([])) == []
    assert train(["abc"], 300).size < 300
    with pytest.raises(InvalidInput, match="256 bytes"):
        train(TEXTS, 256)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=4))
def test_every_text_comes_back(encoder, texts):
    texts = [text.encode(errors="ignore").decode().replace(END, "") for text in texts]
    assert encoder.decode(encoder.encode(texts)) == texts


def test_the_same_texts_give_the_same_vocabulary(encoder):
    program = (
        "import json, sys\nfrom biasloop_language.encoder import train\n"
        "sys.stdout.write(train(json.load(sys.stdin), 4096).inner.to_str())\nassert 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", program]
    shown = subprocess.run(command, input=json.dumps(TEXTS), capture_output=True, text=True, check=False)
    assert shown.stdout == encoder.inner.to_str(), shown.stderr


def test_a_vocabulary_as_an_array(encoder):
    saved = encoder.save()
    assert saved.dtype == np.uint8
    again = Encoder.load(saved)
    assert again.eos == 0
    assert again.inner.to_str() == encoder.inner.to_str()
    with pytest.raises(InvalidInput, match="no end-of-text token"):
        Encoder.load(saved, eos=9999)


@pytest.mark.parametrize("named", [True, False])
def test_a_network_from_disk(directory, named):
    before = torch.get_rng_state()
    language = networks.resolve("tiny" if named else str(directory), directory.parent)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(3)
    assert torch.equal(logits(language.network), logits(networks.small(4096, layers=1, width=8, heads=2)))
    assert language.encoder.eos == 0
    assert language.encoder.decode(language.encoder.encode(TEXTS[:2])) == TEXTS[:2]


def test_half_precision_on_disk_is_single_in_memory(directory):
    stored = load((directory / "model.safetensors").read_bytes())
    halves = {name: tensor.bfloat16() for name, tensor in stored.items()}
    save_file(halves, directory / "model.safetensors", {"format": "pt"})
    network = networks.resolve("tiny", directory.parent).network
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_fresh_copies_keep_the_initial_weights(directory):
    language = networks.resolve("tiny", directory.parent)
    (directory / "model.safetensors").write_bytes(b"")  # never read again, not even as mapped memory
    shutil.rmtree(directory)
    one = language.fresh(torch.device("cpu"))
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.add_(1)
    two = language.fresh(torch.device("cpu"))
    assert not torch.equal(logits(one), logits(two))
    assert torch.equal(logits(two), logits(language.network))
    assert two.lm_head.weight is two.transformer.wte.weight
    assert two is not language.network


def test_a_vocabulary_in_two_files(directory):
    (directory / "tokenizer.json").unlink()
    older = ByteLevelBPETokenizer()
    older.train_from_iterator(TEXTS, 1000, special_tokens=[END], show_progress=False)
    older.save_model(str(directory))
    encoder = networks.resolve("tiny", directory.parent).encoder
    assert encoder.size == 1000
    column = encoder.encode([*TEXTS[:5], "naïve  text ”"])
    assert column.values[: column.offsets[1]].tolist() == older.encode(TEXTS[0]).ids
    assert encoder.decode(column) == [*TEXTS[:5], "naïve  text ”"]
    assert encoder.decode(ragged([[0]])) == [""]


def test_end_of_text_is_what_the_settings_say(directory):
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"eos_token_id": [17, 18]}))
    assert networks.resolve("tiny", directory.parent).encoder.eos == 17


def test_what_is_not_there_is_to_be_fetched(directory):
    with pytest.raises(SomethingToFetch, match="(?s)gpt2-large is not in .*\nbiasloop fetch gpt2-large$"):
        networks.resolve("gpt2-large", directory.parent)
    (directory / "tokenizer.json").unlink()
    with pytest.raises(SomethingToFetch, match=r"lacks tokenizer.json \(or vocab.json and merges.txt\); type"):
        networks.resolve("tiny", directory.parent)
    with pytest.raises(InvalidInput, match="is not the directory of a language model: it lacks tokenizer.json"):
        networks.resolve(str(directory), directory.parent)
    with pytest.raises(InvalidInput, match="it lacks config.json"):
        networks.resolve("./nowhere", directory.parent)


def test_a_directory_here_is_pointed_at(directory, tmp_path, monkeypatch):
    monkeypatch.chdir(directory.parent)
    with pytest.raises(SomethingToFetch, match=r'for the directory here, write "./tiny"'):
        networks.resolve("tiny", tmp_path / "elsewhere")
    assert networks.resolve("./tiny", tmp_path / "elsewhere").encoder.eos == 0


@pytest.mark.parametrize("named", [True, False])
def test_a_pickle_is_refused(directory, named):
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    with pytest.raises(InvalidInput, match="a pickle .pytorch_model.bin., which can run code"):
        networks.resolve("tiny" if named else str(directory), directory.parent)


def test_damage_is_named(directory):
    path = directory / "model.safetensors"
    whole = path.read_bytes()
    stored = load(whole)
    path.write_bytes(whole[:100])
    with pytest.raises(InvalidInput, match="cannot be read as a causal language model"):
        networks.resolve("tiny", directory.parent)
    stored.pop("transformer.h.0.mlp.c_fc.weight")
    save_file(stored, path, {"format": "pt"})
    with pytest.raises(InvalidInput, match=r"lack 1 arrays .* transformer.h.0.mlp.c_fc.weight"):
        networks.resolve("tiny", directory.parent)
    path.write_bytes(whole)
    (directory / "tokenizer.json").write_text("{")
    with pytest.raises(InvalidInput, match="the tokenizer in .* cannot be read"):
        networks.resolve("tiny", directory.parent)
    (directory / "config.json").write_text("[]")
    with pytest.raises(InvalidInput, match="is not a JSON object"):
        networks.resolve("tiny", directory.parent)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, '{"version": ' + "9" * 5_000 + "}", "", "\0", "null"]
)
def test_a_hostile_tokenizer_is_refused_by_a_sentence(directory, text):
    (directory / "tokenizer.json").write_text(text)
    with pytest.raises(InvalidInput, match="the tokenizer in .* cannot be read"):
        Encoder.read(directory)


def test_a_panic_of_the_tokenizer_library_is_a_sentence(directory, monkeypatch):
    class PanicException(BaseException):
        """As the library's own, which is no Exception."""

    def panic(path):
        raise PanicException("index out of bounds")

    monkeypatch.setattr("tokenizers.Tokenizer.from_file", panic, raising=False)
    with pytest.raises(InvalidInput, match="cannot be read .index out of bounds."):
        Encoder.read(directory)


def test_a_tokenizer_of_another_network_is_refused(directory):
    torch.manual_seed(0)
    networks.small(1000, layers=1, width=8, heads=2).save_pretrained(directory)
    with pytest.raises(InvalidInput, match="more tokens than the network"):
        networks.resolve("tiny", directory.parent)


def test_looking_for_files_needs_no_torch():
    program = "import biasloop.datasets.checkpoints, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_paths_and_names(tmp_path):
    assert directory_of("gpt2", tmp_path) == tmp_path / "gpt2"
    assert directory_of("./gpt2", tmp_path).name == "gpt2"
    assert directory_of("a/b", tmp_path) != tmp_path / "a/b"
    assert checkpoints.LANGUAGE_MODEL.lacking(tmp_path / "nothing") == [
        "config.json", "*.safetensors", "tokenizer.json (or vocab.json and merges.txt)",
    ]  # fmt: skip


@pytest.mark.parametrize("eos", ["x", -1, 10**30, [[1]], {}, True, 1.5])
def test_an_end_of_text_that_is_no_token_id_is_refused(tmp_path, eos):
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": eos}))
    with pytest.raises(InvalidInput, match="eos_token_id is no token id"):
        checkpoints.end_of_text(tmp_path)


def test_an_end_of_text_may_be_missing_or_several(tmp_path):
    for eos, expected in ((None, None), ([], None), ([7, 8], 7), (0, 0)):
        (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": eos}))
        assert checkpoints.end_of_text(tmp_path) == expected
