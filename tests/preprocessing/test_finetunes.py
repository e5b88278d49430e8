"""Fine-tunes in the pre-processings that SuperGradients' loaders train with, built from their checkpoint alone.

Each is the demo network with its stem changed as training on other values would have left it, so that it gives what the
demo network gives, if and only if it is fed what the checkpoint declares.
"""

import numpy as np
import onnxruntime as ort
import pytest
import torch
from safetensors.torch import load_file

import exporter
from exporter.common.geometry import Geometry
from exporter.demo.scenes import CLASS_NAMES, scene
from exporter.model.architectures import ARCHITECTURES
from exporter.model.known_weights import DEMO
from tests.preprocessing.finetunes import checkpoint

SIZE = 160
KINDS = [
    ("255", "rgb", "center"), ("255", "bgr", "bottom_right"), ("255", "bgr", "stretch"),
    ("none", "rgb", "bottom_right"), ("none", "bgr", "center"), ("none", "rgb", "stretch"),
]  # fmt: skip


@pytest.fixture(scope="module")
def state():
    return load_file(DEMO / "yolo_nas_s.safetensors")


@pytest.fixture(scope="module")
def network(state):
    network = ARCHITECTURES["yolo_nas_s"].create(len(CLASS_NAMES))
    network.load_state_dict(state)
    return network.eval()


def placed(image, placement):
    """The image in the input, by hand."""
    if placement == "stretch":
        return Geometry.stretch(SIZE, SIZE).apply(image)
    fitted = Geometry.fit(SIZE, SIZE, margin=0, padding=114).apply(image)
    if placement == "center":
        return fitted
    rows = np.flatnonzero((fitted != 114).any(axis=(1, 2)))
    moved = np.full_like(fitted, 114)
    moved[: rows[-1] - rows[0] + 1] = fitted[rows[0] : rows[-1] + 1]
    return moved


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_raw_scores_are_those_of_the_network_fed_rightly(kind, state, network, tmp_path):
    weights = checkpoint(tmp_path / "mine.pth", state, SIZE, *kind)
    overrides = [f"model.weights={weights}", f"input.size={SIZE}", "postprocessing/nms=none", "proof.num_images=2"]
    manifest = exporter.build("yolo_nas_s", [*overrides, f"output_dir={tmp_path / 'out'}"])
    assert manifest.preprocessing.source.normalization == "checkpoint"
    assert manifest.model.class_names == list(CLASS_NAMES)
    image = placed(scene("evaluation", 3, 120, 200).image, kind[2]).transpose(2, 0, 1)[None]
    with torch.no_grad():
        boxes, scores = network(torch.from_numpy(image.astype(np.float32) / 255))
    session = ort.InferenceSession(str(tmp_path / "out" / "model.onnx"), providers=["CPUExecutionProvider"])
    got = dict(
        zip(["pred_boxes", "pred_scores"], session.run(["pred_boxes", "pred_scores"], {"images": image}), strict=True)
    )
    assert scores.max() > 0.3
    np.testing.assert_allclose(got["pred_scores"], scores.numpy(), atol=5e-3)
    np.testing.assert_allclose(got["pred_boxes"], boxes.numpy(), atol=0.05)


@pytest.mark.slow
def test_in_int8_it_loses_no_more_than_usual(state, tmp_path):
    weights = checkpoint(tmp_path / "mine.pth", state, SIZE, "none", "bgr", "bottom_right")
    overrides = [f"model.weights={weights}", "input.size=320", "calibration=demo", "calibration.num_images=16",
             "evaluation=demo", "evaluation.num_images=40", f"output_dir={tmp_path / 'out'}"]  # fmt: skip
    found = exporter.build("yolo_nas_s_int8", overrides).evaluation
    assert found.reference.map > 85
    assert found.drop < 1.0
