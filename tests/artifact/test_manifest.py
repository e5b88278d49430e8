"""The manifest: its published schema, what it refuses."""

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

import exporter
from exporter.artifact.manifest import Manifest, read_manifest
from exporter.common.errors import RequestError
from exporter.model.section import Weights, names_from
from exporter.quantization.section import AnyQuantization


def test_the_published_schema_is_the_models():
    published = json.loads((Path(exporter.__file__).parent / "artifact" / "manifest.schema.json").read_text())
    assert published == Manifest.model_json_schema()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "schema_version=None"),
        ('{"schema_version": 99}', "schema_version=99"),
        ('{"schema_version": 1}', "not a manifest"),
    ],
)
def test_what_is_not_a_manifest_is_refused_in_one_line(tmp_path, text, said):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(RequestError, match=said) as error:
        read_manifest(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("source", "file", "kind"),
    [
        ("file", "mine.pth", "file"),
        ("file", "mine.onnx", "onnx"),
        ("file and tensors beside it, sha256 of both 0123", "mine.onnx", "onnx"),
        ("demo", "yolo_nas_s.safetensors", "demo"),
        ("published COCO weights, https://some.host/x", "yolo_nas_s_coco.pth", "published"),
        ("https://some.host/x: other weights than the published ones", "x.pth", "url"),
        ("file:///some/x: other weights than the published ones", "x.pth", "url"),
        ("random, seed 7: it detects nothing", None, "random"),
        ("made by mynet.make", None, "custom"),
        ("in memory", None, "memory"),
    ],
)
def test_manifests_of_0_1_0_say_the_kind_of_weights_in_words(source, file, kind):
    assert Weights.model_validate({"file": file, "sha256": None, "source": source, "licence": None}).kind == kind


def test_what_is_said_of_the_kind_holds():
    said = {"file": None, "sha256": None, "source": "demo", "kind": "custom", "licence": None}
    assert Weights.model_validate(said).kind == "custom"
    with pytest.raises(ValidationError):
        Weights.model_validate(said | {"kind": "evil"})


@pytest.mark.parametrize("section", [None, [], 7, "int8", {"precision": []}])
def test_a_precision_that_is_no_section_is_refused_in_one_line(section):
    with pytest.raises(ValidationError):
        TypeAdapter(AnyQuantization).validate_python(section)


def test_a_folder_without_one_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"holds no manifest\.json"):
        read_manifest(tmp_path)
    with pytest.raises(RequestError, match="no such folder"):
        read_manifest(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("names", "told", "source"),
    [
        (["car", "bus"], True, "recipe"),
        (["class_0", "class_1"], True, "recipe"),
        (["car", "bus"], False, "weights"),
        (["class_0", "class_1"], False, "numbered"),
        (["class_1", "class_0"], False, "weights"),
    ],
)
def test_it_says_who_named_the_classes(names, told, source):
    assert names_from(names, told) == source
