"""`model=onnx`: a graph that somebody else exported, in place of a torch network and its weights."""

from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxscript
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from exporter.artifact.manifest import read_manifest
from exporter.artifact.verify import verify
from exporter.cli import main
from exporter.common.errors import BuildError, RequestError
from exporter.common.files import file_digest
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.graph import facts
from exporter.graph.scopes import PREFIXES, TENSORS
from exporter.model.graph_network import GraphNetwork
from exporter.model.onnx import OnnxModel
from exporter.pipeline.stages.trace import core_graph
from exporter.proof.prove import torch_outputs
from tests.making import finished, prove
from tests.model.graphs import CLASSES, detector, edited

SIZE = ["input.height=64", "input.width=96"]
SMALL = [*SIZE, "proof.num_images=1"]


def saved(path: Path, model: onnx.ModelProto, **options) -> Path:
    onnx.save(model, path, **options)
    return path


def node(path: Path, outputs="auto", class_names="auto") -> OnnxModel:
    return OnnxModel(
        weights=str(path), outputs=outputs, class_names=class_names, confidence_threshold=0.25, nms_threshold=0.7
    )


def by_hand(model: onnx.ModelProto, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """boxes and scores of `detector`, computed in torch from its weights."""
    w = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in model.graph.initializer}
    x = torch.conv2d(torch.conv2d(torch.from_numpy(images), w["w1"], stride=4).relu(), w["w2"], stride=4).relu()
    x = torch.conv2d(x, w["w3"], w["b3"]).flatten(2).transpose(1, 2)
    sides = 12 + 8 * x[..., :2].sigmoid()
    boxes = torch.cat([w["centre"] - sides, w["centre"] + sides], dim=2)
    return boxes.numpy(), x[..., 2:].sigmoid().numpy()


@pytest.mark.parametrize(
    ("options", "outputs"),
    [
        ({}, None),
        ({"names": ("pred_boxes", "pred_scores"), "swapped": True}, None),
        ({"names": ("dets", "probs"), "swapped": True}, None),
        ({"names": ("a", "b"), "swapped": True}, ["a", "b"]),
        ({"batch": 2}, None),
        ({"opset": 13}, None),
    ],
    ids=["own names", "its no-NMS names", "found by shape", "told", "fixed batch", "old opset"],
)
def test_what_it_computes_is_what_the_file_computes(options, outputs):
    given = detector(**options)
    network = GraphNetwork(given, outputs, "x.onnx")
    assert network.num_classes == CLASSES
    images = np.random.default_rng(1).random((3, 3, 64, 96), dtype=np.float32)
    boxes, scores = network(torch.from_numpy(images))  # three, also where the file takes two
    want_boxes, want_scores = by_hand(given, images)
    assert np.abs(boxes.numpy() - want_boxes).max() < 1e-4
    assert np.abs(scores.numpy() - want_scores).max() < 1e-5

    core = network.core(18, 2, 64, 96)
    onnx.checker.check_model(core, full_check=True)
    assert facts.opset(core) == 18
    assert facts.tensor(core.graph.input[0]) == {"name": "images", "dtype": "float32", "shape": [2, 3, 64, 96]}
    shapes = {output.name: facts.tensor(output)["shape"] for output in core.graph.output}
    assert shapes == {"boxes": [2, 24, 4], "scores": [2, 24, CLASSES]}
    again = GraphNetwork(core, None, "core")(torch.from_numpy(images))
    assert torch.equal(again[0], boxes) and torch.equal(again[1], scores)


@pytest.mark.slow
def test_our_own_raw_core_comes_back(tmp_path):
    recipe = check(compose(["+recipe=yolo_nas_s", "input.size=64", "input.batch=dynamic", "export.simplify=false"]))
    loaded = recipe.model.load()
    core = core_graph(loaded.network, recipe.export, recipe.input)
    again = node(saved(tmp_path / "core.onnx", core)).load()
    assert [output.name for output in again.network.core(18, None, 64, 64).graph.output] == [
        "box_logits",
        "class_logits",
        "anchors",
    ]
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        for ours, theirs in zip(loaded.network(images), again.network(images), strict=True):
            assert (ours - theirs).abs().max() < 1e-3


