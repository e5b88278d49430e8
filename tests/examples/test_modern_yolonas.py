"""The worked example: a network that this project did not write goes all the way."""

import importlib.util

import pytest
import torch

from exporter.artifact.manifest import read_manifest
from exporter.artifact.verify import verify
from exporter.cli import main
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.model.known_weights import DEMO
from tests.examples.modern_yolonas import PACKAGE, network

WEIGHTS = DEMO / "yolo_nas_s.safetensors"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec(PACKAGE) is None,
        reason="needs the wheel, which brings a trainer along: pip install --no-deps modern-yolonas",
    ),
]


def test_it_goes_through_quantization_nms_proof_and_manifest(tmp_path):
    overrides = ["model=custom", "model._target_=tests.examples.modern_yolonas.network", "trust=tests"]
    overrides += ["+model.variant=yolo_nas_s", f"+model.weights='{WEIGHTS}'", "+model.num_classes=8"]
    overrides += ["preprocessing=yolo_nas", "quantization=int8", "calibration=demo", "calibration.num_images=8"]
    overrides += ["evaluation=demo", "evaluation.num_images=8", "evaluation.max_drop=2"]
    overrides += ["model.class_names=[disc,square,triangle,star,ring,cross,heart,crescent]"]
    assert main([*overrides, "input.size=160", f"output_dir={tmp_path / 'out'}"]) == 0
    manifest = read_manifest(tmp_path / "out")
    assert manifest.model.weights.source == "made by tests.examples.modern_yolonas.network"
    assert manifest.quantization.convolutions.int8 > 90
    assert manifest.proof.postprocessing.unexplained == 0
    assert manifest.proof.postprocessing.rows > 0
    assert manifest.evaluation is not None and manifest.evaluation.artifact.map > 50
    assert len(list(verify(tmp_path / "out"))) == 5


def test_it_is_the_network_that_ours_is():
    ours = check(compose(["+recipe=yolo_nas_s"])).model.load().network
    theirs = network("yolo_nas_s", str(WEIGHTS), 8).eval()
    images = torch.rand(1, 3, 96, 160)
    with torch.no_grad():
        for own, other in zip(ours(images), theirs(images), strict=True):
            assert (own - other).abs().max() < 1e-3
