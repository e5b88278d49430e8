"""What of an artifact's detections reaches the programs that read it: readers written from their sources, on synthetic
images, beside the contract's own NMS on the artifact's own boxes and scores."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from exporter.artifact.manifest import Manifest, read_manifest
from exporter.common.progress import Progress
from exporter.demo.scenes import scene
from exporter.model.known_weights import DEMO
from exporter.postprocessing import reference
from exporter.postprocessing.detections import Detections
from exporter.postprocessing.parameters import NmsParameters
from exporter.preprocessing.encode import encode
from exporter.proof.tensors import tensors
from tests.deploy import consumers
from tests.preprocessing.finetunes import checkpoint
from tests.tables import markdown
from tests.tables.markdown import Missing
from tests.tables.measured import built
from tests.tables.rows import Metrics, Row, fill

HEAD = ("consumer", "network", "precision", "own detections", "reach it", "only there")
STRETCHED = "preprocessing.resize=stretch"


@dataclass(frozen=True)
class Consumer:
    """overrides: what builds for it; read: its rows [n, 6] from the outputs of one image; least, most: its own threshold
    and room; clips: whether it clips boxes to the input."""

    overrides: tuple[str, ...]
    read: Callable[[list[np.ndarray], Manifest], np.ndarray]
    least: float = 0.0
    most: int | None = None
    clips: bool = False


def _of_deepstream(outputs: list[np.ndarray], manifest: Manifest, mode: int) -> np.ndarray:
    (height, width), outside = manifest.input.nominal_image, manifest.postprocessing.outside
    threshold = outside.confidence_threshold if outside else manifest.postprocessing.nms["confidence_threshold"]
    thresholds = np.full(manifest.model.num_classes, threshold, np.float32)
    return consumers.deepstream(outputs[0][0], width, height, thresholds, mode, outside.nms_threshold if outside else 1)


def _of_ultralytics(outputs: list[np.ndarray], manifest: Manifest) -> np.ndarray:
    outside = manifest.postprocessing.outside
    assert outside is not None  # its format leaves NMS to it
    return consumers.ultralytics(outputs[0][0], outside.confidence_threshold, outside.nms_threshold)


CONSUMERS = {
    "Frigate `yolonas`": Consumer(
        ("postprocessing/format=flat", "postprocessing.nms.max_predictions_per_image=20", "input.channels=bgr", STRETCHED),
        lambda outputs, manifest: consumers.frigate_yolonas(outputs),
    ),
    "Frigate `yolo-generic`": Consumer(
        ("postprocessing/format=yolo", STRETCHED),
        lambda outputs, manifest: consumers.frigate_yolo_generic(outputs),
        least=consumers.GENERIC, most=consumers.ROOM,
    ),
    "an Ultralytics-style reader": Consumer(("postprocessing/format=yolo",), _of_ultralytics),
    "DeepStream-Yolo, `cluster-mode=2`": Consumer(
        ("postprocessing/format=deepstream", "input.dtype=float32"), partial(_of_deepstream, mode=2), clips=True
    ),
    "DeepStream-Yolo, `cluster-mode=4`": Consumer(
        ("postprocessing/format=deepstream", "postprocessing/nms=onnx", "input.dtype=float32"),
        partial(_of_deepstream, mode=4), clips=True,
    ),
}  # fmt: skip
CHECKPOINT = "CHECKPOINT"
"""Stands in a row's overrides for the path of a file that is only there while the row is measured."""
NETWORKS = {
    "yolo_nas_s": ("model=yolo_nas_s", "model.weights=demo"),
    "ppyoloe_s": ("model=ppyoloe_s", "model.weights=demo"),
    "a checkpoint trained on BGR in 0..255": ("model=yolo_nas_s", f"model.weights={CHECKPOINT}"),
}
"""The last declares its own pre-processing, and detects what the demo network does if it is fed so."""
PRECISIONS = {"FP32": ("quantization=none",), "INT8": ("quantization=int8", "calibration=demo")}


