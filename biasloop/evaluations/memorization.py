"""How much of some texts stands word for word in the training texts."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from biasloop.contract.data import Column, Floats
from biasloop.errors import InvalidInput
from biasloop.evaluations.result import EvaluationResult
from biasloop.metrics.intervals import SAME, t_quantile
from biasloop.metrics.ngrams import NgramIndex
from biasloop.metrics.ratios import ratio
from biasloop.predictions import Source, texts


def parse_sizes(text: str) -> list[int]:
    """Lengths n from "5,10".

    Raises:
        InvalidInput: if they are not whole numbers of at least 1.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) >= 1 for part in parts):
        raise InvalidInput(f"--ngrams {text}: expected lengths of at least 1 with commas between them, as 5,10")
    return list(dict.fromkeys(int(part) for part in parts))


def memorization(source: Source, train: Source, *, text: str, sizes: Sequence[int] = (5, 10)) -> EvaluationResult:
    """The share of n-grams of words, each occurrence counted, that occur anywhere in the training texts.

    Words are what stands between white space, compared as written. N-grams are compared by 64-bit hashes, those of the
    training texts kept in memory: 8 bytes for each different one. The interval is Student's over texts.

    Raises:
        InvalidInput: a bad file or column.
    """
    index = NgramIndex(sizes)
    known = 0
    for tokens in _tokens(train, text):
        index.add(tokens)
        known += len(tokens)
    hits: dict[int, list[tuple[float, int]]] = {n: [] for n in sizes}
    n_texts = 0
    for tokens in _tokens(source, text):
        n_texts += len(tokens)
        for n in sizes:
            known_here, windows = index.hits(tokens, n)
            hits[n] += zip(known_here.tolist(), windows.tolist(), strict=True)
    rows = [_row(n, np.array(hits[n], np.float64).reshape(-1, 2)) for n in sizes]
    shares = {f"memorization.{row['ngram']}": row["share"] for row in rows}
    why = {name: f"no text has {name.split('.')[1]} words" for name, share in shares.items() if share is None}
    for name, row in zip(shares, rows, strict=True):
        if name not in why and row["low"] is None:
            why[f"intervals.{name}"] = "one text" if row["se"] is None else "all texts are alike"
    return EvaluationResult(
        n=n_texts,
        metrics={name: math.nan if share is None else share for name, share in shares.items()},
        details={"train": {"n": known}, "ngrams": rows},
        rows=rows,
        spans={
            name: (row["low"], row["high"])
            for name, row in zip(shares, rows, strict=True)
            if row["low"] is not None and row["high"] is not None
        },
        reason=why,
    )


def _row(n: int, pairs: Floats) -> dict[str, Any]:
    """What is known of n-grams, from `(texts, 2)` hits and n-grams of each text."""
    share = ratio(pairs[:, 0], pairs[:, 1] - pairs[:, 0])
    counting = int(np.count_nonzero(pairs[:, 1]))
    half = t_quantile(counting) * share.error
    bare = not half > SAME
    return {
        "ngram": n,
        "share": share.value if share.n else None,
        "n": share.n,
        "se": None if math.isnan(share.error) else share.error,
        "low": None if bare else max(share.value - half, 0.0),
        "high": None if bare else min(share.value + half, 1.0),
        "texts": int(np.count_nonzero(pairs[:, 0])),
    }


def _tokens(source: Source, text: str) -> Iterator[Column]:
    """Batches of texts as hashes of words."""
    for frame in texts(source, [text], prose=True):
        words = frame["c0"].str.extract_all(r"\S+")
        offsets = np.zeros(len(words) + 1, np.int64)
        np.cumsum(words.list.len().to_numpy(), out=offsets[1:])
        flat = words.list.explode(keep_nulls=False, empty_as_null=False)
        yield Column(flat.hash(seed=0).to_numpy(), offsets)
