"""Fetch one published file: continue what has come, try again, try the next address, check, give it its name."""

import os
from pathlib import Path

from biasloop.downloads.addresses import Answer, is_remote, opened, refuse_page
from biasloop.downloads.partial import Partial
from biasloop.downloads.patience import Patience
from biasloop.downloads.remote import Notice, Progress, Remote
from biasloop.downloads.temporary import free_bytes, home_of, require_space
from biasloop.downloads.troubles import Again, StaleRange, Trickle, Trouble, WrongContent
from biasloop.errors import DownloadError, SomethingToFetch
from biasloop.system.claims import alone

_PATIENCE = Patience()


def is_offline(offline: bool = False) -> bool:  # noqa: FBT001, FBT002
    """Whether the network must not be touched: asked for, or by BIASLOOP_OFFLINE (anything but 0, no, false, off)."""
    return offline or os.environ.get("BIASLOOP_OFFLINE", "").strip().lower() not in {"", "0", "no", "false", "off"}


def download(
    remote: Remote,
    directory: Path,
    *,
    source: str | None = None,
    progress: Progress | None = None,
    notice: Notice | None = None,
    offline: bool = False,
    patience: Patience = _PATIENCE,
) -> Path:
    """Fetch one file into a directory, unless it is there as published.

    What comes is collected in a partial file beside the final name. It outlives failures, interruptions and kills,
    and the next call continues it; under its final name the file is seen only whole and checked. Of several processes
    that want the same file one fetches it, the others wait.

    Args:
        remote: what to fetch.
        directory: where it goes; made if it is not there.
        source: instead of the published addresses: a path or URL of the file, or of a directory that has it
            under its name (such a URL ends in `/`).
        progress: told how many bytes have come.
        notice: told, in a sentence, why it takes longer.
        offline: do not touch the network; also if the environment variable BIASLOOP_OFFLINE is 1.
        patience: how long to wait and how often to try.

    Returns:
        The file; a damaged one that was there is replaced.

    Raises:
        SomethingToFetch: if it is not there and the network must not be touched.
        DownloadError: if no address gives the file as published, the disk has no room for it, or refuses it.
    """
    path, tell = directory / remote.filename, notice or _silent
    addresses = remote.urls if source is None else (_address(source, remote.filename),)
    if remote.intact(path):
        return path
    if is_offline(offline):
        addresses = _local_only(addresses, remote, path)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with alone(path, "fetching", tell) as (claim, _):
            if not remote.intact(path):  # whoever was waited for may have fetched it
                with Partial(path, remote, claim) as partial:
                    _fetch(partial, addresses, path, patience, progress, tell)
    except OSError as error:
        raise DownloadError(
            f"cannot write {path}: {error.strerror or error}; {remote.amount} are needed there "
            f"and {free_bytes(directory)} are free; once that is mended, the same command goes on"
        ) from error
    return path


def _silent(sentence: str) -> None:
    """Nobody listens."""


def _address(source: str, filename: str) -> str:
    """The file's own address, where `source` may be that of its directory."""
    if "://" in source:
        return source + filename if source.endswith("/") else source
    path = home_of(Path(source))
    return str(path / filename if path.is_dir() else path)


def _local_only(addresses: tuple[str, ...], remote: Remote, path: Path) -> tuple[str, ...]:
    local = tuple(address for address in addresses if not is_remote(address))
    if not local:
        advice = f"fetch {addresses[0]}" if addresses else "get it"
        raise SomethingToFetch(
            f"{remote.filename} ({remote.amount}) is not in {path.parent} and the network must not be used "
            f"(--offline or BIASLOOP_OFFLINE); {advice} on a machine that may, and put it at {path}"
        )
    return local


