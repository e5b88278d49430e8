"""Average precision of demo weights: python -m tests.demo.training.evaluate --weights FILE --size 640 --num-images 200"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from exporter.demo.scenes import scene
from exporter.evaluation.examples import GroundTruth
from exporter.evaluation.scores import scores as coco_scores
from exporter.model.dfl import DflDetector
from exporter.postprocessing.detections import Detections
from tests.demo.training.assigner import pairwise_iou
from tests.demo.training.networks import create, network_input

SCORE_THRESHOLD, IOU_THRESHOLD, CANDIDATES, DETECTIONS = 0.01, 0.7, 2000, 300


def load(weights: Path) -> tuple[DflDetector, str, list[str]]:
    """The network of a safetensors file that `tests.demo.training.train` wrote, its architecture and classes."""
    with safe_open(weights, "pt") as file:
        metadata = file.metadata()
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - a safetensors file is no dict
    network = create(metadata["architecture"], int(metadata["num_classes"]))
    network.load_state_dict(state)
    return network.eval(), metadata["architecture"], json.loads(metadata["class_names"])


def detect(boxes: Tensor, scores: Tensor) -> Detections:
    """Greedy suppression within each class: boxes float32 [N, 4] xyxy pixels, scores float32 [N, C] -> detections,
    best first."""
    flat = scores.flatten()
    values, order = flat.topk(min(CANDIDATES, len(flat)))
    order = order[values > SCORE_THRESHOLD]
    anchors, classes = order // scores.shape[1], order % scores.shape[1]
    rivals = (pairwise_iou(boxes[anchors], boxes[anchors]) > IOU_THRESHOLD) & (classes[:, None] == classes)
    rivals = rivals.numpy()
    kept = np.ones(len(order), dtype=bool)
    for i in range(len(order)):
        if kept[i]:
            kept[i + 1 :] &= ~rivals[i, i + 1 :]
    chosen = np.flatnonzero(kept)[:DETECTIONS]
    return Detections(boxes[anchors].numpy()[chosen], flat[order].numpy()[chosen], classes.numpy()[chosen])


@torch.inference_mode()
def evaluate(
    network: DflDetector, architecture: str, class_names: list[str], size: int, num_images: int
) -> dict[str, float]:
    """COCO scores in 0..1 of a network in eval mode on the first synthetic images of the evaluation split at size x size pixels."""
    detections, ground_truths = [], []
    for index in range(num_images):
        held_out = scene("evaluation", index, size, size)
        boxes, scores = network(network_input(architecture, held_out.image[None]))
        detections.append(detect(boxes[0], scores[0]))
        ground_truths.append(GroundTruth.of(held_out.boxes, held_out.classes))
    found = coco_scores(detections, ground_truths, len(class_names))
    return {"map": found.map / 100, "ap50": found.ap50 / 100, "ap75": found.ap75 / 100}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Average precision of demo weights on synthetic images they never saw."
    )
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--num-images", type=int, default=200)
    arguments = parser.parse_args()
    scores = evaluate(*load(arguments.weights), arguments.size, arguments.num_images)
    print(" ".join(f"{name} {value:.4f}" for name, value in scores.items()))


if __name__ == "__main__":
    main()
