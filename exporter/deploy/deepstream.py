"""The configuration of DeepStream's Gst-nvinfer for an artifact. Source: DeepStream SDK, Gst-nvinfer, property tables.

nvinfer resizes frames, gives the network float32 (net-scale-factor · (x - offset)), has TensorRT run it, and hands the
outputs to a parser, a C function in a library. Two are known here, and none was run:

- DeepStream-Yolo's `NvDsInferParseYolo` reads rows of six (postprocessing/format=deepstream). It clamps a box first.
- `NvDsInferParseCustomEfficientNMS` reads the four outputs of TensorRT's NMS plugin. It takes a box's width before it
  clips the box, so that one beyond an edge comes out elsewhere: only for artifacts that clip inside.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exporter.artifact.manifest import Manifest, read_manifest
from exporter.artifact.publish import publishing
from exporter.common.geometry import Geometry
from exporter.deploy.checked import checked_file, engine_name, refuse
from exporter.deploy.labels import labels
from exporter.preprocessing.normalization import Normalization

CONFIG, LABELS = "config_infer.txt", "labels.txt"
SUPPRESSES, TAKES_ALL = 2, 4
"""nvinfer's cluster-mode: its own NMS within each class, or whatever the parser gives."""
MODES = {"float32": 0, "float16": 2}
"""nvinfer's network-mode by precision, 1 for all with int8; with an engine at hand it builds none and ignores it."""
INT8 = 1


@dataclass(frozen=True)
class Parser:
    """The function, the library that it is usually in, and where that comes from."""

    function: str
    library: str
    source: str


YOLO = Parser(
    "NvDsInferParseYolo",
    "nvdsinfer_custom_impl_Yolo/libnvdsinfer_custom_impl_Yolo.so",
    "build it from the project DeepStream-Yolo",
)
EFFICIENT = Parser(
    "NvDsInferParseCustomEfficientNMS",
    "libnvds_infercustomparser.so",
    "not in every DeepStream: give the path of the one that you have it in",
)


def write_config(folder: Path, out: Path) -> Iterator[str]:
    """Writes the configuration, the labels, the artifact and its engine (if there is one) into `out`; yields lines on
    what was written and what is still needed. Raises RequestError where nvinfer cannot run the artifact."""
    manifest = read_manifest(folder)
    text = config(manifest)
    files = [checked_file(folder, each) for each in (manifest.artifact, manifest.engine) if each is not None]
    with publishing(out, (), "--out ") as new:
        for file in files:
            shutil.copyfile(file, new / file.name)
        (new / LABELS).write_text(labels(manifest), encoding="utf-8")
        (new / CONFIG).write_text(text, encoding="utf-8")
    yield f"{out / CONFIG}: for Gst-nvinfer; not run in DeepStream"
    yield from (f"  {line}" for line in notes(manifest))


def config(manifest: Manifest) -> str:
    """The text of the configuration. Raises RequestError where nvinfer cannot run the artifact."""
    refuse(f"{manifest.name}: nvinfer cannot take it", _problems(manifest))
    labels(manifest)  # refuses names that no line can hold
    geometry = manifest.preprocessing.geometry
    assert geometry is not None  # `_problems`
    outside, parser = manifest.postprocessing.outside, _parser(manifest)
    inside = manifest.postprocessing.nms.get("confidence_threshold", 0)
    batch = manifest.input.shape[0]
    scale, offsets, colour = _normalization(manifest)
    fitted = int(geometry.resize.mode == "fit")
    centred = int(geometry.padding is not None and geometry.padding.placement == "center")
    lines = [
        "# Written by exporter from the artifact's manifest.",
        *(f"# {line}" for line in notes(manifest)),
        "[property]",
        "gie-unique-id=1",
        "process-mode=1",
        "network-type=0",
        f"onnx-file={manifest.artifact.file}",
        f"model-engine-file={engine_name(manifest)}",
        f"batch-size={manifest.backend.profile.max[0] if manifest.backend.profile else batch}",
        f"network-mode={MODES.get(manifest.quantization.precision, INT8)}",
        f"infer-dims=3;{geometry.height};{geometry.width}",
        f"network-input-order={int(manifest.input.layout == 'nhwc')}",
        f"model-color-format={colour}",
        f"net-scale-factor={scale:.17g}",
        *([f"offsets={';'.join(f'{offset:g}' for offset in offsets)}"] if any(offsets) else []),
        f"maintain-aspect-ratio={fitted}",
        f"symmetric-padding={centred}",
        "scaling-filter=1",
        f"num-detected-classes={manifest.model.num_classes}",
        f"labelfile-path={LABELS}",
        f"cluster-mode={SUPPRESSES if outside else TAKES_ALL}",
        f"parse-bbox-func-name={parser.function}",
        f"custom-lib-path={parser.library}",
        "",
        "[class-attrs-all]",
        f"pre-cluster-threshold={outside.confidence_threshold if outside else inside:g}",
        *([f"nms-iou-threshold={outside.nms_threshold:g}"] if outside else []),
    ]
    return "\n".join(lines) + "\n"


