"""The accuracy of an artifact on the disk."""

from pathlib import Path

from exporter.artifact.detector import detector_of
from exporter.artifact.manifest import Manifest
from exporter.common.progress import Progress
from exporter.evaluation import EvaluationNode
from exporter.evaluation.evaluate import evaluate
from exporter.evaluation.notes import warning
from exporter.evaluation.section import Evaluation
from exporter.runtime.engine import Engine


def evaluate_artifact(
    folder: Path, manifest: Manifest, images: EvaluationNode, progress: Progress, engine: Engine | None = None
) -> Evaluation:
    """What the artifact's detections are worth on labelled images, in the engine that it is for, or in this one.

    Raises RequestError for labels that cannot be right or are not of its classes, and for outputs in a format of its
    recipe's own; BuildError where the engine fails on an image."""
    names = manifest.model.class_names
    detector = detector_of(folder, manifest, engine=engine)
    examples = images.examples(names, *manifest.input.nominal_image)
    if line := warning(examples.notes, "--strict"):
        progress.warn(line)
    return evaluate(detector, None, examples, len(names), progress, name=images.name, depth_key="--bit-depth ")
