"""Hostile ONNX files: `verify`, `predict` and `lint` of them, and `model=onnx`, end in one line, in bounded memory and
time, and read nothing outside their folder."""

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from exporter.artifact.bounded_session import check_artifact
from exporter.cli import main
from exporter.common.errors import RequestError
from exporter.model.onnx import OnnxModel
from exporter.quantization.summary import COUNTED
from tests.attacks.making import artifact, good, parsed
from tests.model.graphs import detector

MODEL = onnx.ModelProto


def edited(edit: Callable[[MODEL], object]) -> Callable[[], MODEL]:
    def make() -> MODEL:
        model = good()
        edit(model)
        return model

    return make


def external(location: str, **entries: object) -> Callable[[], MODEL]:
    """A graph that keeps its boxes in another file."""

    def move(model: MODEL) -> None:
        (tensor,) = (t for t in model.graph.initializer if t.name == "boxes")
        for field in ("raw_data", "float_data"):
            tensor.ClearField(field)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **entries}.items():
            tensor.external_data.add(key=key, value=str(value))

    return edited(move)


def sparse_elsewhere(name: str) -> Callable[[], MODEL]:
    """A graph that keeps the numbers of a sparse constant, or of one in a list, in another file."""

    def add(model: MODEL) -> None:
        values = numpy_helper.from_array(np.ones(1, np.float32), "values")
        values.ClearField("raw_data")
        values.data_location = TensorProto.EXTERNAL
        values.external_data.add(key="location", value="/etc/passwd")
        sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(np.zeros(1, np.int64), "indices"), [4])
        constant = helper.make_node("Constant", [], ["unused"])
        constant.attribute.append(helper.make_attribute(name, sparse if name == "sparse_value" else [sparse]))
        model.graph.node.append(constant)

    return edited(add)


def computing(text: str) -> Callable[[], MODEL]:
    """A graph with these nodes in place of a product of nothing."""
    return lambda: parsed("nothing = Mul(mean, zero)", text)


def looping(trips: int, body: str, start: str) -> Callable[[], MODEL]:
    return computing(
        f"trips = Constant<value = int64 {{{trips}}}>()\n yes = Constant<value = bool {{1}}>()\n"
        f" start = Constant<value = float[1] {{0}}>()\n many = Loop <body = b (int64 i, bool c, float[n] a) =>"
        f" (bool d, float[m] e) {{ d = Identity(c)\n e = {body}(a, {start}) }}> (trips, yes, start)\n"
        " nothing = ReduceSum<keepdims = 0>(many)"
    )


def initializer(dims: list[int], data: bytes = b"", kind: int = TensorProto.FLOAT) -> Callable[[], MODEL]:
    def add(model: MODEL) -> None:
        model.graph.initializer.append(TensorProto(name="more", data_type=kind, dims=dims, raw_data=data))
        model.graph.node.append(helper.make_node("Identity", ["more"], ["unused"]))

    return edited(add)


def functions(depth: int, width: int, recursive: bool = False) -> Callable[[], MODEL]:
    """A few nodes that stand for width ** depth."""

    def add(model: MODEL) -> None:
        model.opset_import.append(helper.make_opsetid("f", 1))
        sets = [helper.make_opsetid("", 18), helper.make_opsetid("f", 1)]
        for i in range(depth):
            inner = ("F0", "f") if recursive else (f"F{i - 1}", "f") if i else ("Identity", "")
            names = ["x", *(f"t{j}" for j in range(width - 1)), "y"]
            nodes = [helper.make_node(inner[0], [a], [b], domain=inner[1]) for a, b in pairwise(names)]
            model.functions.append(helper.make_function("f", f"F{i}", ["x"], ["y"], nodes, sets))
        model.graph.node.append(helper.make_node(f"F{depth - 1}", ["mean"], ["unused"], domain="f"))

    return edited(add)


def node(**fields: object) -> Callable[[], MODEL]:
    """A graph whose product has other fields."""

    def change(model: MODEL) -> None:
        (product,) = (each for each in model.graph.node if each.op_type == "Mul")
        for name, value in fields.items():
            setattr(product, name, value)

    return edited(change)


def nan(model: MODEL) -> None:
    (zero,) = (tensor for tensor in model.graph.initializer if tensor.name == "zero")
    zero.CopyFrom(numpy_helper.from_array(np.array(np.nan, np.float32), "zero"))


