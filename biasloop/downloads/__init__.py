"""Fetch published files and unpack archives, so that nothing half-made is ever seen under a final name.

Importing this package loads no urllib, ssl or tarfile; they are, when something is fetched or unpacked.
"""

from biasloop.downloads.addresses import is_remote
from biasloop.downloads.fetching import download, is_offline
from biasloop.downloads.partial import arrived
from biasloop.downloads.patience import Patience
from biasloop.downloads.remote import Notice, Progress, Remote
from biasloop.downloads.temporary import require_space
from biasloop.downloads.unpacking import unpack

__all__ = [
    "Notice",
    "Patience",
    "Progress",
    "Remote",
    "arrived",
    "download",
    "is_offline",
    "is_remote",
    "require_space",
    "unpack",
]
