"""What an encoder's files are, and whether its settings fit; no torch."""

from pathlib import Path

from biasloop.datasets.checkpoints import Wanted
from biasloop.datasets.network_shape import read_settings
from biasloop.errors import InvalidInput
from biasloop_textclass.config import BUILT_IN, Config

NAMES = ("bert-base-uncased",)
"""Encoders that can be fetched."""
ENCODER = Wanted("an encoder of texts")
_OFFSET = 2  # positions that networks of RoBERTa's kind never use


def check(config: Config, data: Path) -> None:
    """Refuse a network that cannot be loaded, or that holds fewer tokens than settings say, without loading it.

    Args:
        config: the domain's settings.
        data: the data directory.

    Raises:
        InvalidInput: no network has that name, its directory lacks files, or its settings do not fit.
        SomethingToFetch: it has to be fetched first.
    """
    name = config.network
    ENCODER.check(name, data, NAMES, BUILT_IN)
    if name == BUILT_IN:
        return
    folder = ENCODER.locate(name, data)
    described = read_settings(folder)
    if type(described.get("pad_token_id")) is not int:
        raise InvalidInput(
            f"{folder / 'config.json'} has no pad_token_id, which encoders have and causal models lack; "
            'name an encoder, such as "bert-base-uncased"'
        )
    positions = described.get("max_position_embeddings")
    if type(positions) is int:
        most = positions - (_OFFSET if "roberta" in str(described.get("model_type")) else 0)
        if config.length > most:
            raise InvalidInput(
                f"domain.length is {config.length}, and {name} holds {most} tokens; set it to {most} or less"
            )
