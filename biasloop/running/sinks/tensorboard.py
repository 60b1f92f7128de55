"""The sink "tensorboard": event files that TensorBoard draws; written by TensorBoard's own record writer, no torch."""

import os
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from biasloop.contract import names
from biasloop.contract.data import Metric
from biasloop.contract.sinks import RunDescription, State
from biasloop.errors import InvalidInput

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

ENDING = ".biasloop"
"""Of the names of files that this sink has written, and replaces."""
_TEXTS = "text"  # what TensorBoard calls its part that shows texts
_BEFORE = -1  # the step of the untouched model


class TensorBoard:
    """A scalar a metric, size and curve; steps are rounds, and of curves the epochs of all rounds in a row.

    An event file cannot be changed: the file of an earlier command is replaced by one that has all rounds.

    Raises:
        InvalidInput: TensorBoard is not installed.
    """

    def __init__(self) -> None:
        if find_spec("tensorboard") is None:
            raise InvalidInput(
                "the sink 'tensorboard' needs TensorBoard, which is not installed; type:\n"
                "  pip install 'biasloop[tensorboard]'"
            )

    def start(self, run: RunDescription) -> None:
        """A new file, which says at its start that all steps come again."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        run.output.mkdir(parents=True, exist_ok=True)
        earlier = list(run.output.glob(f"events.out.tfevents.*{ENDING}"))
        path = run.output / f"events.out.tfevents.{time.time_ns() // 10**9:010d}.{time.time_ns()}.{os.getpid()}{ENDING}"
        self._file = path.open("xb")
        self._writer = RecordWriter(self._file)
        self._epochs: dict[str, int] = {}
        self._write(Event(file_version="brain.Event:2"))
        self._write(Event(step=_BEFORE, session_log=SessionLog(status=SessionLog.START)))
        self._text("settings", _table(run.settings))
        self._file.flush()
        for file in earlier:
            file.unlink()

    def curve(self, number: int, fit: str, columns: Mapping[str, Sequence[float]]) -> None:
        """Losses and the like of every epoch, behind those of earlier rounds."""
        done, count = self._epochs.get(fit, 0), max(map(len, columns.values()), default=0)
        for name, values in columns.items():
            if name != names.EPOCH:
                for epoch, value in enumerate(values, start=done + 1):
                    self._scalars({f"{fit}/{name}": value}, epoch)
        self._epochs[fit] = done + count

    def round(
        self, number: int, metrics: Mapping[str, Metric], sizes: Mapping[str, int], seconds: float | None
    ) -> None:
        """What it measured, with standard errors; sizes; seconds."""
        self._scalars({f"metrics/{name}": metric.value for name, metric in metrics.items() if metric.n}, number)
        errors = {f"standard errors/{name}": metric.error for name, metric in metrics.items() if metric.n}
        self._scalars({name: error for name, error in errors.items() if error == error}, number)  # noqa: PLR0124 (NaN)
        self._scalars({f"sizes/{name}": size for name, size in sizes.items()}, number)
        if seconds is not None:
            self._scalars({"sizes/seconds": seconds}, number)
        self._file.flush()

    def end(self, state: State, reason: str) -> None:
        """Said as a text."""
        self._text("end", f"{state}: {reason}" if reason else state)
        self._file.close()

    def _scalars(self, values: Mapping[str, float], step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
        self._write(Event(step=step, summary=summary))

    def _text(self, tag: str, text: str) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
        from tensorboard.compat.proto.types_pb2 import DT_STRING

        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
        tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode(errors="backslashreplace")], tensor_shape=shape)
        metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=_TEXTS))
        self._write(Event(summary=Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=tensor)])))

    def _write(self, event: "Event") -> None:
        event.wall_time = time.time()
        self._writer.write(event.SerializeToString())


def _table(settings: Mapping[str, object]) -> str:
    """Settings as a Markdown table, which TensorBoard shows as one."""
    rows = (f"| {key} | {str(value).replace('|', chr(92) + '|')} |" for key, value in settings.items())
    return "\n".join(["| setting | value |", "|---|---|", *rows])
