"""A caller who trains with automatic mixed precision builds what everybody builds."""

import pytest
import torch

import exporter
from exporter.common.errors import BuildError
from exporter.model.autocast import no_autocast
from tests.small_network import SmallDetector

OVERRIDES = ("model=custom", "preprocessing=none", "input.size=64", "proof.num_images=1", "proof.num_scenes=0", "store.path=none",
         "quantization=none", "postprocessing/nms=onnx")  # fmt: skip


def test_operations_run_in_the_types_of_their_inputs():
    ones = torch.ones(2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (ones @ ones).dtype == torch.bfloat16
        with no_autocast():
            assert (ones @ ones).dtype == torch.float32
        assert (ones @ ones).dtype == torch.bfloat16


def test_nothing_of_a_build_runs_within_it(tmp_path, monkeypatch):
    def steps(*_: object) -> None:
        raise BuildError(f"autocast: {torch.is_autocast_enabled('cpu')}")

    monkeypatch.setattr("exporter.pipeline.build.steps", steps)
    with torch.autocast("cpu"), pytest.raises(BuildError, match="autocast: False"):
        exporter.build(model=SmallDetector(), overrides=[*OVERRIDES, f"output_dir={tmp_path / 'out'}"])


@pytest.mark.slow
def test_a_build_within_autocast(tmp_path):
    network = SmallDetector()
    outside = exporter.build(model=network, overrides=[*OVERRIDES, f"output_dir={tmp_path / 'outside'}"])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        within = exporter.build(model=network, overrides=[*OVERRIDES, f"output_dir={tmp_path / 'within'}"])
    assert within.artifact.sha256 == outside.artifact.sha256
    assert within.proof == outside.proof