FLOAT = ["input.batch=dynamic", "postprocessing/format=flat"]
INT8 = ["quantization=int8", "calibration=demo", "calibration.num_images=2", "proof.mean_score_error=1"]


@pytest.mark.parametrize("overrides", [INT8, pytest.param(FLOAT, marks=pytest.mark.slow)], ids=["int8", "float"])
def test_it_goes_all_the_way(tmp_path, overrides, capsys):
    file = saved(tmp_path / "core.onnx", detector())
    given = ["model=onnx", f"model.weights={file}", "preprocessing=yolo_nas", "model.class_names=[a,b,c,d,e]"]
    assert main([*given, *SMALL, *overrides, f"output_dir={tmp_path / 'out'}"]) == 0
    manifest = read_manifest(tmp_path / "out")
    assert (manifest.model.name, manifest.model.class_names) == ("onnx", ["a", "b", "c", "d", "e"])
    assert (manifest.model.weights.file, manifest.model.weights.sha256) == ("core.onnx", file_digest(file))
    assert (manifest.model.weights.source, manifest.model.weights.kind) == ("file", "onnx")
    assert manifest.proof.postprocessing.rows > 0
    assert manifest.proof.postprocessing.unexplained == 0
    assert manifest.preprocessing.geometry is not None
    if overrides is INT8:
        assert manifest.quantization.convolutions.model_dump() == {
            "int8": 2,
            "float": 1,
            "left_in_float": ["/head/Conv"],
        }
    else:
        assert manifest.proof.network.max_box_error < 1e-4
    assert len(list(verify(tmp_path / "out"))) == 5
    if overrides is FLOAT:
        file.rename(tmp_path / "elsewhere.onnx")
        assert main(["rebuild", str(tmp_path / "out"), "--weights", str(tmp_path / "elsewhere.onnx")]) == 0
        assert "the same bytes" in capsys.readouterr().out


def test_the_proof_holds_the_artifact_against_the_file(tmp_path):
    file = saved(tmp_path / "core.onnx", detector())
    overrides = ["model=onnx", f"model.weights={file}", "preprocessing=yolo_nas", *SMALL]
    recipe = check(compose(overrides))
    loaded = recipe.model.load()
    core = core_graph(loaded.network, recipe.export, recipe.input)
    assert (
        prove(finished(core, loaded, recipe), loaded, recipe, partial(torch_outputs, loaded)).network.max_score_error
        < 1e-5
    )
    weight = next(tensor for tensor in core.graph.initializer if tensor.name == "w3")
    values = numpy_helper.to_array(weight).copy()
    values[3, 0] += 0.5
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    with pytest.raises(BuildError, match="max_score_error"):
        prove(finished(core, loaded, recipe), loaded, recipe, partial(torch_outputs, loaded))


def test_names_are_kept_made_unique_and_out_of_the_way():
    given = detector()
    for one in given.graph.node[:2]:
        one.name = "nms/TopK"
    given.graph.node[0].output[0] = given.graph.node[1].input[0] = "preprocessing/normalized"
    core = GraphNetwork(given, None, "x").core(18, None, 64, 96)
    names = [one.name for one in core.graph.node]
    assert len(set(names)) == len(names)
    assert names[2] == "/trunk/2/Conv" and all(names)
    values = {name for one in core.graph.node for name in (one.name, *one.output)}
    assert not [name for name in values if name.startswith(("nms/", "preprocessing/"))]


AROUND = {
    "onnx": ([], {"preprocessing/", "nms/", "format/"}),
    "flat": (["postprocessing/format=flat"], {"preprocessing/", "nms/", "format/"}),
    "no NMS": (["postprocessing/nms=none"], {"preprocessing/", "decode/"}),
    "letterbox": (["preprocessing=letterbox", "preprocessing.like=yolo_nas"], {"preprocessing/", "frame/", "boxes/", "nms/", "format/"}),
    "letterbox, flat": (["preprocessing=letterbox", "preprocessing.like=yolo_nas", "postprocessing/format=flat"], set()),
    "plugin": (["backend=tensorrt", "postprocessing/nms=efficientnms"], {"preprocessing/", "nms/"}),
}  # fmt: skip


