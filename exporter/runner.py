"""From a checked recipe to a published, proven artifact: the stages, in order.

Each stage gets values and returns a value. Nothing is written to `output_dir` before the block's end.
"""

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import onnx
from omegaconf import OmegaConf
from torch import nn

from exporter import manifest as m
from exporter.benchmark.cpu import cores
from exporter.benchmark.subject import Subject, core_subject, example_input
from exporter.benchmark.tradeoff import timed
from exporter.describe import describe, input_section, option, preprocessing_section, runtime_properties
from exporter.errors import RequestError
from exporter.evaluation.evaluate import evaluate
from exporter.evaluation.examples import Example
from exporter.graph.attach_frame import attach_frame
from exporter.graph.attach_input import attach_input
from exporter.graph.clean import check, simplify
from exporter.graph.guard_sizes import guard_sizes
from exporter.graph.trace import trace
from exporter.heap import trim
from exporter.inference import Detector
from exporter.model.graph_network import GraphNetwork
from exporter.model.loaded import LoadedModel
from exporter.postprocessing.nms.onnx import OnnxNms
from exporter.preprocessing.normalization import UNCHANGED
from exporter.preview import write_preview
from exporter.progress import Progress
from exporter.proof.prove import prove
from exporter.publish import publishing
from exporter.quantization.quantized import Quantized
from exporter.quantization.task import Task
from exporter.recipe import Recipe
from exporter.report_page.page import write_report
from exporter.report_page.pictures import compared
from exporter.report_page.plots import FILES as PLOTS
from exporter.report_page.plots import write_plots

# What an artifact's folder may hold.
OWNED = ("model.onnx", "model.engine", m.FILE, "preview.png", "report.html", *PLOTS, ".hydra/")


def build(recipe: Recipe, progress: Progress) -> m.Manifest:
    """Builds, proves and publishes. Raises RequestError for a bad request, BuildError where a proof does not hold; in
    both cases `output_dir` is as it was."""
    started = time.time()
    with publishing(recipe.output_dir, OWNED) as staging:
        with progress.stage("load weights"):
            loaded = recipe.model.load()
            examples = recipe.evaluation.examples(loaded.class_names, *recipe.nominal_picture)
        made = make(loaded, recipe, progress)
        trim()
        with progress.stage("prove"):
            proof = prove(made.artifact, loaded, recipe)
        evaluation = evaluated(made.artifact, made.reference, examples, loaded, recipe, progress)
        benchmark = benchmarked(made, loaded, recipe, progress)
        with progress.stage("write"):
            file = staging / "model.onnx"
            file.write_bytes(made.artifact)
            manifest = describe(
                file,
                loaded,
                recipe,
                made.quantization,
                made.calibration,
                proof,
                evaluation,
                benchmark,
                started,
                made.tradeoff,
            )
            manifest.write(staging)
            write_preview(staging, manifest)
            write_plots(staging, manifest)
            write_report(staging, manifest, compared(manifest, made.artifact, made.reference, examples))
            _write_config(staging / ".hydra", recipe)
    return manifest


@dataclass(frozen=True)
class Made:
    """An artifact's bytes, those of the same recipe without quantization (None where it has none: what the precision
    cost and gained is measured against them), and what the manifest says of the way there; `tradeoff` as from
    `traded_off`. `cores` are the networks alone of both, kept only for a benchmark: they are large."""

    artifact: bytes
    reference: bytes | None
    quantization: dict[str, Any]
    calibration: m.Calibration | None
    tradeoff: list[dict[str, Any]]
    cores: tuple[onnx.ModelProto, onnx.ModelProto | None] | None


def make(loaded: LoadedModel, recipe: Recipe, progress: Progress) -> Made:
    """Traces, quantizes and finishes. Of the graphs on the way only what is returned stays in memory."""
    trim()
    with progress.stage("trace"):
        core = core_graph(loaded.network, recipe)
    trim()
    with progress.stage(f"quantize ({recipe.quantization.name})"):
        quantized, calibration = quantize(core, loaded, recipe, progress)
    with progress.stage("attach pre- and post-processing"):
        artifact = finished(quantized.model, loaded, recipe)
        reference = finished(core, loaded, recipe) if recipe.quantization.name != "none" else None
    tradeoff = traded_off(quantized, reference, loaded, recipe, progress)
    cores = (quantized.model, core if reference else None) if recipe.benchmark.name != "none" else None
    return Made(artifact, reference, quantized.summary, calibration, tradeoff, cores)


def core_graph(network: nn.Module | GraphNetwork, recipe: Recipe) -> onnx.ModelProto:
    """The network (eval mode, fused, or a graph already) as a pure graph, float32, simplified where that is wanted."""
    if isinstance(network, GraphNetwork):
        core = network.core(recipe.export.opset, recipe.num_batch, *recipe.input.fixed)
        return simplify(core) if recipe.export.simplify else core
    core = trace(
        network, recipe.num_batch, *recipe.input.fixed, recipe.export.opset, recipe.export.options,
        recipe.export.device,
    )  # fmt: skip
    return simplify(core) if recipe.export.simplify else core


