"""Runs a serialized engine in torch's memory, behind those methods of ONNX Runtime's session that this project uses."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from exporter.common.errors import BuildError
from exporter.runtime.tensorrt.network import log_into


@dataclass(frozen=True)
class Output:
    """A name, as ONNX Runtime gives it."""

    name: str


class EngineSession:
    """An engine ready to run on `device`. Raises BuildError where TensorRT cannot load it."""

    def __init__(self, trt: ModuleType, plan: bytes, device: str = "cuda"):
        self._trt, self._device = trt, device
        self._said: list[tuple[str, str]] = []
        self._logger = log_into(trt, self._said)
        self._runtime = trt.Runtime(self._logger)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise BuildError(
                "TensorRT cannot load the engine here: it is of another version, of another GPU, or there is none:"
                f" {self._why()}"
            )
        self._context = self._engine.create_execution_context()
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        self._names = [n for n in names if self._engine.get_tensor_mode(n) == trt.TensorIOMode.OUTPUT]

    def get_outputs(self) -> list[Output]:
        """In the order of the network."""
        return [Output(name) for name in self._names]

    def run(self, names: Sequence[str] | None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs of these names, all of them if None."""
        import torch

        held = {name: torch.from_numpy(np.ascontiguousarray(a)).to(self._device) for name, a in feeds.items()}
        for name, tensor in held.items():
            if not self._context.set_input_shape(name, tuple(tensor.shape)):
                raise BuildError(f"the engine does not take {name} of shape {list(tensor.shape)}: see backend.profile")
            self._context.set_tensor_address(name, tensor.data_ptr())
        # The size of an output may depend on what is found, so each allocates its own memory when it knows.
        allocators = {name: _allocator(self._trt, self._device) for name in self._names}
        for name, allocator in allocators.items():
            self._context.set_output_allocator(name, allocator)
        stream = torch.cuda.current_stream(self._device).cuda_stream if self._device.startswith("cuda") else 0
        if not self._context.execute_async_v3(stream):
            raise BuildError(f"TensorRT could not run the engine: {self._why()}")
        if self._device.startswith("cuda"):
            torch.cuda.synchronize(self._device)
        return [self._array(name, allocators[name]) for name in names or self._names]

    def _why(self) -> str:
        """The last of what it said that was worse than a warning."""
        errors = [" ".join(message.split()) for severity, message in self._said if severity.endswith("ERROR")]
        return errors[-1][-300:] if errors else "it does not say why"

    def _array(self, name: str, allocator: Any) -> np.ndarray:
        dtype = np.dtype(self._trt.nptype(self._engine.get_tensor_dtype(name)))
        count = int(np.prod(allocator.shape, dtype=np.int64)) * dtype.itemsize
        return np.frombuffer(allocator.memory[:count].cpu().numpy().tobytes(), dtype).reshape(allocator.shape)


def _allocator(trt: ModuleType, device: str) -> Any:
    """Memory for one output: asked for by TensorRT once its size is known, and told the shape."""
    import torch

    class Allocator(trt.IOutputAllocator):
        def __init__(self) -> None:
            trt.IOutputAllocator.__init__(self)  # the bindings demand it by name
            self.memory = torch.empty(0, dtype=torch.uint8, device=device)
            self.shape: tuple[int, ...] = ()

        def reallocate_output(self, tensor_name: str, memory: int, size: int, alignment: int) -> int:
            self.memory = torch.empty(max(size, 1), dtype=torch.uint8, device=device)  # aligned to 512 bytes on a GPU
            return self.memory.data_ptr()

        def reallocate_output_async(self, tensor_name: str, memory: int, size: int, alignment: int, stream: int) -> int:
            return self.reallocate_output(tensor_name, memory, size, alignment)

        def notify_shape(self, tensor_name: str, shape: Any) -> None:
            self.shape = tuple(shape)

    return Allocator()
