"""The nodes as a recipe and the stages of a build see them: settings, shapes, names, bytes."""

import hashlib
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import yaml
from onnx import helper
from pydantic import ValidationError

from exporter.common.messages import validation_lines
from exporter.postprocessing.format.batch import BatchFormat
from exporter.postprocessing.format.flat import FlatFormat
from exporter.postprocessing.nms.cluster import ClusterNms
from exporter.postprocessing.nms.none import NoNms
from exporter.postprocessing.nms.onnx import OnnxNms

NODES = {
    "nms/onnx": OnnxNms,
    "nms/cluster": ClusterNms,
    "nms/none": NoNms,
    "format/batch": BatchFormat,
    "format/flat": FlatFormat,
}
NMS = OnnxNms(confidence_threshold=0.25, nms_threshold=0.7)


def core(raw: bool, batch: int | str, n: int | str, num_classes: int = 3, opset: int = 18) -> onnx.ModelProto:
    shapes = {"box_logits": [batch, 68, n], "class_logits": [batch, num_classes, n], "anchors": [n, 3]}
    if not raw:
        shapes = {"boxes": [batch, n, 4], "scores": [batch, n, num_classes]}
    inputs, outputs = (
        [helper.make_tensor_value_info(prefix + name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()]
        for prefix in ("in_", "")
    )
    nodes = [helper.make_node("Identity", [f"in_{name}"], [name]) for name in shapes]
    graph = helper.make_graph(nodes, "core", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def outputs(model: onnx.ModelProto) -> dict[str, tuple]:
    types = {output.name: output.type.tensor_type for output in model.graph.output}
    return {
        name: (onnx.TensorProto.DataType.Name(t.elem_type), *(d.dim_param or d.dim_value for d in t.shape.dim))
        for name, t in types.items()
    }


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "decoded"])
@pytest.mark.parametrize("batch", [1, 3, "batch"])
@pytest.mark.parametrize("n", [2100, 5, "n"])
def test_outputs_have_the_shapes_and_types_of_the_contract(raw: bool, batch: int | str, n: int | str):
    kept = NMS.attach(core(raw, batch, n))
    assert outputs(kept) == {
        "kept_boxes": ("FLOAT", batch, 300, 4),
        "kept_scores": ("FLOAT", batch, 300),
        "kept_classes": ("INT64", batch, 300),
        "num_kept": ("INT64", batch, 1),
    }
    assert outputs(BatchFormat().attach(kept)) == {
        "num_predictions": ("INT64", batch, 1),
        "pred_boxes": ("FLOAT", batch, 300, 4),
        "pred_scores": ("FLOAT", batch, 300),
        "pred_classes": ("INT64", batch, 300),
    }
    assert outputs(FlatFormat().attach(kept)) == {"flat_predictions": ("FLOAT", "detections", 7)}
    assert outputs(NoNms().attach(core(raw, batch, n))) == {
        "pred_boxes": ("FLOAT", batch, n, 4),
        "pred_scores": ("FLOAT", batch, n, 3),
    }


@pytest.mark.parametrize("opset", [17, 18, 19, 20])
@pytest.mark.parametrize("raw", [True, False], ids=["raw", "decoded"])
@pytest.mark.parametrize("agnostic", [True, False])
@pytest.mark.parametrize("multi", [True, False])
def test_graphs_are_valid_lean_and_leave_the_core_as_it_was(raw: bool, opset: int, agnostic: bool, multi: bool):
    model = core(raw, "batch", 2100, opset=opset)
    before = model.SerializeToString()
    nms = OnnxNms(confidence_threshold=0.25, nms_threshold=0.7, max_candidates_per_image=2000, class_agnostic=agnostic,
                  multi_label=multi)  # fmt: skip
    for form in (BatchFormat(), FlatFormat()):
        finished = form.attach(nms.attach(model))
        onnx.checker.check_model(finished, full_check=True)
        added = [node for node in finished.graph.node if node.name]
        assert list(finished.graph.node[: len(model.graph.node)]) == list(model.graph.node)
        assert not {node.op_type for node in added} & {"Identity", "Constant", "CastLike"}
        assert len({node.name for node in added}) == len(added)
        assert all(node.name.split("/")[0] in ("nms", "format") and not node.metadata_props for node in added)
        used = {name for node in finished.graph.node for name in node.input}
        assert {x.name for x in finished.graph.initializer} <= used
        assert {x.name for x in model.graph.output} <= {x.name for x in finished.graph.value_info}
        assert (finished.ir_version, finished.opset_import) == (model.ir_version, model.opset_import)
    assert model.SerializeToString() == before


