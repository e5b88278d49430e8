"""The artifact in OpenVINO's own form (IR), beside it."""

import tempfile
from pathlib import Path

import numpy as np
import onnx

from exporter.benchmark.subject import example_input
from exporter.common.errors import BuildError
from exporter.config.recipe import Recipe
from exporter.model.loaded import ModelFacts
from exporter.pipeline.describe import input_section, preprocessing_section
from exporter.runtime.openvino import converted
from exporter.store.place import Files

XML, BIN = "model.xml", "model.bin"


def intermediate(artifact: bytes, model: ModelFacts, recipe: Recipe) -> Files:
    """model.xml and model.bin, which give what the artifact gives, bit for bit on a demo scene.

    Raises BuildError where OpenVINO cannot write them or where they do not."""
    input = input_section(onnx.load_from_string(artifact), recipe)
    feeds = {input.name: example_input(input, preprocessing_section(recipe))}
    engine = recipe.backend.engine
    with tempfile.TemporaryDirectory() as folder:
        converted(artifact, Path(folder))
        wanted = engine.session(artifact).run(None, feeds)
        found = engine.session(Path(folder) / XML).run(None, feeds)
        if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, wanted, strict=True)):
            raise BuildError(
                "backend.ir: OpenVINO's own form of the artifact gives something else; nothing was published"
            )
        return {name: (Path(folder) / name).read_bytes() for name in (XML, BIN)}
