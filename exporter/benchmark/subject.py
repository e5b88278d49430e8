"""What is timed: a model in memory and what it is fed."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from exporter.common.errors import RequestError
from exporter.demo.scenes import scene
from exporter.graph import facts
from exporter.preprocessing.encode import encode
from exporter.preprocessing.section import Input, Preprocessing
from exporter.runtime.engine import Engine, Timed


@dataclass(frozen=True)
class Subject:
    """An ONNX model, as bytes or file; its input: the name, and one array of its dtype and layout; and what runs it."""

    model: bytes | Path
    input_name: str
    array: np.ndarray
    engine: Engine

    def repeated(self, batch: int) -> "Subject":
        """The same image `batch` times, for a model whose batch is free."""
        return replace(self, array=np.ascontiguousarray(self.array[:1].repeat(batch, axis=0)))

    @property
    def batch(self) -> int:
        """How many images the array holds; a raw image [h, w, 3] is one."""
        return len(self.array) if self.array.ndim == 4 else 1

    @property
    def feeds(self) -> dict[str, np.ndarray]:
        """What one run is given."""
        return {self.input_name: self.array}

    def runner(self, threads: int) -> Timed:
        """Runs the model once, in a session with so many threads of its own. Raises BuildError where the engine does
        not take the model."""
        return self.engine.session(self.model, threads).timed(self.feeds)


def core_subject(core: onnx.ModelProto, input: Input, preprocessing: Preprocessing, engine: Engine) -> Subject:
    """The network alone, fed with what the artifact's pre-processing would give it."""
    if preprocessing.normalization is None:
        raise RequestError("the manifest has no normalization: how an image becomes the input is not known")
    (value,) = core.graph.input
    described = facts.tensor(value)
    raw_images = _images(input)
    if preprocessing.geometry_inside_graph:
        assert preprocessing.geometry is not None  # it is known to the graph
        raw_images = np.stack([preprocessing.geometry.apply(image) for image in raw_images])
    images = preprocessing.normalization.apply(raw_images.transpose(0, 3, 1, 2))
    return Subject(core.SerializeToString(), described["name"], images.astype(described["dtype"]), engine)


def example_input(input: Input, preprocessing: Preprocessing) -> np.ndarray:
    """Synthetic images as the artifact takes them, of its nominal size: as many as its batch, one where
    that is free."""
    return encode(_images(input), input, preprocessing)


def _images(input: Input) -> np.ndarray:
    """uint8 [B, H, W, 3] RGB."""
    return np.stack([scene("evaluation", i, *input.nominal_image).image for i in range(input.nominal_batch)])
