"""Generated pictures fed back into the training of CLIP."""

from biasloop_clip.domain import ClipDomain

__all__ = ["ClipDomain"]
