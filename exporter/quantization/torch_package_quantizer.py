"""INT8 by the quantizers of NVIDIA's packages: a copy of the torch network runs with one at each layer's input.

ModelOpt came out of pytorch-quantization and kept its `TensorQuantizer`: a module that passes a tensor on and collects
what it needs for its range, then computes the largest magnitude to represent, `amax`. All ranges are symmetric, inputs
have one for the whole tensor, weights one for each output channel (their largest magnitude, as both packages have it),
biases stay in float: what TensorRT takes.

The pairs go into the core that was traced before. Networks with such quantizers inside could only be exported by
torch's old TorchScript exporter, which gives another graph: other names, sizes computed while it runs.
"""

import copy
from abc import abstractmethod
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from exporter.common.errors import RequestError
from exporter.quantization.package_quantizer import PackageQuantizer
from exporter.quantization.task import Task

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from exporter.quantization.selection import Selection

ENTROPY_STRIDE = 16
"""Every 16th of 2048 bins is tried as the end of the range: each takes milliseconds of plain Python in both packages,
all of them would take ten minutes for a hundred layers."""


class TorchPackageQuantizer(PackageQuantizer):
    """Both packages also have `mse`, but not for us: the original calls CUDA, ModelOpt 0.47 hands the number of bits
    over as another argument, and nearly every value saturates."""

    needs_network: ClassVar[bool] = True
    methods: ClassVar[tuple[str, ...]] = ("minmax", "percentile", "entropy")

    @abstractmethod
    def _quantizer(self, calibrator: str) -> "nn.Module":
        """A TensorQuantizer for a whole tensor that only collects; calibrator: "max" or "histogram"."""

    def _quantized(self, task: Task, selection: "Selection") -> "onnx.ModelProto":
        from exporter.quantization.qdq_at_inputs import insert_at_inputs

        return insert_at_inputs(task.core, self._limits(task, selection))

    def _facts(self, task: Task) -> dict[str, str]:
        slow = "ONNX Runtime computes symmetric int8 on a CPU slower than float32 (1.3 to 1.4 of its time)"
        if task.scheme != "s8s8":
            task.progress.warn(f"quantization={self.name} is for TensorRT: {slow}")
        return {"scheme": "s8s8", "engines": f"for TensorRT; {slow}"}

    def _limits(self, task: Task, selection: "Selection") -> dict[str, float]:
        """The largest magnitude that each layer's input shall represent. Layers that are no module of their own (a
        function of torch called with weights) stay in float, which is said."""
        paths = _modules(task, selection.layers)
        whole = _reading_images(task.core)
        methods = {path: "minmax" if layer in whole else task.method for layer, path in paths.items()}
        quantizers = {path: self._quantizer("max" if m == "minmax" else "histogram") for path, m in methods.items()}
        called = _called(task, quantizers) if quantizers else set[str]()
        limits = {path: _limit(quantizers[path], methods[path], task.percentile) for path in called}
        if not limits:
            raise RequestError(
                f"quantization={self.name}: works on the layers of a torch network (torch.nn.Conv2d, ConvTranspose2d),"
                " and none of the chosen ones is one here: take int8 or nncf, which work on the graph"
            )
        reached = {layer: limits[path] for layer, path in paths.items() if path in limits}
        if left := [layer for layer in selection.layers if layer not in reached]:
            task.progress.warn(f"quantization={self.name}: no module of its own, left in float: {', '.join(left)}")
        return reached


def _modules(task: Task, layers: Collection[str]) -> dict[str, str]:
    """The path of the module that computes each layer, where one does: the layer's own, else that of its weights (a
    convolution that a BatchNorm was folded into bears the BatchNorm's name). None does in a graph in ONNX Runtime."""
    from torch import nn

    modules = task.network.named_modules() if isinstance(task.network, nn.Module) else ()
    convolutions = {path for path, module in modules if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)}
    paths: dict[str, str] = {}
    for node in task.core.graph.node:
        if node.name in layers:
            own, of_weights = node.name.rpartition("/")[0], node.input[1].rpartition(".")[0]
            for path in (of_weights, own):
                if path in convolutions:
                    paths[node.name] = path
    return paths


def _called(task: Task, quantizers: Mapping[str, "nn.Module"]) -> set[str]:
    """Runs a copy of the network on the images with these quantizers at the inputs of the modules of these paths, and
    gives the paths of those that the network called."""
    import torch
    from torch import nn

    from exporter.quantization import observe

    assert task.network is not None and task.images is not None  # it has these modules; `needs_calibration` says so
    observed, called = copy.deepcopy(task.network), set[str]()

    def showing(path: str) -> Any:
        def hook(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            quantizers[path](inputs[0])
            called.add(path)

        return hook

    for path in quantizers:
        observed.get_submodule(path).register_forward_pre_hook(showing(path))
    with torch.no_grad():
        for batch, count in observe.batches(task.core, task.images):
            observed(torch.from_numpy(batch[:count]))
    return called


def _reading_images(core: "onnx.ModelProto") -> set[str]:
    """The names of the layers that read the network's input. Its range is always taken whole: images have 256 levels,
    most of 2048 bins stay empty, and entropy then finds the lowest sixteenth of the range the best."""
    return {node.name for node in core.graph.node if node.input and node.input[0] == core.graph.input[0].name}


def _limit(quantizer: Any, method: str, percentile: float) -> float:
    """Has the quantizer compute its range."""
    if method == "minmax":
        quantizer.load_calib_amax()
    elif method == "percentile":
        quantizer.load_calib_amax("percentile", percentile=percentile)
    else:
        quantizer.load_calib_amax("entropy", stride=ENTROPY_STRIDE)
    return float(quantizer.amax)
