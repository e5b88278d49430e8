"""The graph in the wanted precision."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from exporter.pipeline.stages.calibrated import Calibrated

if TYPE_CHECKING:
    import onnx

    from exporter.backend import BackendNode
    from exporter.calibration import CalibrationNode
    from exporter.calibration.images import CalibrationImages
    from exporter.calibration.section import Calibration
    from exporter.common.progress import Progress
    from exporter.model.loaded import LoadedModel, ModelFacts
    from exporter.postprocessing.nms import NmsNode
    from exporter.preprocessing import PreprocessingNode
    from exporter.preprocessing.input import Input
    from exporter.preprocessing.trained import Trained
    from exporter.quantization import QuantizationNode
    from exporter.quantization.task import Collect


def quantize(
    core: "onnx.ModelProto",
    model: "ModelFacts",
    input: "Input",
    preprocessing: "PreprocessingNode",
    trained: "Trained",
    quantization: "QuantizationNode",
    calibration: "CalibrationNode | None",
    nms: "NmsNode | None",
    backend: "BackendNode",
    progress: "Progress",
    network: "Callable[[], LoadedModel]",
    collect: "Collect | None" = None,
) -> Calibrated:
    """calibration: None where the quantization needs none; nms: what it weighs detections with, None where it does not.
    network: gives it to those who work on it rather than on the graph; collect: see `Task`."""
    from torch import nn

    from exporter.common.errors import RequestError
    from exporter.common.heap import trim
    from exporter.graph.facts import is_quantized
    from exporter.preprocessing.describe import preprocessing_section
    from exporter.quantization.task import ALREADY, Task

    trim()
    section = preprocessing_section(input, preprocessing, trained)
    if quantization.quantizes and is_quantized(core):
        raise RequestError(f"quantization={quantization.name}: {ALREADY}")
    torch_network = network().network if quantization.needs_network else None
    known = torch_network if isinstance(torch_network, nn.Module) else None
    task = Task(core, section.normalization, input.nominal, network=known)
    backend.check_core(core)
    if calibration is None:
        return Calibrated(quantization.quantize(task), None)
    assert section.normalization is not None  # the recipe's check says so
    if section.geometry is None:
        raise RequestError(
            f"preprocessing={preprocessing.name}: says nothing of resize and padding, so no image can calibrate:"
            " choose the preprocessing that the network was trained with"
        )
    images = calibration.images(section.geometry, section.normalization)
    if line := images.depth.said("calibration", "calibration.bit_depth="):
        progress.warn(line)
    odd = dict(images.notes)
    task = replace(
        task,
        images=progress.bar(images, "calibrate", images.num_images),
        method=calibration.method,
        percentile=calibration.percentile,
        scheme=quantization.scheme_for(backend.capabilities.scheme),
        fused=backend.capabilities.fuses_activations,
        input_range=section.normalization.input_range if section.inside_graph else None,
        ground_truths=partial(calibration.ground_truths, model.class_names, section.geometry, odd.update),
        unordered=model.unordered,
        nms=nms,
        collect=collect,
        progress=progress,
    )
    quantized = quantization.quantize(task)
    images.read_all()  # where what was seen of them is remembered, nobody has
    for line in _odd(images, odd):
        progress.warn(f"calibration: {line}")
    return Calibrated(quantized, _described(calibration, images, odd))


def _odd(images: "CalibrationImages", odd: Mapping[str, int]) -> Iterator[str]:
    """What nobody should overlook of the images and, counted in `odd`, of the way to them."""
    from exporter.common.contrast import low_contrast_line
    from exporter.evaluation.notes import warning

    if line := warning(odd, "calibration.strict=true"):
        yield line
    if images.duplicates:
        yield (
            f"{images.duplicates} of {images.num_images} images are the same, pixel by pixel, as one before them: give"
            " different ones"
        )
    fix = "leave them out, or say the bits that 16-bit images use with calibration.bit_depth"
    if line := low_contrast_line(images.flat, images.num_images, fix):
        yield line


def _described(calibration: "CalibrationNode", images: "CalibrationImages", odd: dict[str, int]) -> "Calibration":
    """The manifest's section `calibration`."""
    from exporter.calibration.section import Calibration

    return Calibration(
        name=calibration.name,
        method=calibration.method,
        num_images=images.num_images,
        duplicates=images.duplicates,
        digest=images.digest,
        labels=odd,
        bit_depth=images.depth.bits,
    )
