"""The artifact: the core between what the camera gives and what the application takes."""

import re
from typing import TYPE_CHECKING

from exporter.common.errors import BuildError
from exporter.common.heap import trim

if TYPE_CHECKING:
    import onnx

    from exporter.backend import BackendNode
    from exporter.backend.request import Request
    from exporter.model.loaded import ModelFacts
    from exporter.pipeline.stages.calibrated import Calibrated

OF_A_BACKEND = re.compile(r"model\.(?!onnx$|engine$)[A-Za-z0-9_]+")
"""Names of the files that a backend may write beside the artifact: no two have one ending, by which the manifest has
them."""


def artifact(
    calibrated: "Calibrated", model: "ModelFacts", name: str, request: "Request", backend: "BackendNode"
) -> bytes:
    """What is published: see `finished`."""
    return finished(calibrated.quantized.model, model, name, request, backend)


def finished(
    core: "onnx.ModelProto", model: "ModelFacts", name: str, request: "Request", backend: "BackendNode"
) -> bytes:
    """An artifact's bytes: the core, pre- and post-processing, and what the backend and a runtime need; valid ONNX.
    Of the float32 core it is the reference, which what quantization costs is measured against."""
    import onnx

    from exporter.graph.clean import check
    from exporter.pipeline.describe import runtime_properties

    attached = attach(core, request, backend)
    trim()
    built = backend.finish(attached)
    del attached
    trim()
    onnx.helper.set_model_props(built, runtime_properties(built, model, name, request))
    artifact = built.SerializeToString(deterministic=True)
    del built
    trim()
    check(artifact)
    return artifact


def attach(core: "onnx.ModelProto", request: "Request", backend: "BackendNode") -> "onnx.ModelProto":
    """The core with pre- and post-processing."""
    from exporter.graph.attach_letterbox import attach_letterbox
    from exporter.graph.guard_sizes import guard_sizes
    from exporter.postprocessing.clip import attach_clip
    from exporter.preprocessing.attach_input import attach_input

    input, preprocessing, nms = request.input, request.preprocessing, request.nms
    raw = preprocessing.takes_raw_images
    if preprocessing.inside_graph:
        dtype = input.dtype if input.dtype != "auto" else "uint8"
        channels = input.channels if input.channels != "auto" else "rgb"
        core, normalization = preprocessing.in_front_of(core)
        core = attach_input(core, normalization, dtype, "nhwc" if raw else input.layout, channels)
    if input.dynamic_sides and backend.capabilities.any_size:
        core = guard_sizes(core, input.min_size, input.max_size)
    attached = nms.attach(core)
    geometry = preprocessing.geometry(*input.nominal) if raw else None
    if geometry is not None:
        attached = attach_letterbox(attached, geometry)
    if request.clip:
        attached = attach_clip(attached, input.layout)
    return request.format.attach(attached) if request.formatted else attached


def engine_files(artifact: bytes, model: "ModelFacts", request: "Request", backend: "BackendNode") -> dict[str, bytes]:
    """The engine's own form of the artifact, proved on a synthetic image; see `BackendNode.files`."""
    import onnx

    from exporter.benchmark.subject import example_input

    input = request.input_section(onnx.load_from_string(artifact))
    files = backend.files(artifact, {input.name: example_input(input, request.preprocessing_section())})
    if strange := [name for name in files if not OF_A_BACKEND.fullmatch(name)]:
        raise BuildError(f"backend={backend.name}: writes {strange[0]!r}: such files are called model.ENDING")
    return files
