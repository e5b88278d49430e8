"""OpenVINO on the CPU, in a program of its own: see `exporter.runtime.openvino_worker`."""

import importlib.util
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import numpy as np

from exporter.common.errors import BuildError, RequestError
from exporter.common.messages import one_of
from exporter.runtime import openvino_worker
from exporter.runtime.child import Arrays, Child
from exporter.runtime.engine import Limits, Timed, share_of_cores

Precision = Literal["f32", "bf16", "f16"]
Hint = Literal["latency", "throughput"]

PRECISION = "INFERENCE_PRECISION_HINT"
"""The property of `compile_model` that a manifest holds."""
CAPABILITIES = {"f32": "FP32", "bf16": "BF16", "f16": "FP16"}


class Port(NamedTuple):
    """An input or output, in ONNX Runtime's words; a side of `shape` is None where it is free."""

    name: str
    type: str
    shape: list[int | None]


@dataclass(frozen=True)
class OpenVinoEngine:
    """`precision`: what it may compute float operators in. By itself it takes bfloat16 where the processor has that,
    and is then another network; here it gets it only where it is asked for. `hint`: what it is tuned for."""

    precision: Precision = "f32"
    hint: Hint = "latency"
    name: ClassVar[str] = "openvino"
    own_process: ClassVar[bool] = True

    @property
    def computes_in(self) -> str:
        """Its `precision`."""
        return self.precision

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> "OpenVinoEngine":
        """That of a manifest. Raises RequestError for settings that this engine does not have."""
        if unknown := sorted(settings.keys() - {PRECISION}):
            raise RequestError(f"backend.settings: {one_of(f'no such option {unknown[0]}', unknown[0], [PRECISION])}")
        stated = settings.get(PRECISION, "f32")
        for precision in get_args(Precision):
            if precision == stated:
                return cls(precision)
        raise RequestError(f"backend.settings: {one_of(f'no such precision {stated}', stated, get_args(Precision))}")

    @property
    def settings(self) -> dict[str, str]:
        """Properties of `compile_model`."""
        return {PRECISION: self.precision}

    def label(self, model: bytes | Path) -> str:
        """Name, version, device and precision."""
        return f"openvino {about()['version']}, CPU, {self.precision}"

    def session(
        self, model: bytes | Path, threads: int | None = None, limits: Limits | None = None
    ) -> "OpenVinoSession":
        """See `OpenVinoSession`."""
        return OpenVinoSession(self, model, threads, limits)

    def placement(self, model: bytes, feeds: dict[str, np.ndarray]) -> None:
        """All of it runs in OpenVINO's device for the CPU."""


