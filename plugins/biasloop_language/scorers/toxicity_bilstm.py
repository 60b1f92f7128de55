"""A small toxicity classifier that comes with biasloop: a bidirectional LSTM over the last 100 known words of a text.

Weights of tox_block 0.1.2 (Copyright 2020 Pascal Bliem, MIT), trained on the Jigsaw comments. In NumPy: a text takes
about as long as with torch on one CPU thread, and torch need not be imported. A text is padded at its left to 100
words, and padding changes the network's state; so the forward direction starts from the state that so much padding
leads to, which is computed once, and the backward direction goes on over the padding after the words.
"""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

import biasloop.datasets
from biasloop.contract.data import Array, Floats, Ints
from biasloop.errors import DownloadError
from biasloop_language.scorers.batches import by_length
from biasloop_language.scorers.protocol import Tick

Singles = npt.NDArray[np.float32]

FILE = Path(biasloop.datasets.__file__).parent / "embedded" / "toxicity-bilstm.npz"
COLUMNS = ("toxicity", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
"""The labels of the Jigsaw comments; the first, "toxic" there, has the name that it has in all scorers."""

_LENGTH, _UNITS, _BATCH = 100, 50, 256
_SLAB = 16
"""Texts that go through a matrix product together; a batch is made up to a multiple of it."""

_SPACES = str.maketrans(dict.fromkeys('!"#$%&()*+,-./:;<=>?@[\\]^_{|}~`\t\n', " "))


class Options(BaseModel):
    """How probabilities are reported."""

    model_config = ConfigDict(extra="forbid", strict=True)

    rescale: bool = Field(True, description="Stretch each label's probabilities to [0, 1], as tox_block does.")


class ToxicityBilstmScorer:
    """Probabilities of six kinds of toxicity; columns `COLUMNS`."""

    def __init__(self, options: Options, data_directory: Path, device: str) -> None:
        """Weights are read when first used."""
        self._rescale = options.rescale

    def check(self) -> None:
        """Refuse to go without the weights.

        Raises:
            DownloadError: if they are not there.
        """
        if not FILE.is_file():
            raise DownloadError(f"{FILE}, which comes with biasloop, is not there; reinstall biasloop")

    def columns(self) -> tuple[str, ...]:
        """The six labels."""
        return COLUMNS

    def score(self, texts: Sequence[str], tick: Tick | None = None) -> dict[str, Floats]:
        """Probabilities of each text.

        Args:
            texts: any; words that the classifier does not know are skipped.
            tick: told after every 256 texts.

        Returns:
            For each column `(texts,)`; in [0, 1], or slightly above 1 when rescaled.

        Raises:
            DownloadError: if the weights are damaged.
        """
        network = self._network
        rows = [network.ids(text) for text in texts]
        scores, done = np.zeros((len(texts), len(COLUMNS))), 0
        for batch in by_length([len(row) for row in rows], _BATCH):
            scores[batch] = network.probabilities([rows[i] for i in batch])
            done += len(batch)
            if tick:
                tick(done, len(texts))
        if self._rescale:
            low, high = network.rescale.T
            scores = np.abs(scores - low) / (high - low)
        return {name: scores[:, j].copy() for j, name in enumerate(COLUMNS)}

    @cached_property
    def _network(self) -> "_Network":
        self.check()
        try:
            with np.load(FILE, allow_pickle=False) as arrays:
                return _Network(dict(arrays))
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError) as error:
            raise DownloadError(f"{FILE} is damaged: it does not read ({error}); reinstall biasloop") from error


@dataclass
class _State:
    """Of a batch of texts: hidden and cell state and the largest hidden state so far, each `(texts, units)`."""

    hidden: Singles
    cell: Singles
    top: Singles

    @classmethod
    def start(cls, texts: int) -> "_State":
        zero = np.zeros((texts, _UNITS), np.float32)
        return cls(zero, zero.copy(), np.full_like(zero, -np.inf))

    def repeated(self, texts: int) -> "_State":
        """The first text's state, for that many texts."""
        return _State(*(np.repeat(part[:1], texts, axis=0) for part in (self.hidden, self.cell, self.top)))


