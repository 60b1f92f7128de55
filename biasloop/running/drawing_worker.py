"""A process that draws shards for another one: what to draw comes in on its standard input, what happens goes out.

In comes a line of JSON, and then `stop`; its end means that whoever asked is gone. Both end the process after the step
of sampling that is under way. Out go lines of JSON, an event each.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

from biasloop import discovery
from biasloop.contract.illustrating import Illustrator, PipelineSettings
from biasloop.datasets.captions import Captions
from biasloop.errors import BiasloopError, Interrupted
from biasloop.running.drawing import work
from biasloop.running.shards import BatchDrawn, Generation, Said, ShardDone, ShardEvent, Waiting

STOPPED = 130
_EVENTS = {kind.__name__: kind for kind in (BatchDrawn, ShardDone, Said)}


def dumps(directory: Path, generation: Generation, captions: Captions) -> str:
    """What a process is asked for, as a line."""
    of_file = asdict(captions) | {"path": str(captions.path.absolute())}
    asked = {"directory": str(directory.absolute()), "generation": asdict(generation), "captions": of_file}
    return json.dumps(asked | {"path": sys.path})


def loads(line: str) -> tuple[Path, Generation, Captions]:
    """What `dumps` wrote."""
    asked = json.loads(line)
    fields = asked["generation"]
    generation = Generation(**fields | {"pipeline": PipelineSettings(**fields["pipeline"])})
    captions = Captions(**asked["captions"] | {"path": Path(asked["captions"]["path"])})
    return Path(asked["directory"]), generation, captions


def event_dumps(event: ShardEvent) -> str:
    """An event as a line."""
    return json.dumps({"kind": type(event).__name__, **asdict(event)})


def event_loads(line: str) -> ShardEvent | BiasloopError:
    """What `event_dumps` wrote, or why the process has ended."""
    fields: dict[str, Any] = json.loads(line)
    kind = fields.pop("kind")
    if kind in _EVENTS:
        event: ShardEvent = _EVENTS[kind](**fields)
        return event
    error = BiasloopError(fields["text"])
    error.exit_code = fields["code"]
    return error


def loader(generation: Generation) -> Callable[[], Illustrator]:
    """What loads the pipeline of a generation; that some plugin draws at all is seen now.

    Raises:
        InvalidInput: none does.
    """
    domain, name = discovery.illustrating(generation.pipeline.name)
    return partial(domain.illustrator, replace(generation.pipeline, name=name))


def main() -> None:
    """Draw what the other process asks for."""
    incoming, out = sys.stdin, _output()
    line = incoming.readline()
    sys.path[:] = json.loads(line)["path"]
    directory, generation, captions = loads(line)
    stop = threading.Event()

    def listen() -> None:
        incoming.readline()  # "stop", or the end
        stop.set()

    threading.Thread(target=listen, daemon=True).start()

    def tell(text: str) -> None:
        try:
            out.write(f"{text}\n")
            out.flush()
        except OSError:  # nobody is there any more
            stop.set()

    def happened(event: ShardEvent) -> None:
        if not isinstance(event, Waiting):  # those that it waits for are most often its sisters
            tell(event_dumps(event))

    try:
        work(directory, generation, captions, loader(generation), happened, stop.is_set)
    except Interrupted:
        os._exit(STOPPED)
    except BiasloopError as error:
        tell(json.dumps({"kind": "failed", "text": str(error), "code": error.exit_code}))
        os._exit(error.exit_code)


def _output() -> IO[str]:
    """This process's standard output, taken from all else that prints: that meets stderr."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return out


if __name__ == "__main__":
    main()
