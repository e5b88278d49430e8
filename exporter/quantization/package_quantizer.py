"""What the nodes share that leave the choice of ranges to another package: ModelOpt, pytorch-quantization, NNCF.

The policy says which layers, as for `int8`; the package finds the ranges; the graph stays the project's own core, so
that everything after it goes the same way.
"""

import importlib.metadata
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

from exporter.common import error_bounds
from exporter.common.errors import BuildError, RequestError
from exporter.quantization.quantized import Quantized
from exporter.quantization.selection import LayerSelection
from exporter.quantization.task import Task

if TYPE_CHECKING:
    import onnx

    from exporter.quantization.selection import Selection


class PackageQuantizer(LayerSelection):
    """modules: what must be there to import it; remedy: what to do where one is not; methods: those of
    `calibration.method` that it has."""

    modules: ClassVar[tuple[str, ...]]
    remedy: ClassVar[str]
    methods: ClassVar[tuple[str, ...]]
    bounds: ClassVar[Mapping[str, float]] = error_bounds.INT8

    def problems(self, method: str, scheme: str) -> Iterator[str]:
        """Clauses for a package that is not installed and for what it cannot do: `calibration.method`, the backend's
        scheme."""
        missing = [module for module in self.modules if find_spec(module) is None]
        if missing:
            yield f"quantization={self.name}: {' and '.join(missing)} cannot be imported: {self.remedy}"
        if method not in self.methods:
            yield f"calibration.method={method}: quantization={self.name} has {', '.join(self.methods)}: take one"

    def quantize(self, task: Task) -> Quantized:
        """The core with its trunk in INT8, by the package's ranges.

        Raises RequestError for what `problems` says, for keys as `selected` does and for unfit images, BuildError for
        values that are not finite.
        """
        from exporter.quantization import section
        from exporter.quantization.selection import selected
        from exporter.quantization.summary import summarize

        if problems := list(self.problems(task.method, task.scheme)):
            raise RequestError("; ".join(problems))
        selection = selected(task.core, self)
        _check_weights(task.core, selection.layers)
        always_zero = _always_zero(task, selection.layers)
        model = self._quantized(task, selection)
        package = section.Package(name=str(self.package), version=importlib.metadata.version(str(self.package)))
        facts = {**self._facts(task), **dict(summarize(model)), **selection.choices}
        summary = section.Int8(**facts, always_zero=always_zero, engine=package)
        return Quantized(model, summary)

    @abstractmethod
    def _quantized(self, task: Task, selection: "Selection") -> "onnx.ModelProto":
        """A copy of the core with the selected layers in INT8."""

    @abstractmethod
    def _facts(self, task: Task) -> dict[str, str]:
        """`scheme`, and of the other fields of `section.Int8` those in which the package says something of itself."""


def _check_weights(core: "onnx.ModelProto", layers: Collection[str]) -> None:
    import numpy as np
    from onnx import numpy_helper

    stored, chosen = {tensor.name: tensor for tensor in core.graph.initializer}, set(layers)
    for name in (name for node in core.graph.node if node.name in chosen for name in node.input[1:]):
        if not np.isfinite(numpy_helper.to_array(stored[name])).all():
            raise BuildError(f"weights {name}: not all values are finite; the checkpoint is broken")


def _always_zero(task: Task, layers: Collection[str]) -> list[str]:
    """The tensors read by these layers in which no image leaves anything.

    One pass over the images before the package has its own, so that what is unfit is said as clearly as for
    `int8`: values that are not finite by layer, images beyond the range that the network's input has."""
    from exporter.quantization import statistics

    assert task.images is not None  # `needs_calibration` says so
    chosen = set(layers)
    tensors = list(dict.fromkeys(node.input[0] for node in task.core.graph.node if node.name in chosen))
    seen = statistics.collect(task.core, tensors, task.images, histograms=False)
    statistics.check_input(seen.get(task.core.graph.input[0].name), task.input_range)
    return statistics.always_zero(seen)
