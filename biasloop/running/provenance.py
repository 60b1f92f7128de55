"""What a run was made with and from, and whether that is still so: versions, device, data, words."""

import platform
import socket
from importlib.metadata import PackageNotFoundError, version
from itertools import zip_longest
from pathlib import Path

from biasloop import __version__
from biasloop.contract import names
from biasloop.contract.data import Column, Frame
from biasloop.contract.domains import Computing, Domain, names_in
from biasloop.errors import DamagedStore
from biasloop.records.record import Record, vocabulary_frames
from biasloop.store.writer import RunWriter

COMPARED = ("biasloop", "python", "numpy", "torch", "scikit-learn", "device", "threads")
"""What of an environment the bits of a result may depend on."""
DATA = "data"  # the column of the frame `FINGERPRINT`


def environment(domain: Domain) -> dict[str, str]:
    """Versions, host, device and threads that a step is made with."""
    versions = {"biasloop": __version__, "python": platform.python_version(), "host": socket.gethostname()}
    for package in ("numpy", "h5py", "torch"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "none"
    computing = domain.environment() if isinstance(domain, Computing) else {}
    return {**versions, "device": "cpu", "threads": "1", **computing}


def of_domain(domain: Domain) -> dict[str, Frame]:
    """What a set-up keeps of the data: the words that ids stand for, and the fingerprint."""
    return {
        **vocabulary_frames(domain.vocabularies()),
        names.FINGERPRINT: Frame({DATA: Column.text([domain.fingerprint()])}),
    }


def other_environment(store: RunWriter) -> str | None:
    """What to say where the last step was made with something else; the manifest records the new segment."""
    last = store.manifest.files[f"{store.manifest.steps()[-1]}.h5"].environment
    before = store.manifest.environments[last] if last is not None else {}
    changed = [
        f"{name} {before[name]} -> {store.made_with.get(name)}"
        for name in COMPARED
        if name in before and before[name] != store.made_with.get(name)
    ]
    if not changed:
        return None
    return (
        f"{store.directory} was made with {', '.join(changed)}; it goes on as a new segment, "
        "and is no longer promised to equal an uninterrupted run bit for bit"
    )


def check_data(directory: Path, setup: Record, domain: Domain) -> None:
    """Refuse data that are not those of a run: others, or the same with other words.

    Raises:
        DamagedStore: the fingerprint is another one, or ids that the run stores would mean other words.
    """
    _check_fingerprint(directory, setup, domain)
    _check_vocabularies(directory, setup, domain)


def _check_fingerprint(directory: Path, setup: Record, domain: Domain) -> None:
    stored, now = setup.frames[names.FINGERPRINT].columns[DATA].strings()[0], domain.fingerprint()
    if stored != now and not now.startswith(f"{stored} "):  # begun before more of the data was looked at
        raise DamagedStore(
            f"{directory} was made from other data ({stored}) than is there now ({now}); "
            "put the former data back, or begin another run with `biasloop loop` and another --output"
        )


def _check_vocabularies(directory: Path, setup: Record, domain: Domain) -> None:
    """Words can be others though the data are the same, as where a table is read by other rules since then."""
    now = names_in(domain)
    for name, before in setup.vocabularies().items():
        if name in now and before != now[name]:
            there, here = next(pair for pair in zip_longest(before, now[name], fillvalue="none") if len(set(pair)) > 1)
            raise DamagedStore(
                f"{directory} was begun with {len(before)} {name}, and the data are read as {len(now[name])} now (the "
                f"first that differs is {there!r} there and {here!r} here); write the data as they were read then, or "
                "use another --output"
            )
