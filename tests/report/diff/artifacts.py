"""Artifacts of one convolution, written by hand: graph and manifest as a build would, in milliseconds."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from exporter.artifact import manifest as m
from exporter.benchmark.section import Latency, Sizes, Times
from exporter.common.files import file_digest
from exporter.evaluation.section import Scores
from exporter.graph import facts
from exporter.model.section import Weights
from exporter.quantization.section import Float32
from tests.making import NOTHING_PROVED

WEIGHTS = np.arange(4 * 3 * 3 * 3, dtype=np.float32).reshape(4, 3, 3, 3)


def one_convolution(precision="float32", side=8, relus=1, opset=18) -> onnx.ModelProto:
    """images float32 [1, 3, side, side] → boxes, through one convolution in "float32", "float16" or "int8"."""
    nodes, stored, read, weights = [], {}, "images", "weights"
    if precision == "int8":
        stored = {"scale": np.float32(0.1), "zero": np.uint8(3), "w_scale": np.float32(0.2), "w_zero": np.int8(0)}
        stored["integers"] = WEIGHTS.astype(np.int8)
        nodes = [
            helper.make_node("QuantizeLinear", ["images", "scale", "zero"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["x"]),
            helper.make_node("DequantizeLinear", ["integers", "w_scale", "w_zero"], ["w"]),
        ]
        read, weights = "x", "w"
    elif precision == "float16":
        stored = {"weights": WEIGHTS.astype(np.float16)}
        nodes, read = [helper.make_node("Cast", ["images"], ["x"], to=TensorProto.FLOAT16)], "x"
    else:
        stored = {"weights": WEIGHTS}
    nodes.append(helper.make_node("Conv", [read, weights], ["y0"], name="conv"))
    nodes += [helper.make_node("Relu", [f"y{i}"], [f"y{i + 1}"]) for i in range(relus)]
    nodes.append(helper.make_node("Cast", [f"y{relus}"], ["boxes"], to=TensorProto.FLOAT))
    value = helper.make_tensor_value_info
    inner = helper.make_graph(
        nodes, "g", [value("images", TensorProto.FLOAT, [1, 3, side, side])],
        [value("boxes", TensorProto.FLOAT, [1, 4, side - 2, side - 2])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in stored.items()],
    )  # fmt: skip
    return helper.make_model(inner, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def write(folder: Path, graph: onnx.ModelProto | None = None, **changes: Any) -> Path:
    """Writes `graph` and its manifest into `folder`; `changes` are sections of the manifest in place of the usual."""
    model = graph or one_convolution()
    folder.mkdir()
    file = folder / "model.onnx"
    file.write_bytes(model.SerializeToString(deterministic=True))
    (value,) = model.graph.input
    weights = Weights(file="a.pth", sha256="a" * 64, source="file", licence=None)
    sections = {
        "model": m.Model(name="small", weights=weights, num_classes=2, class_names=["cat", "dog"], parameters=108),
        "proof": NOTHING_PROVED.model_copy(update={"engine": "CPU", "bounds": {"max_box_error": 1.0}}),
        "evaluation": None,
        "benchmark": None,
        "calibration": None,
        "recipe": recipe({"input": {"size": 8}, "quantization": {"scheme": "auto"}}),
        "versions": {"onnx": "1.2", "python": "3.11"},
    } | changes
    manifest = m.Manifest(
        schema_version=1,
        name="small",
        artifact=m.Artifact(
            file=file.name, sha256=file_digest(file), bytes=file.stat().st_size, opset=facts.opset(model),
            ir_version=model.ir_version, operators=facts.operators(model),
        ),
        input=m.Input(**facts.tensor(value), allowed={}, layout="nchw", channels="rgb", range=None),
        preprocessing=m.Preprocessing(
            name="none", inside_graph=False, geometry_inside_graph=False, normalization=None, geometry=None
        ),
        outputs=[m.Tensor(**output) for output in facts.outputs(model)],
        postprocessing=m.Postprocessing(nms={}, format=None),
        quantization=Float32(),
        backend=m.Backend(name="onnxruntime", minimum_version="1", verified="here"),
        run=m.Run(),
        **sections,
    )  # fmt: skip
    manifest.write(folder)
    return folder


def recipe(config: dict[str, Any]) -> m.Recipe:
    return m.Recipe(name="small", config=config, overrides=[], commit=None, dirty=None)


def evaluation(map: float, digest: str = "d" * 64, drop: float | None = None) -> m.Evaluation:
    scores = Scores(map=map, ap50=map, ap75=map, by_size={"small": None, "large": map}, by_class=[map, None])
    return m.Evaluation(
        name="demo", num_images=3, num_boxes=5, num_crowds=0, num_background=0, boxes_by_class=[5, 0], digest=digest,
        artifact=scores, reference=None if drop is None else scores, drop=drop, max_drop=None,
    )  # fmt: skip


def benchmark(p50: float, threads: int = 2) -> m.Benchmark:
    times = Latency(artifact=Times(p50_ms=p50, p90_ms=p50, p99_ms=p50, times_ms=[p50]), reference=None, ratio=None)
    size = Sizes(artifact=100, reference=None)
    return m.Benchmark(
        name="cpu", engine="ort", cpu={"name": "a cpu"}, threads=threads, batch=1, rounds=1, end_to_end=times,
        core=times, throughput=[], peak_memory_bytes=size, file_bytes=size, warnings=[],
    )  # fmt: skip
