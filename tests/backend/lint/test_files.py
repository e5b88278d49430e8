"""`exporter lint` on files: exit codes, output, weights beside the file, and files that mean harm."""

import json
import os
import resource

import onnx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exporter.backend.lint import lint
from exporter.cli import main
from exporter.common.errors import RequestError
from exporter.common.limits import at_most
from tests.backend.lint.graphs import CLEAN, FP16, INT8, PLUGIN, parse
from tests.deploy.manifests import manifest


@pytest.fixture
def saved(tmp_path):
    def save(text: str, name: str = "model.onnx"):
        (tmp_path / name).write_bytes(parse(text).SerializeToString())
        return tmp_path / name

    return save


def test_a_clean_file(saved, capsys):
    assert main(["lint", str(saved(INT8))]) == 0
    assert capsys.readouterr().out.endswith("model.onnx: 0 errors, 0 notes for tensorrt\n")


def test_notes_are_printed_and_do_not_count(saved, capsys):
    assert main(["lint", str(saved(PLUGIN))]) == 0
    assert "note: plugin-deprecated" in capsys.readouterr().out


def test_a_finding_names_node_rule_source_and_fix(saved, capsys):
    assert main(["lint", str(saved(INT8.replace("int8 zero", "uint8 zero")))]) == 1
    out = capsys.readouterr().out
    for part in (
        "error: qdq-unsigned",
        "quantize: QuantizeLinear of uint8",
        "fix: quantize to int8",
        "source: onnx-tensorrt",
        "https://",
    ):
        assert part in out