BIG = "size = Constant<value = int64[1] {{{}}}>()\n many = {}\n nothing = ReduceSum<keepdims = 0>(many)"
GRAPHS: dict[str, Callable[[], MODEL | bytes]] = {
    "tensors above": external("../secret.bin"),
    "tensors in /etc/passwd": external("/etc/passwd"),
    "tensors in a device": external("/dev/zero"),
    "tensors behind a link": external("link.bin"),
    "tensors in a pipe": external("pipe.bin"),
    "tensors in itself": external("model.onnx", offset=0, length=32),
    "tensors beyond the end": external("model.onnx", offset=10**15, length=32),
    "tensors before the beginning": external("model.onnx", offset=-5, length=32),
    "tensors nowhere": external(""),
    "tensors of a sparse constant": sparse_elsewhere("sparse_value"),
    "tensors of a list of constants": sparse_elsewhere("sparse_values"),
    "operator of its own": edited(lambda m: (
        m.opset_import.append(helper.make_opsetid("evil", 1)),
        m.graph.node.append(helper.make_node("Evil", ["mean"], ["unused"], domain="evil")),
    )),
    "operator that is not there": node(op_type="Nothing"),
    "operator with an escape": node(op_type="\x1b[2JMul\n"),
    "operator without a name": node(op_type=""),
    "loop without end": looping(2**63 - 1, "Add", "a"),
    "loop that doubles": looping(100, "Concat<axis = 0>", "a"),
    "a terabyte of zeros": computing(BIG.format(10**12, "ConstantOfShape(size)")),
    "20 GB of zeros": computing(BIG.format(5 * 10**9, "ConstantOfShape(size)")),
    "20 GB of one number": computing(BIG.format(5 * 10**9, "Expand(mean, size)")),
    "shape below zero": computing(BIG.format(-5, "Expand(mean, size)")),
    "cycle": edited(lambda m: m.graph.node[0].input.__setitem__(0, "nothing")),
    "node that reads itself": edited(lambda m: m.graph.node[2].input.__setitem__(0, "nothing")),
    "node twice": edited(lambda m: m.graph.node.append(m.graph.node[0])),
    "node that reads nothing": edited(lambda m: m.graph.node[2].input.__setitem__(0, "nowhere")),
    "node with too few inputs": edited(lambda m: m.graph.node[2].input.pop()),
    "node without its attribute": edited(lambda m: m.graph.node[0].ClearField("attribute")),
    "attribute of another type": edited(lambda m: m.graph.node[0].attribute[0].CopyFrom(helper.make_attribute("to", "x"))),
    "attribute beyond types": edited(lambda m: m.graph.node[0].attribute[0].CopyFrom(helper.make_attribute("to", 10**9))),
    "functions of 10 to the 30 nodes": functions(30, 10),
    "function of itself": functions(1, 1, recursive=True),
    "a shape of 10 to the 18": initializer([10**18]),
    "a shape that overflows": initializer([2**32, 2**32]),
    "a negative shape": initializer([-1]),
    "too few bytes": initializer([1000], b"abc"),
    "too many bytes": initializer([1], b"abc" * 100),
    "type that is not there": initializer([1], b"abcd", 99),
    "text as bytes": initializer([1], b"abcd", TensorProto.STRING),
    "no outputs": edited(lambda m: m.graph.ClearField("output")),
    "other outputs": lambda: parsed("pred_boxes", "boxes_pred"),
    "no input": edited(lambda m: m.graph.ClearField("input")),
    "two inputs": lambda: parsed("(uint8[1,3,64,64] images)", "(uint8[1,3,64,64] images, float[1] more)"),
    "another input": lambda: parsed("images", "pictures"),
    "input of floats": lambda: parsed("uint8[1,3,64,64]", "float[1,3,64,64]"),
    "input without end": lambda: parsed("[1,3,64,64]", "[1,3,99999,99999]"),
    "input that is a sequence": edited(
        lambda m: m.graph.input[0].CopyFrom(helper.make_tensor_sequence_value_info("images", 1, None))),
    "boxes of another rank": lambda: parsed("float[1,2,4] boxes", "float[8] boxes"),
    "class 99": lambda: parsed("classes = {0, 1}", "classes = {99, -7}"),
    "a billion detections": lambda: parsed("count = {2}", "count = {1000000000}"),
    "minus five detections": lambda: parsed("count = {2}", "count = {-5}"),
    "boxes that are no numbers": edited(nan),
    "output that is a sequence": edited(lambda m: (
        m.graph.node.append(helper.make_node("SequenceConstruct", ["mean"], ["s"])),
        m.graph.output.append(helper.make_tensor_sequence_value_info("s", 1, None)),
    )),
    "output that may be there": edited(lambda m: (
        m.graph.node.append(helper.make_node("Optional", ["mean"], ["s"])),
        m.graph.output.append(helper.make_value_info(
            "s", helper.make_optional_type_proto(helper.make_tensor_type_proto(1, None)))),
    )),
    "opset of another domain only": edited(lambda m: (
        m.opset_import[0].CopyFrom(helper.make_opsetid("ai.onnx.ml", 3)), m.graph.ClearField("node"), m.graph.ClearField("output"),
    )),
    "constant in place of the input": edited(lambda m: (
        m.graph.ClearField("input"),
        m.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 3, 64, 64), np.uint8), "images")),
    )),
    **{f"another's {kind}": edited(lambda m, kind=kind: (
        m.opset_import.append(helper.make_opsetid("evil", 1)),
        m.graph.node.append(helper.make_node(kind, [], ["unused"] if kind != "Constant" else [], domain="evil")),
    )) for kind in COUNTED},
    "no opset": edited(lambda m: m.ClearField("opset_import")),
    "opset 9999": lambda: parsed('"": 18', '"": 9999'),
    "opset -1": edited(lambda m: setattr(m.opset_import[0], "version", -1)),
    "IR version 9999": edited(lambda m: setattr(m, "ir_version", 9999)),
    "no graph": edited(lambda m: m.ClearField("graph")),
    "text": lambda: b"hello" * 100,
    "empty": lambda: b"",
    "one byte": lambda: b"\x08",
    "zeros": lambda: b"\0" * 1000,
    "half": lambda: good().SerializeToString()[:300],
    "a name that is no text": lambda: good().SerializeToString().replace(b"nothing", b"noth\xb0ng"),
    "a web page": lambda: b"<html>not found</html>",
}  # fmt: skip
RUNS = {"class 99", "a billion detections", "minus five detections", "boxes that are no numbers"}
"""What `verify` does not object to: a graph may compute that."""


