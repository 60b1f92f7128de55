"""imSitu: what its files are called and where they are published, and its archive of photographs; no NumPy.

Annotations are `train.json`, `dev.json` and `test.json`; photographs, resized to 256x256, are members of one tar. The
archive is read where it lies and is never unpacked: its photographs are decoded once, into prepared data. Nobody
publishes a checksum, so annotations have to be JSON of imSitu's format, and the archive has to have its end.
"""

from __future__ import annotations

import json
from pathlib import Path

from biasloop.datasets.assets import Asset
from biasloop.downloads import Remote

ARCHIVE = "of500_images_resized.tar"
ANNOTATIONS = ("train.json", "dev.json", "test.json")
"""In the order in which they are merged."""

_SIZES = (25_000_000, 8_400_000, 8_400_000)  # of the annotations, estimated from their numbers of images


def _why_no_annotations(path: Path) -> str | None:
    """Why a file is not JSON of imSitu's format, or None; reads it all."""
    try:
        records = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        return f"it is no JSON ({error})"
    if not isinstance(records, dict) or not records:
        return "it is no JSON object with an entry for each image"
    for name, record in records.items():
        if not isinstance(record, dict) or not {"verb", "frames"} <= record.keys():
            return f"its entry {name!r} has no verb and frames"
    return None


def _why_no_archive(path: Path) -> str | None:
    from biasloop.datasets.tarred_images import why_damaged

    return why_damaged(path)


_ANNOTATIONS_AT = "https://raw.githubusercontent.com/my89/imSitu/master/"
_ARCHIVE_AT = "https://s3.amazonaws.com/my89-frame-annotation/public/"

IMSITU = Asset(
    name="imsitu",
    summary="126,102 photographs of 504 activities, each with three annotations of who takes which role",
    homepage="https://github.com/my89/imSitu",
    licence="none stated; the publisher asks to cite the paper",
    citation=(
        "M. Yatskar, L. Zettlemoyer, A. Farhadi (2016). Situation Recognition: Visual Semantic Role Labeling for Image "
        "Understanding. CVPR."
    ),
    remotes=(
        *(
            Remote(name, (_ANNOTATIONS_AT + name,), size, examine=_why_no_annotations)
            for name, size in zip(ANNOTATIONS, _SIZES, strict=True)
        ),
        Remote(ARCHIVE, (_ARCHIVE_AT + ARCHIVE,), 3_700_000_000, examine=_why_no_archive),
    ),
)