def test_json(saved, capsys):
    path = saved(INT8.replace("{0}", "{5}"))
    assert main(["lint", str(path), "--backend", "tensorrt", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["file"] == str(path)
    assert said["errors"] == 2  # the quantize node and the dequantize node
    assert {f["node"] for f in said["findings"]} == {"quantize", "dequantize"}
    assert set(said["findings"][0]) == {"level", "node", "rule", "what", "source", "url", "cure", "parser"}


def test_an_artifact_folder(saved, tmp_path, capsys):
    saved(INT8.replace("uint8[1,3,8,8]", "uint8[batch,3,8,8]"))
    for backend, notes in (("onnxruntime", ["free-input"]), ("tensorrt", [])):  # the latter states a profile
        manifest(backend=backend, batch="batch").write(tmp_path)
        assert main(["lint", str(tmp_path), "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert said["file"].endswith("model.onnx")
        assert [f["rule"] for f in said["findings"]] == notes


NOT_READABLE = {
    "missing": (lambda folder: folder / "none.onnx", "No such file"),
    "empty": (lambda folder: _written(folder, b""), "no graph"),
    "text": (lambda folder: _written(folder, b"# not a model\n" * 50), "not an ONNX"),
    "cut off": (lambda folder: _written(folder, parse(INT8).SerializeToString()[:200]), "not an ONNX file"),
    "no opset": (
        lambda folder: _written(folder, onnx.ModelProto(graph=parse(INT8).graph).SerializeToString()),
        "no opset",
    ),
    "pipe": (lambda folder: (os.mkfifo(folder / "pipe"), folder / "pipe")[1], "is not a file"),
    "folder": (lambda folder: folder, "manifest.json"),
    "sparse 3 GB": (lambda folder: _huge(folder / "huge.onnx"), "bytes, and at most 2147483647 are read"),
    "no UTF-8": (
        lambda folder: _written(folder, parse(INT8).SerializeToString().replace(b"activation", b"\xb0ctivation")),
        "a name in it is not UTF-8",
    ),
    "nested": (lambda folder: _written(folder, _nested(200)), "not an ONNX file"),
}


def _written(folder, content):
    (folder / "given.onnx").write_bytes(content)
    return folder / "given.onnx"


def _huge(path):
    with path.open("wb") as file:
        file.truncate(3 * 2**30)
    return path


def _nested(depth: int) -> bytes:
    """A model with a graph in a node of a graph in a node …, as bytes: the library would not write it."""

    def field(number: int, content: bytes) -> bytes:
        size, length = len(content), b""
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + content

    graph = b""
    for _ in range(depth):
        graph = field(1, field(5, field(6, graph)))  # GraphProto.node, NodeProto.attribute, AttributeProto.g
    return field(7, graph) + field(8, b"\x10\x12")  # ModelProto.graph, opset_import of version 18


@pytest.mark.parametrize("case", NOT_READABLE)
def test_not_readable(case, tmp_path, capsys):
    make, said = NOT_READABLE[case]
    assert main(["lint", str(make(tmp_path))]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert captured.err.count("\n") == 1


def test_a_shape_that_fills_any_memory(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("exporter.backend.lint.file.MEMORY", 200_000_000)
    model = parse(FP16.replace("float16 gain = {16384}", "float16[1000000000000000000] gain = {16384}"))
    model.graph.input[0].ClearField("type")
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    before = resource.getrlimit(resource.RLIMIT_AS)
    assert main(["lint", str(path)]) == 2
    assert "takes more than" in capsys.readouterr().err
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def _external(tmp_path, location: str, content: bytes | None, **entries):
    """The clean INT8 graph with its bias beside the file; `content` goes to `weights.bin`."""
    model = parse(INT8)
    (bias,) = (t for t in model.graph.initializer if t.name == "bias")
    for field in ("raw_data", "float_data"):
        bias.ClearField(field)
    bias.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        bias.external_data.add(key=key, value=str(value))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    if content is not None:
        (folder / "weights.bin").write_bytes(content)
    return folder / "model.onnx"


def test_external_data_that_is_there(tmp_path):
    assert main(["lint", str(_external(tmp_path, "weights.bin", b"\0" * 8, offset=0, length=8))]) == 0


@pytest.mark.parametrize(("location", "content", "entries", "said"), [
    ("weights.bin", None, {}, "weights.bin is missing"),
    ("weights.bin", b"\0" * 8, {"offset": 4, "length": 8}, "ends before byte 12"),
    ("weights.bin", b"\0" * 8, {"length": -8}, "ends before"),
    ("weights.bin", b"\0" * 8, {"offset": "x"}, "is no number"),
    ("", b"\0" * 8, {}, "is not stated"),
    ("../secret.bin", None, {}, "outside the model's folder"),
    ("{secret}", None, {}, "outside the model's folder"),
    ("link.bin", None, {}, "outside the model's folder"),
], ids=["missing", "short", "negative", "no number", "no place", "above", "absolute", "link"])  # fmt: skip
def test_external_data(location, content, entries, said, tmp_path, capsys):
    (tmp_path / "secret.bin").write_bytes(b"\0" * 8)
    path = _external(tmp_path, location.replace("{secret}", str(tmp_path / "secret.bin")), content, **entries)
    if location == "link.bin":
        (path.parent / "link.bin").symlink_to(tmp_path / "secret.bin")
    assert main(["lint", str(path), "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["rule"], finding["node"]) == ("external-data", "bias")
    assert said in finding["what"]


def test_a_model_in_memory_has_no_folder(tmp_path):
    model = onnx.load(_external(tmp_path, "weights.bin", b"\0" * 8), load_external_data=False)
    assert [f.rule for f in lint(model)] == ["external-data"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(CLEAN)), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6)
)
@example("plugin", [(0.984375, 128)])  # a domain that is not UTF-8
def test_damage_never_ends_in_a_traceback(name, damage):
    content = bytearray(parse(CLEAN[name]).SerializeToString())
    for place, byte in damage:
        content[int(place * (len(content) - 1))] = byte
    try:
        model = onnx.ModelProto.FromString(bytes(content))
    except Exception:  # noqa: BLE001 - not protobuf any more, and no business of the rules
        return
    try:
        with at_most(2_000_000_000):
            lint(model)
    except RequestError as error:
        assert "\n" not in str(error)
    except MemoryError:
        pass  # what the command makes one line of
