"""Layer normalisations are found however they are written, and stay in float32 in a float16 network."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from torch import nn

from exporter.graph.fp16 import nodes_in_fp16, to_fp16
from exporter.graph.normalizations import normalizations
from exporter.runtime.onnx_runtime import session


class Block(nn.Module):
    """As in a transformer's: layer norm between two convolutions."""

    def __init__(self):
        super().__init__()
        self.before, self.norm, self.after = nn.Conv2d(3, 16, 3, padding=1), nn.LayerNorm(16), nn.Conv2d(16, 4, 1)

    def forward(self, images):
        return self.after(self.norm(self.before(images).permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


def exported(tmp_path, opset, dynamo):
    torch.manual_seed(0)
    block = Block().eval()
    file = tmp_path / "block.onnx"
    torch.onnx.export(
        block, (torch.zeros(1, 3, 8, 8),), file, opset_version=opset, dynamo=dynamo, input_names=["images"]
    )
    model = onnx.shape_inference.infer_shapes(onnx.load(file))
    for i, node in enumerate(model.graph.node):
        node.name = f"{i}/{node.op_type}"
    return block, model


@pytest.mark.parametrize(
    ("opset", "dynamo", "operators"),
    [
        (17, False, ["LayerNormalization"]),
        (18, True, ["LayerNormalization"]),
        (16, False, ["ReduceMean", "Sub", "Pow", "ReduceMean", "Add", "Sqrt", "Div"]),
    ],
)
def test_it_stays_in_float32(tmp_path, opset, dynamo, operators):
    block, model = exported(tmp_path, opset, dynamo)
    graph = ir.from_proto(model).graph
    found = normalizations(graph)
    assert [node.op_type for node in graph if node in found] == operators
    chosen = nodes_in_fp16(model)
    assert [name.split("/")[1] for name in chosen].count("Conv") == 2
    assert not {node.name for node in found} & set(chosen)

    fp16 = onnx.shape_inference.infer_shapes(to_fp16(model, chosen))
    types = {value.name: value.type.tensor_type.elem_type for value in (*fp16.graph.value_info, *fp16.graph.output)}
    for node in fp16.graph.node:
        if node.name in {each.name for each in found}:
            assert types[node.output[0]] == onnx.TensorProto.FLOAT
    images = np.random.default_rng(0).normal(0, 300, (1, 3, 8, 8)).astype(np.float32)  # squares beyond float16's 65504
    (given,) = session(fp16.SerializeToString()).run(None, {"images": images})
    with torch.no_grad():
        wanted = block(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(given, wanted, atol=0.02)


@pytest.mark.parametrize("spoilt", ["Add", "Pow", "Sub"])
def test_another_division_is_none(tmp_path, spoilt):
    _, model = exported(tmp_path, 16, dynamo=False)
    for node in model.graph.node:
        if node.op_type == spoilt:
            node.op_type = {"Add": "Max", "Pow": "Mod", "Sub": "Add"}[spoilt]
    assert not normalizations(ir.from_proto(model).graph)
