"""The table of other tools on artifacts that are there already; a tool itself in the slow suite."""

import shutil
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from exporter.artifact.manifest import ARTIFACT, read_manifest
from exporter.common.errors import BuildError, RequestError
from exporter.common.progress import Progress
from tests.metrics.test_metrics import lines
from tests.tables import peers
from tests.tables.peers.programs import PROGRAMS, TAIL
from tests.tables.peers.scored import Raw, of_all_boxes


@pytest.fixture
def made(monkeypatch, float_artifact):
    """Our builds give an FP32 artifact; quantize_static one whose class logits are 0.5 lower; every other tool fails."""
    model = onnx.load(float_artifact / ARTIFACT)
    for tensor in model.graph.initializer:
        if tensor.name.endswith("cls_pred.bias"):
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) - np.float32(0.5), tensor.name))

    def run(maker, pythons, given, size, out):
        if maker.python != "onnxruntime":
            raise BuildError(f"ImportError: no {maker.python}")
        onnx.save(model, out)

    monkeypatch.setattr(peers, "inputs", lambda folder, size: shutil.copytree(float_artifact, folder))
    monkeypatch.setattr(peers, "built", lambda overrides, folder: shutil.copytree(float_artifact, folder))
    monkeypatch.setattr(peers, "_run", run)


def test_the_table_has_each_file_in_each_engine_and_says_what_failed(made, monkeypatch, float_artifact, tmp_path):
    kept = ("exporter, FP32", "`quantize_static`, defaults", "LibreYOLO, FP32, ONNX")
    monkeypatch.setattr(peers, "FILES", {name: peers.FILES[name] for name in kept})
    text = peers.table(160, 3, 2, None, {}, tmp_path / "rows.jsonl", Progress())
    head, _, *rows = lines(text)
    assert tuple(head) == peers.HEAD
    ours, lower, failed = ([row for row in rows if row[0] == name] for name in kept)
    assert (
        [row[1].split(" ")[0] for row in ours] == [row[1].split(" ")[0] for row in lower] == ["onnxruntime", "openvino"]
    )
    for row in ours:
        (found, _, known), moved = row[4].split("; ")[0].split(" "), row[4].split("; ")[1].split(" ")[0]
        assert found == known != "0" and float(moved) == 0 and float(row[2]) > 50
    for row in lower:
        assert -0.13 < float(row[4].split("; ")[1].split(" ")[0]) < -0.005, (
            "0.5 of a logit at most an eighth of a score"
        )
    size = (float_artifact / ARTIFACT).stat().st_size / 1e6
    assert {row[5] for row in (*ours, *lower)} == {f"{size:.1f}"}
    assert set(failed[0][1:]) == {"– (1)"} and "(1) ImportError: no libreyolo" in text


def test_the_tail_is_all_behind_the_trunk_and_the_heads_last_convolutions(float_artifact):
    nodes = onnx.load(float_artifact / ARTIFACT).graph.node
    trunk = [node for node in nodes if not TAIL.search(node.name)]
    assert {node.op_type for node in nodes} >= {"NonMaxSuppression", "Exp"}
    assert {node.op_type for node in trunk} <= {
        "Cast",
        "Mul",
        "Conv",
        "ConvTranspose",
        "Relu",
        "Concat",
        "MaxPool",
        "Add",
    }
    convolutions = [[n.name for n in each if n.op_type == "Conv"] for each in (nodes, trunk)]
    assert len(convolutions[0]) - len(convolutions[1]) == 6


def test_a_raw_file_is_fed_and_read_as_the_artifact_is(float_artifact):
    about = read_manifest(float_artifact)
    fed = []
    boxes = np.array([[[0, 0, 10, 10], [1, 0, 10, 10], [50, 50, 60, 70]]], np.float32)
    scores = np.zeros((1, 3, 8), np.float32)
    scores[0, :, 2] = 0.6, 0.9, 0.3
    session = SimpleNamespace(
        get_inputs=lambda: [SimpleNamespace(name="x")], run=lambda names, feeds: fed.append(feeds) or [scores, boxes]
    )
    outputs = Raw(session, about).run(None, {"images": np.full((1, 3, 2, 2), 51, np.uint8)})
    assert fed[0]["x"].dtype == np.float32 and np.allclose(fed[0]["x"], 0.2)
    (found,) = of_all_boxes(about)(dict(zip("ab", outputs, strict=True)), 1)
    assert found.boxes.tolist() == boxes[0, 1:].tolist(), "the best of two that overlap by more than the threshold"
    assert np.allclose(found.scores, [0.9, 0.3]) and found.classes.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("word", "why"), [("ort=python", "no such tool"), ("nncf=/no/python", "no such file"), ("nncf", "no such file")]
)
def test_an_interpreter_that_is_not_there_is_refused(word, why):
    with pytest.raises(RequestError, match=why):
        peers.interpreters([word])


def test_every_program_has_its_row():
    assert {maker.program for maker in peers.FILES.values()} - {""} == set(PROGRAMS)


@pytest.mark.slow
def test_a_tool_is_run_and_one_that_is_not_installed_says_so(tmp_path):
    text = peers.table(64, 2, 2, 3, {}, tmp_path / "rows.jsonl", Progress())
    assert len(lines(text)) == 2 + 3 * 2 and "– (" not in text
    peers.inputs(tmp_path / "given", 64)
    with pytest.raises(BuildError, match=r"^ModuleNotFoundError: No module named 'modern_yolonas'"):
        peers._run(peers.FILES["modern-yolonas, FP32, ONNX"], {}, tmp_path / "given", 64, tmp_path / "model.onnx")
