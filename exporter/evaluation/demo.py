"""mAP of an artifact, run by its own manifest, on held-out demo scenes."""

from pathlib import Path

from exporter.demo.scenes import CLASS_NAMES, scene
from exporter.errors import RequestError
from exporter.inference import Detector
from exporter.manifest import read_manifest
from exporter.progress import Progress


def evaluate(folder: Path, num_images: int, progress: Progress) -> dict[str, float]:
    """map (over IoU 0.5 … 0.95), ap50 and ap75 in points of 100 on `num_images` scenes of the split `evaluation`.

    Raises RequestError for an artifact whose classes are not the demo's.
    """
    from exporter.demo.scoring import coco_scores

    manifest = read_manifest(folder)
    if tuple(manifest.model.class_names) != CLASS_NAMES:
        raise RequestError(
            f"{folder}: its classes are {', '.join(manifest.model.class_names[:4])}…, the demo's are"
            f" {', '.join(CLASS_NAMES[:4])}…: only artifacts of the demo weights can be scored on demo scenes"
        )
    detector, geometry = Detector.of(folder, manifest), manifest.preprocessing.geometry
    assert geometry is not None  # or there were no detector
    found, truths = [], []
    for i in progress.bar(range(num_images), "evaluate", num_images):
        example = scene("evaluation", i, geometry.height, geometry.width)
        (detections,) = detector([example.image])
        found.append((detections.boxes, detections.scores, detections.classes))
        truths.append((example.boxes, example.classes))
    return {key: 100 * value for key, value in coco_scores(found, truths, CLASS_NAMES).items()}
