"""Networks of `open_clip` by name: any of its configurations, a directory, or a repository on the hub."""

from __future__ import annotations

import difflib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from biasloop.errors import InvalidInput, SomethingToFetch
from biasloop_clip import published

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor, nn

HUB, FOLDER = "hf-hub:", "local-dir:"
TINY = "tiny"
"""Our own name of a network for trials: 1.7 million weights, pictures of 32 pixels."""
CONFIG = "open_clip_config.json"


def check(name: str) -> None:
    """Refuse a name that nothing is called by; without torch, so of a repository nothing is known.

    Raises:
        InvalidInput: saying what is near.
    """
    if name.startswith(HUB):
        return
    if name == TINY or name.startswith(FOLDER):
        path = Path(identifier(name).removeprefix(FOLDER)) / CONFIG
        try:
            described = json.loads(path.read_bytes())["model_cfg"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidInput(
                f"domain.network is {name!r}, and {path} cannot be read as a network of open_clip "
                f'({type(error).__name__}); expected a JSON object with "model_cfg"'
            ) from error
        if not isinstance(described, dict):
            raise InvalidInput(f"domain.network is {name!r}, and model_cfg of {path} is no JSON object")
        return
    known = names()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InvalidInput(
            f"domain.network is {name!r}, which open_clip has no configuration of{hint} (RN50, ViT-B-32, ..., "
            f"{FOLDER}DIR, {HUB}OWNER/NAME)"
        )


def names() -> list[str]:
    """Of all configurations that come with open_clip, which is not imported."""
    spec = find_spec("open_clip")
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    return sorted(path.stem for folder in folders for path in Path(folder, "model_configs").glob("*.json"))


def build(name: str, weights: str | None = None, *, read: bool = True) -> nn.Module:
    """A new network in training mode.

    Without `weights` those of a configuration are random, from torch's global generator; of a directory or repository
    they are those that are there, if there are some.

    Args:
        name: as `check` takes it.
        weights: a tag that weights of this network were published under, or a file of weights.
        read: False leaves weights random, whatever there is; pictures are prepared as for those weights.

    Raises:
        InvalidInput: there is no such network, or what describes it is damaged; or weights are missing, do not fit, or
            need a pickle.
        SomethingToFetch: it is on the hub, which cannot be reached.
    """
    import open_clip  # seconds

    prepared = {} if weights is None else dict(published.preprocessing_of(name, weights))
    with _errors(name):
        network: nn.Module = open_clip.create_model(
            identifier(name), load_weights=read and weights is None, pretrained_text=False, pretrained_image=False,
            force_preprocess_cfg=prepared,
        )  # fmt: skip
    if weights is not None and read:
        _fill(network, name, weights)
    return network.train()


def _fill(network: nn.Module, name: str, weights: str) -> None:
    """Put weights into a network: all of them, or an error."""
    import open_clip
    from open_clip.pretrained import download_pretrained

    published.check(name, weights)
    if published.offline():
        published.require(name, weights)
    try:
        with published.quiet(published.fetched(name, weights, offline=published.offline())):
            file = download_pretrained(dict(published.preprocessing_of(name, weights))) or weights
            open_clip.load_checkpoint(network, file, strict=True, weights_only=True)
    except Exception as error:  # the library raises anything, and hides what it caught
        raise published.why(f"{name}:{weights}", error) from error


def is_vision_transformer(network: nn.Module) -> bool:
    """Whether pictures are encoded by a transformer of patches, by which the published code chooses betas."""
    from open_clip.transformer import VisionTransformer

    visual = cast("Any", network).visual
    return any(isinstance(module, VisionTransformer) or "VisionTransformer" in type(module).__name__
               for module in visual.modules())  # fmt: skip


def tokenizer(name: str) -> Callable[[Sequence[str]], Tensor]:
    """What makes `(n, words)` int64 tokens of texts, cut off where a network's context ends.

    Raises:
        InvalidInput, SomethingToFetch: as `build`.
    """
    import open_clip

    with _errors(name):
        tokens: Callable[[Sequence[str]], Tensor] = open_clip.get_tokenizer(identifier(name))
    return tokens


def preprocessing(network: nn.Module) -> tuple[Any, Callable[[Image.Image], Tensor]]:
    """How a network wants pictures: its size, mean and std, and what prepares one for evaluation, `(3, H, W)`."""
    from open_clip.transform import PreprocessCfg, image_transform_v2

    wanted = PreprocessCfg(**cast("Any", network).visual.preprocess_cfg)
    return wanted, image_transform_v2(wanted, is_train=False)


def identifier(name: str) -> str:
    """A network as open_clip calls it."""
    return f"{FOLDER}{Path(__file__).with_name(TINY)}" if name == TINY else name


@contextmanager
def _errors(name: str) -> Iterator[None]:
    """What the library raises, as errors of ours; it warns of what is meant to be so."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    except Exception as error:  # the library raises anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if name.startswith(HUB):
            raise SomethingToFetch(
                f"the network {name!r} cannot be had from the hub ({reason}); type on a machine that may use the "
                f"network:\nhf download {name.removeprefix(HUB)}"
            ) from error
        raise InvalidInput(f"the network {name!r} cannot be built: {reason}") from error
    finally:
        root.setLevel(level)
