"""What `biasloop presets` prints: presets by study, with what they cost and what has to be fetched for them."""

import difflib
import textwrap
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biasloop.errors import InvalidInput
from biasloop.report.output import aligned, console, emit, hint, note, say

if TYPE_CHECKING:
    from biasloop.config.presets import Listed
    from biasloop.contract.context import Requirement
    from biasloop.running.catalogue import Entry

_UNLIMITED = 1_000  # a console of more columns is no terminal


def show(words: Sequence[str], domain: str | None, data: Path, *, offline: bool, json: bool) -> None:
    """Print presets.

    Args:
        words: that have to occur in each.
        domain: whose presets; None for all.
        data: the directory of data sets.
        offline: only those that run without a download.
        json: for scripts, a list.

    Raises:
        InvalidInput: there is no such domain, or nothing to list.
    """
    from biasloop.config import presets
    from biasloop.running.catalogue import alone, catalogue

    listing = presets.listing()
    with presets.unchanging():
        _tell_others(listing)
    entries = catalogue(listing, data, Path("runs"))
    if domain is not None:
        _check_domain(domain, {entry.listed.domain for entry in entries})
        entries = [entry for entry in entries if entry.listed.domain == domain]
    entries = [entry for entry in entries if entry.matches(words)]
    if offline:
        entries = [entry if entry.offline else alone(entry) for entry in entries if entry.offline or entry.mini_offline]
    if json:
        emit([*map(_line, entries)])
        return
    if not entries:
        raise InvalidInput(_nothing(words, offline=offline))
    if console().width > _UNLIMITED:
        _show_lines(entries)
    else:
        _show_groups(entries, console().width)
    hint("\n`biasloop presets show NAME` prints one, `biasloop loop --preset NAME` runs it; (-mini): so does NAME-mini,"
        " scaled down")  # fmt: skip


def _tell_others(listing: "Sequence[Listed]") -> None:
    """Presets that cannot be read, and those that only their path means."""
    from biasloop.config.presets import is_shipped, passed_over

    for preset in listing:
        if preset.problem:
            note(f"{preset.name} cannot be read: {preset.problem}")
        for other in passed_over(preset.name) if is_shipped(preset.path) else ():
            note(f"{other} has the name of a preset that comes with biasloop, which is listed; its path runs it")


def _check_domain(domain: str, known: set[str]) -> None:
    if domain not in known:
        near = difflib.get_close_matches(domain, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InvalidInput(f"--domain {domain}: presets are of {', '.join(sorted(known))}{hint}")


def _nothing(words: Sequence[str], *, offline: bool) -> str:
    """Why nothing is listed, and what comes near."""
    from biasloop.cli.presets import app
    from biasloop.config.presets import files

    commands = [command.name for command in app.registered_commands if command.name]
    near = [match for word in words for match in difflib.get_close_matches(word, [*commands, *files()], 1)]
    hint = f"; did you mean {near[0]!r}?" if near else ""
    without = " that runs without a download" if offline else ""
    return f"no preset{without} has {' and '.join(map(repr, words)) or 'that'}{hint}; `biasloop presets` lists all"


def _line(entry: "Entry") -> dict[str, Any]:
    """A preset as scripts read it."""
    from biasloop.running.catalogue import missing

    listed = entry.listed
    return {
        **{name: getattr(listed, name) for name in ("name", "domain", "source", "summary")},
        "path": str(listed.path), "mini": listed.mini, "problem": listed.problem, "parameters": listed.parameters,
        "also": list(listed.also), "group": entry.group, "runs": entry.runs, "rounds": entry.rounds,
        "samples": entry.samples, "seconds": entry.seconds, "offline": entry.offline,
        "mini_offline": entry.mini_offline, "own": entry.own,
        "needs": None if entry.needs is None else [{"name": need.name, "bytes": need.bytes, "present": need.present}
                                                   for need in entry.needs],
        "download_bytes": None if entry.needs is None else missing(entry.needs),
    }  # fmt: skip


def _show_lines(entries: Sequence["Entry"]) -> None:
    """A line each, as programs that search lines want them."""
    from biasloop.config.presets import is_shipped

    rows = [
        [
            _named(entry), entry.listed.domain, _cost(entry), _download(entry), entry.listed.summary, _source(entry),
            "biasloop" if is_shipped(entry.listed.path) else str(entry.listed.path),
        ]
        for entry in entries
    ]  # fmt: skip
    say(aligned(["preset", "domain", "cost", "to fetch", "what it runs", "source", "comes from"], rows))


def _show_groups(entries: Sequence["Entry"], width: int) -> None:
    """By study and domain; a name stands at the beginning of a line, and is never broken."""
    from biasloop.config.presets import is_shipped
    from biasloop.running.catalogue import title

    first = True
    for _, of_group in groupby(entries, key=lambda entry: entry.group):
        group = list(of_group)
        for domain in dict.fromkeys(entry.listed.domain for entry in group):
            say(("" if first else "\n") + f"{title(group)}, {domain}")
            first = False
            for entry in (entry for entry in group if entry.listed.domain == domain):
                head = f"  {_named(entry)}"
                told = f"{_cost(entry)}; {_download(entry)}"
                say(f"{head}   {told}" if len(head) + 3 + len(told) <= width else f"{head}\n{_wrapped(told, width)}")
                location = "" if is_shipped(entry.listed.path) else f" ({entry.listed.path})"
                say(_wrapped(entry.listed.summary + location, width))


def _wrapped(text: str, width: int) -> str:
    """A text below a name; a path in it is never broken."""
    indent = " " * 6
    return textwrap.fill(
        text, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _named(entry: "Entry") -> str:
    return entry.listed.name + (" (-mini)" if entry.listed.mini else "")


def _source(entry: "Entry") -> str:
    return entry.listed.source + (f"; parameters: {entry.listed.parameters}" if entry.listed.parameters else "")


def _cost(entry: "Entry") -> str:
    """How long it takes, as measured here, else how much it is."""
    from biasloop.report.tables.formatting import counted, duration

    runs = counted(entry.runs, "run")
    if entry.seconds is not None:
        return f"{runs} of about {duration(entry.seconds)} (measured here)"
    rounds = "as many rounds as the data last for" if entry.rounds is None else counted(entry.rounds, "round")
    samples = "" if entry.samples is None else f", up to {entry.samples:,} samples"
    return f"{runs} of {rounds}{samples}"


def _download(entry: "Entry") -> str:
    """What has to be fetched, and whether the mini does without."""
    told = f"files of your own in {entry.own}" if entry.own else _fetched(entry.needs)
    if entry.mini_offline and not entry.offline:
        told += " (-mini: nothing)"
    return told


def _fetched(needs: "Sequence[Requirement] | None") -> str:
    from biasloop.report.tables.formatting import size
    from biasloop.running.catalogue import missing

    if needs is None:
        return "to fetch: not known"
    absent = [need for need in needs if not need.present]
    if not absent:
        return "nothing to fetch"
    asked = any(not need.bytes for need in absent)
    return f"to fetch: {size(missing(needs)) if missing(needs) else ''}{' + ' if asked and missing(needs) else ''}" + (
        "on request" if asked else ""
    )