UNREAD = {"text as bytes", "too many bytes"}
"""What ONNX Runtime leaves out before it looks at it, since nothing depends on it."""
MORE = {"output that is a sequence", "output that may be there"}
"""Outputs beside those of an artifact, which `predict` does not ask for."""


@pytest.fixture(autouse=True)
def limits(monkeypatch):
    monkeypatch.setattr("exporter.runtime.engine.RUN_SECONDS", 0.3)
    monkeypatch.setattr("exporter.common.limits.MEMORY", 400_000_000)


@pytest.fixture
def folder(tmp_path):
    """Beside the artifact lies what it must not read."""
    folder = tmp_path / "art"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(b"\0" * 32)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    os.mkfifo(folder / "pipe.bin")
    return folder


def ended(arguments: list[str], capfd) -> int:
    """Its exit code. Not more than one line on standard error, that of C++ included."""
    code = main(arguments)
    _, err = capfd.readouterr()
    assert code in (0, 1, 2) and err.count("\n") <= 1 and err.strip().isprintable() and len(err) < 5000, err
    return code


ASKED = {"class 99", "half", "type that is not there", "functions of 10 to the 30 nodes", "operator with an escape"}
"""Of which the default suite asks NVIDIA's parser, a process for each."""


@pytest.mark.parametrize("what", GRAPHS)
def test_verify_predict_lint(what, folder, capfd, monkeypatch):
    if what not in ASKED:
        monkeypatch.setattr("exporter.backend.lint.parser._asked", lambda content, part: None)
    artifact(folder, GRAPHS[what]())
    Image.new("RGB", (80, 60)).save(folder.parent / "p.png")
    assert ended(["verify", str(folder)], capfd) in ((0,) if what in RUNS else (1, 2))
    code = main(["predict", str(folder), str(folder.parent / "p.png"), "--out", str(folder.parent / "out")])
    assert code in (1, 2) or what in UNREAD | MORE
    err = [line for line in capfd.readouterr().err.splitlines() if not line.startswith("predict")]
    assert len(err) <= 1, err
    ended(["lint", str(folder / "model.onnx")], capfd)
    assert sorted(path.name for path in folder.parent.iterdir() if path.name != "out") == ["art", "p.png", "secret.bin"]


