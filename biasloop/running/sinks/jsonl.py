"""The sink "jsonl": a JSON object a round, in `rounds.jsonl`."""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from biasloop.contract.data import Metric
from biasloop.contract.sinks import RunDescription, State
from biasloop.store.files import write_output

FILE = "rounds.jsonl"


class JsonLines:
    """Writes what `biasloop loop --json` prints of a round: a line each, in order, each round once.

    The file holds the rounds that the run has: lines that are there already and say the same stay untouched, and
    what a repaired run has no more goes.
    """

    def start(self, run: RunDescription) -> None:
        """Read what an earlier command has written."""
        self._path = run.output / FILE
        self._about = {"run": str(run.directory), "preset": run.preset, "seed": run.seed, "arm": run.arm}
        text = b""
        with suppress(FileNotFoundError):
            text = self._path.read_bytes()
        self._lines = text.splitlines(keepends=True)
        if self._lines and not self._lines[-1].endswith(b"\n"):  # a process was killed while it wrote
            self._replace(self._lines[:-1])
        self._told = 0

    def round(
        self, number: int, metrics: Mapping[str, Metric], sizes: Mapping[str, int], seconds: float | None
    ) -> None:
        """One line, unless it is there."""
        measured = {name: _measured(metric) for name, metric in metrics.items()}
        told = {**self._about, "round": number, "metrics": measured, "sizes": dict(sizes), "seconds": seconds}
        line = json.dumps(told, ensure_ascii=False, allow_nan=False).encode(errors="backslashreplace") + b"\n"
        if self._lines[self._told : self._told + 1] != [line]:
            if self._told < len(self._lines):
                self._replace(self._lines[: self._told])
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(line)
            self._lines.append(line)
        self._told += 1

    def end(self, state: State, reason: str) -> None:
        """Lines of rounds that the run does not have any more go."""
        if state in {"finished", "stopped"} and self._told < len(self._lines):
            self._replace(self._lines[: self._told])

    def _replace(self, lines: list[bytes]) -> None:
        write_output(Path(self._path), b"".join(lines))
        self._lines = list(lines)


def _measured(metric: Metric) -> dict[str, float | int | None]:
    """As it stands in JSON: null for what is no number."""
    return {"value": _finite(metric.value) if metric.n else None, "n": metric.n, "se": _finite(metric.error)}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
