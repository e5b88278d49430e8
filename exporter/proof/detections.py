"""How near the finished detections are to the torch network's, on synthetic images with known objects.

Only where weights and images belong together, that is for the demo weights on synthetic images, does this mean
anything.
"""

from collections.abc import Callable

import numpy as np

from exporter.common.geometry import Geometry
from exporter.demo.scenes import CLASS_NAMES, scene
from exporter.evaluation.detector import Detector
from exporter.evaluation.examples import GroundTruth
from exporter.evaluation.matched import matched
from exporter.evaluation.scores import scores
from exporter.postprocessing import reference
from exporter.postprocessing.detections import Detections
from exporter.postprocessing.parameters import NmsParameters
from exporter.proof.section import DetectionErrors

TorchOutputs = Callable[[np.ndarray], tuple[np.ndarray, ...]]


def detection_errors(
    detector: Detector,
    network: Callable[[np.ndarray], Detections],
    num_scenes: int,
    height: int,
    width: int,
) -> DetectionErrors:
    """mAP@[.5:.95] in points of both, and their matched boxes, over held-out synthetic images of height × width.

    network: `torch_detections` of an image.
    """
    synthetic = [scene("evaluation", i, height, width) for i in range(num_scenes)]
    found = list(detector([s.image for s in synthetic]))
    wanted = [network(s.image) for s in synthetic]
    ground_truths = [GroundTruth.of(s.boxes, s.classes) for s in synthetic]
    own, torch_map = (scores(each, ground_truths, len(CLASS_NAMES)).map for each in (found, wanted))
    return DetectionErrors(
        scenes=num_scenes,
        map=own,
        torch_map=torch_map,
        map_drop=round(torch_map - own, 3),
        **matched(found, wanted),
    )


def torch_detections(
    image: np.ndarray, outputs: TorchOutputs, geometry: Geometry, parameters: NmsParameters
) -> Detections:
    """What the torch network and a plain NMS find in a uint8 [h, w, 3] RGB image, boxes in its own pixels.

    `outputs` takes uint8 [B, H, W, 3] RGB and gives boxes [B, N, 4], scores [B, N, C] before NMS; `parameters`: of
    the NMS that is in the artifact."""
    height, width = image.shape[:2]
    boxes, scores = outputs(geometry.apply(image)[None])
    found = reference.detections(boxes[0], scores[0], parameters)
    placed = geometry.to_image(found[:, :4], geometry.transform(height, width), height, width)
    return Detections(placed, found[:, 4], found[:, 5].astype(np.int64))
