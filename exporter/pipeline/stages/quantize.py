"""The graph in the wanted precision."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import onnx
from torch import nn

from exporter.artifact import manifest as m
from exporter.common.contrast import low_contrast_line
from exporter.common.errors import RequestError
from exporter.common.heap import trim
from exporter.common.progress import Progress
from exporter.config.recipe import Recipe
from exporter.evaluation.notes import warning
from exporter.graph.facts import is_quantized
from exporter.model.loaded import LoadedModel, ModelFacts
from exporter.pipeline.describe import option, preprocessing_section
from exporter.pipeline.stages.calibrated import Calibrated
from exporter.pipeline.stages.trace import core_graph
from exporter.postprocessing.nms.onnx import OnnxNms
from exporter.quantization.settings import ALREADY
from exporter.quantization.task import Collect, Task


def quantize(
    core: onnx.ModelProto,
    model: ModelFacts,
    recipe: Recipe,
    progress: Progress,
    network: Callable[[], LoadedModel],
    collect: Collect | None = None,
) -> Calibrated:
    """Reads the recipe's `input`, `export`, `preprocessing`, `quantization`, `calibration` and `backend`; where the
    quantization weighs detections its `nms` and `model` too. network: gives it to those who work on it rather than on
    the graph; collect: see `Task`."""
    trim()
    section, node = preprocessing_section(recipe), recipe.quantization
    if node.name != "none" and is_quantized(core):
        raise RequestError(f"quantization={option(node)}: {ALREADY}")
    torch_network = network().network if node.needs_network else None
    task = Task(
        core,
        section.normalization,
        recipe.input.nominal,
        network=torch_network if isinstance(torch_network, nn.Module) else None,
        trace=partial(core_graph, export=recipe.export, input=recipe.input),
    )
    if hasattr(recipe.backend, "check_core"):
        recipe.backend.check_core(core)
    if not node.needs_calibration:
        return Calibrated(node.quantize(task), None)
    if section.normalization is None or section.geometry is None:
        raise RequestError(
            "preprocessing=none: how this network was trained is not known, so no pictures can calibrate it: choose the"
            " preprocessing it was trained with"
        )
    images = recipe.calibration.images(section.geometry, section.normalization)
    if line := images.depth.said("calibration", "calibration.bit_depth="):
        progress.warn(line)
    odd = dict(images.notes)
    inside = recipe.preprocessing
    task = replace(
        task,
        pictures=progress.bar(images, "calibrate", images.num_images),
        method=recipe.calibration.method,
        percentile=recipe.calibration.percentile,
        scheme=recipe.quantization_scheme,
        input_range=inside.normalization.input_range if inside.inside_graph else None,
        truths=partial(recipe.calibration.truths, model.class_names, section.geometry, odd.update),
        nms=_nms(recipe) if node.weighs_detections else None,
        collect=collect,
        progress=progress,
    )
    quantized = node.quantize(task)
    images.read_all()  # where what was seen of them is remembered, nobody has
    if line := warning(odd, "calibration.strict=true"):
        progress.warn(f"calibration: {line}")
    if images.duplicates:
        progress.warn(
            f"calibration: {images.duplicates} of {images.num_images} pictures are the same, pixel by pixel, as one"
            " before them: give different ones"
        )
    cure = "leave them out, or say the bits that 16-bit images use with calibration.bit_depth"
    if line := low_contrast_line("calibration", images.flat, images.num_images, cure):
        progress.warn(line)
    described = m.Calibration(
        name=option(recipe.calibration),
        method=recipe.calibration.method,
        num_images=images.num_images,
        duplicates=images.duplicates,
        digest=images.digest,
        labels=odd,
        bit_depth=images.depth.bits,
    )
    return Calibrated(quantized, described)


def _nms(recipe: Recipe):  # noqa: ANN202 - the recipe's own node, or the plain one
    """What makes detections of the core's outputs."""
    has_nms = hasattr(recipe.nms, "max_predictions_per_image")
    return recipe.nms if has_nms else OnnxNms().resolved(*recipe.trained.thresholds(*recipe.model.thresholds))
