"""CLIPs of two million random weights, in directories as open_clip saves them, and pictures for them."""

import json
from pathlib import Path

import numpy as np

_TEXT = {"context_length": 16, "vocab_size": 49_408, "width": 32, "heads": 2, "layers": 2}
CONFIGS = {
    "vit": {
        "embed_dim": 32, "text_cfg": _TEXT,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 16, "patch_size": 8},
    },
    "rn": {
        "embed_dim": 32, "text_cfg": _TEXT,
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
    },
}  # fmt: skip


def built(kind):
    """The network, in training mode as open_clip makes it, with batch statistics that are not those of one image."""
    import open_clip
    import torch

    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        config = json.loads(json.dumps(CONFIGS[kind]))
        model = open_clip.CLIP(**config)
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.5)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 2)
    return model


def saved(folder: Path, kind, *, weights="open_clip_model.safetensors"):
    """A directory for `local-dir:`."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIGS[kind], "preprocess_cfg": {}}))
    state = {name: tensor.contiguous() for name, tensor in built(kind).state_dict().items()}
    if weights.endswith(".safetensors"):
        save_file(state, folder / weights)
    else:
        torch.save({"state_dict": state}, folder / weights)
    return folder


def pictures(folder: Path, count=7, side=40):
    """Image files `p0.png` and so on, in two folders; one has no ending, as PHASE's."""
    from PIL import Image

    rng = np.random.default_rng(0)
    names = [f"{'ab'[number % 2]}/p{number}{'' if number == 3 else '.png'}" for number in range(count)]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((side, side - 6))
        image.save(folder / name, format="PNG")
    return folder, names
