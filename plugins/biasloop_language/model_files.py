"""A language model of a run as a directory that transformers loads."""

from pathlib import Path
from typing import Any

from biasloop.training.model_files import write_network, write_tokenizer
from biasloop_language.encoder import Encoder
from biasloop_language.kv_cache import context
from biasloop_language.recipes import Decoder


def write(network: Any, encoder: Encoder, decoder: Decoder, directory: Path) -> None:
    """Write network and tokenizer; `generate` is set to decode as the run does.

    End-of-text also stands for the beginning, as in GPT-2: evaluation programs condition a text without a prompt on it.
    """
    end = str(encoder.inner.id_to_token(encoder.eos))
    generation = {"eos_token_id": encoder.eos, "bos_token_id": encoder.eos, "pad_token_id": encoder.eos}
    network.config.bos_token_id = network.config.eos_token_id = encoder.eos
    write_network(network, directory, generation | _decoding(decoder))
    write_tokenizer(encoder.inner, directory, context(network), {"eos_token": end, "bos_token": end})


def _decoding(decoder: Decoder) -> dict[str, Any]:
    """The decoder in the words of transformers."""
    chosen: dict[str, dict[str, Any]] = {
        "greedy": {},
        "beam": {"num_beams": decoder.beams},
        "nucleus": {"do_sample": True, "top_p": decoder.top_p, "top_k": 0},
    }
    return {"max_new_tokens": decoder.new_tokens, **chosen[decoder.kind]}
