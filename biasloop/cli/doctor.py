"""`biasloop doctor`: what this machine has."""

import platform
import shutil
from typing import Any

from biasloop import __version__
from biasloop.cli.options import Data, Json, data_directory
from biasloop.report.output import emit, show, table


def doctor(data: Data = None, json: Json = False) -> None:
    """Print versions, cores, memory, devices, data sets and weights found or missing, and free disk.

    Example: biasloop doctor
    """
    from biasloop import datasets
    from biasloop.report.tables import formatting
    from biasloop.system import cores, ram

    directory = data_directory(data)
    existing = next(path for path in (directory, *directory.resolve().parents) if path.exists())
    facts: dict[str, Any] = {
        "biasloop": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": cores.available(),
        "physical_cores": cores.physical(),
        "memory": ram.total(),
        **_torch(),
        "data_directory": str(directory),
        "free_disk": shutil.disk_usage(existing).free,
        "present": [asset.name for asset in datasets.all_assets() if asset.present(directory)],
        "missing": [asset.name for asset in datasets.all_assets() if not asset.present(directory)],
    }
    if json:
        emit(facts)
        return
    shown = {**facts, **{name: formatting.size(facts[name]) for name in ("free_disk", "memory")}}
    shown["gpu_memory"] = [formatting.size(size) for size in facts["gpu_memory"]] or "no GPU"
    rows = [[name.replace("_", " "), ", ".join(v) if isinstance(v, list) else str(v)] for name, v in shown.items()]
    show(table(["this machine", ""], rows))


def _torch() -> dict[str, Any]:
    try:
        import torch
    except Exception as error:  # noqa: BLE001 - whatever is wrong with torch is what doctor is for
        return {"torch": f"does not import: {error}", "devices": [], "gpu_memory": []}
    gpus = range(torch.cuda.device_count())
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "devices": ["cpu", *(torch.cuda.get_device_name(gpu) for gpu in gpus)],
        "gpu_memory": [torch.cuda.get_device_properties(gpu).total_memory for gpu in gpus],
    }
