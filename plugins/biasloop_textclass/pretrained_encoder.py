"""Encoders of transformers, from a directory: pretrained weights under a new layer of classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from biasloop.datasets.tokenising import plain, reading
from biasloop.errors import InvalidInput
from biasloop.training import pretrained
from biasloop.training.dropout import would_have_dropout
from biasloop.training.model_files import write_network, write_tokenizer
from biasloop_textclass.checkpoints import ENCODER
from biasloop_textclass.networks import trimmed

_POOLER = ".pooler."  # a layer between encoder and classes, which encoders without a task of their own may lack


class Classifier(nn.Module):
    """A classifier of transformers that takes rows of token ids.

    Attributes:
        inner: of the library.
        padding: token id that fills rows.
        kinds: whether it is told which text of a pair a token is of.
    """

    def __init__(self, inner: Any, padding: int) -> None:
        super().__init__()
        self.inner, self.padding = inner, padding
        self.kinds = getattr(inner.config, "type_vocab_size", 0) > 1

    def forward(self, rows: Tensor) -> Tensor:
        """`(n, classes)` logits of `(n, 1 or 2, length)` token ids and kinds."""
        rows = trimmed(rows)
        real = rows[:, 0] >= 0  # (n, length)
        told = {"token_type_ids": rows[:, 1].clamp(min=0)} if self.kinds and rows.shape[1] > 1 else {}
        ids = rows[:, 0].masked_fill(~real, self.padding)
        logits: Tensor = self.inner(input_ids=ids, attention_mask=real.long(), **told).logits
        return logits


@dataclass(frozen=True)
class Pretrained:
    """An encoder that has a name, or lies in a directory.

    Attributes:
        name: as settings have it.
        classes: how many.
        data: the data directory.
    """

    name: str
    classes: int
    data: Path

    @cached_property
    def tokenizer(self) -> Any:
        """The network's own."""
        with reading(self._folder, "tokenizer.json"):
            return Tokenizer.from_file(str(self._folder / "tokenizer.json"))

    def build(self, heads: int = 1) -> nn.Module:
        """Its weights as they lie on disk; those of the layer of classes, and of a pooler that it lacks, are random.

        Raises:
            InvalidInput: if the files are no encoder of texts, or not all there.
        """
        source: Any = AutoModelForSequenceClassification
        inner, info = pretrained.read(
            source, self._folder, ENCODER.what, num_labels=heads * self.classes, ignore_mismatched_sizes=True
        )
        body = f"{inner.base_model_prefix}."
        other = {*info["missing_keys"], *(name for name, *_ in info["mismatched_keys"])}
        pretrained.check_arrays({name for name in other if name.startswith(body) and _POOLER not in name}, self._folder)
        pretrained.check_finite(inner, self._folder)
        pretrained.detach_from_files(inner)
        return self._wrapped(inner)

    def blank(self, heads: int = 1) -> nn.Module:
        """A network of that shape."""
        return self._wrapped(self._shaped(heads))

    def has_dropout(self) -> bool:
        """Whether a layer leaves anything out; the weights are not read.

        Raises:
            InvalidInput: if the settings are of no encoder of texts.
        """
        try:
            return would_have_dropout(self._shaped)
        except (OSError, ValueError) as error:
            reason = str(error).strip().split("\n")[0]
            raise InvalidInput(f"{self._folder} cannot be read as {ENCODER.what}: {reason}") from error

    def _shaped(self, heads: int = 1) -> Any:
        settings = AutoConfig.from_pretrained(self._folder, local_files_only=True, trust_remote_code=False)
        settings.num_labels = heads * self.classes
        source: Any = AutoModelForSequenceClassification
        return source.from_config(settings, dtype=torch.float32)

    def _wrapped(self, inner: Any) -> nn.Module:
        if self.tokenizer.get_vocab_size() > inner.get_input_embeddings().num_embeddings:
            raise InvalidInput(
                f"the tokenizer in {self._folder} has more tokens than the network; put the network's own there"
            )
        return Classifier(inner, inner.config.pad_token_id)

    def write(self, model: Classifier, classes: Sequence[str], length: int, directory: Path) -> None:
        """Files that transformers loads as a classifier.

        Args:
            model: one of these.
            classes: their names, by number.
            length: tokens that texts are cut to.
            directory: where to.
        """
        settings = model.inner.config
        settings.id2label = dict(enumerate(classes))
        settings.label2id = {name: number for number, name in enumerate(classes)}
        read = ["input_ids", *(["token_type_ids"] if model.kinds else []), "attention_mask"]
        write_network(model.inner, directory)
        padding = str(self.tokenizer.id_to_token(model.padding))
        write_tokenizer(plain(self.tokenizer), directory, length, {"pad_token": padding}, read)

    @cached_property
    def _folder(self) -> Path:
        return ENCODER.locate(self.name, self.data)