@pytest.mark.parametrize("what", [what for what in GRAPHS if what.startswith("tensors ")])
def test_wherever_it_keeps_tensors_in_other_files_that_is_why_it_is_refused(what, folder):
    model = GRAPHS[what]()
    assert isinstance(model, MODEL)
    with pytest.raises(RequestError, match="keeps tensors in other files"):
        check_artifact(model, folder)


@pytest.mark.slow
@pytest.mark.parametrize("what", [what for what in GRAPHS if what not in ASKED])
def test_nvidias_parser_is_asked_of_it(what, folder, capfd):
    artifact(folder, GRAPHS[what]())
    ended(["lint", str(folder / "model.onnx")], capfd)


def test_what_verify_cannot_count_by_our_own_fault_is_no_fault_of_the_artifact(folder, monkeypatch):
    artifact(folder)
    monkeypatch.setattr("exporter.graph.facts.operators", lambda model: {}["a fault of ours"])
    with pytest.raises(KeyError, match="a fault of ours"):
        main(["verify", str(folder)])


def cores() -> dict[str, Callable[[], MODEL]]:
    """Core graphs that `model=onnx` is given."""

    def changed(edit: Callable[[MODEL], object]) -> Callable[[], MODEL]:
        def make() -> MODEL:
            model = detector(batch=1)
            edit(model)
            return model

        return make

    def looped(model: MODEL) -> None:
        loop = looping(2**63 - 1, "Add", "a")()
        model.graph.node.extend(n for n in loop.graph.node if n.op_type in ("Constant", "Loop"))
        (relu,) = (n for n in model.graph.node if n.name == "/trunk/1/Relu")
        relu.op_type, relu.input[:] = "Add", ["c1", "many"]

    def filled(model: MODEL) -> None:
        model.graph.node.append(helper.make_node("Constant", [], ["size"], value_ints=[5 * 10**9]))
        model.graph.node.append(helper.make_node("Expand", ["b3", "size"], ["many"]))
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info("many", TensorProto.FLOAT, [None] * 3))

    def many(model: MODEL) -> None:
        model.CopyFrom(functions(30, 10)())

    return {
        "loop without end": changed(looped),
        "20 GB": changed(filled),
        "functions without end": changed(many),
        "input without end": lambda: detector(batch=1, size=(10**6, 10**6)),
        "batch without end": lambda: detector(batch=2**40),
        "negative input": lambda: detector(batch=1, size=(-64, -64)),
        "operator of its own": changed(lambda m: setattr(m.graph.node[1], "domain", "evil")),
        "cycle": changed(lambda m: m.graph.node[0].input.__setitem__(0, "scores")),
        "a shape of 10 to the 18": changed(lambda m: m.graph.initializer[0].dims.__setitem__(0, 10**18)),
        "opset 9999": changed(lambda m: setattr(m.opset_import[0], "version", 9999)),
    }


@pytest.mark.parametrize("what", cores())
def test_as_a_network(what, tmp_path, capfd):
    path = tmp_path / "core.onnx"
    path.write_bytes(cores()[what]().SerializeToString())
    given = OnnxModel(
        weights=str(path), outputs="auto", class_names="auto", confidence_threshold=0.5, nms_threshold=0.5
    )
    with pytest.raises(RequestError) as error:
        given.load()
    assert str(error.value).startswith("model.weights=core.onnx: ") and "\n" not in str(error.value)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop", "three gigabytes"])
def test_what_is_no_file(kind, folder, capfd):
    artifact(folder)
    path: Path = folder / "model.onnx"
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "three gigabytes":
        with path.open("wb") as file:
            file.truncate(3 << 30)
    else:
        path.symlink_to({"loop": path, "device": "/dev/zero"}[kind])
    for arguments in (["verify", str(folder)], ["predict", str(folder), "p.png", "--out", str(folder.parent / "out")],
                  ["lint", str(path)]):  # fmt: skip
        assert ended(arguments, capfd) in (1, 2)
