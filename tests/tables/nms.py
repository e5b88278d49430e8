"""What suppression costs on this CPU by itself: both ways of it, behind the raw boxes of a 640 px network."""

import time
from statistics import median

import numpy as np
import onnx
import onnxruntime

from exporter.postprocessing.format.batch import BatchFormat
from exporter.postprocessing.nms.cluster import ClusterNms
from exporter.postprocessing.nms.onnx import OnnxNms
from tests.postprocessing.test_graph import core
from tests.tables import markdown

HEAD = ("scene", "onnx", "onnx, 1024 candidates", "cluster")
SCENES = (("8 classes, 1 % of the boxes near the threshold", 8, 1, 0.01),
          ("80 classes, 1 % of the boxes near the threshold", 80, 1, 0.01),
          ("80 classes, every score above the threshold", 80, 1, 1),
          ("the same, batch 8", 80, 8, 1))  # fmt: skip
"""What is said of each, classes, batch, share of the boxes that score at all."""


def table(rounds: int) -> str:
    """The table in Markdown: milliseconds, medians of `rounds` runs of each in turn, on two threads."""
    return markdown.table(HEAD, [(about, *_measured(*scene, rounds)) for about, *scene in SCENES])


def _measured(num_classes: int, batch: int, share: float, rounds: int) -> list[str]:
    thresholds = {"confidence_threshold": 0.25, "nms_threshold": 0.7}
    ways = (OnnxNms(**thresholds), OnnxNms(**thresholds, max_candidates_per_image=1024), ClusterNms(**thresholds))
    sessions = [_session(nms, num_classes, batch) for nms in ways]
    feed = _feed(num_classes, batch, share)
    _, bounded, cluster = (session.run(None, feed) for session in sessions)
    assert all(np.array_equal(a, b) for a, b in zip(bounded, cluster, strict=True)), "the rows differ"
    times: list[list[float]] = [[] for _ in sessions]
    for _ in range(rounds):
        for session, taken in zip(sessions, times, strict=True):
            start = time.perf_counter()
            session.run(None, feed)
            taken.append(1000 * (time.perf_counter() - start))
    return [f"{median(taken):.1f}" for taken in times]


def _anchors() -> np.ndarray:
    """[8400, 3]: x, y, stride."""
    levels = []
    for stride in (8, 16, 32):
        y, x = np.mgrid[: 640 // stride, : 640 // stride] * stride + stride / 2
        levels.append(np.stack([x.ravel(), y.ravel(), np.full(x.size, stride)], axis=1))
    return np.concatenate(levels).astype(np.float32)


def _session(nms: OnnxNms, num_classes: int, batch: int) -> onnxruntime.InferenceSession:
    model = core(True, batch, 8400, num_classes)
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(_anchors(), "anchors"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.add_session_config_entry("session.force_spinning_stop", "1")  # or one session's threads slow the next
    attached = BatchFormat().attach(nms.attach(model)).SerializeToString()
    return onnxruntime.InferenceSession(attached, options, providers=["CPUExecutionProvider"])


def _feed(num_classes: int, batch: int, share: float) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    logits = rng.normal(1 if share == 1 else -3, 1 if share == 1 else 2, (batch, num_classes, 8400))
    logits[:, :, rng.random(8400) >= share] = -8
    boxes = rng.normal(0, 2, (batch, 68, 8400))
    return {"in_box_logits": boxes.astype(np.float32), "in_class_logits": logits.astype(np.float32)}
