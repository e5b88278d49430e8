"""From a checked recipe to a published, proven artifact: the stages, in order.

Each stage gets values and returns a value. Nothing is written to `output_dir` before the block's end.
"""

import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import onnx
from omegaconf import OmegaConf
from torch import nn

from exporter import manifest as m
from exporter.benchmark.subject import Subject, core_subject, example_input
from exporter.describe import describe, input_section, option, preprocessing_section, runtime_properties
from exporter.errors import RequestError
from exporter.evaluation.evaluate import evaluate
from exporter.evaluation.examples import Example
from exporter.graph.attach_input import attach_input
from exporter.graph.clean import simplify
from exporter.graph.trace import trace
from exporter.inference import Detector
from exporter.model.loaded import LoadedModel
from exporter.preview import write_preview
from exporter.progress import Progress
from exporter.proof.prove import prove
from exporter.publish import publishing
from exporter.quantization.quantized import Quantized
from exporter.quantization.task import Task
from exporter.recipe import Recipe
from exporter.report_page.page import write_report
from exporter.report_page.pictures import compared

# What an artifact's folder may hold.
OWNED = ("model.onnx", m.FILE, "preview.png", "report.html", ".hydra/")


def build(recipe: Recipe, progress: Progress) -> m.Manifest:
    """Builds, proves and publishes. Raises RequestError for a bad request, BuildError where a proof does not hold; in
    both cases `output_dir` is as it was."""
    started = time.time()
    with publishing(recipe.output_dir, OWNED) as staging:
        with progress.stage("load weights"):
            loaded = recipe.model.load()
            examples = recipe.evaluation.examples(loaded.class_names, recipe.input.height, recipe.input.width)
        with progress.stage("trace"):
            core = core_graph(loaded.network, recipe)
        with progress.stage(f"quantize ({recipe.quantization.name})"):
            quantized, calibration = quantize(core, loaded, recipe, progress)
        with progress.stage("attach pre- and post-processing"):
            artifact = finished(quantized.model, loaded, recipe)
            # What the precision cost and gained is measured against this: the same recipe without it.
            reference = finished(core, loaded, recipe) if recipe.quantization.name != "none" else None
        with progress.stage("prove"):
            proof = prove(artifact, loaded, recipe)
        evaluation = evaluated(artifact, reference, examples, loaded, recipe, progress)
        benchmark = benchmarked(artifact, reference, quantized.model, core, loaded, recipe, progress)
        with progress.stage("write"):
            file = staging / "model.onnx"
            file.write_bytes(artifact)
            manifest = describe(
                file, loaded, recipe, quantized.summary, calibration, proof, evaluation, benchmark, started
            )
            manifest.write(staging)
            write_preview(staging, manifest)
            write_report(staging, manifest, compared(manifest, artifact, reference, examples))
            _write_config(staging / ".hydra", recipe)
    return manifest


def core_graph(network: nn.Module, recipe: Recipe) -> onnx.ModelProto:
    """The network (eval mode, fused) as a pure graph, float32, simplified if the recipe wants it."""
    core = trace(
        network, recipe.num_batch, recipe.input.height, recipe.input.width, recipe.export.opset,
        recipe.export.options, recipe.export.device,
    )  # fmt: skip
    return simplify(core) if recipe.export.simplify else core


def quantize(
    core: onnx.ModelProto, loaded: LoadedModel, recipe: Recipe, progress: Progress
) -> tuple[Quantized, m.Calibration | None]:
    """The core in the wanted precision, and what it was calibrated on (None where that takes no pictures)."""
    section = preprocessing_section(loaded, recipe)
    task = Task(core, section.normalization, network=loaded.network, trace=partial(core_graph, recipe=recipe))
    if not recipe.quantization.needs_calibration:
        return recipe.quantization.quantize(task), None
    if section.normalization is None or section.geometry is None:
        raise RequestError(
            "preprocessing=none: how this network was trained is not known, so no pictures can calibrate it: choose the"
            " preprocessing it was trained with"
        )
    images = recipe.calibration.images(section.geometry, section.normalization)
    scheme = recipe.quantization.scheme if recipe.quantization.scheme != "auto" else recipe.backend.quantization_scheme
    inside = recipe.preprocessing
    task = replace(
        task,
        pictures=progress.bar(images, "calibrate", images.num_images),
        method=recipe.calibration.method,
        percentile=recipe.calibration.percentile,
        scheme=scheme,
        input_range=inside.normalization.input_range if inside.inside_graph else None,
    )
    quantized = recipe.quantization.quantize(task)
    described = m.Calibration(
        name=option(recipe.calibration),
        method=recipe.calibration.method,
        num_images=images.num_images,
        digest=images.digest,
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


def finished(core: onnx.ModelProto, loaded: LoadedModel, recipe: Recipe) -> bytes:
    """An artifact's bytes: the core, pre- and post-processing, and what the backend and a runtime need."""
    model = runtime_properties(recipe.backend.finish(attach(core, recipe)), loaded, recipe)
    return model.SerializeToString(deterministic=True)


def evaluated(
    artifact: bytes, reference: bytes | None, examples: list[Example], loaded: LoadedModel, recipe: Recipe,
    progress: Progress,
) -> m.Evaluation | None:  # fmt: skip
    """The manifest's section `evaluation`, None where that is off. Raises BuildError beyond `evaluation.max_drop`."""
    if not examples:
        return None
    with progress.stage(f"evaluate ({recipe.evaluation.name})"):
        input = input_section(onnx.load_from_string(artifact), recipe)
        preprocessing = preprocessing_section(loaded, recipe)
        own, other = (Detector(m, input, preprocessing) if m else None for m in (artifact, reference))
        assert own is not None
        return evaluate(
            own, other, examples, loaded.num_classes, progress,
            name=recipe.evaluation.name, max_drop=recipe.evaluation.max_drop,
        )  # fmt: skip


def benchmarked(
    artifact: bytes, reference: bytes | None, core: onnx.ModelProto, reference_core: onnx.ModelProto,
    loaded: LoadedModel, recipe: Recipe, progress: Progress,
) -> m.Benchmark | None:  # fmt: skip
    """The manifest's section `benchmark`, None where that is off."""
    if recipe.benchmark.name == "none":
        return None
    preprocessing = preprocessing_section(loaded, recipe)
    input = input_section(onnx.load_from_string(artifact), recipe)
    with progress.stage(f"benchmark ({recipe.benchmark.name})"):
        array = example_input(input, preprocessing)
        section = recipe.benchmark.measure(
            Subject(artifact, input.name, array),
            Subject(reference, input.name, array) if reference else None,
            core_subject(core, input, preprocessing),
            core_subject(reference_core, input, preprocessing) if reference else None,
            dynamic_batch=recipe.num_batch is None,
        )
    for line in section.warnings:
        progress.warn(line)
    return section


def _write_config(folder: Path, recipe: Recipe) -> None:
    """The composed configuration and the words of the command line, as Hydra would have written them."""
    folder.mkdir()
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(recipe.config)), encoding="utf-8")
    (folder / "overrides.yaml").write_text(
        OmegaConf.to_yaml(OmegaConf.create(list(recipe.overrides))), encoding="utf-8"
    )