@pytest.mark.parametrize("what", AROUND)
def test_what_is_put_around_it_has_names_that_it_may_not_use(what, tmp_path):
    overrides, wanted = AROUND[what]
    path = saved(tmp_path / "core.onnx", detector(batch=1))
    recipe = check(compose(["model=onnx", f"model.weights={path}", "preprocessing=yolo_nas", *SIZE, *overrides]))
    loaded = recipe.model.load()
    core = core_graph(loaded.network, recipe.export, recipe.input)
    given = names_in(core)
    added = names_in(onnx.load_from_string(finished(core, loaded, recipe))) - given - {"images"}
    assert not [name for name in added if not name.startswith(PREFIXES) and name not in TENSORS]
    used = {prefix for prefix in PREFIXES if any(name.startswith(prefix) for name in added)}
    assert used == wanted or not wanted, used


def names_in(model: onnx.ModelProto) -> set[str]:
    graph = model.graph
    nodes = {name for one in graph.node for name in (one.name, *one.output)}
    return nodes | {each.name for each in (*graph.input, *graph.output, *graph.initializer)}


@pytest.mark.parametrize("name", [*(f"{prefix}x" for prefix in PREFIXES), *TENSORS])
@pytest.mark.parametrize("old", ["c1", "w1"])
def test_a_name_that_is_put_around_it_is_out_of_the_way(name, old):
    given = detector(batch=1)
    for one in given.graph.node:
        one.input[:] = [name if each == old else each for each in one.input]
        one.output[:] = [name if each == old else each for each in one.output]
    for tensor in given.graph.initializer:
        tensor.name = name if tensor.name == old else tensor.name
    core = GraphNetwork(given, None, "x").core(18, 1, 64, 96)
    assert name not in names_in(core) and f"network/{name}" in names_in(core)


def test_functions_are_inlined_and_other_outputs_left_out(tmp_path):
    from onnxscript import opset18 as op

    @onnxscript.script(default_opset=op)
    def clipped(x):
        return op.Clip(x, 0.0, 0.5)

    given = detector()
    given.functions.append(clipped.to_function_proto())
    given.opset_import.append(helper.make_opsetid(clipped.to_function_proto().domain, 1))
    given.graph.node[-1].output[0] = "unclipped"
    given.graph.node.append(helper.make_node("clipped", ["unclipped"], ["scores"], domain="this"))
    given.graph.node.append(helper.make_node("Identity", ["c1"], ["features"]))
    given.graph.output.append(value("features", [None] * 4))
    loaded = node(saved(tmp_path / "core.onnx", given)).load()
    core = loaded.network.core(18, None, 64, 96)
    assert not core.functions and "Identity" not in facts.operators(core)
    assert loaded.network(torch.rand(1, 3, 64, 96))[1].max() == 0.5


def test_tensors_in_a_file_beside_it(tmp_path):
    where = {"save_as_external_data": True, "size_threshold": 0, "location": "weights.bin"}
    path = saved(tmp_path / "core.onnx", detector(), **where)
    weights = node(path).load().weights
    assert weights.sha256 == file_digest(path)
    assert weights.source.startswith("file and tensors beside it, sha256 of both ")
    data = bytearray((tmp_path / "weights.bin").read_bytes())
    data[5] ^= 1
    (tmp_path / "weights.bin").write_bytes(data)
    assert node(path).load().weights.source != weights.source  # the digest is of the data too


@pytest.mark.parametrize("place", ["../weights.bin", "/etc/passwd", "link.bin", "gone.bin"])
def test_tensors_elsewhere_are_refused(tmp_path, place):
    folder = tmp_path / "folder"
    folder.mkdir()
    model = detector()
    (tmp_path / "weights.bin").write_bytes(model.graph.initializer[0].raw_data)
    (folder / "link.bin").symlink_to(tmp_path / "weights.bin")
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)
    path = folder / "core.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(RequestError, match=r"core\.onnx: the tensors that it keeps in other files cannot be read"):
        node(path).load()


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def custom_operator(model):
    model.graph.node[1].domain = "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model


def other_input(shape, kind=TensorProto.FLOAT):
    return lambda model: edited(model, input=[value("images", shape, kind)])