def test_the_same_bytes_in_every_process():
    program = (
        f"import hashlib, sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_nodes as t\n"
        "print(hashlib.sha256(t.everything()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == hashlib.sha256(everything()).hexdigest()


ROOT = Path(__file__).parents[2]


def everything() -> bytes:
    agnostic = NMS.model_copy(update={"class_agnostic": True})
    models = [agnostic.attach(core(raw, "batch", n)) for raw in (True, False) for n in ("n", 2100)]
    return b"".join(form.attach(m).SerializeToString() for m in models for form in (BatchFormat(), FlatFormat()))


@pytest.mark.parametrize("name", NODES)
def test_the_yaml_holds_every_setting_with_its_default(name: str):
    config = yaml.safe_load((ROOT / "conf" / "postprocessing" / f"{name}.yaml").read_text())
    node = NODES[name]
    assert config.pop("_target_") == f"{node.__module__.rpartition('.')[0]}.{node.__qualname__}"
    assert list(config.items()) == list(node().model_dump().items())


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"confidence_threshold": 1.5}, "confidence_threshold"),
        ({"confidence_threshold": "low"}, "confidence_threshold"),
        ({"confidence_threshold": float("nan")}, "confidence_threshold"),
        ({"nms_threshold": -1}, "nms_threshold"),
        ({"num_pre_nms_predictions": 0, "max_predictions_per_image": 1}, "num_pre_nms_predictions"),
        ({"max_predictions_per_image": 0}, "max_predictions_per_image"),
        ({"max_predictions_per_image": 2000}, "max_predictions_per_image"),
        ({"num_pre_nms_predictions": 100}, "max_predictions_per_image"),
        ({"max_candidates_per_image": 0}, "max_candidates_per_image"),
        ({"max_candidates_per_image": 299}, "max_predictions_per_image"),
        ({"class_agnostic": "perhaps"}, "class_agnostic"),
        ({"multi_label": None}, "multi_label"),
        ({"score_threshold": 0.5}, "score_threshold"),
    ],
)
def test_a_bad_setting_is_named(settings: dict, field: str):
    with pytest.raises(ValidationError) as caught:
        OnnxNms(**settings)
    (line,) = validation_lines(caught.value, "nms")
    assert line.startswith(f"nms.{field}")


def test_auto_is_the_models_and_a_number_is_the_users():
    auto = OnnxNms(nms_threshold=0.5, class_agnostic=True)
    resolved = auto.resolved(0.25, 0.7)
    assert resolved == OnnxNms(confidence_threshold=0.25, nms_threshold=0.5, class_agnostic=True)
    assert auto.confidence_threshold == "auto"
    assert isinstance(auto.resolved(0, 1).confidence_threshold, float)
    with pytest.raises(ValueError, match="auto"):
        auto.attach(core(True, 1, 5))


def test_creating_a_node_imports_nothing_heavy():
    program = (
        f"import sys; from {OnnxNms.__module__} import OnnxNms; from {NoNms.__module__} import NoNms\n"
        f"from {BatchFormat.__module__} import BatchFormat; from {FlatFormat.__module__} import FlatFormat\n"
        "OnnxNms(), NoNms(), BatchFormat(), FlatFormat()\n"
        "print([x for x in ('numpy', 'torch', 'onnx', 'onnxscript', 'onnx_ir', 'onnxruntime') if x in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
