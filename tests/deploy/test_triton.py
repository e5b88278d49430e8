"""`exporter triton`: golden files, read back by protobuf with Triton's own schema."""

import hashlib
import json
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

from exporter.artifact.manifest import Engine
from exporter.cli import main
from exporter.deploy.triton import config
from tests.deploy.manifests import manifest

GOLDEN = Path(__file__).with_name("golden")
TYPES = (
    "INVALID",
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "FP32",
    "FP64",
    "STRING",
    "BF16",
)
# Fields of triton-inference-server/common, protobuf/model_config.proto: name, number, type, repeated
SCHEMA = {
    "ModelInput": [("name", 1, "string", False), ("data_type", 2, "DataType", False), ("dims", 4, "int64", True)],
    "ModelOutput": [("name", 1, "string", False), ("data_type", 2, "DataType", False), ("dims", 3, "int64", True)],
    "ModelDynamicBatching": [("preferred_batch_size", 1, "int32", True)],
    "ModelConfig": [
        ("name", 1, "string", False), ("platform", 2, "string", False), ("backend", 17, "string", False), ("max_batch_size", 4, "int32", False),
        ("input", 5, "ModelInput", True), ("output", 6, "ModelOutput", True), ("dynamic_batching", 11, "ModelDynamicBatching", False),
    ],
}  # fmt: skip


def _parse(text: str):
    """A ModelConfig; a field or value that Triton's schema has not raises."""
    file = descriptor_pb2.FileDescriptorProto(name="model_config.proto", package="inference", syntax="proto3")
    kinds = file.enum_type.add(name="DataType")
    for number, name in enumerate(TYPES):
        kinds.value.add(name=f"TYPE_{name}", number=number)
    scalars = {"string": Field.TYPE_STRING, "int64": Field.TYPE_INT64, "int32": Field.TYPE_INT32}
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            label = Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL
            own = message.field.add(name=field, number=number, label=label)
            own.type = scalars.get(kind, Field.TYPE_ENUM if kind == "DataType" else Field.TYPE_MESSAGE)
            if kind not in scalars:
                own.type_name = f".inference.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = message_factory.GetMessageClass(pool.FindMessageTypeByName("inference.ModelConfig"))
    return text_format.Parse(text, found())


def _shapes(parsed) -> dict:
    return {tensor.name: list(tensor.dims) for tensor in (*parsed.input, *parsed.output)}


