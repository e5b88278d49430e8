"""`exporter evaluate`: the mAP of an artifact on the disk."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from exporter.artifact.detector import detector_of
from exporter.artifact.manifest import read_manifest
from exporter.backend.engine import engine_of
from exporter.common.bit_depth import BitDepth
from exporter.common.errors import RequestError
from exporter.common.messages import validation_lines
from exporter.common.progress import Progress
from exporter.evaluation.coco import CocoEvaluation
from exporter.evaluation.demo import DemoEvaluation
from exporter.evaluation.evaluate import evaluate
from exporter.evaluation.notes import warning
from exporter.evaluation.section import Evaluation
from exporter.evaluation.yolo import YoloEvaluation


def evaluate_artifact(
    folder: Path,
    num_images: int | None,
    yolo: str | None,
    coco: Sequence[str] | None,
    strict: bool,
    bit_depth: BitDepth,
    progress: Progress,
) -> Iterator[str]:
    """Lines for the terminal, see `pictures_node`.

    Raises RequestError for a folder without an artifact, for labels that cannot be right or are not of its classes."""
    manifest = read_manifest(folder)
    node = pictures_node(num_images, yolo, coco, strict, bit_depth)
    detector, names = detector_of(folder, manifest), manifest.model.class_names
    examples = node.examples(names, *manifest.input.nominal_picture)
    if line := warning(examples.notes, "--strict"):
        progress.warn(line)
    found = evaluate(detector, None, examples, len(names), progress, name=node.name, depth_key="--bit-depth ")
    yield from lines(folder, found)
    yield f"  run in {engine_of(manifest.backend).label(folder / manifest.artifact.file)}"


def pictures_node(
    num_images: int | None,
    yolo: str | None,
    coco: Sequence[str] | None,
    strict: bool = False,
    bit_depth: BitDepth = "auto",
) -> YoloEvaluation | CocoEvaluation | DemoEvaluation:
    """Labelled pictures from a data.yaml, from a folder and a COCO json, or demo scenes; at most so many. strict: what
    is odd about labels is an error; bit_depth: what 16-bit images use. Raises RequestError for both sets, for `strict`
    without one, and for numbers that cannot be."""
    if yolo and coco:
        raise RequestError("--yolo and --coco: give one of them")
    if strict and not (yolo or coco):
        raise RequestError("--strict: is for the labels of --yolo or --coco: give one of them, or leave it out")
    try:
        if yolo:
            return YoloEvaluation(path=yolo, split="val", num_images=num_images, strict=strict, bit_depth=bit_depth)
        if coco:
            return CocoEvaluation(
                path=coco[0], annotations=coco[1], num_images=num_images, strict=strict, bit_depth=bit_depth
            )
        return DemoEvaluation(num_images=300 if num_images is None else num_images)
    except ValidationError as error:
        raise RequestError("; ".join(validation_lines(error, "evaluate"))) from error


def lines(folder: Path, evaluation: Evaluation) -> Iterator[str]:
    """The figures in words."""
    scores = evaluation.artifact
    yield (
        f"{folder}: mAP {scores.map:.2f}, AP50 {scores.ap50:.2f}, AP75 {scores.ap75:.2f} on {evaluation.num_images}"
        f" pictures with {evaluation.num_boxes} objects"
    )
    sizes = [f"{size} {value:.2f}" for size, value in scores.by_size.items() if value is not None]
    yield f"  mAP by size: {', '.join(sizes)}"
