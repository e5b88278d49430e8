"""What is timed: a model in memory and what it is fed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from exporter.demo.scenes import scene
from exporter.errors import RequestError
from exporter.graph import facts
from exporter.inference import encode, session
from exporter.manifest import Input, Manifest, Preprocessing


@dataclass(frozen=True)
class Subject:
    """An ONNX model, as bytes or file, and its input: the name and one array of the input's dtype and layout."""

    model: bytes | Path
    input_name: str
    array: np.ndarray

    def repeated(self, batch: int) -> "Subject":
        """The same picture `batch` times, for a model whose batch is free."""
        return Subject(self.model, self.input_name, np.ascontiguousarray(self.array[:1].repeat(batch, axis=0)))

    def runner(self, threads: int) -> Callable[[], Any]:
        """A function that runs the model once, in a session with so many threads of its own."""
        run = self.session(threads).run
        return lambda: run(None, {self.input_name: self.array})

    def session(self, threads: int) -> Any:
        """An ONNX Runtime session on the CPU. Raises BuildError where ORT does not take the model."""
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        # Threads wait busily for more work, for a while: those of one session must not do so while another is timed.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        return session(self.model, options)


def of_manifest(folder: Path, manifest: Manifest) -> Subject:
    """The artifact in a folder that a build wrote."""
    array = example_input(manifest.input, manifest.preprocessing)
    return Subject(folder / manifest.artifact.file, manifest.input.name, array)


def core_subject(core: onnx.ModelProto, input: Input, preprocessing: Preprocessing) -> Subject:
    """The network alone, fed with what the artifact's pre-processing would give it."""
    if preprocessing.normalization is None:
        raise RequestError("the manifest has no normalization: how a picture becomes the input is not known")
    (value,) = core.graph.input
    described = facts.tensor(value)
    images = preprocessing.normalization.apply(_pictures(input).transpose(0, 3, 1, 2))
    return Subject(core.SerializeToString(), described["name"], images.astype(described["dtype"]))


def example_input(input: Input, preprocessing: Preprocessing) -> np.ndarray:
    """Demo scenes as the artifact takes them: as many as its batch, one where that is free.

    Raises RequestError where the input's size is not fixed."""
    return encode(_pictures(input), input, preprocessing)


def _pictures(input: Input) -> np.ndarray:
    """uint8 [B, H, W, 3] RGB."""
    batch, height, width = (input.shape[axis] for axis in {"nchw": (0, 2, 3), "nhwc": (0, 1, 2)}[input.layout])
    if not isinstance(height, int) or not isinstance(width, int):
        raise RequestError("benchmark: the input has no fixed size: only artifacts of a fixed size can be timed")
    count = batch if isinstance(batch, int) else 1
    return np.stack([scene("evaluation", i, height, width).image for i in range(count)])
