"""Encoding of images and texts by models of open_clip: published ones, files and directories of weights.

open_clip gives a model in training mode, in which RN50's batch norm takes an image's own statistics and changes its
buffers; here it is in evaluation mode, always. Weights that a name does not have are an error and never random, and
nothing is unpickled: files are safetensors, or state dictionaries that torch reads with `weights_only`.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from biasloop.contract.encoding import EncoderSettings
from biasloop.errors import InvalidInput
from biasloop_clip import published, towers
from biasloop_clip.towers import FOLDER, HUB

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image
    from torch import nn

    from biasloop.contract.data import Array

_WEIGHTS = ("*.safetensors", "*.bin", "*.pth")  # in a directory
_LIBRARIES = ("open_clip_torch", "torch", "pillow")


class OpenClip:
    """A model in evaluation mode with its tokenizer and preprocessing."""

    def __init__(self, settings: EncoderSettings, model: nn.Module, transform: Any, tokenizer: Any) -> None:
        from biasloop.training import device

        self._settings, self._device = settings, device.resolve(settings.device)
        self._model = model.eval().to(self._device)
        self._transform, self._tokenizer = transform, tokenizer

    def about(self) -> Mapping[str, Any]:
        """As the contract says."""
        from biasloop.training import device

        return {
            "model": self._settings.name,
            "weights": _digest(self._model),
            "preprocess": _plain(getattr(self._model.visual, "preprocess_cfg", {})),
            "precision": self._settings.precision,
            **device.environment(self._device, self._settings.threads),
            "versions": {name: version(name) for name in _LIBRARIES},
        }

    def prepare(self, picture: Image) -> Array:
        """`(3, H, W)` float32, resized, cropped and normalised as the model was trained."""
        prepared: Array = self._transform(picture).numpy()
        return prepared

    def images(self, prepared: Array) -> Array:
        """`(n, d)` of `(n, 3, H, W)`."""
        import torch

        return self._encoded(self._model.encode_image, torch.from_numpy(np.ascontiguousarray(prepared)))

    def texts(self, texts: Sequence[str]) -> Array:
        """`(n, d)` of texts, which the tokenizer cuts off at the model's context."""
        tokens = self._tokenizer(list(texts))  # (n, context)
        if _causal(self._model):
            length = int(tokens.argmax(dim=-1).max()) + 1  # the end of a text is its highest token
            with _context_of(self._model, length):
                return self._encoded(self._model.encode_text, tokens[:, :length])
        return self._encoded(self._model.encode_text, tokens)

    def _encoded(self, tower: Any, inputs: torch.Tensor) -> Array:
        import torch

        from biasloop.training import device

        with device.computing(self._settings.threads), torch.inference_mode(), self._casting():
            features = tower(inputs.to(self._device)).float().cpu().numpy()  # (n, d)
        return np.asarray(features, np.float32)

    def _casting(self) -> AbstractContextManager[object]:
        import torch

        if self._settings.precision == "float32":
            return nullcontext()
        return torch.autocast(self._device.type, getattr(torch, self._settings.precision))


def _causal(model: nn.Module) -> bool:
    """Whether a text's features are those of its end, which looks at no token behind it: padding changes nothing."""
    import open_clip

    return isinstance(model, open_clip.CLIP) and model.attn_mask is not None and model.text_pool_type == "argmax"


@contextmanager
def _context_of(model: Any, length: int) -> Iterator[None]:
    """Inside, a model takes texts of so many tokens: captions have a dozen, its context has 77."""
    import torch

    positions, mask = model.positional_embedding, model.attn_mask
    model.positional_embedding = torch.nn.Parameter(positions.detach()[:length], requires_grad=False)
    model.attn_mask = mask[:length, :length]
    try:
        yield
    finally:
        model.positional_embedding, model.attn_mask = positions, mask


def load(settings: EncoderSettings) -> OpenClip:
    """A model by name.

    Args:
        settings: `name` is NAME:TAG of open_clip's published models, NAME:FILE for weights in a file,
            `hf-hub:ORG/REPO`, or `local-dir:DIR` with open_clip_config.json.

    Raises:
        InvalidInput: there is no such model, the tag was trained with another activation than the name says, or
            weights are missing, do not fit, or need a pickle.
        SomethingToFetch: weights are not here, and the network must not be touched.
    """
    _check_precision(settings.precision)
    offline = published.offline(asked=settings.offline)
    name, weights = _split(settings.name)
    import open_clip

    _check(name, weights, offline=offline)
    try:
        with published.quiet(published.fetched(name, weights, offline=offline)):
            file = None if weights is None else published.file_of(name, weights)
            source = weights if file is None else str(file)  # the library takes "OpenAI" for a tag, a path never
            model, _, transform = open_clip.create_model_and_transforms(name, source, require_pretrained=True)
            tokenizer = open_clip.get_tokenizer(name)
    except Exception as error:  # the library raises anything, and hides what it caught
        raise published.why(settings.name, error) from error
    return OpenClip(replace(settings, name=recorded(settings.name)), model, transform, tokenizer)


def fitted(network: str, model: nn.Module, settings: EncoderSettings) -> OpenClip:
    """A network that a run has fitted, with the tokenizer and the preprocessing that it was fitted with.

    Args:
        network: what it was built of, as `towers.build` takes it.
        model: the network.
        settings: precision, device, threads.

    Raises:
        InvalidInput: there is no such precision or device.
        SomethingToFetch: its tokenizer is on the hub, which cannot be reached.
    """
    _check_precision(settings.precision)
    published.offline(asked=settings.offline)
    _, transform = towers.preprocessing(model)
    named = replace(settings, name=recorded(network))
    return OpenClip(named, model, transform, towers.tokenizer(network))


def recorded(text: str) -> str:
    """What a model is called wherever its files lie; its digest says which it is."""
    if text.startswith(FOLDER):
        return FOLDER + Path(text.removeprefix(FOLDER)).resolve().name
    if text.startswith(HUB):
        return text
    name, colon, weights = text.partition(":")
    return f"{name}{colon}{Path(weights).name}"


def _check_precision(name: str) -> None:
    if name not in ("float32", "float16", "bfloat16"):
        raise InvalidInput(f"precision {name!r}: expected float32, float16 or bfloat16")


def _split(text: str) -> tuple[str, str | None]:
    """Name and tag, or file of weights; of a directory or a repository there is no tag."""
    if text.startswith((HUB, FOLDER)):
        return text, None
    name, _, weights = text.partition(":")
    if not weights:
        raise InvalidInput(
            f"model {text!r} says no weights; expected NAME:TAG such as RN50-quickgelu:openai, NAME:FILE, "
            f"{HUB}ORG/REPO or {FOLDER}DIR"
        )
    return name, weights


def _check(name: str, weights: str | None, *, offline: bool) -> None:
    """Refuse what the library would fall back from with no more than a warning, and what is not here."""
    import open_clip

    if name.startswith(FOLDER):
        folder = Path(name.removeprefix(FOLDER))
        if not (folder / "open_clip_config.json").is_file():
            raise InvalidInput(f"{folder} has no open_clip_config.json; give a directory that open_clip has saved")
        if not any(file for pattern in _WEIGHTS for file in folder.glob(pattern)):
            raise InvalidInput(f"{folder} has no weights; put the model's open_clip_model.safetensors there")
        return
    if weights is None:
        return
    known = open_clip.list_models()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        raise InvalidInput(f"open_clip has no model {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    published.check(name, weights)
    if offline:
        published.require(name, weights)


def _digest(model: nn.Module) -> str:
    """Of all weights and buffers, whatever file they came from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return f"sha256:{digest.hexdigest()}"


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
