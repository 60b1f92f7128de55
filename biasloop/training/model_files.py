"""Networks of transformers as directories that the library loads: config.json, model.safetensors, tokenizer files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import GenerationConfig, PreTrainedTokenizerFast

from biasloop.training.pretrained import quiet

_SETTINGS = "tokenizer_config.json"
_ANY_VERSION = "PreTrainedTokenizerFast"  # transformers 5 writes a name that earlier versions do not know


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


def write_tokenizer(
    tokenizer: Tokenizer, directory: Path, limit: int | None, special: Mapping[str, str], read: Sequence[str] = ()
) -> None:
    """Write a tokenizer that cuts texts as this one does.

    Args:
        tokenizer: of the tokenizers library.
        directory: where to.
        limit: tokens that the network can hold at once; None where no limit is known.
        special: tokens by what they are called ("eos_token"), all in the vocabulary.
        read: inputs that the network takes; none for the library's usual ones.
    """
    told: dict[str, Any] = {} if limit is None else {"model_max_length": limit}
    told |= {"model_input_names": list(read)} if read else {}
    wrapped: Any = PreTrainedTokenizerFast
    with quiet():
        made = wrapped(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **told, **special)
        made.save_pretrained(directory)
    path = directory / _SETTINGS
    told = json.loads(path.read_text()) | {"tokenizer_class": _ANY_VERSION}
    path.write_text(json.dumps(told, indent=2, sort_keys=True) + "\n")
