"""The configuration of DeepStream's Gst-nvinfer for an artifact. Source: DeepStream SDK, Gst-nvinfer, property tables.

nvinfer resizes frames, gives the network float32 (net-scale-factor · (x - offset)), has TensorRT run it, and hands the
outputs to a parser, a C function in a library. The one that DeepStream itself ships for TensorRT's NMS plugin reads
int32 counts, boxes x1, y1, x2, y2 in pixels, scores, int32 classes, in this order.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from exporter.artifact.manifest import Manifest, read_manifest
from exporter.artifact.publish import publishing
from exporter.common.errors import RequestError
from exporter.common.files import exists, is_folder
from exporter.common.geometry import Geometry
from exporter.preprocessing.normalization import Normalization

CONFIG, LABELS = "config_infer.txt", "labels.txt"
PARSER = "NvDsInferParseCustomEfficientNMS"
LIBRARY = "/opt/nvidia/deepstream/deepstream/lib/libnvds_infercustomparser.so"
MODES = {"float32": 0, "float16": 2}
"""nvinfer's network-mode by precision, 1 for all with int8; with an engine at hand it builds none and ignores it."""
INT8 = 1


def write_config(folder: Path, out: Path) -> Iterator[str]:
    """Writes the configuration, the labels, the artifact and its engine (if there is one) into `out`; yields lines on
    what was written and what is still needed. Raises RequestError where nvinfer cannot run the artifact."""
    manifest = read_manifest(folder)
    text = config(manifest)
    if exists(out) and (not is_folder(out) or any(out.iterdir())):
        raise RequestError(f"--out {out}: is there already: give a new or empty folder")
    files = [manifest.artifact.file, *([manifest.engine.file] if manifest.engine else [])]
    for name in files:
        if not (folder / Path(name).name).is_file():
            raise RequestError(f"{folder}: holds no {Path(name).name}: exporter verify {folder} says more")
    with publishing(out, (), "--out ") as new:
        for name in files:
            shutil.copyfile(folder / Path(name).name, new / Path(name).name)
        (new / LABELS).write_text("\n".join(manifest.model.class_names) + "\n", encoding="utf-8")
        (new / CONFIG).write_text(text, encoding="utf-8")
    yield f"{out / CONFIG}: for Gst-nvinfer; not run in DeepStream"
    yield from (f"  {line}" for line in notes(manifest))


def config(manifest: Manifest) -> str:
    """The text of the configuration. Raises RequestError where nvinfer cannot run the artifact."""
    _check(manifest)
    geometry = manifest.preprocessing.geometry
    assert geometry is not None  # `_check`
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
        f"model-engine-file={Path(manifest.artifact.file).with_suffix('.engine')}",
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
        "cluster-mode=4",
        *_parser(manifest),
        "",
        "[class-attrs-all]",
        f"pre-cluster-threshold={manifest.postprocessing.nms.get('confidence_threshold', 0):g}",
    ]
    return "\n".join(lines) + "\n"


def notes(manifest: Manifest) -> list[str]:
    """What the configuration cannot say, or nvinfer does otherwise than the artifact was proved with."""
    said = []
    if not _has_parser(manifest):
        outputs = ", ".join(f"{output.name} {output.dtype}" for output in manifest.outputs)
        said.append(f"parser: none that DeepStream ships reads {outputs}: write one, or build with nms=efficientnms")
    else:
        said.append(f"parser: {PARSER} of {LIBRARY}, which DeepStream ships")
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


def _check(manifest: Manifest) -> None:
    name, input, preprocessing = manifest.name, manifest.input, manifest.preprocessing
    if manifest.backend.name != "tensorrt":
        raise RequestError(f"{name}: is for backend={manifest.backend.name}; nvinfer runs TensorRT: backend=tensorrt")
    if manifest.postprocessing.format != "batch":
        given = f"format={manifest.postprocessing.format}" if manifest.postprocessing.format else "nms=none"
        raise RequestError(f"{name}: postprocessing/{given}: nvinfer parses rows of each image: take format=batch")
    if input.dtype != "float32":
        raise RequestError(f"{name}: takes {input.dtype}; nvinfer gives float32: build it with input.dtype=float32")
    if (
        preprocessing.geometry is None
        or preprocessing.geometry_inside_graph
        or not _is_fixed(preprocessing.geometry, input.shape)
    ):
        raise RequestError(f"{name}: nvinfer resizes frames to one size, outside the graph: build it with input.size=…")
    if any("\n" in label for label in manifest.model.class_names):
        raise RequestError(f"{name}: a class name has a line break, which {LABELS} cannot hold: rename it")


def _is_fixed(geometry: Geometry, shape: list[int | str]) -> bool:
    return all(isinstance(side, int) for side in shape[1:]) and {geometry.height, geometry.width} <= set(shape)


def _normalization(manifest: Manifest) -> tuple[float, tuple[float, ...], int]:
    """net-scale-factor, offsets and model-color-format (0: RGB, 1: BGR)."""
    if manifest.preprocessing.inside_graph:
        return 1.0, (), int(manifest.input.channels == "bgr")
    given = manifest.preprocessing.normalization
    if not isinstance(given, Normalization):
        raise RequestError(f"{manifest.name}: its normalization is user code: build it with it inside")
    if len(set(given.std)) > 1 or given.order not in ((0, 1, 2), (2, 1, 0)):
        raise RequestError(
            f"{manifest.name}: divides its channels by {', '.join(f'{s:g}' for s in given.std)}, and nvinfer has one"
            " number for all: build it with the pre-processing inside (preprocessing=ppyoloe input.dtype=float32)"
        )
    return 1 / given.std[0], given.mean, int(given.order == (2, 1, 0))


def _has_parser(manifest: Manifest) -> bool:
    return [output.dtype for output in manifest.outputs] == ["int32", "float32", "float32", "int32"]


def _parser(manifest: Manifest) -> list[str]:
    if _has_parser(manifest):
        return [f"parse-bbox-func-name={PARSER}", f"custom-lib-path={LIBRARY}"]
    return ["# parse-bbox-func-name=", "# custom-lib-path="]
