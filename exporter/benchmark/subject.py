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

    @property
    def batch(self) -> int:
        """How many pictures the array holds; a frame [h, w, 3] is one."""
        return len(self.array) if self.array.ndim == 4 else 1

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
    pictures = _pictures(input)
    if preprocessing.geometry_inside_graph:
        assert preprocessing.geometry is not None  # it is known to the graph
        pictures = np.stack([preprocessing.geometry.apply(picture) for picture in pictures])
    images = preprocessing.normalization.apply(pictures.transpose(0, 3, 1, 2))
    return Subject(core.SerializeToString(), described["name"], images.astype(described["dtype"]))


def example_input(input: Input, preprocessing: Preprocessing) -> np.ndarray:
    """Demo scenes as the artifact takes them, of its nominal size: as many as its batch, one where that is free."""
    return encode(_pictures(input), input, preprocessing)


def _pictures(input: Input) -> np.ndarray:
    """uint8 [B, H, W, 3] RGB."""
    count = 1 if input.layout == "hwc" else input.nominal_shape[0]
    return np.stack([scene("evaluation", i, *input.nominal_picture).image for i in range(count)])
