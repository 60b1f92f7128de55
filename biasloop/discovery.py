"""Which plugins are installed, domains, selectors and sinks, and their classes."""

import difflib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from types import FrameType, ModuleType
from typing import Any, cast
from weakref import WeakKeyDictionary

from pydantic import BaseModel
from typing_extensions import get_protocol_members

from biasloop.contract.domains import Domain, missing_methods
from biasloop.contract.encoding import Encoding
from biasloop.contract.illustrating import Illustrating
from biasloop.contract.selection import Selector
from biasloop.contract.sinks import Sink
from biasloop.errors import InvalidInput

GROUP = "biasloop.domains"
SELECTORS = "biasloop.selectors"
SINKS = "biasloop.sinks"
_loaded: WeakKeyDictionary[ModuleType, list[type[Any]]] = WeakKeyDictionary()  # what is well of what was imported


def entries(group: str = GROUP) -> dict[str, list[EntryPoint]]:
    """Installed entry points of a group by name; a name with two distributions is listed twice."""
    return _entries(group, tuple(sys.path))


@lru_cache(maxsize=8)  # a grid of a thousand arms asks for each
def _entries(group: str, places: tuple[str, ...]) -> dict[str, list[EntryPoint]]:
    declared: dict[str, dict[str, EntryPoint]] = {}
    for entry in entry_points(group=group):
        distribution = entry.dist.name if entry.dist else "?"
        declared.setdefault(entry.name, {})[distribution] = entry
    return {name: list(declared[name].values()) for name in sorted(declared)}


def load(name: str) -> type[Any]:
    """The domain class of that name.

    Raises:
        InvalidInput: if there is no such plugin, two have that name, or it does not import.
    """
    return _loaded_class("domain", name, GROUP, checked)


def illustrating(pipeline: str) -> tuple[type[Any], str]:
    """The class of the domain that draws pictures for captions (`contract.illustrating.Illustrating`).

    Args:
        pipeline: `NAME` of a pipeline, for the first domain that draws; or `DOMAIN:NAME`.

    Returns:
        The class, and the pipeline's name.

    Raises:
        InvalidInput: no installed domain draws.
    """
    prefix, colon, name = pipeline.partition(":")
    for domain in [prefix] if colon and prefix in entries() else entries():
        loaded = load(domain)
        if not missing_methods(loaded, Illustrating):
            return loaded, name if domain == prefix else pipeline
    raise InvalidInput(f"no installed domain draws pictures for captions (installed: {', '.join(entries())})")


def encoding() -> type[Encoding]:
    """The class of the first domain that encodes images and texts (`contract.encoding.Encoding`).

    Raises:
        InvalidInput: no installed domain does.
    """
    for domain in entries():
        loaded = load(domain)
        if not missing_methods(loaded, Encoding):
            return loaded
    raise InvalidInput(f"no installed domain encodes images and texts (installed: {', '.join(entries())})")


def selector(name: str) -> type[BaseModel]:
    """The selector of that name, a pydantic model of its options and a `contract.selection.Selector`.

    Raises:
        InvalidInput: if there is no such selector, two have that name, or it does not import.
    """
    return _loaded_class("selector", name, SELECTORS, checked_selector)


def sink(name: str) -> type[Sink]:
    """The class of the sink of that name.

    Raises:
        InvalidInput: if there is no such sink, two have that name, or it does not import.
    """
    return _loaded_class("sink", name, SINKS, checked_sink)


