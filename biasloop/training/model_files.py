"""Networks of transformers as directories that the library loads: config.json, model.safetensors, tokenizer files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import GenerationConfig, PreTrainedTokenizerFast

from biasloop.training.pretrained import quiet

TOKENIZER = "tokenizer.json"


def write_network(network: Any, directory: Path, generation: Mapping[str, Any] | None = None) -> None:
    """Write settings and weights.

    Args:
        network: a `PreTrainedModel`; its settings forget the path that it was read from.
        directory: where to.
        generation: settings of `generate`, for networks that write text; None leaves the network's own.
    """
    network.config._name_or_path = ""  # a path of this machine
    if generation is not None:
        settings: Any = GenerationConfig
        network.generation_config = settings(**generation)
    with quiet():
        network.save_pretrained(directory)


def write_tokenizer(tokenizer: Tokenizer, directory: Path, limit: int | None, special: Mapping[str, str]) -> None:
    """Write a tokenizer that cuts texts as this one does.

    Args:
        tokenizer: of the tokenizers library.
        directory: where to.
        limit: tokens that the network can hold at once; None where no limit is known.
        special: tokens by what they are called ("eos_token"), all in the vocabulary.
    """
    told = {} if limit is None else {"model_max_length": limit}
    wrapped: Any = PreTrainedTokenizerFast
    with quiet():
        made = wrapped(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **told, **special)
        made.save_pretrained(directory)
