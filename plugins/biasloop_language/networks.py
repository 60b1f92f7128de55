"""Causal language models: those on disk, the small built-in one, and both as named arrays."""

import copy
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Read when the library is imported; files are only ever read from disk.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from biasloop.contract.data import Array, Arrays
from biasloop.errors import InvalidInput
from biasloop.training import pretrained
from biasloop.training.weights import to_arrays, to_tensors
from biasloop_language.checkpoints import LANGUAGE_MODEL, end_of_text
from biasloop_language.encoder import Encoder


@dataclass(frozen=True)
class Language:
    """A network with its initial weights, on the host, and its tokenizer.

    Attributes:
        network: never trained itself; `fresh` copies it.
        encoder: text to token ids and back.
    """

    network: nn.Module
    encoder: Encoder

    def fresh(self, device: torch.device) -> nn.Module:
        """A copy with the initial weights, on a device, in evaluation mode."""
        return copy.deepcopy(self.network).to(device).eval()


def resolve(name: str, data: Path) -> Language:
    """A causal language model and its tokenizer from disk; nothing is fetched, and no pickle is read.

    Args:
        name: of a network fetched into the data directory, or the path of a directory; there: config.json,
            weights as *.safetensors, and tokenizer.json or vocab.json with merges.txt.
        data: the data directory.

    Raises:
        InvalidInput: if the files are no causal language model, hold weights that are not finite, or hold them as a
            pickle only.
        SomethingToFetch: if the files of a name are not all there.
    """
    folder = LANGUAGE_MODEL.locate(name, data)
    encoder = Encoder.read(folder, end_of_text(folder))
    network, info = pretrained.read(AutoModelForCausalLM, folder, "a causal language model")
    pretrained.check_arrays({*info["missing_keys"]}, folder)
    if encoder.size > network.get_input_embeddings().num_embeddings:
        raise InvalidInput(f"the tokenizer in {folder} has more tokens than the network; put the network's own there")
    pretrained.check_finite(network, folder)
    pretrained.detach_from_files(network)
    return Language(network.eval(), encoder)


def small(
    vocabulary: int, layers: int = 2, width: int = 128, heads: int = 4, context: int = 128, eos: int = 0
) -> nn.Module:
    """A network shaped as GPT-2 (Radford et al. 2019) with random weights, output tied to input embeddings.

    It has no dropout: it is too small, and trained too briefly, to need any.

    As it is, with 4,096 tokens, it has 937,472 parameters. Weights come from torch's global generator.

    Args:
        vocabulary: tokens.
        layers: transformer blocks.
        width: of a block; a multiple of heads.
        heads: of attention.
        context: tokens that it can hold at once.
        eos: id of the end-of-text token.

    Returns:
        The network, in evaluation mode.

    Raises:
        InvalidInput: if the width is no multiple of heads.
    """
    if width % heads:
        raise InvalidInput(f"a width of {width} cannot be shared by {heads} heads; set a multiple of {heads}")
    config = GPT2Config(
        vocab_size=vocabulary,
        n_layer=layers,
        n_embd=width,
        n_head=heads,
        n_positions=context,
        bos_token_id=eos,
        eos_token_id=eos,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    network: nn.Module = GPT2LMHeadModel(config)
    return network.eval()


def parameters(network: nn.Module) -> int:
    """How many parameters a network has; tied ones count once."""
    return sum(parameter.numel() for parameter in network.parameters())


def save(network: nn.Module) -> dict[str, Array]:
    """Parameters and buffers by name; of those that are tied, the first alone."""
    return to_arrays({name: tensor for name, tensor in network.state_dict().items() if name not in _tied(network)})


def load(network: nn.Module, arrays: Arrays) -> None:
    """Puts saved parameters and buffers into a network of the same shape.

    Raises:
        RuntimeError: if names or shapes differ.
    """
    keys = network.load_state_dict(to_tensors(arrays), strict=False)
    wrong = [*keys.unexpected_keys, *(set(keys.missing_keys) - _tied(network))]
    if wrong:
        raise RuntimeError(f"saved arrays and network differ in {', '.join(sorted(wrong))}")


def _tied(network: nn.Module) -> set[str]:
    """Names of parameters that are another one under a second name."""
    first: dict[int, str] = {}
    state: dict[str, Any] = network.state_dict(keep_vars=True)
    tensors: dict[str, Tensor] = {name: tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}
    return {name for name, tensor in tensors.items() if first.setdefault(id(tensor), name) != name}