def notes(manifest: Manifest) -> list[str]:
    """What the configuration cannot say, or nvinfer does otherwise than the artifact was proved with."""
    parser = _parser(manifest)
    said = [f"parser: {parser.function} of {parser.library}: {parser.source}"]
    if manifest.engine is None:
        said.append(
            "engine: build it first (exporter engine, or trtexec); what nvinfer builds of the ONNX file was not tried"
        )
    geometry = manifest.preprocessing.geometry
    if geometry is not None and geometry.padding is not None:
        said.append(
            f"geometry: nvinfer pads with black and leaves no margin; the artifact was proved with grey"
            f" {geometry.padding.value} and a margin of {geometry.resize.margin} pixels"
        )
    return said


def _problems(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """What is in the way of nvinfer, and the overrides that take it out of the way, each."""
    input, preprocessing, post = manifest.input, manifest.preprocessing, manifest.postprocessing
    if manifest.backend.name != "tensorrt":
        yield f"it is for backend={manifest.backend.name}", "backend=tensorrt"
    if post.format == "batch" and _is_plugins(manifest):
        if not post.clip:
            yield "its parser takes a box's width before it clips the box", "postprocessing.clip=true"
    elif post.format != "deepstream":
        named = f"format={post.format}" if post.format else "nms=none"
        yield f"no parser reads postprocessing/{named}", "postprocessing/format=deepstream"
    if input.dtype != "float32":
        yield f"it takes {input.dtype} and nvinfer gives float32", "input.dtype=float32"
    geometry, given = preprocessing.geometry, preprocessing.normalization
    if preprocessing.geometry_inside_graph:
        yield "nvinfer resizes frames itself", "preprocessing=auto"
    elif geometry is None:
        yield "how frames are resized for it is not known", "preprocessing=declared"
    elif not _is_fixed(geometry, input.shape):
        yield "nvinfer resizes frames to one size", f"input.height={geometry.height} input.width={geometry.width}"
    if not preprocessing.inside_graph:
        if not isinstance(given, Normalization):
            yield "its normalization is user code or not known", "preprocessing=auto input.dtype=float32"
        elif len(set(given.std)) > 1 or given.order not in ((0, 1, 2), (2, 1, 0)):
            divisors = ", ".join(f"{each:g}" for each in given.std)
            yield (
                f"it divides its channels by {divisors} and nvinfer has one number for all",
                "preprocessing=auto input.dtype=float32",
            )


def _is_fixed(geometry: Geometry, shape: list[int | str]) -> bool:
    return all(isinstance(side, int) for side in shape[1:]) and {geometry.height, geometry.width} <= set(shape)


def _normalization(manifest: Manifest) -> tuple[float, tuple[float, ...], int]:
    """net-scale-factor, offsets and model-color-format (0: RGB, 1: BGR)."""
    if manifest.preprocessing.inside_graph:
        return 1.0, (), int(manifest.input.channels == "bgr")
    given = manifest.preprocessing.normalization
    assert isinstance(given, Normalization)  # `_problems`
    return 1 / given.std[0], given.mean, int(given.order == (2, 1, 0))


def _is_plugins(manifest: Manifest) -> bool:
    return [output.dtype for output in manifest.outputs] == ["int32", "float32", "float32", "int32"]


def _parser(manifest: Manifest) -> Parser:
    return YOLO if manifest.postprocessing.format == "deepstream" else EFFICIENT
