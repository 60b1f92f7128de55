"""Get the files of a data set, and make of them what is read, where that is another file."""

import shlex
from pathlib import Path

from biasloop.datasets.assets import Asset, Made
from biasloop.datasets.cc3m import ShardedAsset, take
from biasloop.downloads import (
    Notice,
    Patience,
    Progress,
    Remote,
    arrived,
    download,
    is_offline,
    is_remote,
    require_space,
)
from biasloop.downloads.speed import Speed, remember
from biasloop.downloads.temporary import flush_directory, home_of
from biasloop.errors import DownloadError, InvalidInput, SomethingToFetch
from biasloop.system.claims import alone

_PATIENCE = Patience()


def fetch(
    dataset: Asset,
    data: Path,
    source: str | None = None,
    progress: Progress | None = None,
    *,
    notice: Notice | None = None,
    offline: bool = False,
    keep: bool = False,
    patience: Patience = _PATIENCE,
) -> list[Path]:
    """Get every file of a data set that is not there as published; files that are there are read and checked.

    Where another file is made of them and read instead, that one is checked; once it is there whole, the files that it
    was made of are deleted. If making it was interrupted, they are still there, and the next call goes on with them.

    Args:
        dataset: which.
        data: the data directory.
        source: instead of the published addresses: a URL or path of its file, or of a directory of them.
        progress: told how many bytes of those to get have come, and how many there are.
        notice: told, in a sentence, why it takes longer.
        offline: do not touch the network; also if the environment variable BIASLOOP_OFFLINE is 1.
        keep: leave the files that another one was made of.
        patience: how long to wait for a server and how often to try.

    Returns:
        The files that were fetched; none if all were there, are shipped or are installed elsewhere.

    Raises:
        InvalidInput: if `source` is one file where several are to be fetched.
        SomethingToFetch: if a file is not there and the network must not be touched, or its publisher has to be asked.
        DownloadError: if a file cannot be got as published, or the disk has no room for them all.
    """
    directory = dataset.directory(data)
    if isinstance(dataset, ShardedAsset):
        return take(dataset, data, source, notice or (lambda _: None), offline=offline)
    if dataset.asked is not None:
        dataset.require(data)
        return []
    if _installed(dataset, data) or _is_made(dataset, directory) or _unpacked_from(dataset.archive, directory):
        return []
    wanted = (dataset.archive,) if dataset.archive and _names(source, dataset.archive) else dataset.remotes
    needed = [remote for remote in wanted if not remote.intact(directory / remote.filename)]
    address = _address(dataset, needed, source)
    if is_offline(offline):
        _require_local(dataset, data, needed, address)
    total, done, paths = sum(remote.size for remote in needed), 0, []
    made = dataset.made.size if dataset.made else 0
    require_space(directory, total - sum(_partial(remote, directory) for remote in needed) + made, dataset.name)
    for remote in needed:
        speed = Speed()
        told = _both(speed.count, _shifted(progress, done, total))
        try:
            path = download(
                remote, directory, source=address, progress=told, notice=notice, offline=offline, patience=patience
            )
        except DownloadError as error:
            raise DownloadError(f"{error}{_or_archive(dataset, source)}") from error
        finally:
            if address is None or is_remote(address):
                remember(speed, data)
        paths.append(path)
        done += remote.size
    return paths if dataset.made is None else [_make(dataset, dataset.made, directory, notice, keep=keep)]


def _unpacked_from(archive: Remote | None, directory: Path) -> bool:
    """Whether a larger file that holds the others is there, and intact."""
    return archive is not None and archive.intact(directory / archive.filename)


def _names(source: str | None, remote: Remote) -> bool:
    """Whether --from is the address of a file or, on this machine, of a directory that has nothing else to offer."""
    if source is None:
        return False
    return source.rpartition("/")[2] == remote.filename or (
        not is_remote(source) and (home_of(Path(source)) / remote.filename).is_file()
    )


