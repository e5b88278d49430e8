"""Images for the page: the same ones under the artifact and under the FP32 reference, the differences marked."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from exporter.artifact.manifest import Manifest
from exporter.demo.scenes import scene
from exporter.evaluation.detector import Detector
from exporter.evaluation.examples import Example, spread
from exporter.evaluation.matched import pairs
from exporter.postprocessing.detections import Detections
from exporter.report.drawing import class_name, draw, draw_label, encoded

CANDIDATES, SHOWN = 8, 3
SIDE = 560  # pixels of the longer side on the page
LOST, NEW, MATCHED = (213, 94, 0), (0, 114, 178), (255, 255, 255)  # told apart by colour-blind eyes too


@dataclass(frozen=True)
class Compared:
    """One image, drawn: JPEG as data URIs, `reference` None where there is none to compare with; how many boxes both
    have, and how many only one of them."""

    name: str
    own: str
    reference: str | None
    matched: int
    lost: int
    new: int


def compared(
    manifest: Manifest,
    detector: Detector,
    reference: Callable[[np.ndarray], Detections] | None,
    examples: Sequence[Example],
) -> list[Compared]:
    """The `SHOWN` images of `CANDIDATES` on which both differ most, or the first ones where there is no reference;
    detector: the artifact.

    They are the evaluation's, else synthetic images; empty where neither belongs to the weights.
    """
    sources = _sources(manifest, examples)
    if not sources:
        return []
    names = manifest.model.class_names
    if reference is None:
        images = [(name, read()) for name, read in sources[:SHOWN]]
        found = detector([image for _, image in images])
        return [_alone(name, image, f, names) for (name, image), f in zip(images, found, strict=True)]
    images = [(name, read()) for name, read in sources]
    found = detector([image for _, image in images])
    drawn = [_side_by_side(name, p, f, reference(p), names) for (name, p), f in zip(images, found, strict=True)]
    return sorted(drawn, key=lambda each: -(each.lost + each.new))[:SHOWN]


def _sources(manifest: Manifest, examples: Sequence[Example]) -> list[tuple[str, Callable[[], np.ndarray]]]:
    if examples:
        return [(each.name, each.read) for each in spread(examples, CANDIDATES)]
    if manifest.model.weights.kind != "demo":
        return []
    size = manifest.input.nominal_image
    return [(f"scene {i}", lambda i=i: scene("evaluation", i, *size).image) for i in range(CANDIDATES)]


def _alone(name: str, image: np.ndarray, found: Detections, names: Sequence[str]) -> Compared:
    scaled, factor = _scaled(image)
    placed = Detections(found.boxes * factor, found.scores, found.classes)
    return Compared(name, _jpeg(draw(scaled, placed, names)), None, len(found.scores), 0, 0)


def _side_by_side(
    name: str, image: np.ndarray, found: Detections, reference: Detections, names: Sequence[str]
) -> Compared:
    matches = pairs(found, reference)
    new = sorted(set(range(len(found.scores))) - {i for i, _, _ in matches})
    lost = sorted(set(range(len(reference.scores))) - {j for _, j, _ in matches})
    own = _marked(image, found, new, NEW, "new", names)
    other = _marked(image, reference, lost, LOST, "lost", names)
    return Compared(name, _jpeg(own), _jpeg(other), len(matches), len(lost), len(new))


def _marked(
    image: np.ndarray, found: Detections, marked: Sequence[int], colour: tuple[int, int, int], word: str,
    names: Sequence[str],
) -> np.ndarray:  # fmt: skip
    """Thin boxes, and heavy ones with their class and score for those marked, on top."""
    import cv2

    drawn, factor = _scaled(image)
    corners = [tuple(round(float(side) * factor) for side in box) for box in found.boxes]
    for i, (left, top, right, bottom) in enumerate(corners):
        if i not in marked:
            cv2.rectangle(drawn, (left, top), (right, bottom), (0, 0, 0), 2, cv2.LINE_AA)
            cv2.rectangle(drawn, (left, top), (right, bottom), MATCHED, 1, cv2.LINE_AA)
    for i in reversed(marked):
        left, top, right, bottom = corners[i]
        cv2.rectangle(drawn, (left, top), (right, bottom), colour, 4, cv2.LINE_AA)
        label = f"{word}: {class_name(names, int(found.classes[i]))} {found.scores[i]:.2f}"
        draw_label(drawn, label, left, top, colour, 0.45)
    return drawn


def _scaled(image: np.ndarray) -> tuple[np.ndarray, float]:
    """A copy whose longer side is `SIDE`, and by what it was multiplied."""
    import cv2

    height, width = image.shape[:2]
    factor = SIDE / max(height, width)
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC), factor


def _jpeg(image: np.ndarray) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(encoded(image, ".jpg")).decode("ascii")
