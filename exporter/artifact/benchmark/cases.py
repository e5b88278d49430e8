"""What is compared: artifacts, each in one engine or several, with so many threads and images at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

from exporter.artifact.manifest import Manifest, read_manifest
from exporter.backend.engine import engine_of
from exporter.benchmark.subject import Subject, example_input
from exporter.common.errors import RequestError
from exporter.quantization.section import Int8
from exporter.runtime.engine import Engine
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine
from exporter.runtime.openvino import Hint, OpenVinoEngine, Precision, installed

EngineName = Literal["own", "onnxruntime", "openvino"]


@dataclass(frozen=True)
class Case:
    """An artifact of a folder in an engine; `threads` of its session, `batch` images in a run."""

    folder: Path
    manifest: Manifest
    engine: Engine
    threads: int
    batch: int

    @property
    def subject(self) -> Subject:
        """Synthetic images of the nominal size, as many as the batch. Raises RequestError where the artifact's batch is
        fixed to another number."""
        input = self.manifest.input
        array = example_input(input, self.manifest.preprocessing)
        subject = Subject(self.folder / self.manifest.artifact.file, input.name, array, self.engine)
        if self.batch == subject.batch:
            return subject
        if not input.batch_is_free:
            without = " and without preprocessing=letterbox" if input.layout == "hwc" else ""
            raise RequestError(
                f"takes {subject.batch} at a time: build it with input.batch=dynamic{without} for {self.batch}"
            )
        return subject.repeated(self.batch)

    @property
    def precision(self) -> str:
        """That of the file, in the manifest's word."""
        return self.manifest.quantization.precision

    @property
    def name(self) -> str:
        """What tells it from the others."""
        words = [self.engine.label(self.folder / self.manifest.artifact.file)]
        if self.engine.hint == "throughput":
            words.append("throughput")
        quantization = self.manifest.quantization
        s8s8 = isinstance(quantization, Int8) and quantization.scheme == "s8s8"
        symmetric = " (symmetric int8, for TensorRT)" if s8s8 else ""
        return f"{self.folder}{symmetric} in {', '.join(words)}, {self.threads} threads, batch {self.batch}"


def cases(
    folders: Sequence[Path],
    engines: Sequence[EngineName],
    precisions: Sequence[Precision],
    hints: Sequence[Hint],
    threads: Sequence[int],
    batches: Sequence[int] | None,
) -> list[Case]:
    """Every combination; `engines`: "own" is the one that an artifact is for; precisions and hints are OpenVINO's;
    batches: None takes each artifact's own.

    Raises RequestError for folders that hold no artifact and for an engine that is not installed."""
    found = []
    for folder in folders:
        manifest = read_manifest(folder)
        for engine in dict.fromkeys(each for name in engines for each in _engines(name, manifest, precisions, hints)):
            for count, batch in product(threads, batches or [manifest.input.nominal_batch]):
                found.append(Case(folder, manifest, engine, count, batch))
    return found


def _engines(
    name: EngineName, manifest: Manifest, precisions: Sequence[Precision], hints: Sequence[Hint]
) -> Iterator[Engine]:
    if name == "own":
        yield engine_of(manifest.backend)
    elif name == "onnxruntime":
        yield OnnxRuntimeEngine()
    elif not installed():
        raise RequestError("--engine openvino: it is not installed here: pip install exporter[openvino]")
    else:
        for precision, hint in product(precisions, hints):
            yield OpenVinoEngine(precision, hint)


def engine_names(given: Sequence[EngineName | Literal["all"]]) -> list[EngineName]:
    """Each once; `all` is every one that is installed."""
    every: list[EngineName] = ["onnxruntime", "openvino"] if installed() else ["onnxruntime"]
    return list(dict.fromkeys(each for name in given for each in (every if name == "all" else (name,))))
