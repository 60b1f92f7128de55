"""RealToxicityPrompts: sentences from the web, cut in two (Gehman et al. 2020)."""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from biasloop.contract.context import Context
from biasloop.contract.data import Frame
from biasloop.datasets import real_toxicity
from biasloop.datasets.texts import REALTOXICITYPROMPTS, TextDataset
from biasloop_language import prepared
from biasloop_language.pairs import Pairs

_MEMBER = f"realtoxicityprompts-data/{real_toxicity.PROMPTS}"


def read(context: Context, dataset: TextDataset = REALTOXICITYPROMPTS) -> Pairs:
    """All prompts and continuations, row by row as published.

    Reading them out of the archive, most of which they are not, takes long; they are kept as prepared data.

    Args:
        context: says where the file of prompts lies, or the archive.
        dataset: which.

    Raises:
        SomethingToFetch: if neither is there.
        DownloadError: if it is damaged.
    """
    name = next((name for name in _names(dataset) if prepared.is_prepared(context, name)), None)
    if name is None:
        dataset.require(context.data)
        name = _names(dataset)[_is_archive(_file(context, dataset), dataset)]

    def build() -> Frame:
        dataset.require(context.data)  # damaged prepared data count as absent, and the file may be gone
        return _unpacked(dataset, _file(context, dataset)).frame()

    return Pairs.from_frame(prepared.prepared(context, name, build), "RealToxicityPrompts")


def is_prepared(context: Context, dataset: TextDataset = REALTOXICITYPROMPTS) -> bool:
    """Whether they were read before, so that neither the file nor the archive is needed any more."""
    return any(prepared.is_prepared(context, name) for name in _names(dataset))


def _names(dataset: TextDataset) -> tuple[str, str]:
    """Of what is prepared from the file of prompts, and from the archive."""
    assert dataset.archive is not None
    return f"{dataset.name}-prompts", f"{dataset.name}-{dataset.archive.checksum.partition(':')[2][:16]}"


def _file(context: Context, dataset: TextDataset) -> Path:
    """The file of prompts, or the archive where that alone is there."""
    directory = dataset.directory(context.data)
    prompts = directory / dataset.remotes[0].filename
    if dataset.archive is None or dataset.remotes[0].same_size(prompts):
        return prompts
    return directory / dataset.archive.filename


def _is_archive(file: Path, dataset: TextDataset) -> bool:
    return dataset.archive is not None and file.name == dataset.archive.filename


def _unpacked(dataset: TextDataset, file: Path) -> Pairs:
    try:
        lines = _member(dataset, file) if _is_archive(file, dataset) else _lines(file)
        prompts, continuations = real_toxicity.pairs(lines, dataset.rows)
    except real_toxicity.Malformed as error:
        raise dataset.damaged(file, str(error)) from error
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise dataset.damaged(file, f"it does not unpack ({error})") from error
    except OSError as error:
        raise dataset.damaged(file, f"it does not read ({error.strerror or error})") from error
    return Pairs.of(prompts, continuations, dataset.name)


def _lines(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        yield from stream


def _member(dataset: TextDataset, file: Path) -> Iterator[bytes]:
    """Lines of the prompts in the archive; what comes after them is not unpacked."""
    with tarfile.open(file, "r|gz") as tar:
        for member in tar:
            if member.name.removeprefix("./") == _MEMBER and member.isfile():
                stream = tar.extractfile(member)
                assert stream is not None
                yield from stream
                return
    raise dataset.damaged(file, f"it lacks {_MEMBER}")
