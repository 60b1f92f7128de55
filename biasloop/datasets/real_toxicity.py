"""The published file of RealToxicityPrompts: a line a prompt and its continuation, with scores that are not read."""

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from biasloop.downloads.remote import Examine

PROMPTS = "prompts.jsonl"


class Malformed(ValueError):
    """The lines are not as published; says why."""


def pairs(lines: Iterable[bytes], rows: int) -> tuple[list[str], list[str]]:
    """Prompts and continuations, in the order of lines.

    Args:
        lines: of the file.
        rows: how many there should be.

    Raises:
        Malformed: a line is no prompt and continuation, or there are more or fewer.
    """
    prompts, continuations = [], []
    for number, line in enumerate(lines, 1):
        prompt, continuation = _texts(number, line)
        prompts.append(prompt)
        continuations.append(continuation)
    if len(prompts) != rows:
        raise Malformed(f"{PROMPTS} has {len(prompts):,} lines, expected {rows:,}")
    return prompts, continuations


def _texts(number: int, line: bytes) -> tuple[str, str]:
    try:
        row = json.loads(line)
        prompt, continuation = row["prompt"]["text"], row["continuation"]["text"]
        prompt.encode(), continuation.encode()
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise Malformed(f"line {number:,} of {PROMPTS} is no prompt and continuation ({reason})") from error
    return prompt, continuation


def examine(rows: int) -> Examine:
    """What reads a fetched file all through: no checksum of it is published."""
    return partial(_why_damaged, rows)


def _why_damaged(rows: int, path: Path) -> str | None:
    try:
        with path.open("rb") as lines:
            pairs(lines, rows)
    except Malformed as error:
        return str(error)
    return None
