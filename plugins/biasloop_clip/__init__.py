"""Generated pictures fed back into the training of CLIP."""

from biasloop_clip.domain import ClipDomain
from biasloop_clip.shards_domain import ShardsDomain

__all__ = ["ClipDomain", "ShardsDomain"]
