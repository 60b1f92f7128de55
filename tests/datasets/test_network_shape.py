"""config.json with sizes that no network has, or that the weights beside it cannot be of."""

import json
import time

import pytest

from biasloop.datasets.checkpoints import Wanted
from biasloop.datasets.network_shape import check_shape, read_settings
from biasloop.errors import InvalidInput

GPT2 = {"vocab_size": 50257, "n_layer": 12, "n_head": 12, "n_embd": 768, "n_positions": 1024, "n_inner": None,
        "eos_token_id": 50256}  # fmt: skip


@pytest.fixture
def place(tmp_path):
    """A directory that has all files, with weights of a million bytes."""
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(1_000_000)
    (tmp_path / "tokenizer.json").write_text("{}")
    return tmp_path


def put(place, settings) -> None:
    text = settings if isinstance(settings, str) else json.dumps(settings)
    (place / "config.json").write_text(text, encoding="utf-8")


SMALL = {**GPT2, "vocab_size": 100, "n_embd": 8, "n_layer": 2}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({**SMALL, "n_layer": 10**9}, r"n_layer = 1000000000: expected a whole number from 0 to 1,000"),
        ({**SMALL, "num_hidden_layers": 10**9}, "num_hidden_layers"),
        ({**SMALL, "vocab_size": 10**12}, "vocab_size = 1000000000000"),
        ({**SMALL, "vocab_size": -1}, "vocab_size = -1"),
        ({**SMALL, "n_layer": "12"}, 'n_layer = "12"'),
        ({**SMALL, "n_head": [1, 10**6]}, "n_head = 1000000"),
        ({**SMALL, "n_embd": True}, "n_embd = true"),
        ({**SMALL, "n_embd": 768.5}, "n_embd = 768.5"),
        ({**SMALL, "num_local_experts": 10**9}, "num_local_experts"),
        ({"text_config": {**SMALL, "n_layer": 10**6}}, "n_layer"),
        (GPT2, r"describes 38,597,376 parameters or more, and the weights have 1,000,000 bytes"),
        ({**SMALL, "n_embd": 100, "n_layer": 900}, "describes 9,000,000 parameters"),
        ({**SMALL, "n_positions": 10**7}, "parameters or more"),
        ({**SMALL, "intermediate_size": 10**8}, "parameters or more"),
        ([], "is not a JSON object"),
        ("[" * 100_000, "levels deep"),
        ('{"a":' * 100_000, "levels deep"),
        ('{"n_layer": ' + "9" * 5_000 + "}", "thousands of digits"),
        ("{", "not valid JSON"),
        (" " * 10_000_001, "too large"),
    ],
)
def test_an_absurd_description_is_refused_at_once(place, settings, words):
    put(place, settings)
    begun = time.perf_counter()
    with pytest.raises(InvalidInput, match=words) as caught:
        Wanted("a network").locate(str(place), place)
    assert time.perf_counter() - begun < 5
    assert len(str(caught.value)) < 1000


def test_a_sensible_description_passes(place):
    put(place, {**SMALL, "layer_types": ["a"], "use_cache": True, "num_key_value_heads": None})
    check_shape(place, "a network")
    with (place / "model.safetensors").open("wb") as file:
        file.truncate(500_000_000)
    put(place, GPT2)
    check_shape(place, "a network")
    assert read_settings(place)["n_layer"] == 12