CASES = {
    "fixed": (manifest(batch=4, backend="onnxruntime"), "onnxruntime", None),
    "dynamic": (manifest(batch="batch", backend="onnxruntime"), "onnxruntime", None),
    "flat": (manifest(batch="batch", backend="onnxruntime", format="flat"), "onnxruntime", None),
    "plan": (manifest(batch="batch", plugin=True, dtype="float32", layout="nhwc"), "tensorrt", None),
    "none": (manifest(batch="batch", backend="onnxruntime", format=None), "onnxruntime", 32),
    "python": (manifest(batch="batch", backend="openvino", format="yolo", outside=True), "python", None),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    text = config(*CASES[name])
    assert text == (GOLDEN / f"{name}.pbtxt").read_text(encoding="utf-8")
    _parse(text)


def test_a_fixed_batch_is_part_of_the_shape():
    parsed = _parse(config(*CASES["fixed"]))
    assert parsed.max_batch_size == 0
    assert not parsed.HasField("dynamic_batching")
    assert _shapes(parsed) == {
        "images": [4, 3, 640, 640],
        "num_predictions": [4, 1],
        "pred_boxes": [4, 300, 4],
        "pred_scores": [4, 300],
        "pred_classes": [4, 300],
    }


def test_a_free_batch_is_left_out_of_the_shape():
    parsed = _parse(config(*CASES["dynamic"]))
    assert parsed.max_batch_size == 8
    assert parsed.HasField("dynamic_batching")
    assert _shapes(parsed) == {
        "images": [3, 640, 640],
        "num_predictions": [1],
        "pred_boxes": [300, 4],
        "pred_scores": [300],
        "pred_classes": [300],
    }
    assert parsed.input[0].data_type == TYPES.index("UINT8")
    assert [output.data_type for output in parsed.output] == [
        TYPES.index(t) for t in ("INT64", "FP32", "FP32", "INT64")
    ]


def test_rows_of_flat_are_no_batch():
    parsed = _parse(config(*CASES["flat"]))
    assert parsed.max_batch_size == 0
    assert not parsed.HasField("dynamic_batching")
    assert _shapes(parsed) == {"images": [-1, 3, 640, 640], "flat_predictions": [-1, 7]}


def test_an_engine_takes_what_its_profile_allows():
    parsed = _parse(config(*CASES["plan"]))
    assert (parsed.platform, parsed.max_batch_size) == ("tensorrt_plan", 16)
    assert _shapes(parsed)["images"] == [640, 640, 3]
    assert [output.data_type for output in parsed.output] == [
        TYPES.index(t) for t in ("INT32", "FP32", "FP32", "INT32")
    ]


def test_free_sides_and_a_limited_batch():
    given = manifest(batch="batch", backend="onnxruntime")
    allowed = {
        "batch": {"min": 1, "max": 2, "multiple": 1, "nominal": 1},
        "height": {"min": 32, "max": None, "multiple": 32, "nominal": 64},
    }
    shape = ["batch", 3, "height", 640]
    free = given.model_validate(
        given.model_dump() | {"input": given.input.model_dump() | {"shape": shape, "allowed": allowed}}
    )
    parsed = _parse(config(free, "onnxruntime", None))
    assert parsed.max_batch_size == 2
    assert _shapes(parsed)["images"] == [3, -1, 640]


def test_a_name_with_quotes():
    odd = manifest().model_copy(update={"name": 'cam "1"\\ü'})
    assert _parse(config(odd, "onnxruntime", None)).name == 'cam "1"\\ü'


@pytest.fixture
def artifact(tmp_path):
    def make(engine=False, operators=None, **changed):
        folder = tmp_path / "artifact"
        folder.mkdir()
        (folder / "model.onnx").write_bytes(b"onnx")
        facts = {
            "file": "model.onnx",
            "sha256": hashlib.sha256(b"onnx").hexdigest(),
            "bytes": 4,
            "opset": 17,
            "ir_version": 8,
            "operators": operators or {},
        }
        built = None
        if engine:
            (folder / "model.engine").write_bytes(b"plan")
            built = Engine(
                file="model.engine",
                sha256=hashlib.sha256(b"plan").hexdigest(),
                bytes=4,
                tensorrt="11.4.0",
                gpu=None,
                cuda=None,
                proof={},
            )
        manifest(**changed, artifact=facts, engine=built and built.model_dump()).write(folder)
        return folder

    return make


def test_a_repository(artifact, tmp_path, capsys):
    assert main(["triton", str(artifact()), "--out", str(tmp_path / "models")]) == 0
    model = tmp_path / "models" / "yolo_nas_s_int8"
    assert sorted(str(path.relative_to(model)) for path in model.rglob("*") if path.is_file()) == [
        "1/model.onnx",
        "config.pbtxt",
    ]
    assert (model / "1" / "model.onnx").read_bytes() == b"onnx"
    assert _parse((model / "config.pbtxt").read_text()).platform == "onnxruntime_onnx"
    assert list((tmp_path / "models").iterdir()) == [model]
    assert "not run in Triton" in capsys.readouterr().out


@pytest.mark.parametrize(("batch", "together"), [(1, False), ("batch", True)])
def test_the_python_backend_has_its_program(batch, together, artifact, tmp_path):
    """That the program is right shows in a server: tests/deploy/test_triton_server.py."""
    folder = artifact(batch=batch, backend="onnxruntime")
    assert main(["triton", str(folder), "--backend", "python", "--out", str(tmp_path / "models")]) == 0
    model = tmp_path / "models" / "yolo_nas_s_int8"
    assert (_parse((model / "config.pbtxt").read_text()).backend, (model / "1" / "model.onnx").read_bytes()) == (
        "python",
        b"onnx",
    )
    program = (model / "1" / "model.py").read_text()
    compile(program, "model.py", "exec")
    assert ("np.concatenate" in program) == together


def test_an_engine_is_served_where_there_is_one(artifact, tmp_path, capsys):
    assert main(["triton", str(artifact(engine=True, batch="batch")), "--out", str(tmp_path / "models")]) == 0
    assert "needs TensorRT 11.4.0" in capsys.readouterr().out
    model = tmp_path / "models" / "yolo_nas_s_int8"
    assert (model / "1" / "model.plan").read_bytes() == b"plan"
    assert _parse((model / "config.pbtxt").read_text()).platform == "tensorrt_plan"


def test_an_engine_of_tensorrt_for_rtx_is_not_one_of_tensorrt(artifact, tmp_path):
    folder = artifact(engine=True, backend="tensorrt_rtx")
    assert main(["triton", str(folder), "--out", str(tmp_path / "models")]) == 0
    text = (tmp_path / "models" / "yolo_nas_s_int8" / "config.pbtxt").read_text()
    assert _parse(text).platform == "onnxruntime_onnx"


REFUSED = [
    ({"engine": True, "backend": "tensorrt_rtx"}, ["--backend", "tensorrt"], "was built for backend=tensorrt_rtx"),
    ({}, ["--backend", "tensorrt"], "has no engine yet: exporter engine"),
    ({"operators": {"trt.plugins::EfficientNMS_TRT": 1}}, [], "ONNX Runtime has no EfficientNMS_TRT"),
    ({"batch": 2}, ["--max-batch-size", "4"], "its batch is fixed"),
    ({"batch": "batch", "format": "flat"}, ["--max-batch-size", "4"], "take postprocessing/format=batch"),
    ({"batch": "batch", "engine": True}, ["--max-batch-size", "17"], "takes at most 16"),
    ({"batch": "batch", "engine": True, "backend": {"name": "tensorrt", "minimum_version": "8.6", "verified": "",
      "profile": {"min": [2, 3, 640, 640], "opt": [8, 3, 640, 640], "max": [16, 3, 640, 640]}}}, [], "also sends single images"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "arguments", "said"), REFUSED, ids=[said for _, _, said in REFUSED])
def test_what_triton_cannot_serve(changed, arguments, said, artifact, tmp_path, capsys):
    sections = {"backend": changed.pop("backend")} if isinstance(changed.get("backend"), dict) else {}
    folder = artifact(**changed)
    if sections:
        values = json.loads((folder / "manifest.json").read_text()) | sections
        (folder / "manifest.json").write_text(json.dumps(values))
    assert main(["triton", str(folder), "--out", str(tmp_path / "models"), *arguments]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "models").exists()


def test_a_model_that_is_there_stays(artifact, tmp_path, capsys):
    folder = artifact()
    assert main(["triton", str(folder), "--out", str(tmp_path / "models")]) == 0
    (tmp_path / "models" / "yolo_nas_s_int8" / "config.pbtxt").write_text("mine")
    assert main(["triton", str(folder), "--out", str(tmp_path / "models")]) == 2
    assert "give a new or empty directory" in capsys.readouterr().err
    assert (tmp_path / "models" / "yolo_nas_s_int8" / "config.pbtxt").read_text() == "mine"


def test_a_changed_artifact_is_not_served(artifact, tmp_path, capsys):
    folder = artifact()
    (folder / "model.onnx").write_bytes(b"other")
    assert main(["triton", str(folder), "--out", str(tmp_path / "models")]) == 2
    assert "not what its manifest says" in capsys.readouterr().err