def quantize(
    core: onnx.ModelProto, loaded: LoadedModel, recipe: Recipe, progress: Progress
) -> tuple[Quantized, m.Calibration | None]:
    """The core in the wanted precision, and what it was calibrated on (None where that takes no pictures)."""
    section = preprocessing_section(loaded, recipe)
    network = loaded.network if isinstance(loaded.network, nn.Module) else None
    task = Task(
        core, section.normalization, recipe.input.nominal, network=network, trace=partial(core_graph, recipe=recipe)
    )
    if not recipe.quantization.needs_calibration:
        return recipe.quantization.quantize(task), None
    if section.normalization is None or section.geometry is None:
        raise RequestError(
            "preprocessing=none: how this network was trained is not known, so no pictures can calibrate it: choose the"
            " preprocessing it was trained with"
        )
    images = recipe.calibration.images(section.geometry, section.normalization)
    inside, has_nms = recipe.preprocessing, hasattr(recipe.nms, "max_predictions_per_image")
    task = replace(
        task,
        pictures=progress.bar(images, "calibrate", images.num_images),
        method=recipe.calibration.method,
        percentile=recipe.calibration.percentile,
        scheme=recipe.quantization_scheme,
        input_range=inside.normalization.input_range if inside.inside_graph else None,
        truths=partial(recipe.calibration.truths, loaded.class_names, section.geometry),
        nms=recipe.nms if has_nms else OnnxNms().resolved(*recipe.model.thresholds),
        progress=progress,
    )
    quantized = recipe.quantization.quantize(task)
    if images.duplicates:
        progress.warn(
            f"calibration: {images.duplicates} of {images.num_images} pictures are the same, pixel by pixel, as one"
            " before them: give different ones"
        )
    described = m.Calibration(
        name=option(recipe.calibration),
        method=recipe.calibration.method,
        num_images=images.num_images,
        duplicates=images.duplicates,
        digest=images.digest,
    )
    return quantized, described


def attach(core: onnx.ModelProto, recipe: Recipe) -> onnx.ModelProto:
    """The core between what the camera gives and what the application takes."""
    if recipe.preprocessing.inside_graph:
        dtype = recipe.input.dtype if recipe.input.dtype != "auto" else "uint8"
        channels = recipe.input.channels if recipe.input.channels != "auto" else "rgb"
        layout = "nhwc" if recipe.takes_frames else recipe.input.layout
        normalization = recipe.preprocessing.normalization
        if hasattr(recipe.preprocessing, "attach"):  # the recipe's own code, which gets a picture's values as they are
            core, normalization = recipe.preprocessing.attach(core), UNCHANGED
        core = attach_input(core, normalization, dtype, layout, channels)
    if recipe.input.dynamic_sides and recipe.backend.takes_any_size:
        core = guard_sizes(core, recipe.input.min_size, recipe.input.max_size)
    finished = recipe.nms.attach(core)
    if recipe.takes_frames:
        finished = attach_frame(finished, recipe.preprocessing.geometry(*recipe.input.nominal))
    return recipe.format.attach(finished) if hasattr(recipe.nms, "max_predictions_per_image") else finished


def finished(core: onnx.ModelProto, loaded: LoadedModel, recipe: Recipe) -> bytes:
    """An artifact's bytes: the core, pre- and post-processing, and what the backend and a runtime need; valid ONNX."""
    attached = attach(core, recipe)
    trim()
    model = recipe.backend.finish(attached)
    del attached
    trim()
    onnx.helper.set_model_props(model, runtime_properties(model, loaded, recipe))
    artifact = model.SerializeToString(deterministic=True)
    del model
    trim()
    check(artifact)
    return artifact


def evaluated(
    artifact: bytes, reference: bytes | None, examples: list[Example], loaded: LoadedModel, recipe: Recipe,
    progress: Progress,
) -> m.Evaluation | None:  # fmt: skip
    """The manifest's section `evaluation`, None where that is off. Raises BuildError where it is worth too little."""
    if not examples:
        return None
    with progress.stage(f"evaluate ({recipe.evaluation.name})"):
        input = input_section(onnx.load_from_string(artifact), recipe)
        preprocessing = preprocessing_section(loaded, recipe)
        own, other = (Detector(m, input, preprocessing) if m else None for m in (artifact, reference))
        assert own is not None
        return evaluate(
            own, other, examples, loaded.num_classes, progress,
            name=recipe.evaluation.name, max_drop=recipe.evaluation.max_drop, min_map=recipe.evaluation.min_map,
        )  # fmt: skip


def traded_off(
    quantized: Quantized, reference: bytes | None, loaded: LoadedModel, recipe: Recipe, progress: Progress
) -> list[dict[str, Any]]:
    """How long the artifacts take that the quantization chose from, empty where it had no choice."""
    if not quantized.variants or reference is None:
        return []
    input = input_section(onnx.load_from_string(reference), recipe)
    array = example_input(input, preprocessing_section(loaded, recipe))
    variants = progress.bar(quantized.variants.items(), "time", len(quantized.variants))
    with progress.stage(f"time {len(quantized.variants)} variants"):
        artifacts = ((in_int8, finished(model(), loaded, recipe)) for in_int8, model in variants)
        return timed(artifacts, reference, input.name, array, cores())


def benchmarked(made: Made, loaded: LoadedModel, recipe: Recipe, progress: Progress) -> m.Benchmark | None:
    """The manifest's section `benchmark`, None where that is off."""
    if made.cores is None:
        return None
    core, reference_core = made.cores
    preprocessing = preprocessing_section(loaded, recipe)
    input = input_section(onnx.load_from_string(made.artifact), recipe)
    with progress.stage(f"benchmark ({recipe.benchmark.name})"):
        array = example_input(input, preprocessing)
        section = recipe.benchmark.measure(
            Subject(made.artifact, input.name, array),
            Subject(made.reference, input.name, array) if made.reference else None,
            core_subject(core, input, preprocessing),
            core_subject(reference_core, input, preprocessing) if reference_core else None,
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