def _or_archive(dataset: Asset, source: str | None) -> str:
    """Where else its files may be had, as the end of a sentence."""
    archive = dataset.archive
    if archive is None or source is not None:
        return ""
    command = f"biasloop fetch {dataset.name} --from {archive.urls[0]}"
    return f"; or take them out of an archive ({archive.amount}): `{command}`"


def _is_made(dataset: Asset, directory: Path) -> bool:
    """Whether the file that is read is there, and whole."""
    path = directory / dataset.made.filename if dataset.made else directory
    return dataset.made is not None and path.is_file() and dataset.made.examine(path) is None


def _make(dataset: Asset, made: Made, directory: Path, notice: Notice | None, *, keep: bool) -> Path:
    """Make the file that is read: under a temporary name first, so that it is seen only whole."""
    path, tell = directory / made.filename, notice or (lambda _: None)
    with alone(path, "making", tell) as (claim, _):
        if not _is_made(dataset, directory):  # another process may have made it meanwhile
            tell(f"{dataset.name}: making {path.name} of what was fetched")
            temporary = claim.directory / path.name
            try:
                made.build(dataset, directory, temporary)
                temporary.replace(path)
                flush_directory(directory)
            except OSError as error:
                raise DownloadError(f"cannot write {path}: {error.strerror or error}") from error
            finally:
                temporary.unlink(missing_ok=True)
        if not keep:
            for remote in dataset.remotes:
                (directory / remote.filename).unlink(missing_ok=True)
    return path


def kept(dataset: Asset, data: Path) -> int:
    """Bytes of a data set's files that are there, partial files included; reads none of them."""
    if dataset.made is not None and dataset.present(data):
        return dataset.bytes
    return sum(arrived(remote, dataset.directory(data)) for remote in dataset.remotes)


def _partial(remote: Remote, directory: Path) -> int:
    """Bytes that need not come again; a damaged file counts for nothing, as it stays until a better one replaces it."""
    return 0 if remote.same_size(directory / remote.filename) else arrived(remote, directory)


def _require_local(dataset: Asset, data: Path, needed: list[Remote], address: str | None) -> None:
    """Name all that is missing and the commands that get it, before the first file is tried."""
    addresses = [address] if address is not None else [url for remote in needed for url in remote.urls]
    if not needed or not all(is_remote(url) for url in addresses):
        return
    files = ", ".join(f"{remote.filename} ({remote.amount})" for remote in needed)
    command = f"biasloop fetch {dataset.name}"
    keep = " --keep" if dataset.made else ""  # the archive, which is what --from wants
    raise SomethingToFetch(
        f"data set {dataset.name!r} lacks {files} in {dataset.directory(data)} and the network must not be used "
        f"(--offline or BIASLOOP_OFFLINE); run `{command}{keep} --data FOLDER` on a machine that may, "
        f"copy FOLDER here, then `{command} --from FOLDER/{dataset.name} "
        f"--data {shlex.quote(str(data))}`"
    )


def _installed(dataset: Asset, data: Path) -> bool:
    """Whether an intact copy is installed, and no fetched files hide it."""
    copy = dataset.copy
    if copy is None or dataset.location(data) != copy.directory:
        return False
    return all(file.intact(copy.directory / file.filename) for file in copy.files)


def _address(dataset: Asset, needed: list[Remote], source: str | None) -> str | None:
    """Several files come from a directory; a URL does not show which it is."""
    if source is None or len(dataset.remotes) < 2:
        return source
    if "://" in source:
        return source if source.endswith("/") else source + "/"
    if len(needed) > 1 and home_of(Path(source)).is_file():
        files = ", ".join(remote.filename for remote in needed)
        raise InvalidInput(
            f"{source} is one file and data set {dataset.name!r} needs {len(needed)}; "
            f"give --from the directory that holds {files}"
        )
    return source


def _both(first: Progress, second: Progress | None) -> Progress:
    """Progress that two are told."""

    def tell(done: int, total: int) -> None:
        first(done, total)
        if second is not None:
            second(done, total)

    return tell


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Progress of one file as progress of them all."""
    if progress is None:
        return None
    tell = progress
    return lambda done, _: tell(before + done, total)
