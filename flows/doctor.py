"""What this machine has, and what is missing, for someone whose first run went wrong."""

import os
import platform
import shutil
from importlib import import_module, metadata

from ddnn.errors import DdnnError
from tasks.home import PROJECT_ROOT, ddnn_home
from tasks.machine import arithmetic

_NEEDED = ("torch", "prefect", "dvc", "mlflow", "onnxruntime")


def examine() -> str:
    """Check Python, the libraries, the state folder and the disk; a line for each.

    Raises:
        DdnnError: Something is missing that a run needs.
    """
    home = ddnn_home()
    home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(home).free / 2**30
    how = arithmetic(home)
    faults = [fault for name in _NEEDED if (fault := _fault(name))]
    try:
        # prefect's server breaks on import with a fastapi that is too new, although pip is content.
        import_module("prefect.server.api.server")
    except Exception as error:
        faults.append(f"Prefect's server does not import: {error}")
    if free < 1:
        faults.append(f"only {free:.1f} GiB free at {home}")
    lines = [
        f"python      {platform.python_version()}",
        *(f"{name:<12}{_version(name)}" for name in _NEEDED),
        f"checkout    {PROJECT_ROOT}",
        f"state       {home} ({free:.0f} GiB free)",
        f"processor   {how.cpu}, {os.cpu_count()} cores",
        f"arithmetic  {how.dtype}, {how.memory_format}, {how.threads} thread(s) a training",
    ]
    if faults:
        raise DdnnError("; ".join(faults) + "; run `make setup` again")
    return "\n".join([*lines, "all is there"])


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"


def _fault(name: str) -> str | None:
    return f"{name} is missing" if _version(name) == "missing" else None
