"""Toxicity by Detoxify's model "original" (Hanu & Unitary 2020): BERT with six independent labels.

The checkpoint of the publication is read as it is; the package `detoxify` is not needed. Its layout: `state_dict` of a
`BertForSequenceClassification`, and `config`, whose `dataset.args.classes` (or `arch.args.classes`) names the labels.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from biasloop.contract.data import Floats
from biasloop.errors import DownloadError, SomethingToFetch
from biasloop_language.scorers.batches import by_length
from biasloop_language.scorers.protocol import Tick

if TYPE_CHECKING:
    from transformers import BertForSequenceClassification, BertTokenizer

DIRECTORY = "detoxify-original"
"""In the data directory; also the name that `biasloop fetch` takes."""

CHECKPOINT = "toxic_original-c1212f89.ckpt"
TOKENIZERS = ("tokenizer.json", "vocab.txt")
"""One of them is needed."""

COLUMNS = ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")
_RENAMED = {"toxic": "toxicity", "severe_toxic": "severe_toxicity", "identity_hate": "identity_attack"}
_BATCH, _LENGTH = 64, 512


class Options(BaseModel):
    """None."""

    model_config = ConfigDict(extra="forbid")


def missing(data_directory: Path) -> list[str]:
    """Files that are not in the data directory yet; reads none."""
    folder = data_directory / DIRECTORY
    absent = [name for name in (CHECKPOINT, "config.json") if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in TOKENIZERS):
        absent.append(" or ".join(TOKENIZERS))
    return absent


class DetoxifyScorer:
    """Probabilities of six kinds of toxicity; columns `COLUMNS`."""

    def __init__(self, options: Options, data_directory: Path, device: str) -> None:
        """Files are looked for and read when first used."""
        self._data, self._folder, self._device = data_directory, data_directory / DIRECTORY, device

    def check(self) -> None:
        """Refuse files that are not there.

        Raises:
            SomethingToFetch: naming them.
        """
        absent = missing(self._data)
        if absent:
            raise SomethingToFetch(
                f"scorer 'detoxify' needs {', '.join(absent)} in {self._folder}; "
                f"`biasloop fetch {DIRECTORY}` gets it (about 440 MB)"
            )

    def columns(self) -> tuple[str, ...]:
        """The six labels, by the names of Detoxify's output."""
        return COLUMNS

    def score(self, texts: Sequence[str], tick: Tick | None = None) -> dict[str, Floats]:
        """Probabilities of each text, cut to 512 tokens.

        Args:
            texts: any.
            tick: told after every 64 texts.

        Returns:
            For each column `(texts,)` in [0, 1].

        Raises:
            DownloadError: if a file is damaged.
        """
        import torch

        if not texts:
            return {name: np.zeros(0) for name in COLUMNS}
        model, tokenizer, heads = self._loaded
        length = min(_LENGTH, int(model.config.max_position_embeddings))
        rows = tokenizer(list(texts), truncation=True, max_length=length)["input_ids"]
        scores, done = np.zeros((len(texts), len(COLUMNS))), 0
        for batch in by_length([len(row) for row in rows], _BATCH):
            ids = np.full((len(batch), len(rows[batch[0]])), tokenizer.pad_token_id)
            mask = np.zeros_like(ids)
            for i, row in enumerate(batch):
                ids[i, : len(rows[row])], mask[i, : len(rows[row])] = rows[row], 1
            inputs = (torch.from_numpy(array).to(model.device) for array in (ids, mask))
            with torch.inference_mode():
                probabilities = torch.sigmoid(model(*inputs).logits.float())
            scores[batch] = probabilities.cpu().numpy()[:, heads]
            done += len(batch)
            if tick:
                tick(done, len(texts))
        return {name: scores[:, j].copy() for j, name in enumerate(COLUMNS)}

    @cached_property
    def _loaded(self) -> "tuple[BertForSequenceClassification, BertTokenizer, list[int]]":
        """Model, tokenizer, and which output is which column."""
        import torch
        from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

        from biasloop.training.device import resolve

        self.check()
        checkpoint = self._checkpoint()
        heads = self._heads(checkpoint["config"])
        try:
            config = BertConfig.from_pretrained(self._folder, local_files_only=True, num_labels=len(COLUMNS))
            tokenizer = BertTokenizer.from_pretrained(self._folder, local_files_only=True)
            model = BertForSequenceClassification(config)
            # Positions were part of the weights before transformers 4.31.
            weights = {k: v for k, v in checkpoint["state_dict"].items() if not k.endswith(".position_ids")}
            model.load_state_dict(weights)
        except (OSError, ValueError, RuntimeError) as error:
            raise self._damaged("the model or its tokenizer", f"it does not load ({_reason(error)})") from error
        if len(tokenizer) != config.vocab_size:
            reason = f"it has {len(tokenizer):,} entries and the model has {config.vocab_size:,}"
            raise self._damaged("the vocabulary", reason)
        model.train(mode=False)
        torch.nn.Module.to(model, resolve(self._device))
        return model, tokenizer, heads

    def _checkpoint(self) -> Mapping[str, Any]:
        import torch

        try:
            checkpoint = torch.load(self._folder / CHECKPOINT, map_location="cpu", weights_only=True)
        except Exception as error:  # bytes that are no checkpoint make the reader fail in any way
            raise self._damaged(CHECKPOINT, f"it does not read ({_reason(error)})") from error
        if not isinstance(checkpoint, Mapping) or not {"config", "state_dict"} <= set(checkpoint):
            raise self._damaged(CHECKPOINT, "it has no 'config' and 'state_dict'")
        return checkpoint

    def _heads(self, config: Mapping[str, Any]) -> list[int]:
        """For each column the output of the model that has its name."""
        places = [config.get(part, {}).get("args", {}).get("classes") for part in ("dataset", "arch")]
        classes = [_RENAMED.get(name, name) for name in next(filter(None, places), COLUMNS)]
        if sorted(classes) != sorted(COLUMNS):
            raise self._damaged(CHECKPOINT, f"its labels are {', '.join(classes)}, expected {', '.join(COLUMNS)}")
        return [classes.index(name) for name in COLUMNS]

    def _damaged(self, what: str, why: str) -> DownloadError:
        return DownloadError(f"{what} in {self._folder} is damaged: {why}; `biasloop fetch {DIRECTORY}` gets it anew")


def _reason(error: Exception) -> str:
    """What an error of a library says, in a line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