def _product(rows: Singles, weights: Singles) -> Singles:
    """Matrix product, 16 rows at a time.

    Products so small stay in one thread: shared out among threads, the LSTM's steps took up to ten times as long on a
    busy machine. And all being of one shape, a text's score was the same to the bit in any company, where tried.
    """
    slabs: Singles = rows.reshape(-1, _SLAB, rows.shape[1]) @ weights
    return slabs.reshape(len(rows), -1)


class _Direction:
    """One direction of the LSTM (Hochreiter & Schmidhuber 1997), with Keras's hard sigmoid clip(0.2 x + 0.5, 0, 1).

    The 0.2 and 0.5 are moved into the weights, and the cell's input behind the three gates, so that a step is one
    matrix product, one clip and two tanh; the products with the embeddings are made once for all words.
    """

    def __init__(self, embedding: Singles, kernel: Singles, recurrent: Singles, bias: Singles) -> None:
        order = np.r_[0 : 2 * _UNITS, 3 * _UNITS : 4 * _UNITS, 2 * _UNITS : 3 * _UNITS]  # i f c o -> i f o c
        scale = np.repeat(np.array([0.2, 1], np.float32), [3 * _UNITS, _UNITS])
        shift = np.repeat(np.array([0.5, 0], np.float32), [3 * _UNITS, _UNITS])
        self.inputs: Singles = embedding @ (kernel[:, order] * scale) + (bias[order] * scale + shift)
        self.recurrent: Singles = recurrent[:, order] * scale

    def step(self, state: _State, ids: Ints | int) -> None:
        """Read one more word of every text: `(texts,)` ids, or one id for all."""
        sums = _product(state.hidden, self.recurrent)
        sums += self.inputs[ids]
        gates, candidate = sums[:, : 3 * _UNITS], np.tanh(sums[:, 3 * _UNITS :])
        np.clip(gates, 0, 1, out=gates)
        state.cell *= gates[:, _UNITS : 2 * _UNITS]
        candidate *= gates[:, :_UNITS]
        state.cell += candidate
        np.multiply(gates[:, 2 * _UNITS :], np.tanh(state.cell), out=state.hidden)
        np.maximum(state.top, state.hidden, out=state.top)


class _Network:
    """Words to probabilities.

    Attributes:
        rescale: `(labels, 2)` the least and largest probability that each label is taken to have.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        names = arrays["words"].tobytes().decode().split("\n")
        self._ids = {word: i for i, word in enumerate(names) if i}
        weights = {name: array.astype(np.float32) for name, array in arrays.items() if name not in {"words", "rescale"}}
        embedding = weights["embedding"]
        self._forward, self._backward = (
            _Direction(embedding, *(weights[f"{way}_lstm.{part}"] for part in ("kernel", "recurrent_kernel", "bias")))
            for way in ("forward", "backward")
        )
        self._dense = [(weights[f"{name}.kernel"], weights[f"{name}.bias"]) for name in ("dense", "dense_1")]
        self.rescale: Floats = arrays["rescale"]
        self._padded = [_State.start(_SLAB)]
        for _ in range(_LENGTH):
            state = self._padded[-1].repeated(_SLAB)
            self._forward.step(state, 0)
            self._padded.append(state)

    def ids(self, text: str) -> list[int]:
        """Ids of the last 100 known words."""
        known = self._ids
        return [known[word] for word in text.lower().translate(_SPACES).split(" ") if word in known][-_LENGTH:]

    def probabilities(self, rows: Sequence[Sequence[int]]) -> Floats:
        """`(texts, labels)` of texts given by their words' ids, at most 100 each."""
        longest = max(len(row) for row in rows)
        texts = len(rows) + -len(rows) % _SLAB
        ids = np.zeros((longest, texts), np.int64)
        for i, row in enumerate(rows):
            ids[longest - len(row) :, i] = row
        forward = self._padded[_LENGTH - longest].repeated(texts)
        for column in ids:
            self._forward.step(forward, column)
        backward = _State.start(texts)
        for column in ids[::-1]:
            self._backward.step(backward, column)
        for _ in range(_LENGTH - longest):
            self._backward.step(backward, 0)
        (first, shift), (last, offset) = self._dense
        hidden = np.maximum(_product(np.concatenate([forward.top, backward.top], axis=1), first) + shift, 0)
        logits = (_product(hidden, last) + offset).astype(np.float64)[: len(rows)]
        probabilities: Floats = 1 / (1 + np.exp(-logits))
        return probabilities
