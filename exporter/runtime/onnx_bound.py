"""ONNX Runtime's session with its inputs and outputs at fixed places in the device's memory.

A captured CUDA graph reads and writes where it did when it was captured, and ONNX Runtime copies nothing to or from
there when it replays it: without such places it would give the outputs of the first images for all others. It is also
how a run is timed without the way of its data to the device.
Source: ONNX Runtime, CUDA Execution Provider, "Using CUDA Graphs". Tried with the CPU's memory; on a GPU unverified.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from exporter.common.errors import BuildError

DTYPES = {"float": "float32", "double": "float64"}
"""ONNX Runtime's words for a tensor's type, where they are not numpy's."""


class Bound:
    """`session`: ONNX Runtime's own. device: as in `exporter.runtime.onnx_providers.Kind`."""

    def __init__(self, session: Any, device: str):
        import onnxruntime as ort

        self._session, self._device = session, device
        self._binding = session.io_binding()
        self._inputs: dict[str, Any] = {}
        self._outputs: dict[str, Any] = {}
        for output in session.get_outputs():
            if all(isinstance(side, int) for side in output.shape):
                place = ort.OrtValue.ortvalue_from_shape_and_type(output.shape, _dtype(output.type), device, 0)
                self._outputs[output.name] = place
                self._binding.bind_ortvalue_output(output.name, place)
            else:  # it allocates by itself, once it knows how much
                self._binding.bind_output(output.name, device)

    def give(self, feeds: dict[str, np.ndarray]) -> None:
        """Puts the inputs in their places, which the first ones set. Raises BuildError for other shapes or types."""
        import onnxruntime as ort

        for name, values in feeds.items():
            place = self._inputs.get(name)
            if place is None:
                place = ort.OrtValue.ortvalue_from_numpy(np.array(values, order="C"), self._device, 0)
                self._inputs[name] = place
                self._binding.bind_ortvalue_input(name, place)
                continue
            if list(place.shape()) != list(values.shape) or _dtype(place.data_type()) != values.dtype:
                raise BuildError(
                    f"{name}: {values.dtype} {list(values.shape)}, and the first run had {_dtype(place.data_type())}"
                    f" {list(place.shape())}: a CUDA graph has fixed shapes"
                )
            place.update_inplace(np.ascontiguousarray(values))

    def run(self, options: Any = None) -> None:
        """Computes the outputs of the inputs that were given."""
        self._session.run_with_iobinding(self._binding, options)

    def take(self, names: Sequence[str] | None) -> list[np.ndarray]:
        """Copies of the outputs of these names, all of them if None."""
        made = dict(zip(self._names(), self._binding.get_outputs(), strict=True))
        return [np.array(made[name].numpy()) for name in names or self._names()]

    def _names(self) -> list[str]:
        return [output.name for output in self._session.get_outputs()]


def _dtype(tensor: str) -> np.dtype:
    """Of "tensor(float)", float32."""
    word = tensor.removeprefix("tensor(").removesuffix(")")
    return np.dtype(DTYPES.get(word, word))
