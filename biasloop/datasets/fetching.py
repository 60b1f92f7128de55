"""Get the files of a data set."""

from pathlib import Path

from biasloop.datasets.images import ImageDataset
from biasloop.downloads import Progress, Remote, download
from biasloop.errors import InvalidInput


def fetch(dataset: ImageDataset, data: Path, source: str | None = None, progress: Progress | None = None) -> list[Path]:
    """Get every file of a data set that is not there as published; files that are there are read and checked.

    Args:
        dataset: which.
        data: the data directory.
        source: instead of the published addresses: a URL or path of its file, or of a directory of them.
        progress: told how many bytes of those to get have come, and how many there are.

    Returns:
        The files that were fetched; none if all were there, are shipped or are installed elsewhere.

    Raises:
        InvalidInput: if `source` is one file where several are to be fetched.
        DownloadError: if a file cannot be got as published.
    """
    directory = dataset.directory(data)
    if _installed(dataset, data):
        return []
    needed = [remote for remote in dataset.remotes if not remote.intact(directory / remote.filename)]
    place = _place(dataset, needed, source)
    total, done, paths = sum(remote.size for remote in needed), 0, []
    for remote in needed:
        paths.append(download(remote, directory, source=place, progress=_shifted(progress, done, total)))
        done += remote.size
    return paths


def _installed(dataset: ImageDataset, data: Path) -> bool:
    """Whether an intact copy is installed, and no fetched files hide it."""
    copy = dataset.copy
    if copy is None or dataset.location(data) != copy.directory:
        return False
    return all(file.intact(copy.directory / file.filename) for file in copy.files)


def _place(dataset: ImageDataset, needed: list[Remote], source: str | None) -> str | None:
    """Several files come from a directory; a URL does not show which it is."""
    if source is None or len(dataset.remotes) < 2:
        return source
    if "://" in source:
        return source if source.endswith("/") else source + "/"
    if len(needed) > 1 and Path(source).expanduser().is_file():
        files = ", ".join(remote.filename for remote in needed)
        raise InvalidInput(
            f"{source} is one file and data set {dataset.name!r} needs {len(needed)}; "
            f"give --from the directory that holds {files}"
        )
    return source


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Progress of one file as progress of them all."""
    if progress is None:
        return None
    tell = progress
    return lambda done, _: tell(before + done, total)
