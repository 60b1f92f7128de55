"""Samples of several generators as if of one: in equal shares, each labelled by who labels its generator's."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import Tensor

from biasloop.errors import InvalidInput
from biasloop.training.star import Generated


def mixed(parts: Sequence[Generated]) -> Generated:
    """One source of images: of samples drawn together, number i is of part `i % len(parts)`.

    Labels are of images as drawn, all of a draw in their order, since who labels one depends on its place. Groups and
    strata are those of the first part. The host waits for nothing.

    Args:
        parts: generators with latents of one size; all with labels, or none.

    Raises:
        InvalidInput: if there is no part, or their latents differ in size.
    """
    if len({part.latent for part in parts}) != 1:
        raise InvalidInput(f"generators that are sampled together need latents of one size, not {_latents(parts)}")
    if len(parts) == 1:
        return parts[0]
    label = None
    if all(part.label is not None for part in parts):
        label = _interleaved([part.labels for part in parts])
    return replace(parts[0], sample=_interleaved([part.sample for part in parts]), label=label)


def _latents(parts: Sequence[Generated]) -> str:
    return " and ".join(str(part.latent) for part in parts) or "none"


def _interleaved(functions: Sequence[Callable[[Tensor], Tensor]]) -> Callable[[Tensor], Tensor]:
    """Row i of the result is of the function `i % len(functions)`."""

    def together(rows: Tensor) -> Tensor:
        used = [function(rows[at :: len(functions)]) for at, function in enumerate(functions) if at < len(rows)]
        found = used[0].new_empty((len(rows), *used[0].shape[1:]))
        for at, part in enumerate(used):
            found[at :: len(functions)] = part
        return found

    return together
