"""ONNX Runtime's execution providers as data, and whether one of them is here."""

import importlib
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

from exporter.common.errors import RequestError

Provider = Literal["cpu", "openvino", "cuda", "tensorrt", "tensorrt_rtx"]


@dataclass(frozen=True)
class Kind:
    """name: ONNX Runtime's. package: what brings it. memory: the option that bounds what it takes of a GPU's memory,
    None: it computes on the CPU. device: where its inputs and outputs can lie, in the words of `onnxruntime.OrtValue`.
    plugin: the module of a provider that is no part of ONNX Runtime and has to be registered with it; None: it is.
    since: the first ONNX Runtime that runs an artifact with it; 1.17 reads IR 8 and opset 18 with all the int8 kernels
    used here."""

    name: str
    package: str = "onnxruntime"
    memory: str | None = None
    device: str = "cpu"
    plugin: str | None = None
    since: str = "1.17"


PROVIDERS: dict[str, Kind] = {
    "cpu": Kind("CPUExecutionProvider"),
    "openvino": Kind("OpenVINOExecutionProvider", "onnxruntime-openvino"),
    "cuda": Kind("CUDAExecutionProvider", "onnxruntime-gpu", "gpu_mem_limit", "cuda"),
    "tensorrt": Kind("TensorrtExecutionProvider", "onnxruntime-gpu", "trt_max_workspace_size", "cuda"),
    "tensorrt_rtx": Kind(
        "NvTensorRTRTXExecutionProvider", "exporter[onnxruntime-tensorrt-rtx]", "nv_max_workspace_size",
        plugin="onnxruntime_ep_nv_tensorrt_rtx", since="1.24",
    ),
}  # fmt: skip
"""By `backend.provider`. Sources: ONNX Runtime's pages on its providers; of the plugin, the header that its wheel
brings (tensorrt_rtx_provider_options.h, 0.5.0)."""


def check_provider(provider: Provider) -> None:
    """Raises RequestError where it cannot be had: the ONNX Runtime that is installed does not hold it, or the plugin is
    not there, does not load or finds no device that it fits."""
    if provider == "cpu":
        return
    if PROVIDERS[provider].plugin:
        plugin_devices(provider)
        return
    import onnxruntime as ort

    there = [name for name in get_args(Provider) if PROVIDERS[name].name in ort.get_available_providers()]
    if provider not in there:
        raise RequestError(
            f"backend.provider={provider}: the ONNX Runtime installed here ({ort.__version__}) has only"
            f" {', '.join(there)}: install {PROVIDERS[provider].package} in its place, or take one of these"
        )


def plugin_devices(provider: Provider) -> list[Any]:
    """The devices (onnxruntime.OrtEpDevice) that a plugin can compute on, at least one. Raises RequestError."""
    import onnxruntime as ort

    def found() -> list[Any]:
        return [device for device in ort.get_ep_devices() if device.ep_name == PROVIDERS[provider].name]

    if not found():  # whoever calls this from a program may have registered it already, under a name of his own
        _register(provider)
    if not (devices := found()):
        raise RequestError(
            f"backend.provider={provider}: {PROVIDERS[provider].name} finds no device here that it fits (an NVIDIA RTX"
            " GPU, Ampere or later, and its driver): build it on such a machine, or take backend.provider=cpu"
        )
    return devices


@cache
def _register(provider: Provider) -> None:
    """Once in a process: ONNX Runtime refuses a second time. Importing the package loads NVIDIA's libraries, and makes
    links to them beside it."""
    import onnxruntime as ort

    kind = PROVIDERS[provider]
    assert kind.plugin is not None  # asked by `check_provider`
    try:
        plugin = importlib.import_module(kind.plugin)
    except ModuleNotFoundError as error:
        raise RequestError(
            f"backend.provider={provider}: is a plugin of ONNX Runtime that is not installed here: pip install"
            f" {kind.package}, or take backend.provider=cpu"
        ) from error
    try:
        ort.register_execution_provider_library(kind.name, plugin.get_library_path())
    except Exception as error:  # ORT raises its own classes, which share no base but this one
        why = " ".join(str(error).split()).rpartition(" with error: ")[2][-200:]
        raise RequestError(
            f"backend.provider={provider}: its plugin does not load here: {why}: it needs an NVIDIA RTX GPU and its"
            " driver (580 or newer for CUDA 13): or take backend.provider=cpu"
        ) from error
