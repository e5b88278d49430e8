"""A stand-in for the Python package `tensorrt`, of the API that a version documents and nothing else.

`tensorrt_api.json` lists the attributes and the parameters of methods of TensorRT 10.0.1 and 11.4.0, read out of NVIDIA's
own bindings. Using or setting any other attribute is an AttributeError, calling a method with other parameters a
TypeError. An "engine" is the ONNX file itself behind a few bytes, and ONNX Runtime runs it in the CPU's memory, so that
what is written for a GPU can be followed to its last byte. It says nothing about what TensorRT would do.
"""

import ctypes
import enum
import inspect
import json
import types
from pathlib import Path

import numpy as np

from exporter.runtime.onnx_runtime import session

API = json.loads(Path(__file__).with_name("tensorrt_api.json").read_text())
MAGIC = b"a plan of the stand-in"


class StandIn(types.ModuleType):
    """`import tensorrt`, as of "10.0.1" or "11.4.0". `calls` records what was called, as (class.method, arguments);
    `fails` names what is to fail: builder, parse, profile, cache, build, load, run."""

    def __init__(self, version: str, fails: str = ""):
        super().__init__("tensorrt")
        self.__version__, self.calls, self.fails = version, [], fails
        for made in (Logger, Builder, OnnxParser, Runtime, IProgressMonitor, IOutputAllocator):
            setattr(self, made.__name__, _documented(made, self))
        for name, members in ENUMS.items():
            known = [member for member in members if member in API[version][name]]
            setattr(self, name, enum.IntEnum(name, known, start=0))

    def init_libnvinfer_plugins(self, logger, namespace):
        self.calls.append(("init_libnvinfer_plugins", (namespace,)))
        return True

    def nptype(self, trt_type):
        return trt_type


ENUMS = {
    "NetworkDefinitionCreationFlag": ("EXPLICIT_BATCH", "STRONGLY_TYPED"),
    "MemoryPoolType": ("WORKSPACE", "TACTIC_DRAM"),
    "TensorIOMode": ("NONE", "INPUT", "OUTPUT"),
}


def _documented(made: type, trt: StandIn) -> type:
    """`made`, bound to one module, after a look whether all that it offers is documented."""
    api = API[trt.__version__][made.__name__]
    for name, member in vars(made).items():
        if not callable(member) or (name.startswith("_") and not (name == "__init__" and api.get(name))):
            continue
        given = [parameter for parameter in inspect.signature(member).parameters if parameter != "self"]
        assert any(given == list(overload)[: len(given)] for overload in api[name]), f"{made.__name__}.{name}{given}"
    return type(made.__name__, (made,), {"_trt": trt, "_api": api})


class Documented:
    """Base: attributes that are not documented are refused, calls are recorded."""

    _trt: StandIn
    _api: dict

    def __getattr__(self, name):
        raise AttributeError(f"{type(self).__name__} of TensorRT {self._trt.__version__} has no {name}")

    def __setattr__(self, name, value):
        if not name.startswith("_") and self._api.get(name) != "value":
            raise AttributeError(f"{type(self).__name__} of TensorRT {self._trt.__version__} has no {name} to set")
        object.__setattr__(self, name, value)

    def _record(self, name, *arguments):
        self._trt.calls.append((f"{type(self).__name__}.{name}", arguments))

    def _make(self, made, *arguments):
        return _documented(made, self._trt)(*arguments)


class Logger(Documented):
    WARNING = "warning"

    def __init__(self, min_severity):
        self._record("__init__", min_severity)


class Builder(Documented):
    def __init__(self, logger):
        if self._trt.fails == "builder":
            raise TypeError("pybind11::init(): factory function returned nullptr")

    def create_network(self, flags=0):
        self._record("create_network", flags)
        return types.SimpleNamespace()

    def create_builder_config(self):
        return self._make(IBuilderConfig)

    def create_optimization_profile(self):
        return self._make(IOptimizationProfile)

    def build_serialized_network(self, network, config):
        self._record("build_serialized_network", network.onnx, config)
        watcher = getattr(config, "progress_monitor", None)
        if watcher is not None:
            watcher.phase_start("Building", None, 2)
            watcher.phase_start("Timing", "Building", 9)
            assert watcher.step_complete("Timing", 0) is True
            watcher.phase_finish("Timing")
            watcher.phase_finish("Building")
        return None if self._trt.fails == "build" else MAGIC + network.onnx


