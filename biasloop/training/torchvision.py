"""Classification networks of torchvision, by name and without pretrained weights; imports it when asked."""

import difflib
from collections.abc import Sequence
from typing import Any, cast

from torch import nn

from biasloop.errors import InvalidInput

_AUXILIARY = ("googlenet", "inception_v3")  # as published, they have more outputs than the logits in training


def build(name: str, classes: int, others: Sequence[str] = ()) -> nn.Module:
    """A new network of torchvision that gives `(B, classes)` logits of `(B, 3, H, W)`.

    Args:
        name: as in `torchvision.models.list_models(module=torchvision.models)`; "torchvision-" may stand before it, so
            that its "resnet18" is told from another one.
        classes: number of outputs.
        others: names of networks besides torchvision's, for the message.

    Raises:
        InvalidInput: if no network has that name, with the nearest.
    """
    from torchvision import models

    known, asked = models.list_models(module=models), name
    name = name.removeprefix("torchvision-")
    if name not in known:
        near = difflib.get_close_matches(name, dict.fromkeys([*others, *known]), 3)
        hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
        raise InvalidInput(
            f"no network is called {asked!r}; {hint}use {', '.join(others)}, or a classification network of torchvision"
        )
    options: dict[str, Any] = {"weights": None, "num_classes": classes}
    if name in _AUXILIARY:
        options |= {"aux_logits": False, "init_weights": True}
    return cast("nn.Module", models.get_model(name, **options))
