"""Each rule finds the fault that is planted for it, at the node where it is, and nothing in a clean file."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from exporter.backend.lint import lint
from exporter.backend.lint.tensorrt import RULES
from exporter.backend.tensorrt import TensorRT
from exporter.common.errors import BuildError, RequestError
from tests.backend.lint.graphs import CLEAN, FP16, INT8, NATIVE_NMS, PLUGIN, TOPK, parse

# rule, where it must be found, a clean graph, and the words of it that are changed
FAULTS = [
    ("opset", "the model", INT8, {'"": 18': '"": 8'}),
    ("opset", "the model", INT8, {'"": 18': '"com.example": 1'}),
    ("operator", "gain", FP16, {"Mul(features, gain)": "Det(features)"}),
    ("operator", "conv", INT8, {"Conv(activation, kernel, bias)": "ConvInteger(integers, weights)"}),
    ("operator", "quantize", INT8, {"integers = QuantizeLinear(real, scale, zero)": "integers, s, z = DynamicQuantizeLinear(real)"}),
    ("domain", "gain", FP16, {'"": 18': '"": 18, "com.microsoft": 1', "Mul(features, gain)": "com.microsoft.FusedMatMul(features, gain)"}),
    ("plugin-removed", "nms", PLUGIN, {"EfficientNMS_TRT": "NMS_TRT"}),
    ("plugin-unknown", "nms", PLUGIN, {"EfficientNMS_TRT": "MyNMS_TRT"}),
    ("attribute", "pool", INT8, {"strides = [2, 2]": "strides = [2, 2], dilations = [2, 2]"}),
    ("attribute", "upsample", FP16, {'mode = "linear"': 'mode = "linear", coordinate_transformation_mode = "half_pixel_symmetric"', '"": 18': '"": 19'}),
    ("attribute", "upsample", FP16, {'mode = "linear"': 'mode = "linear", antialias = 1'}),
    ("attribute", "scatter", NATIVE_NMS, {"ScatterND(": 'ScatterND<reduction = "add">('}),
    ("constant-input", "reduce", NATIVE_NMS, {"int64[1] last = {2}": "int64[1] other = {2}", "scores) =>": "scores, int64[1] last) =>"}),
    ("extra-output", "pool", INT8, {"] result = MaxPool": "] result, where = MaxPool"}),
    ("pooling-rank", "pool", INT8, {"[pool] result = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(features)":
        "flat = Flatten(features) axes = Constant<value = int64[1] {1}>() line = Unsqueeze(flat, axes) [pool] result = MaxPool<kernel_shape = [2]>(line)"}),
    ("mixed-types", "classes", PLUGIN, {"Cast<to = 7>(small)": "Add(small, one)", "float two = {2}": "float two = {2}, int64 one = {1}"}),
    ("mixed-types", "gain", FP16, {"float16 gain = {16384}": "float gain = {2}"}),
    ("onnx-type", "topk", TOPK, {"int64[1] ten": "int32[1] ten"}),
    ("operator-type", "conv", FP16, {"<to = 10>": "<to = 6>", "features = Conv(half, kernel, bias)": "features = Sigmoid(half)"}),
    ("double", "topk", TOPK, {"float[": "double["}),
    ("uint8", "cast", INT8, {"[cast] real = Cast<to = 1>(images)": "[cast] first = Relu(images) real = Cast<to = 1>(first)"}),
    ("half-overflow", "gain", FP16, {"float16 gain = {16384}": "float16 gain = {31744}"}),
    ("half-overflow", "small", FP16, {"float16 gain = {16384}": "float large = {1e6}", "[gain]": "[small] gain = Cast<to = 10>(large) [gain]"}),
    ("half-boxes", "nms", PLUGIN, {"float[1,100,4] raw, float[": "float16[1,100,4] raw, float16[", "float two": "float16 two",
        "float[1,10,4] boxes, float[": "float16[1,10,4] boxes, float16["}),
    ("qdq-zero-point", "quantize", INT8, {"int8 zero = {0}": "int8 zero = {3}"}),
    ("qdq-zero-point", "scaled", INT8, {"zeros = {0, 0}": "zeros = {0, -1}"}),
    ("qdq-unsigned", "quantize", INT8, {"int8 zero": "uint8 zero"}),
    ("qdq-unsigned", "quantize", INT8, {"QuantizeLinear(real, scale, zero)": "QuantizeLinear(real, scale)"}),
    ("qdq-type", "quantize", INT8, {"int8 zero": "int16 zero", '"": 18': '"": 21'}),
    ("qdq-bias", "widen", INT8, {"float[2] bias = {0.5, -0.5}": "int32[2] small = {1, 2}",
        "[conv]": "[widen] bias = DequantizeLinear<axis = 0>(small, scales) [conv]"}),
    ("qdq-scale", "quantize", INT8, {"float scale = {0.02}": "float scale = {0}"}),
    ("qdq-scale", "dequantize", INT8, {"float scale = {0.02}, ": "", "images) =>": "images, float scale) =>"}),
    ("qdq-scale-type", "quantize", INT8, {"<to = 1>": "<to = 10>", '"": 18': '"": 23'}),
    ("qdq-activation-scales", "quantize", INT8, {"float scale = {0.02}, int8 zero = {0}":
        "float[3] scale = {1, 1, 1}, int8[3] zero = {0, 0, 0}"}),
    ("qdq-weights-path", "conv", INT8, {"axis = 0": "axis = 1", "scales = {0.1, 0.2}, int8[2] zeros = {0, 0}":
        "ignored = {0, 0}, float[3] scales = {1, 1, 1}, int8[3] zeros = {0, 0, 0}"}),
    ("qdq-weights-axis", "scaled", INT8, {"float[2] scales = {0.1, 0.2}, int8[2] zeros = {0, 0}":
        "float[3] scales = {1, 1, 1}, int8[3] zeros = {0, 0, 0}"}),
    ("qdq-weights-path", "conv", INT8, {"kernel = Deq": "straight = Deq", "[conv]": "kernel = Identity(straight) [conv]"}),
    ("qdq-half", "conv", INT8, {"Conv(activation,": "Conv(real,"}),
    ("data-dependent", "some", NATIVE_NMS, {"[nms] rows = NonMaxSuppression(boxes,": "[some] where = NonZero(boxes) "
        "three = Constant<value = int64[3] {1, -1, 4}>() real = Cast<to = 1>(where) found_boxes = Reshape(real, three) "
        "[nms] rows = NonMaxSuppression(found_boxes,"}),
    ("data-dependent", "cut", PLUGIN, {"[decode] decoded = Mul(raw, two)": "[cut] decoded, order = TopK<axis = 1>(raw, count_of)",
        "scores)\n =>": "scores, int64[1] count_of)\n =>"}),
    ("topk-limit", "topk", TOPK, {"ten = {10}": "ten = {4000}", ",10]": ",4000]"}),
    ("topk-unsorted", "topk", TOPK, {"TopK(": "TopK<sorted = 0>("}),
    ("nms-candidates", "nms", NATIVE_NMS, {"float[1,100,4]": "float[1,8400,4]", "float[1,3,100]": "float[1,3,8400]"}),
    ("nms-pairs", "nms", NATIVE_NMS, {"float[1,3,100]": "float[1,80,100]"}),
    ("plugin-version", "nms", PLUGIN, {'plugin_version = "1"': 'plugin_version = "2"'}),
    ("plugin-version", "nms", PLUGIN, {'plugin_version = "1"': 'plugin_version = "1", plugin_namespace = "mine"'}),
    ("plugin-attribute", "nms", PLUGIN, {"background_class = -1, ": ""}),
    ("plugin-attribute", "nms", PLUGIN, {"iou_threshold = 0.7": "iou_threshold = 0.0"}),
    ("plugin-attribute", "nms", PLUGIN, {"max_output_boxes = 10": "max_output_boxes = 10.0"}),
    ("plugin-attribute", "nms", PLUGIN, {"box_coding = 0": "box_coding = 2"}),
    ("plugin-attribute", "nms", PLUGIN, {"class_agnostic": "class_agnotsic"}),
    ("plugin-input", "nms", PLUGIN, {"float[1,100,3] scores": "float[1,90,3] scores"}),
    ("plugin-input", "nms", PLUGIN, {"float[1,100,3] scores": "float16[1,100,3] scores"}),
    ("plugin-input", "nms", PLUGIN, {"float[1,100,4] raw": "float[1,100,5] raw"}),
    ("plugin-output", "nms", PLUGIN, {"int32[1,1] count": "int64[1,1] count"}),
    ("plugin-output", "nms", PLUGIN, {"count, boxes, best, small =": "count, boxes, best =", "Cast<to = 7>(small)": "Cast<to = 7>(count)"}),
    ("plugin-domain", "nms", PLUGIN, {"trt.plugins.Eff": "Eff"}),
    ("plugin-deprecated", "nms", PLUGIN, {}),
    ("free-input", "images", INT8, {"uint8[1,3,8,8]": "uint8[batch,3,8,8]"}),
    ("free-output", "rows", NATIVE_NMS, {"int64[1,10] index)": "int64[1,10] index, int64[kept,3] rows)"}),
    ("duplicate-name", "real", INT8, {"[conv] features": "real = Relu(activation) [conv] features"}),
    ("undefined-value", "conv", INT8, {"Conv(activation": "Conv(activations"}),
    ("invalid-node", "pool", INT8, {"(features)\n": "(features, features)\n"}),
    ("invalid-node", "cast", INT8, {"<to = 1>": ""}),
    ("inference", "the model", NATIVE_NMS, {"last = {2}": "last = {7}"}),
    ("constant-node", "weights", INT8, {"[scaled]": "[weights]"}),
    ("duplicate-node", "conv", INT8, {"[pool]": "[conv]"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "place", "clean", "changed"), FAULTS, ids=[f"{f[0]}-{i}" for i, f in enumerate(FAULTS)]
)
def test_planted_fault(rule, place, clean, changed):
    text = clean
    for old, new in changed.items():
        assert old in text
        text = text.replace(old, new)
    found = lint(parse(text))
    assert (rule, place) in [(finding.rule, finding.node) for finding in found], found


@pytest.mark.parametrize("name", CLEAN)
def test_clean(name):
    assert [f for f in lint(parse(CLEAN[name])) if f.level == "error"] == []
    assert [f.rule for f in lint(parse(CLEAN[name]))] == (["plugin-deprecated"] if name == "plugin" else [])


def test_untyped_input():
    model = parse(INT8)
    model.graph.input[0].type.tensor_type.elem_type = 0
    assert ("untyped", "images") in [(f.rule, f.node) for f in lint(model)]


@pytest.mark.parametrize("tensor", [
    TensorProto(name="bias", data_type=TensorProto.FLOAT, dims=[2], raw_data=b"1234"),
    TensorProto(name="bias", data_type=TensorProto.FLOAT, dims=[10**15, 10**15]),
    TensorProto(name="bias", data_type=TensorProto.FLOAT, dims=[-2]),
    TensorProto(name="bias", data_type=99, dims=[2]),
], ids=["short", "huge", "negative", "no type"])  # fmt: skip
def test_broken_tensor(tensor):
    model = parse(INT8)
    (index,) = (i for i, initializer in enumerate(model.graph.initializer) if initializer.name == "bias")
    model.graph.initializer[index].CopyFrom(tensor)
    assert ("broken-tensor", "bias") in [(f.rule, f.node) for f in lint(model)]


def test_every_rule_has_a_planted_fault():
    elsewhere = {"untyped", "broken-tensor", "external-data"}  # above, and in test_files.py
    assert {rule.id for rule in RULES} == {fault[0] for fault in FAULTS} | elsewhere
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_every_rule_says_where_it_is_written_down_and_what_to_do():
    assert all(rule.source.title and rule.source.url.startswith("https://") and rule.fix for rule in RULES)


def test_a_subgraph_is_looked_into():
    body = helper.make_graph([helper.make_node("Det", ["features"], ["branch"], "inner")], "then", [],
                             [helper.make_tensor_value_info("branch", TensorProto.FLOAT, None)])  # fmt: skip
    other = helper.make_graph([helper.make_node("Identity", ["features"], ["other"])], "else", [],
                              [helper.make_tensor_value_info("other", TensorProto.FLOAT, None)])  # fmt: skip
    model = parse(INT8)
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "condition"))
    model.graph.node.append(helper.make_node("If", ["condition"], ["chosen"], then_branch=body, else_branch=other))
    assert [(f.rule, f.node) for f in lint(model) if f.level == "error"] == [("operator", "inner")]


def test_functions_are_written_out():
    text = INT8.replace('"": 18', '"": 18, "own": 1').replace(
        "MaxPool<kernel_shape = [2, 2], strides = [2, 2]>", "own.last"
    )
    function = '\n<domain: "own", opset_import: ["": 18]>\nlast (x) => (y) { [inner] y = MaxPool<kernel_shape = [1, 1], strides = [2, 2], dilations = [2, 2]>(x) }'
    assert [f.rule for f in lint(parse(text + function)) if f.level == "error"] == ["attribute"]


def test_functions_that_grow_without_bound_are_refused():
    body = " ".join(f"v{i} = own.f{{inner}}(x)" for i in range(10))
    functions = "".join(
        f'\n<domain: "own", opset_import: ["": 18, "own": 1]>\nf{i} (x) => (v9) {{ {body.replace("{inner}", str(i + 1))} }}'
        for i in range(9)
    )
    last = '\n<domain: "own", opset_import: ["": 18]>\nf9 (x) => (y) { y = Relu(x) }'
    text = INT8.replace('"": 18', '"": 18, "own": 1').replace(
        "MaxPool<kernel_shape = [2, 2], strides = [2, 2]>", "own.f0"
    )
    with pytest.raises(RequestError, match="more than 1000000"):
        lint(parse(text + functions + last))


def test_the_model_is_left_as_it_is():
    model = parse(PLUGIN)
    before = model.SerializeToString(deterministic=True)
    lint(model)
    assert model.SerializeToString(deterministic=True) == before


def test_a_build_for_tensorrt_fails_with_what_the_lint_finds():
    model = parse(INT8.replace("int8 zero", "uint8 zero"))
    with pytest.raises(BuildError, match="qdq-unsigned at quantize"):
        TensorRT().finish(model)
    assert TensorRT().finish(parse(INT8)).graph.node


def test_what_tensorrt_sorts_of_its_own_accord_is_no_fault_of_a_build():
    finished = TensorRT().finish(parse(NATIVE_NMS.replace("TopK(", "TopK<sorted = 0>(")))
    assert lint(finished) == []
