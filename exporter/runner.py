"""From a checked recipe to a published, proven artifact: the stages, in order.

Each stage gets values and returns a value. Nothing is written to `output_dir` before the block's end.
"""

import time
from pathlib import Path

import onnx
from omegaconf import OmegaConf

from exporter import manifest as m
from exporter.describe import describe, preprocessing_section, runtime_properties
from exporter.graph.attach_input import attach_input
from exporter.graph.clean import simplify
from exporter.graph.trace import trace
from exporter.model.loaded import LoadedModel
from exporter.preview import write_preview
from exporter.progress import Progress
from exporter.proof.prove import prove
from exporter.publish import publishing
from exporter.quantization.quantized import Quantized
from exporter.recipe import Recipe

# What an artifact's folder may hold.
OWNED = ("model.onnx", m.FILE, "preview.png", ".hydra/")


def build(recipe: Recipe, progress: Progress) -> m.Manifest:
    """Builds, proves and publishes. Raises RequestError for a bad request, BuildError where a proof does not hold; in
    both cases `output_dir` is as it was."""
    started = time.time()
    with publishing(recipe.output_dir, OWNED) as staging:
        with progress.stage("load weights"):
            loaded = recipe.model.load()
        with progress.stage("trace"):
            core = core_graph(loaded, recipe)
        with progress.stage(f"quantize ({recipe.quantization.name})"):
            quantized, calibration = quantize(core, loaded, recipe, progress)
        with progress.stage("attach pre- and post-processing"):
            model = runtime_properties(recipe.backend.finish(attach(quantized.model, recipe)), loaded, recipe)
            artifact = model.SerializeToString(deterministic=True)
        with progress.stage("prove"):
            proof = prove(artifact, loaded, recipe)
        with progress.stage("write"):
            file = staging / "model.onnx"
            file.write_bytes(artifact)
            manifest = describe(file, loaded, recipe, quantized.summary, calibration, proof, started)
            manifest.write(staging)
            write_preview(staging, manifest)
            _write_config(staging / ".hydra", recipe)
    return manifest


def core_graph(loaded: LoadedModel, recipe: Recipe) -> onnx.ModelProto:
    """The network as a pure graph, float32, simplified if the recipe wants it."""
    core = trace(
        loaded.network, recipe.num_batch, recipe.input.height, recipe.input.width, recipe.export.opset,
        recipe.export.options,
    )  # fmt: skip
    return simplify(core) if recipe.export.simplify else core


def quantize(
    core: onnx.ModelProto, loaded: LoadedModel, recipe: Recipe, progress: Progress
) -> tuple[Quantized, m.Calibration | None]:
    """The core in the wanted precision, and what it was calibrated on (None where that takes no pictures)."""
    if not recipe.quantization.needs_calibration:
        return recipe.quantization.quantize(core), None
    section = preprocessing_section(loaded, recipe)
    images = recipe.calibration.images(section.geometry, section.normalization)
    scheme = recipe.quantization.scheme if recipe.quantization.scheme != "auto" else recipe.backend.quantization_scheme
    inside = recipe.preprocessing
    quantized = recipe.quantization.quantize(
        core,
        progress.bar(images, "calibrate", images.num_images),
        method=recipe.calibration.method,
        percentile=recipe.calibration.percentile,
        scheme=scheme,
        input_range=inside.normalization.input_range if inside.inside_graph else None,
    )
    name = type(recipe.calibration).__module__.rpartition(".")[2]
    described = m.Calibration(
        name=name, method=recipe.calibration.method, num_images=images.num_images, digest=images.digest
    )
    return quantized, described


def attach(core: onnx.ModelProto, recipe: Recipe) -> onnx.ModelProto:
    """The core between what the camera gives and what the application takes."""
    if recipe.preprocessing.inside_graph:
        dtype = recipe.input.dtype if recipe.input.dtype != "auto" else "uint8"
        channels = recipe.input.channels if recipe.input.channels != "auto" else "rgb"
        core = attach_input(core, recipe.preprocessing.normalization, dtype, recipe.input.layout, channels)
    finished = recipe.nms.attach(core)
    return recipe.format.attach(finished) if hasattr(recipe.nms, "max_predictions_per_image") else finished


def _write_config(folder: Path, recipe: Recipe) -> None:
    """The composed configuration and the words of the command line, as Hydra would have written them."""
    folder.mkdir()
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(recipe.config)), encoding="utf-8")
    (folder / "overrides.yaml").write_text(
        OmegaConf.to_yaml(OmegaConf.create(list(recipe.overrides))), encoding="utf-8"
    )