class OpenVinoSession:
    """An ONNX model, or IR in a file, compiled in a process of its own.

    Raises RequestError where OpenVINO is not installed, cannot compute in the precision, or beyond the limits;
    BuildError where it does not take the model, where the process dies, and where OpenVINO settles for another
    precision than it was told."""

    def __init__(self, engine: OpenVinoEngine, model: bytes | Path, threads: int | None, limits: Limits | None):
        check_precision(engine.precision)
        self._limits = limits or Limits(0, 0.0, "")
        self._child = started()
        threads = threads or share_of_cores()
        config = {
            **engine.settings,
            "PERFORMANCE_HINT": engine.hint.upper(),
            **({"INFERENCE_NUM_THREADS": threads} if threads else {}),
        }
        if isinstance(model, bytes):
            opened, _ = self._ask("open", (np.frombuffer(model, np.uint8),), config=config)
        else:
            opened, _ = self._ask("open", config=config, path=str(model.absolute()))
        if (found := opened["precision"]) != engine.precision:
            raise BuildError(f"OpenVINO was told to compute in {engine.precision} and takes {found} by itself")
        self.streams, self.threads = opened["streams"], opened["threads"]
        self._inputs = [Port(each["names"][0], _type(each), each["shape"]) for each in opened["inputs"]]
        names = _output_names(model) or [each["names"][0] for each in opened["outputs"]]
        self._outputs = [
            Port(name, _type(each), each["shape"]) for name, each in zip(names, opened["outputs"], strict=True)
        ]

    def get_inputs(self) -> list[Port]:
        """In the graph's order."""
        return self._inputs

    def get_outputs(self) -> list[Port]:
        """In the graph's order."""
        return self._outputs

    def run(self, names: Sequence[str] | None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs of these names, all of them if None."""
        outputs = dict(
            zip((port.name for port in self._outputs), self._ask("run", self._in_order(feeds))[1], strict=True)
        )
        return [outputs[name] for name in names or outputs]

    def timed(self, feeds: dict[str, np.ndarray]) -> Timed:
        """Seconds of one run within OpenVINO; what the pipe takes is not in them."""
        arrays = self._in_order(feeds)
        return lambda: self._ask("run", arrays, quiet=True)[0]["seconds"]

    def queued(self, feeds: dict[str, np.ndarray], runs: int) -> float:
        """Seconds of so many runs, as many at once as OpenVINO likes under its hint."""
        return self._ask("queue", self._in_order(feeds), runs=runs)[0]["seconds"]

    def peak_memory(self) -> int | None:
        """Bytes resident at most of the process that runs the model and does nothing else; None where the system does
        not tell."""
        return self._ask("memory")[0]["peak"]

    def _in_order(self, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        return [feeds[port.name] for port in self._inputs]

    def _ask(self, what: str, arrays: Arrays = (), **details: Any) -> tuple[dict[str, Any], list[np.ndarray]]:
        memory, seconds, label = self._limits
        try:
            return self._child.ask(what, arrays, seconds or None, **({"memory": memory} if memory else {}), **details)
        except (BuildError, RequestError) as error:
            raise type(error)(f"{label}: {error}" if label else str(error)) from error


def installed() -> bool:
    """Whether the package is there; it is not imported."""
    return importlib.util.find_spec("openvino") is not None


def started() -> Child:
    """A process with OpenVINO in it. Raises RequestError where that is not installed."""
    if not installed():
        raise RequestError("openvino is not installed here: pip install exporter[openvino]")
    return Child(openvino_worker.__name__, "OpenVINO")


@cache
def about() -> dict[str, Any]:
    """`version`, `device` (the processor's name) and `capabilities` (FP32, BF16, INT8 and others) of OpenVINO here;
    asked once in a process, for it takes half a second. Raises RequestError where it is not installed."""
    with closing(started()) as child:
        return child.ask("about")[0]


def check_precision(precision: Precision) -> None:
    """Raises RequestError for one that this processor cannot compute in: OpenVINO would take another without a word."""
    if precision == "f32":
        return
    capable = [name for name, word in CAPABILITIES.items() if word in about()["capabilities"]]
    if precision not in capable:
        raise RequestError(
            f"backend.precision={precision}: OpenVINO cannot compute in it on this processor ({about()['device']}),"
            f" only in {', '.join(capable)}: take one of them, or build it where it can be proved"
        )


def check_operators(model: bytes) -> None:
    """Raises RequestError for an ONNX graph that OpenVINO cannot read, naming the operators it lacks."""
    with closing(started()) as child:
        try:
            child.ask("operators", (np.frombuffer(model, np.uint8),))
        except BuildError as error:
            raise RequestError(
                f"backend=openvino: {error}: replace these in the network, or take backend=onnxruntime"
            ) from error


def converted(model: bytes, folder: Path) -> None:
    """Writes model.xml and model.bin, OpenVINO IR of an ONNX model, into `folder`."""
    with closing(started()) as child:
        child.ask("convert", (np.frombuffer(model, np.uint8),), folder=str(folder.absolute()))


def _output_names(model: bytes | Path) -> list[str]:
    """Of an ONNX model, in the graph's order; empty for IR."""
    import onnx

    if isinstance(model, Path) and model.suffix == ".xml":
        return []
    loaded = onnx.load_from_string(model) if isinstance(model, bytes) else onnx.load(model, load_external_data=False)
    return [output.name for output in loaded.graph.output]


def _type(port: Mapping[str, Any]) -> str:
    return f"tensor({ {'float32': 'float', 'float64': 'double'}.get(port['type'], port['type']) })"
