"""Where an artifact comes from besides its recipe: packages, the recipe's repository, the machine, the time."""

import contextlib
import importlib.metadata
import os
import platform
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from exporter.common.paths import recipe_files

PACKAGES = ("exporter", "torch", "onnx", "onnx-ir", "onnxscript", "onnxsim", "onnxruntime", "numpy", "hydra-core",
            "omegaconf", "opencv-python-headless", "faster-coco-eval")  # fmt: skip


def versions(others: Iterable[str] = ()) -> dict[str, str]:
    """Python, the packages that every build's bytes and metrics depend on, and these others; only what is installed."""
    installed = {}
    for name in (*PACKAGES, *others):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            installed[name] = importlib.metadata.version(name)
    return installed | {"python": platform.python_version()}


def repository(recipe_name: str | None) -> dict[str, Any]:
    """The commit and dirty flag of the repository that holds the recipe's file; null where there is none."""
    paths = recipe_files().get(recipe_name or "", [])
    if not paths:
        return {"commit": None, "dirty": None}

    def git(*words: str) -> str | None:
        try:
            # A repository's own configuration can name a program for this, and the repository may be a stranger's.
            command = ["git", "-C", str(paths[0].parent), "-c", "core.fsmonitor=false", *words]
            run = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return run.stdout.strip() if run.returncode == 0 else None

    # A recipe that git does not track belongs to no commit, whatever repository happens to be around it.
    if not git("ls-files", "--", paths[0].name):
        return {"commit": None, "dirty": None}
    status = git("status", "--porcelain", "--untracked-files=no")
    return {"commit": git("rev-parse", "HEAD"), "dirty": None if status is None else bool(status)}


def cpu() -> dict[str, Any]:
    """The processor's name and those of its features that decide how fast int8 is; {} where /proc is not there."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    flags = set(fields.get("flags", "").split())
    return {
        "name": fields.get("model name", "unknown"),
        "features": sorted(flags & {"avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "avx512_bf16"}),
    }


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0))


def run_section(output_dir: Path, started: float, seconds: float) -> dict[str, Any]:
    """When and where an artifact was published; `started`: in seconds since 1970."""
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(seconds, 1),
        "cpu": cpu(),
        "output_dir": str(output_dir.absolute()),
    }