def _loaded_class(kind: str, name: str, group: str, check: Callable[[str, object], type[Any]]) -> type[Any]:
    """The class that an entry point of a group names; `check` refuses what is none of the kind."""
    declared = entries(group)
    if name not in declared:
        near = difflib.get_close_matches(name, declared, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        known = ", ".join(declared) or "none"
        raise InvalidInput(f"no {kind} is called {name!r} (installed: {known}){hint}")
    if len(declared[name]) > 1:
        both = " and ".join(entry.dist.name for entry in declared[name] if entry.dist)
        raise InvalidInput(f"two distributions declare the {kind} {name!r}: {both}; uninstall one of them")
    entry = declared[name][0]
    module = sys.modules.get(entry.module)
    if module is not None:  # a plan of ten thousand runs asks as often
        loaded = getattr(module, entry.attr, None)
        if loaded in _loaded.get(module, ()):
            return cast(type[Any], loaded)
    loaded = check(name, _imported(kind, name, entry))
    _loaded.setdefault(sys.modules[entry.module], []).append(loaded)
    return loaded


def _imported(kind: str, name: str, entry: EntryPoint) -> object:
    """What an entry point names; importing it can neither print into an answer nor end the program.

    Raises:
        InvalidInput: it does not import, whatever it raises.
        KeyboardInterrupt: Ctrl-C was really pressed; likewise what is raised for another signal.
    """
    with _interrupts() as pressed, output_aside():
        try:
            return entry.load()
        except BaseException as error:
            if pressed:
                raise
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            raise InvalidInput(
                f"the plugin of {kind} {name!r} ({entry.value}) does not import: {reason}; `biasloop plugins` lists "
                "the state of each"
            ) from error


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Inside, the signals that came are listed: a module can also raise `KeyboardInterrupt` or the like by itself."""
    pressed: list[int] = []
    before: dict[signal.Signals, Callable[[int, FrameType | None], object]] = {}

    def noted(number: int, frame: FrameType | None) -> None:
        pressed.append(number)
        before[signal.Signals(number)](number, frame)

    if threading.current_thread() is threading.main_thread():  # only there can a handler be set
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            handler = signal.getsignal(number)
            if callable(handler):
                before[number] = handler
                signal.signal(number, noted)
    try:
        yield pressed
    finally:
        for number, former in before.items():
            if signal.getsignal(number) is noted:  # else whoever was told of the signal has set another
                signal.signal(number, former)


@contextmanager
def output_aside() -> Iterator[None]:
    """Inside, what is printed, by Python or a library in C, goes to stderr."""
    saved = None
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        saved = os.dup(1)
        os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if saved is not None:
            os.dup2(saved, 1)
            os.close(saved)


def checked(name: str, loaded: object) -> type[Any]:
    """The class if it looks like a domain.

    Raises:
        InvalidInput: naming what is lacking.
    """
    if not isinstance(loaded, type):
        raise InvalidInput(f"the entry point of domain {name!r} is not a class")
    config = getattr(loaded, "Config", None)
    if not (isinstance(config, type) and issubclass(config, BaseModel)):
        raise InvalidInput(f"the class of domain {name!r} has no pydantic `Config`")
    lacking = missing_methods(loaded, Domain)
    if lacking:
        raise InvalidInput(f"the class of domain {name!r} lacks {', '.join(lacking)}")
    return loaded


def checked_selector(name: str, loaded: object) -> type[BaseModel]:
    """The class if it looks like a selector.

    Raises:
        InvalidInput: naming what is lacking.
    """
    if not isinstance(loaded, type):
        raise InvalidInput(f"the entry point of selector {name!r} is not a class")
    if not issubclass(loaded, BaseModel):
        raise InvalidInput(f"the class of selector {name!r} is no pydantic model of its options")
    members = [*sorted(get_protocol_members(Selector)), "select"]
    lacking = [member for member in members if member not in loaded.model_fields and not hasattr(loaded, member)]
    if lacking:
        raise InvalidInput(f"the class of selector {name!r} lacks {', '.join(lacking)}")
    return loaded


def checked_sink(name: str, loaded: object) -> type[Sink]:
    """The class if it looks like a sink.

    Raises:
        InvalidInput: naming what is lacking.
    """
    if not isinstance(loaded, type):
        raise InvalidInput(f"the entry point of sink {name!r} is not a class")
    lacking = missing_methods(loaded, Sink)
    if lacking:
        raise InvalidInput(f"the class of sink {name!r} lacks {', '.join(lacking)}")
    return loaded
