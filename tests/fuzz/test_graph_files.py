"""ONNX files with some bytes or fields changed, before `lint`, `verify` and `model=onnx`.

ONNX and ONNX Runtime are C++, which nobody promises to survive any bytes: each case runs in a process of its own, and
what is asked of it is that Python's side never ends in anything but findings or one line."""

import os
import pickle
import signal
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from hypothesis import strategies as st

import exporter.model.graph_network  # noqa: F401 - imported once, not in every process
from exporter.artifact.verify import verify
from exporter.backend.lint import lint
from exporter.graph.read_model import read_model
from exporter.model.graph_file import read_graph
from exporter.model.onnx import OnnxModel
from exporter.postprocessing.format.batch import BatchFormat
from exporter.postprocessing.nms.onnx import OnnxNms
from tests.attacks.making import artifact, good
from tests.fuzz.campaign import fuzz
from tests.fuzz.mutations import edits, refused_or
from tests.model.graphs import detector
from tests.postprocessing.test_graph import core

SECONDS = 120


def alone(work: Callable[[], None]) -> None:
    """`work` in a process of its own; what it raises is raised here. A crash of the process, in C++, passes: it is
    printed, since there is nobody to mend it here."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        signal.alarm(SECONDS)
        message = ""
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed on to the one who waits
            message = f"{type(error).__name__}: {error}"
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(pickle.dumps(message))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) != signal.SIGALRM, f"took more than {SECONDS} s"
        print(f"ended by signal {os.WTERMSIG(status)} in C++")
        return
    message = pickle.loads(said)  # our own child's
    assert not message, message


NMS = OnnxNms(confidence_threshold=0.25, nms_threshold=0.7, max_candidates_per_image=100, max_predictions_per_image=9)
MODELS = {"artifact": good(), "detector": detector(1), "nms": BatchFormat().attach(NMS.attach(core(True, 1, 21, 3)))}
STANDARD = sorted({schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == ""})
OPERATORS = [*STANDARD, "EfficientNMS_TRT", "", "Nothing"]
NUMBERS = st.sampled_from([0, 1, -1, 2, 3, 64, 2**31, 2**62, -(2**63)]) | st.integers(-4, 70)


@st.composite
def remade(draw: st.DrawFn, model: onnx.ModelProto) -> bytes:
    """The model with up to four fields changed that a program might have written."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    graph = model.graph
    names = (
        [name for node in graph.node for name in (*node.input, *node.output)]
        + [t.name for t in graph.initializer]
        + ["", "new"]
    )
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(
            st.sampled_from(
                [
                    "operator",
                    "input",
                    "output",
                    "attribute",
                    "dims",
                    "dtype",
                    "data",
                    "drop",
                    "repeat",
                    "opset",
                    "shape",
                ]
            )
        )
        node = graph.node[draw(st.integers(0, len(graph.node) - 1))] if graph.node else None
        tensor = graph.initializer[draw(st.integers(0, len(graph.initializer) - 1))] if graph.initializer else None
        value = draw(st.sampled_from([*graph.input, *graph.output]))
        if kind == "operator" and node:
            node.op_type = draw(st.sampled_from(OPERATORS))
        elif kind in ("input", "output") and node and getattr(node, kind):
            arguments = getattr(node, kind)
            arguments[draw(st.integers(0, len(arguments) - 1))] = draw(st.sampled_from(names))
        elif kind == "attribute" and node:
            given = draw(st.sampled_from([1, -1, 2**40, 0.5, "linear", [1, 1], [0.5], ["a"], [2**62] * 3]))
            name = draw(
                st.sampled_from(
                    [
                        "axis",
                        "axes",
                        "to",
                        "perm",
                        "kernel_shape",
                        "strides",
                        "pads",
                        "keepdims",
                        "mode",
                        "blocksize",
                        "group",
                    ]
                )
            )
            node.attribute.append(onnx.helper.make_attribute(name, given))
        elif kind == "dims" and tensor:
            tensor.dims[:] = draw(st.lists(NUMBERS, max_size=4))
        elif kind == "dtype" and tensor:
            tensor.data_type = draw(st.integers(0, 30))
        elif kind == "data" and tensor:
            tensor.raw_data = draw(st.binary(max_size=16))
        elif kind == "drop" and node:
            graph.node.remove(node)
        elif kind == "repeat" and node:
            graph.node.append(node)
        elif kind == "opset":
            model.opset_import[0].version = draw(NUMBERS)
        elif kind == "shape" and value.type.tensor_type.shape.dim:
            draw(st.sampled_from(list(value.type.tensor_type.shape.dim))).dim_value = draw(NUMBERS)
    return model.SerializeToString()


def changed(name: str) -> st.SearchStrategy[bytes]:
    return edits(MODELS[name].SerializeToString()) | remade(MODELS[name])


@fuzz(few=8, many=400, content=changed("nms") | changed("detector"))
def test_lint(content: bytes, tmp_path: Path):
    path = tmp_path / "a.onnx"
    path.write_bytes(content)

    def work() -> None:
        model = refused_or(lambda: read_model(path))
        findings = refused_or(lambda: lint(model, folder=tmp_path)) if model else None
        assert findings is None or all(each.rule and each.what and each.fix for each in findings)

    alone(work)


@fuzz(few=8, many=400, content=changed("artifact"))
def test_verify(content: bytes, tmp_path: Path):
    """With a manifest that has the file's own digest."""
    artifact(tmp_path / "a", content)
    alone(lambda: refused_or(lambda: list(verify(tmp_path / "a"))))


@fuzz(few=8, many=400, content=changed("detector") | changed("nms"))
def test_a_network_that_is_a_graph(content: bytes, tmp_path: Path):
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    node = OnnxModel(
        weights=str(path), outputs="auto", class_names="auto", confidence_threshold=0.25, nms_threshold=0.7
    )
    alone(lambda: refused_or(node.load))


def test_the_good_ones_pass(tmp_path):
    artifact(tmp_path / "a")
    assert len(list(verify(tmp_path / "a"))) > 3
    (tmp_path / "a.onnx").write_bytes(MODELS["detector"].SerializeToString())
    read_graph(tmp_path / "a.onnx", "a")
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        alone(lambda: 1 // 0)
