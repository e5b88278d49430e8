"""An environment for each foreign package, made when it is first asked for: what the package brings is there and not here, and
so is its licence. torch, numpy and onnx are this environment's, which a .pth file leads to."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

from exporter.common.errors import BuildError

TOOLS = Path(__file__).with_name("foreign_tools.py")
# As it is at import: tests then set another for what they build.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


@cache
def python_with(requirement: str) -> Path:
    """The interpreter of an environment that has the package, in the user's cache. Raises BuildError where it cannot be
    installed, with pip's reason."""
    folder = CACHE / "exporter-foreign" / re.sub(r"[^\w.]+", "-", f"{requirement} {sys.version_info.minor}")
    python, whole = folder / "bin" / "python", folder / "whole"
    if whole.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", folder])
    packages = next((folder / "lib").glob("python*")) / "site-packages"
    (packages / "ours.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    torch = f"torch=={version('torch').partition('+')[0]}"  # another would be gigabytes
    _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement, torch])
    whole.touch()
    return python


def run_tools(requirement: str, *arguments: object, folder: Path, tools: Path = TOOLS) -> None:
    """The program `tools` with these arguments in that environment and that working directory. Raises BuildError with the
    last line that it says where it fails, or there is no such environment."""
    _run([python_with(requirement), tools, *arguments], folder)


def _run(command: Sequence[object], folder: Path | None = None) -> None:
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(list(map(str, command)), cwd=folder, env=kept, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise BuildError(lines[-1] if lines else f"{command[1]} {command[2]} ended with {done.returncode}")
