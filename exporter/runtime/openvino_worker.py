"""The program in which OpenVINO runs: `exporter.runtime.openvino` starts one for each session and speaks with it.

OpenVINO compiles machine code for the processor it meets, and has died of it before (SIGFPE); here that is the end of
this program alone.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from exporter.runtime.child import Answer, Arrays, serve

QUEUED = 2
"""Requests in the queue for each that runs: enough that none waits for this program."""


def words(error: Exception) -> str:
    """What an error of OpenVINO's says, without where in its source: its last lines do."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception from", "Check 'false'", "To facilitate"))]
    return f"fails: {' '.join(telling)[:400] or type(error).__name__}"


class Worker:
    """OpenVINO on the CPU, with at most one model."""

    def __init__(self) -> None:
        import openvino

        self._openvino = openvino
        self._core = openvino.Core()
        self._compiled: Any = None
        self._request: Any = None

    def about(self, arrays: Arrays) -> Answer:
        """The version, the processor in OpenVINO's words, and what it can compute in."""
        return {
            "version": self._openvino.__version__.split("-")[0],
            "device": self._core.get_property("CPU", "FULL_DEVICE_NAME"),
            "capabilities": list(self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")),
        }, ()

    def open(self, arrays: Arrays, config: Mapping[str, Any], path: str | None = None) -> Answer:
        """Compiles the model in a file (ONNX, or IR with its weights beside it), or that in the one array."""
        model = self._core.read_model(path if path is not None else arrays[0].tobytes())
        self._compiled = self._core.compile_model(model, "CPU", dict(config))
        self._request = self._compiled.create_infer_request()
        hint = self._compiled.get_property("INFERENCE_PRECISION_HINT")
        return {
            "inputs": [_port(port) for port in self._compiled.inputs],
            "outputs": [_port(port) for port in self._compiled.outputs],
            "precision": hint.get_type_name(),
            "streams": self._compiled.get_property("NUM_STREAMS"),
            "threads": self._compiled.get_property("INFERENCE_NUM_THREADS"),
        }, ()

    def run(self, arrays: Arrays, quiet: bool = False) -> Answer:
        """Runs once; outputs in the graph's order, none of them where `quiet`."""
        feeds = [self._openvino.Tensor(array) for array in arrays]
        started = time.perf_counter()
        self._request.infer(feeds, share_inputs=True)
        seconds = time.perf_counter() - started
        return {"seconds": seconds}, [] if quiet else [tensor.data for tensor in self._request.output_tensors]

    def queue(self, arrays: Arrays, runs: int) -> Answer:
        """So many runs, as many at once as OpenVINO likes; the seconds from the first to the end of the last."""
        queue = self._openvino.AsyncInferQueue(self._compiled)
        feeds = [self._openvino.Tensor(array) for array in arrays]
        for _ in range(QUEUED * len(queue)):  # the first runs allocate
            queue.start_async(feeds, share_inputs=True)
        queue.wait_all()
        started = time.perf_counter()
        for _ in range(runs):
            queue.start_async(feeds, share_inputs=True)
        queue.wait_all()
        return {"seconds": time.perf_counter() - started}, ()

    def operators(self, arrays: Arrays) -> Answer:
        """Nothing, for an ONNX model that can be read: what cannot be, is said."""
        self._core.read_model(arrays[0].tobytes())
        return {}, ()

    def convert(self, arrays: Arrays, folder: str) -> Answer:
        """Writes the ONNX model as IR: model.xml and model.bin, weights as they are. In a program that converts nothing
        else the same model gives the same bytes: OpenVINO counts the nodes it has made."""
        model = self._core.read_model(arrays[0].tobytes())
        self._openvino.save_model(model, Path(folder) / "model.xml", compress_to_fp16=False)
        return {}, ()

    def memory(self, arrays: Arrays) -> Answer:
        """Bytes resident at most, so far; null where the system does not tell (no /proc)."""
        status = Path("/proc/self/status")
        lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
        peaks = [1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
        return {"peak": peaks[0] if peaks else None}, ()


def _port(port: Any) -> dict[str, Any]:
    """A port has several names where nodes were joined; the graph's own is among them, and its place tells which."""
    shape = [side.get_length() if side.is_static else None for side in port.partial_shape]
    return {"names": sorted(port.get_names()), "type": np.dtype(port.element_type.to_dtype()).name, "shape": shape}


if __name__ == "__main__":
    os.environ.setdefault("OPENVINO_TELEMETRY_OPT_OUT", "1")  # the package beside it tells its makers who uses it
    worker = Worker()
    asked = (worker.about, worker.open, worker.run, worker.queue, worker.operators, worker.convert, worker.memory)
    serve({each.__name__: each for each in asked}, words)
