"""Each precision, shape and family built, proved, verified and run with CUDA; its detections are the CPU's."""

import numpy as np
import pytest

from exporter.common.errors import BuildError
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine
from tests.gpu.checked import checked, why_not
from tests.runtime.test_openvino import scaled

WHY_NOT = why_not("cuda")
pytestmark = [
    pytest.mark.skipif(WHY_NOT is not None, reason=f"no CUDA device for ONNX Runtime here: {WHY_NOT}"),
    pytest.mark.usefixtures("one_store"),
]

GRAPH = ["backend.cuda_graph=true", "postprocessing/nms=cluster", "postprocessing.nms.rounds=24"]
CASES = {
    "FP32": ["yolo_nas_s"],
    "FP32, TF32": ["yolo_nas_s", "backend.tf32=true"],
    "FP32, dynamic batch": ["yolo_nas_s", "input.batch=dynamic"],
    "FP32, dynamic sides": ["yolo_nas_s", "input.size=dynamic"],
    "FP32, opset 20": ["yolo_nas_s", "export.opset=20", "backend.allow_slow=true"],
    "FP16": ["yolo_nas_s", "quantization=fp16"],
    "FP16, nhwc": ["yolo_nas_s", "quantization=fp16", "backend.prefer_nhwc=true"],
    "FP16, letterbox": ["yolo_nas_s", "quantization=fp16", "preprocessing=letterbox"],
    "FP16, batch 16": ["yolo_nas_s", "quantization=fp16", "input.batch=16"],
    "FP16, CUDA graph": ["yolo_nas_s", "quantization=fp16", *GRAPH],
    "FP16, CUDA graph, batch 16": ["yolo_nas_s", "quantization=fp16", "input.batch=16", *GRAPH],
    "INT8": ["yolo_nas_s", "quantization=int8", "calibration=demo", "calibration.num_images=8", "backend.allow_slow=true"],
    "PP-YOLOE, FP32": ["ppyoloe_s"],
    "PP-YOLOE, FP16, dynamic batch": ["ppyoloe_s", "quantization=fp16", "input.batch=dynamic"],
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_from_the_build_to_the_cpus_detections(name, tmp_path):
    checked("cuda", CASES[name], tmp_path / "artifact")


def test_what_the_captured_graph_is_shown_comes_out(tmp_path):
    """All of it on the GPU; else ONNX Runtime does not capture it, and says so."""
    manifest = checked("cuda", CASES["FP16, CUDA graph"], tmp_path / "artifact")
    assert set(manifest.proof.nodes_by_provider) == {"CUDAExecutionProvider"}


def test_a_gpu_without_memory_is_one_line():
    engine = OnnxRuntimeEngine("cuda", (("gpu_mem_limit", "1000"),))
    with pytest.raises(BuildError, match="does not fit into the GPU's memory"):
        engine.session(scaled(shape=("n", 3))).run(None, {"x": np.ones((10**7, 3), np.float32)})