def _fetch(
    partial: Partial,
    addresses: tuple[str, ...],
    path: Path,
    patience: Patience,
    progress: Progress | None,
    notice: Notice,
) -> None:
    """Try the addresses in their order."""
    remote, failures = partial.remote, []
    if partial.complete and partial.wrong():
        partial.clear()
    if partial.complete:  # killed between the last byte and the rename
        partial.publish()
        return
    require_space(path.parent, remote.size - partial.done, remote.filename)
    for address in addresses:
        try:
            _fetch_from(address, partial, patience, progress, notice)
        except Trouble as trouble:
            failures.append(f"{address}: {trouble}")
        else:
            partial.publish()
            return
    hint = f"; {partial.done:,} bytes are kept, and the same command goes on from there" if partial.done else ""
    raise DownloadError(
        f"cannot fetch {remote.filename} ({'; '.join(failures) or 'it is published nowhere'}){hint}; or put a copy "
        f"at {path} ({remote.amount}, {remote.checksum or 'no checksum is published'}), "
        "or name one with --from PATH_OR_URL"
    )


def _fetch_from(address: str, partial: Partial, patience: Patience, progress: Progress | None, notice: Notice) -> None:
    """Get from one address what the partial file lacks, and check the whole.

    What was reached before counts only until the download begins anew: the first time by the server's own choice, a few
    times because it cannot go on. A server that begins at every try has to get further than ever.

    Raises:
        Trouble: if this address does not give it.
    """
    remote, failures, furthest, worked, fresh = partial.remote, 0, partial.done, False, False
    first, stalled = partial.begun, 0  # how often it could not go on
    while True:
        before = partial.begun
        try:
            _one_try(address, partial, patience, progress, notice)
            return
        except StaleRange as stale:
            stalled, furthest = stalled + 1, 0
            partial.clear()
            if stalled > patience.tries:
                raise Trouble(f"{stale}, and it could not go on {stalled} times") from stale
            notice(f"{remote.filename}: starting from zero, {stale}")
        except WrongContent as wrong:
            pieces, furthest = partial.pieces, 0
            partial.clear()
            if fresh or pieces == 1:  # what came in one answer is what the server has
                raise
            fresh = True
            notice(f"{remote.filename}: {wrong}; it came in {pieces} pieces and is fetched once more from zero")
        except Trouble as trouble:
            if first == before < partial.begun:
                furthest = 0
            worked = worked or partial.done > furthest
            progressed = partial.done - furthest >= max(1, remote.size / 100)
            failures = 1 if progressed and not isinstance(trouble, Trickle) else failures + 1
            furthest = max(furthest, partial.done)
            if trouble.again is Again.NEVER or (trouble.again is Again.IF_IT_WORKED and not worked):
                raise
            if failures >= patience.tries:
                often = f", and it failed {failures} times in a row" if failures > 1 else ""
                raise Trouble(f"{trouble}{often}") from trouble
            seconds = patience.seconds(failures, trouble.asked)
            notice(f"{remote.filename}: {trouble}; trying again in {seconds:.0f} s")
            patience.sleep(seconds)


def _one_try(address: str, partial: Partial, patience: Patience, progress: Progress | None, notice: Notice) -> None:
    remote, start = partial.remote, partial.done
    with opened(address, remote, start, partial.validator_at(address), patience) as answer:
        block = answer.beginning()
        if answer.start:
            notice(f"{remote.filename}: going on after {start:,} of {remote.size:,} bytes")
            partial.go_on(address, answer.validator, answer.total)
        elif block:
            refuse_page(block, remote)
            if start:
                notice(f"{remote.filename}: starting from zero, the server gives the whole file or a changed one")
            partial.begin(address, answer.validator, answer.total)
        _receive(answer, block, partial, progress)


def _receive(answer: Answer, block: bytes, partial: Partial, progress: Progress | None) -> None:
    """Append what comes, from its first block on, until the file has its size; then check it.

    A file whose size nobody states ends with the answer.
    """
    size, total, more = partial.remote.size, partial.total, False
    while block and not partial.complete:
        room = (partial.remote.most if total is None else total) - partial.done
        more = len(block) > room
        partial.append(block[:room])
        if progress is not None:
            progress(partial.done, size if total is None else total)
        if more and total is None:
            raise WrongContent(f"more than {partial.remote.most:,} bytes came, expected {partial.remote.amount}")
        block = b"" if partial.complete else answer.read()
    if total is not None and not partial.complete:
        raise Trouble(f"only {partial.done:,} of the {total:,} bytes expected came", Again.LATER)
    reason = partial.wrong()
    if reason is not None:
        raise WrongContent(f"more than the {total:,} bytes expected came" if more else reason)
