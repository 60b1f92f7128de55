"""What a language model's files are, and whether its settings leave room to write; no torch."""

from pathlib import Path

from biasloop.datasets.checkpoints import Wanted
from biasloop.datasets.network_shape import read_settings
from biasloop.errors import InvalidInput

BUILT_IN = "small"
BUILT_IN_CONTEXT = 256  # tokens that the built-in network holds
LANGUAGE_MODEL = Wanted(
    "a language model", (("tokenizer.json",), ("vocab.json", "merges.txt")), "a causal language model"
)


def check_decoding(name: str, data: Path, new_tokens: int, beams: int) -> None:
    """Refuse continuations that leave no room for a prompt, and more beams than there are tokens to begin with.

    Args:
        name: of a network that `LANGUAGE_MODEL.check` lets through.
        data: the data directory.
        new_tokens: of a continuation at most.
        beams: 1 for none.

    Raises:
        InvalidInput: saying what to set.
    """
    settings = {} if name == BUILT_IN else read_settings(LANGUAGE_MODEL.locate(name, data))
    stated = [settings.get(key) for key in ("n_positions", "max_position_embeddings")]
    positions = BUILT_IN_CONTEXT if name == BUILT_IN else next((size for size in stated if type(size) is int), None)
    if positions is not None and new_tokens >= positions:
        raise InvalidInput(
            f"domain.new_tokens = {new_tokens} leaves no room for a prompt: {name} holds {positions} tokens; set it "
            f"below {positions}"
        )
    vocabulary = settings.get("vocab_size")
    if type(vocabulary) is int and beams >= vocabulary:
        raise InvalidInput(
            f"domain.beams = {beams} needs a vocabulary of more than {vocabulary} tokens; set fewer beams"
        )


def end_of_text(folder: Path) -> int | None:
    """The first `eos_token_id` in config.json, if it has one.

    Raises:
        InvalidInput: if the file is not a JSON object, or what it says is no token id.
    """
    eos = read_settings(folder).get("eos_token_id")
    if isinstance(eos, list):
        eos = eos[0] if eos else None
    if eos is None:
        return None
    if type(eos) is not int or not 0 <= eos < 2**31:
        raise InvalidInput(f"{folder / 'config.json'}: eos_token_id is no token id; put the network's own file there")
    return eos
