"""What NVIDIA's own parser says of somebody's file, in one line: it is asked in a process of its own."""

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import onnx

SECONDS = 120
"""For one file."""


class Said(NamedTuple):
    """refuses: whether the file is not taken; line: what it said, or why it was not asked."""

    refuses: bool
    line: str


def ask_parser(model: "onnx.ModelProto") -> Said:
    """The verdict on the model, or on the part of it before its plugins."""
    from exporter.common.errors import RequestError
    from exporter.graph.before_plugins import before_plugins
    from exporter.runtime.tensorrt.library import installed

    try:
        library = installed("tensorrt_rtx")
    except RequestError as error:
        return Said(False, f"not asked: {error}")
    if library is None:
        return Said(False, "not asked: pip install exporter[tensorrt-rtx] brings it, and it needs no GPU")
    if why := _beyond(model):
        return Said(False, f"not asked: {why}")
    own = before_plugins(model)
    part = "it" if own is model else "the part before its plugins"
    why = _asked(own.SerializeToString(), part)
    return Said(why is not None, f"{library.label} {why or f'takes {part}'}")


def _beyond(model: "onnx.ModelProto") -> str | None:
    """Why it cannot be handed over."""
    from exporter.graph.read_model import MAX_BYTES
    from exporter.graph.walk import graphs

    if any(tensor.external_data for graph in graphs(model.graph) for tensor in graph.initializer):
        return "the file keeps its weights beside it"
    return "the file is too large" if model.ByteSize() > MAX_BYTES else None


def _asked(content: bytes, part: str) -> str | None:
    """What is wrong with the model; None: nothing. `part`: what of the file it is."""
    from exporter.common.paths import PACKAGE

    command = [sys.executable, "-P", "-m", "exporter.runtime.tensorrt.worker"]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    try:
        done = subprocess.run(
            command, input=content, capture_output=True, timeout=SECONDS, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        return f"takes more than {SECONDS} s for {part}"
    if done.returncode:
        cause = signal.Signals(-done.returncode).name if done.returncode < 0 else f"exit code {done.returncode}"
        return f"dies of {part} ({cause})"
    return json.loads(done.stdout.decode(errors="replace").strip().splitlines()[-1])
