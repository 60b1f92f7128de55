"""Networks of torchvision that begin with published weights in all layers but the last."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from biasloop.errors import DownloadError


def load(network: nn.Module, path: Path, mend: str) -> None:
    """Puts published weights into a new network, whose last linear layer stays as it is.

    Args:
        network: whose parameters have the published names and shapes, but for the last layer's.
        path: the published file; nothing in it is run.
        mend: what to do about a damaged file, as part of a sentence.

    Raises:
        DownloadError: if the file does not read, or is of another network.
    """
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # bytes that are no checkpoint make the reader fail in any way
        raise _damaged(path, (str(error).splitlines() or [type(error).__name__])[0], mend) from error
    if not isinstance(stored, Mapping):
        raise _damaged(path, "it has no named weights", mend)
    last = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)][-1]
    own = {f"{last}.weight", f"{last}.bias"}
    try:
        named = {name: tensor for name, tensor in stored.items() if name not in own}
        missing, unexpected = network.load_state_dict(named, strict=False)
    except (RuntimeError, AttributeError) as error:
        raise _damaged(path, "its weights have other shapes", mend) from error
    wrong = [*(set(missing) - own), *unexpected]
    if wrong:
        raise _damaged(path, f"it is of another network ({min(wrong)})", mend)


def _damaged(path: Path, why: str, mend: str) -> DownloadError:
    return DownloadError(f"{path} is damaged: {why}; {mend}")
