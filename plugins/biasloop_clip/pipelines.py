"""Text-to-image pipelines of diffusers as they are published: pictures whose noise depends on their seed alone."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from biasloop.contract.illustrating import About, Drawn, PipelineSettings
from biasloop.downloads import is_offline
from biasloop.downloads.temporary import home_of
from biasloop.errors import Interrupted, InvalidInput, SomethingToFetch
from biasloop.training import device as devices
from biasloop_clip import published

if TYPE_CHECKING:
    from biasloop.contract.data import Ints

DEFAULT = "stable-diffusion-v1-5/stable-diffusion-v1-5"
"""The published study's pipeline, by its present name: the one that it used is gone from the hub."""
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_BLOCK = 1 << 22  # bytes
_PACKAGES = ("diffusers", "transformers", "torch", "safetensors")


class DiffusersIllustrator:
    """A pipeline of diffusers (`biasloop.contract.illustrating.Illustrator`)."""

    def __init__(self, settings: PipelineSettings) -> None:
        self._settings = settings
        self._device = devices.resolve(settings.device)
        self._precision = _precision(settings.precision, self._device)
        name = settings.name or DEFAULT
        folder, self._revision = _located(name, settings)
        self._generator = folder.absolute().name if _is_path(name) else name  # where it lies is nobody's business
        self._pipeline = _loaded(folder, DTYPES[self._precision]).to(self._device)
        self._pipeline.set_progress_bar_config(disable=True)
        _keep_what_is_flagged(self._pipeline)

    def about(self) -> About:
        """As the contract."""
        said = devices.environment(self._device, self._settings.threads)
        versions = {name: version(name) for name in _PACKAGES}
        return About(
            self._generator, self._revision, self._precision, said["device"], int(said["threads"]), versions
        )  # fmt: skip

    def draw(self, captions: Sequence[str], seeds: Ints, stopping: Callable[[], bool]) -> Drawn:
        """As the contract; noise is drawn on the CPU, and then moved."""

        def step_ended(pipeline: Any, step: int, time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            if stopping():
                raise Interrupted
            return tensors

        size = {"height": self._settings.size, "width": self._settings.size} if self._settings.size else {}
        generators = [torch.Generator("cpu").manual_seed(int(seed)) for seed in seeds]
        with devices.computing(self._settings.threads), torch.inference_mode():
            made = self._pipeline(
                list(captions), num_inference_steps=self._settings.steps, guidance_scale=self._settings.guidance,
                generator=generators, output_type="np", callback_on_step_end=step_ended, **size,
            )  # fmt: skip
        shares = np.asarray(made.images, np.float32)  # (n, height, width, 3) in 0 .. 1
        if not np.isfinite(shares).all():
            raise InvalidInput(
                f"{self._generator} draws numbers that are not finite in {self._precision}; use --precision float32"
            )
        flags = getattr(made, "nsfw_content_detected", None)
        return Drawn((shares * 255).round().astype(np.uint8), None if flags is None else np.array(flags, bool))


def _precision(name: str, device: torch.device) -> str:
    if name == "auto":
        return "float16" if device.type == "cuda" else "float32"
    if name not in DTYPES:
        raise InvalidInput(f"--precision {name}: expected auto, {', '.join(DTYPES)}")
    return name


def _is_path(name: str) -> bool:
    """Whether it names a directory: it begins with a dot, a tilde or a slash. Names on the hub, too, have a slash."""
    return name.startswith((".", "~", "/"))


def _located(name: str, settings: PipelineSettings) -> tuple[Path, str]:
    """The directory with a pipeline's files, and which revision of it that is."""
    if _is_path(name):
        folder = home_of(Path(name))
        if not (folder / "model_index.json").is_file():
            raise InvalidInput(f"{folder} is no directory of a diffusers pipeline: it has no model_index.json")
        _refuse_pickles(folder)
        return folder, f"sha256:{_digest(folder)}"
    if "/" not in name and (Path(name) / "model_index.json").is_file():
        raise _taken_for_a_name(name)
    folder = _fetched(name, settings)
    _refuse_pickles(folder)
    return folder, folder.name  # the cache calls a snapshot by its commit


def _fetched(name: str, settings: PipelineSettings) -> Path:
    """The snapshot of a published pipeline in the cache of huggingface_hub."""
    from diffusers import DiffusionPipeline

    offline = is_offline(settings.offline) or os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
    try:
        with published.quiet(None if offline else f"the pipeline {name}"):
            return Path(
                DiffusionPipeline.download(
                    name, revision=settings.revision or None, use_safetensors=True, local_files_only=offline
                )
            )
    except (OSError, ValueError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if Path(name).is_dir():
            raise _taken_for_a_name(name) from error
        if offline or published.is_unreachable(error):
            why = "the network must not be used" if offline else "the hub cannot be reached"
            raise SomethingToFetch(
                f"the pipeline {name!r} is not in the cache of huggingface_hub, and {why}; type on a machine that may "
                f"use the network:\nhf download {name}"
            ) from error
        raise InvalidInput(
            f"the pipeline {name!r} cannot be had from the hub ({reason}); give --pipeline a name on the hub, or a "
            f'directory, as "./mine"'
        ) from error


def _taken_for_a_name(name: str) -> InvalidInput:
    return InvalidInput(
        f"{name} is taken for the name of a pipeline on the hub; for the directory here, write ./{name}"
    )


def _refuse_pickles(folder: Path) -> None:
    """Every part with weights has them as safetensors."""
    for part in sorted(path for path in folder.iterdir() if path.is_dir()):
        weights = [path.name for path in sorted(part.iterdir()) if path.suffix in _PICKLES]
        if weights and not any(path.suffix == ".safetensors" for path in part.iterdir()):
            raise InvalidInput(
                f"the weights in {part} are a pickle ({weights[0]}), which can run code when it is read; save the "
                "pipeline again with safe_serialization=True"
            )


def _digest(folder: Path) -> str:
    """SHA-256 of the names and contents of all files but pickles, which are not read."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in _PICKLES):
        total.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                total.update(block)
    return total.hexdigest()


def _loaded(folder: Path, dtype: torch.dtype) -> Any:
    from diffusers import AutoPipelineForText2Image

    try:
        with _quiet():
            return AutoPipelineForText2Image.from_pretrained(  # type: ignore[no-untyped-call]
                folder, dtype=dtype, use_safetensors=True, local_files_only=True
            )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InvalidInput(f"{folder} cannot be loaded as a text-to-image pipeline ({reason})") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside, no progress of loading is shown."""
    from diffusers.utils import logging
    from transformers.utils import logging as of_transformers

    logging.disable_progress_bar()
    of_transformers.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.enable_progress_bar()
        of_transformers.enable_progress_bar()  # type: ignore[no-untyped-call]


def _keep_what_is_flagged(pipeline: Any) -> None:
    """Let the safety checker tell what it flags, and blacken nothing: what becomes of it is for the person to say."""
    checker = getattr(pipeline, "safety_checker", None)
    if checker is None:
        return
    check = checker.forward

    def tell(images: Any, clip_input: Any) -> tuple[Any, Any]:
        copies = images.clone() if torch.is_tensor(images) else np.array(images)
        return images, check(images=copies, clip_input=clip_input)[1]

    checker.forward = tell