IMAGE = [1, 3, 64, 96]
REFUSED = {
    "two inputs": (lambda m: edited(m, input=[*m.graph.input, value("more", [1])]), "has inputs images float "),
    "no input": (lambda m: edited(m, input=[]), "has inputs and outputs"),
    "channels last, it says": (other_input([1, 64, 96, 3]), "ONNX Runtime does not take the model"),
    "rank 3": (other_input([3, 64, 96]), r"images float \[3, 64, 96\]"),
    "one output": (lambda m: edited(m, output=m.graph.output[:1]), "one output seems to be boxes without scores: give"),
    "outputs of other ranks": (
        lambda m: edited(m, output=[value("c3", [None] * 4), m.graph.output[1]]), r"c3 float \[.*wanted is one input"),
    "counts that differ": (lambda m: edited(m, output=[value("low", [None] * 3), value("scores", [None] * 3)]), r"\[1, 24, 2\]"),
    "an operator of its own": (custom_operator, r"not standard ONNX \(com\.microsoft::Relu\)"),
    "a node that reads nothing": (lambda m: edited(m, node=m.graph.node[1:]), "ONNX Runtime does not take the model"),
    "any size, it says": (lambda m: detector(size=("h", "w")), "on 1 images of 64 × 64 it fails"),
    "boxes or scores": (
        lambda m: edited(m, output=[value("a", [1, 24, 4]), value("b", [1, 24, 4])]), r"say which.*model\.outputs=\["),
}  # fmt: skip


TOLD = {"outputs of other ranks": ("c3", "scores"), "counts that differ": ("low", "scores")}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_of_the_contract_is_refused(tmp_path, what):
    spoil, said = REFUSED[what]
    path = tmp_path / "core.onnx"
    path.write_bytes(spoil(detector()).SerializeToString())
    with pytest.raises(RequestError, match=said) as raised:
        node(path, outputs=TOLD.get(what, "auto")).load()
    assert str(raised.value).startswith("model.weights=core.onnx: ") and "\n" not in str(raised.value)


@pytest.mark.parametrize("data", [b"", b"<html>not found</html>", detector().SerializeToString()[:-40], b"\x08\x08"])
def test_what_is_no_onnx_file_is_refused(tmp_path, data):
    (tmp_path / "core.onnx").write_bytes(data)
    with pytest.raises(RequestError, match=r"core\.onnx: not an ONNX (file|model)"):
        node(tmp_path / "core.onnx").load()


@pytest.mark.parametrize(
    ("options", "asked", "said"),
    [
        ({"batch": 1}, (None, 64, 96), "input.batch=dynamic: x.onnx has it fixed at 1: set input.batch=1"),
        ({}, (1, 64, 64), "input.width=64: x.onnx has it fixed at 96: set input.width=96"),
        ({}, (1, None, 96), "input.height=dynamic: x.onnx has it fixed at 64"),
    ],
)
def test_a_size_that_the_file_cannot_take_is_refused(options, asked, said):
    with pytest.raises(RequestError, match=said):
        GraphNetwork(detector(**options), None, "x.onnx").core(18, *asked)


def test_an_opset_that_cannot_be_converted_is_refused():
    given = detector(opset=20)
    given.graph.node.append(helper.make_node("Gelu", ["scores"], ["gelu"]))  # there is none below 20
    given.graph.output[1].name = "gelu"
    network = GraphNetwork(given, ["boxes", "gelu"], "x.onnx")
    with pytest.raises(
        RequestError, match=r"opset 20, which cannot be converted to export\.opset=18.*export\.opset=20"
    ):
        network.core(18, 1, 64, 96)
    assert facts.opset(network.core(20, 1, 64, 96)) == 20


def test_names_and_paths_are_checked(tmp_path):
    path = saved(tmp_path / "core.onnx", detector())
    with pytest.raises(RequestError, match="2 names for 5 classes"):
        node(path, class_names=("a", "b")).load()
    with pytest.raises(RequestError, match=r"model\.outputs names rubbish.*, which is none of them"):
        node(path, outputs=("boxes", "rubbish")).load()
    for wrong in (tmp_path / "gone.onnx", tmp_path):
        assert "no such ONNX file" in next(node(wrong).problems())
    with pytest.raises(RequestError, match=r"model\.weights: must be set"):
        check(compose(["model=onnx", *SIZE]))
