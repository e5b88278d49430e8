"""Which nodes lead to a tensor."""

import onnx

from exporter.graph.walk import inputs, leading_to

# The branches of the If give tensors of the graph around them, so no node inside reads those.
TEXT = """<ir_version: 9, opset_import: ["" : 18]>
g (bool which, float[1] x, float[1] extra) => (float[1] y, float[1] z) <float[1] extra = {2.0}> {
    kept = Neg(x)
    other = Abs(x)
    unused = Exp(x)
    z = Add(unused, extra)
    y = If(which) <then_branch = a () => (float[1] kept) {}, else_branch = b () => (float[1] other) {}>
}"""


def test_what_a_branch_passes_on_leads_to_the_node_around_it():
    graph = onnx.parser.parse_model(TEXT).graph
    nodes, needed = leading_to(["y"], graph)
    assert [node.op_type for node in nodes] == ["Neg", "Abs", "If"]
    assert needed >= {"which", "x", "kept", "other"} and not needed & {"unused", "extra", "z"}


def test_what_is_given_needs_nothing():
    graph = onnx.parser.parse_model(TEXT).graph
    nodes, needed = leading_to(["y", "z"], graph, given=["kept", "unused"])
    assert [node.op_type for node in nodes] == ["Abs", "Add", "If"]
    assert "extra" in needed and not needed & {"kept", "unused"}


def test_a_constant_among_the_inputs_is_none():
    assert [value.name for value in inputs(onnx.parser.parse_model(TEXT).graph)] == ["which", "x"]