class OnnxParser(Documented):
    def __init__(self, network, logger):
        self._network = network

    def parse(self, model):
        self._network.onnx = model
        return self._trt.fails != "parse"

    @property
    def num_errors(self):
        return 1

    def get_error(self, index):
        return self._make(ParserError)


class ParserError(Documented):
    def desc(self):
        return "In node 3:\nUNSUPPORTED_NODE"


class IBuilderConfig(Documented):
    def set_memory_pool_limit(self, pool, pool_size):
        self._record("set_memory_pool_limit", pool.name, pool_size)

    def create_timing_cache(self, serialized_timing_cache):
        self._record("create_timing_cache", serialized_timing_cache)
        return self._make(ITimingCache)

    def set_timing_cache(self, cache, ignore_mismatch):
        self._record("set_timing_cache", ignore_mismatch)
        return self._trt.fails != "cache"

    def add_optimization_profile(self, profile):
        self._record("add_optimization_profile")
        return -1 if self._trt.fails == "profile" else 0


class ITimingCache(Documented):
    def serialize(self):
        return b"measured"


class IOptimizationProfile(Documented):
    def set_shape(self, input, min, opt, max):
        self._record("set_shape", input, min, opt, max)
        if not all(a <= b <= c for a, b, c in zip(min, opt, max, strict=True)):
            raise ValueError("dimensions are not in order")


class IProgressMonitor(Documented):
    def __init__(self):
        self._record("__init__")

    def __setattr__(self, name, value):  # an application's own class may hold what it likes
        object.__setattr__(self, name, value)


class IOutputAllocator(IProgressMonitor):
    pass


class Runtime(Documented):
    def __init__(self, logger):
        self._record("__init__")

    def deserialize_cuda_engine(self, serialized_engine):
        assert serialized_engine.startswith(MAGIC)
        return None if self._trt.fails == "load" else self._make(ICudaEngine, serialized_engine[len(MAGIC) :])


class ICudaEngine(Documented):
    def __init__(self, onnx):
        self._session = session(onnx)
        self._inputs = self._session.get_inputs()
        self._outputs = self._session.get_outputs()

    @property
    def num_io_tensors(self):
        return len(self._inputs) + len(self._outputs)

    def get_tensor_name(self, index):
        return [*self._inputs, *self._outputs][index].name

    def get_tensor_mode(self, name):
        return self._trt.TensorIOMode.INPUT if name in [i.name for i in self._inputs] else self._trt.TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name):
        kind = next(o.type for o in self._outputs if o.name == name)
        return np.dtype({"tensor(float)": "float32"}.get(kind, kind[7:-1]))

    def create_execution_context(self):
        return self._make(IExecutionContext, self)


class IExecutionContext(Documented):
    def __init__(self, engine):
        self._owner, self._shapes, self._addresses, self._allocators = engine, {}, {}, {}

    def set_input_shape(self, name, shape):
        (given,) = (i for i in self._owner._inputs if i.name == name)
        self._shapes[name] = shape
        return all(want == got or isinstance(want, str) for want, got in zip(given.shape, shape, strict=True))

    def set_tensor_address(self, name, memory):
        self._addresses[name] = memory
        return True

    def set_output_allocator(self, name, output_allocator):
        self._allocators[name] = output_allocator
        return True

    def execute_async_v3(self, stream_handle):
        self._record("execute_async_v3", stream_handle)
        if self._trt.fails == "run":
            return False
        feeds = {}
        for given in self._owner._inputs:
            dtype = np.dtype({"tensor(float)": "float32"}.get(given.type, given.type[7:-1]))
            count = int(np.prod(self._shapes[given.name])) * dtype.itemsize
            content = ctypes.string_at(self._addresses[given.name], count)
            feeds[given.name] = np.frombuffer(content, dtype).reshape(self._shapes[given.name])
        outputs = zip(self._owner._outputs, self._owner._session.run(None, feeds), strict=True)
        for output, array in outputs:
            allocator, content = self._allocators[output.name], array.tobytes()
            address = allocator.reallocate_output_async(output.name, 0, len(content), 256, stream_handle)
            ctypes.memmove(address, content, len(content))
            allocator.notify_shape(output.name, array.shape)
        return True
