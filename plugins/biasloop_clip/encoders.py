"""CLIP as `open_clip` builds it, over the words of our captions."""

from __future__ import annotations

from torch import nn

from biasloop_clip.captions import LENGTH
from biasloop_clip.config import HEAD, Config


def build(config: Config, words: int) -> nn.Module:
    """A new `open_clip.CLIP` with random weights from torch's global generator, in training mode.

    Args:
        config: sizes.
        words: how many there are; the last one ends a caption.
    """
    import open_clip  # seconds, which making pictures does not need
    from open_clip.model import CLIPTextCfg, CLIPVisionCfg

    vision = CLIPVisionCfg(
        layers=config.layers, width=config.width, head_width=min(HEAD, config.width), patch_size=config.patch,
        image_size=config.pictures.canvas,
    )  # fmt: skip
    text = CLIPTextCfg(
        context_length=LENGTH, vocab_size=words, width=config.text_width, heads=max(1, config.text_width // HEAD),
        layers=config.text_layers,
    )  # fmt: skip
    network: nn.Module = open_clip.CLIP(config.embedding, vision, text)
    return network
