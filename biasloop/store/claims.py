"""One process at a time writes a run, here or on any machine that shares its directory; others are told who does."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from biasloop.errors import DamagedStore, StoreError
from biasloop.store.aside import rescue
from biasloop.store.entries import check_entries
from biasloop.system import claims
from biasloop.system.claims import Claim, Holder


@contextmanager
def claimed(directory: Path) -> Iterator[Claim]:
    """Hold the claim on a run; what dead processes left of theirs is removed, so that they write nothing more.

    Raises:
        Held: naming the process, host and time of who holds it, and its last sign of life.
        StoreError: nothing can be written there.
        DamagedStore: a part of the run is a link.
        Lost: the body met damage, and another process has taken the claim over meanwhile.
    """
    check_entries(directory)
    with ExitStack() as stack:
        try:
            claim = stack.enter_context(claims.claimed(directory, rescue=lambda dead: rescue(directory, dead)))
        except OSError as error:
            raise StoreError(f"{directory} cannot be written ({error.strerror or error})") from error
        try:
            yield claim
        except DamagedStore:
            claim.check()  # what is not there may have been replaced by the process that took the run over
            raise


def holder(directory: Path) -> Holder | None:
    """Who writes a run and lives; None if nobody does."""
    return claims.holder(directory)
