"""`biasloop doctor`: what this machine has."""

import platform
import shutil
from typing import Any

from biasloop import __version__
from biasloop.cli.options import Data, Json, data_directory
from biasloop.report.output import emit, show, table


def doctor(data: Data = None, json: Json = False) -> None:
    """Print versions, devices, data sets and weights found or missing, and free disk.

    Example: biasloop doctor
    """
    from biasloop import datasets
    from biasloop.report.tables import formatting

    directory = data_directory(data)
    existing = next(path for path in (directory, *directory.resolve().parents) if path.exists())
    facts: dict[str, Any] = {
        "biasloop": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **_torch(),
        "data_directory": str(directory),
        "free_disk": shutil.disk_usage(existing).free,
        "present": [asset.name for asset in datasets.all_assets() if asset.present(directory)],
        "missing": [asset.name for asset in datasets.all_assets() if not asset.present(directory)],
    }
    if json:
        emit(facts)
        return
    shown = {**facts, "free_disk": formatting.size(facts["free_disk"])}
    rows = [[name.replace("_", " "), ", ".join(v) if isinstance(v, list) else str(v)] for name, v in shown.items()]
    show(table(["", ""], rows))


def _torch() -> dict[str, Any]:
    try:
        import torch
    except Exception as error:  # noqa: BLE001 - whatever is wrong with torch is what doctor is for
        return {"torch": f"does not import: {error}", "devices": []}
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"torch": torch.__version__, "threads": torch.get_num_threads(), "devices": ["cpu", *gpus]}