def table(size: int, scenes: int, limit: int | None, file: Path, progress: Progress) -> str:
    """The table in Markdown, and a line before it that says what was measured where."""
    rows = [
        Row(
            (consumer, network, precision),
            (*NETWORKS[network], f"input.size={size}", "proof.num_scenes=0", *own, *CONSUMERS[consumer].overrides),
            {"scenes": scenes},
        )
        for consumer in CONSUMERS for network in NETWORKS for precision, own in PRECISIONS.items()
    ][:limit]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        weights = checkpoint(
            Path(folder) / "mine.pth", load_file(DEMO / "yolo_nas_s.safetensors"), size, "none", "bgr", "bottom_right"
        )
        found = fill(rows, partial(measured, folder=Path(folder), weights=weights), file, progress)
    where = (
        f"{size} × {size}, {scenes} synthetic images, ONNX Runtime on CPU. Own detections: the contract's NMS in plain"
        " numpy on the boxes and scores that the artifact computes, within the consumer's threshold and room.\n\n"
    )
    return where + markdown.table(HEAD, [cells(*each) for each in zip(rows, found, strict=True)])


def measured(row: Row, folder: Path, weights: Path) -> Metrics:
    """Builds, runs and reads one row. weights: what `CHECKPOINT` stands for."""
    out = folder / str(abs(hash(row.overrides)))
    overrides = [override.replace(CHECKPOINT, str(weights)) for override in row.overrides]
    built(overrides, out, store="auto")  # how long it takes is not asked
    return reached(out, CONSUMERS[row.name[0]], row.settings["scenes"])


def reached(folder: Path, consumer: Consumer, scenes: int) -> Metrics:
    """How many of the artifact's own detections there are, how many of them reach the consumer, and how many come out
    there that are not among them."""
    manifest = read_manifest(folder)
    geometry, post = manifest.preprocessing.geometry, manifest.postprocessing
    assert geometry is not None  # of the demo's networks it is known
    parameters = post.outside or _parameters(post.nms)
    images = (geometry.apply(scene("evaluation", i, *manifest.input.nominal_image).image) for i in range(scenes))
    batches = (encode(image[None], manifest.input, manifest.preprocessing) for image in images)
    own = reach = only = 0
    for tensor in tensors((folder / manifest.artifact.file).read_bytes(), batches, read=_nothing):
        assert tensor.outputs is not None
        want = reference.detections(tensor.boxes, tensor.scores, parameters)
        want = want[want[:, 4] > consumer.least][: consumer.most]
        if consumer.clips:
            height, width = manifest.input.nominal_image
            want[:, :4] = want[:, :4].clip(0, np.array([width, height, width, height], np.float32))
        got = consumer.read(list(tensor.outputs.values.values()), manifest)
        missing = _missing(want, got)
        own, reach, only = own + len(want), reach + len(want) - missing, only + _missing(got, want)
    return {"own": own, "reach": reach, "only": only}


def _nothing(outputs: Mapping[str, np.ndarray], batch: int) -> list[Detections]:
    """The readers here read: what the proof would make of the outputs is not asked for."""
    return [Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0))] * batch


def _parameters(nms: dict) -> NmsParameters:
    return NmsParameters(**{key: nms[key] for key in NmsParameters.__dataclass_fields__})


def _missing(want: np.ndarray, got: np.ndarray) -> int:
    """Rows of `want` that find none of their own in `got`: the same class, box and score, up to rounding."""
    free, missing = np.ones(len(got), dtype=bool), 0
    for row in want:
        same = free & reference.alike(row, got[:, :4], got[:, 4]) & (got[:, 5] == row[5])
        if same.any():
            free[same.argmax()] = False
        else:
            missing += 1
    return missing


def cells(row: Row, found: Metrics) -> list[str | Missing]:
    """One line of the table."""
    if "reason" in found:
        return [*row.name, *[Missing(found["reason"])] * (len(HEAD) - len(row.name))]
    return [*row.name, str(found["own"]), str(found["reach"]), str(found["only"])]
