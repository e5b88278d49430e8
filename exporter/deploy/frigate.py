"""An artifact for Frigate: what its configuration says, and whether the artifact is what its detectors read.

Source: Frigate's detectors (onnx, openvino, rknn, memryx), their post-processing and their `model:` settings. Frigate
cuts a square region out of a frame, stretches it to the model's size, and gives its bytes (`input_dtype: int`) or those
over 255 (`float`). Of each region it keeps 20 detections.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from exporter.artifact.manifest import Manifest, read_manifest
from exporter.artifact.publish import publishing
from exporter.common.errors import RequestError
from exporter.deploy.checked import checked_file, refuse
from exporter.deploy.labels import labels
from exporter.preprocessing.normalization import Normalization

CONFIG, LABELS, CACHE = "config.yaml", "labels.txt", "/config/model_cache"
KEEPS = 20
PARTS_OF_255 = Normalization(std=(255.0, 255.0, 255.0))


@dataclass(frozen=True)
class Contract:
    """format: the output that is read; gives: what Frigate can feed, an image's bytes in either order of colours, or
    its RGB in 0..1; classes: the only number that is taken; compiled: the ending of the file that the vendor's compiler
    makes of the ONNX file, which is what Frigate loads ("": the ONNX file itself); bytes_once_compiled: whether that
    file then takes bytes [height, width, 3], mean 0 and deviation 255 being compiled in."""

    format: str
    gives: tuple[Literal["bytes", "unit"], ...]
    classes: int | None = None
    compiled: str = ""
    bytes_once_compiled: bool = False


CONTRACTS = {
    ("onnx", "yolonas"): Contract("flat", ("bytes",)),
    ("openvino", "yolonas"): Contract("flat", ("bytes",)),
    ("memryx", "yolonas"): Contract("flat", ("unit",), compiled=".zip"),
    ("rknn", "yolonas"): Contract("split", ("unit",), classes=80, compiled=".rknn", bytes_once_compiled=True),
    ("onnx", "yolo-generic"): Contract("yolo", ("bytes", "unit")),
    ("openvino", "yolo-generic"): Contract("yolo", ("bytes", "unit")),
}


def write(folder: Path, detector: str | None, model_type: str | None, out: Path | None) -> Iterator[str]:
    """Checks the artifact of `folder` and writes its file, the labels and the configuration into `out`, or yields the
    configuration where that is None; yields lines on what to know. detector, model_type: None for what fits the
    artifact. Raises RequestError where Frigate would not read it, with all that has to change."""
    manifest = read_manifest(folder)
    detector, model_type = detector or _detector(manifest), model_type or _model_type(manifest)
    text = config(manifest, detector, model_type)
    if out is None:
        yield from text.splitlines()
        return
    source = checked_file(folder, manifest.artifact)
    with publishing(out, (), "--out ") as new:
        shutil.copyfile(source, new / f"{manifest.name}.onnx")
        (new / LABELS).write_text(labels(manifest), encoding="utf-8")
        (new / CONFIG).write_text(text, encoding="utf-8")
    yield f"{out}: for Frigate's detector {detector}, model type {model_type}; not run inside Frigate"
    yield from (f"  {line}" for line in notes(manifest, CONTRACTS[detector, model_type]))


def config(manifest: Manifest, detector: str, model_type: str) -> str:
    """The blocks `detectors:` and `model:`. Raises RequestError where Frigate would not read the artifact."""
    contract = CONTRACTS.get((detector, model_type))
    if contract is None:
        known = ", ".join(f"--detector {a} --model-type {b}" for a, b in CONTRACTS)
        raise RequestError(f"--detector {detector} --model-type {model_type}: is not known here: take {known}")
    said = f"{manifest.name}: Frigate's detector {detector} does not read it as {model_type}"
    refuse(said, _problems(manifest, contract))
    given, (height, width) = manifest.input, manifest.input.nominal_image
    unit = given.dtype == "float32" and not contract.bytes_once_compiled
    lines = [
        "# Written by exporter from the artifact's manifest.",
        *(f"# {line}" for line in notes(manifest, contract)),
        "detectors:",
        f"  {detector}:",
        f"    type: {detector}",
        *(["    device: CPU"] if detector == "openvino" else []),
        "model:",
        f"  model_type: {model_type}",
        f"  width: {width}",
        f"  height: {height}",
        f"  input_tensor: {'nhwc' if contract.bytes_once_compiled else given.layout}",
        f"  input_pixel_format: {'bgr' if given.channels == 'bgr' else 'rgb'}",
        f"  input_dtype: {'float' if unit else 'int'}",
        f"  path: {CACHE}/{manifest.name}{contract.compiled or '.onnx'}",
        f"  labelmap_path: {CACHE}/{LABELS}",
    ]
    return "\n".join(lines) + "\n"


def notes(manifest: Manifest, contract: Contract) -> list[str]:
    """What is done otherwise than the artifact was proved and measured with."""
    said = []
    if contract.compiled:
        inside = ", with mean 0 and std 255 for each channel" if contract.bytes_once_compiled else ""
        said.append(f"compile the ONNX file to {contract.compiled} with the vendor's tools{inside}; not done here")
    geometry = manifest.preprocessing.geometry
    if geometry is not None and geometry.padding is not None:
        said.append(
            "Frigate stretches a square region to the input, and the artifact was measured with padding:"
            " preprocessing.resize=stretch measures what Frigate feeds"
        )
    most = manifest.postprocessing.nms.get("max_predictions_per_image", 0)
    if most > KEEPS:
        said.append(f"Frigate keeps the first {KEEPS} of up to {most} detections")
    if manifest.postprocessing.outside:
        said.append("Frigate suppresses across all classes, with thresholds of its own (0.4 and 0.4)")
    return said


def _problems(manifest: Manifest, contract: Contract) -> Iterator[tuple[str, str]]:
    """What is in the way, and the overrides that take it out of the way, each."""
    given, preprocessing, post = manifest.input, manifest.preprocessing, manifest.postprocessing
    if post.format != contract.format:
        named = f"format={post.format}" if post.format else "nms=none"
        yield f"it has postprocessing/{named}", f"postprocessing/format={contract.format}"
    if contract.classes not in (None, manifest.model.num_classes):
        raise RequestError(
            f"{manifest.name}: has {manifest.model.num_classes} classes, and Frigate's reader takes {contract.classes}"
            " and no other number: take another detector"
        )
    if preprocessing.geometry_inside_graph:
        yield "Frigate resizes itself", "preprocessing=auto"
    elif any(isinstance(side, str) for side in given.shape) or given.shape[0] != 1:
        height, width = given.nominal_image
        yield "Frigate gives one image of one size", f"input.batch=1 input.height={height} input.width={width}"
    if given.layout == "nhwc":
        yield "its layout is nhwc", "input.layout=nchw"
    takes_unit = not preprocessing.inside_graph and preprocessing.normalization == PARTS_OF_255
    if "bytes" in contract.gives and given.dtype == "uint8" and preprocessing.inside_graph:
        return
    if "unit" in contract.gives and given.dtype == "float32" and takes_unit:
        return
    if "bytes" in contract.gives:
        yield f"Frigate gives bytes and it takes {given.dtype}", "preprocessing=auto input.dtype=uint8"
    elif preprocessing.normalization == PARTS_OF_255:
        yield "Frigate gives float32 in 0..1", "preprocessing=none"
    else:
        raise RequestError(
            f"{manifest.name}: its network is not fed 0..1, RGB, which is all that Frigate's detector gives: take"
            " another detector"
        )


def _detector(manifest: Manifest) -> str:
    if manifest.postprocessing.format == "split":
        return "rknn"
    return "openvino" if manifest.backend.name == "openvino" else "onnx"


def _model_type(manifest: Manifest) -> str:
    return "yolo-generic" if manifest.postprocessing.format == "yolo" else "yolonas"
