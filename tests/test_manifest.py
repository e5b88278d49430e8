"""The manifest: its published schema, what it refuses."""

import json
from pathlib import Path

import pytest

import exporter
from exporter.artifact.manifest import Manifest, read_manifest
from exporter.common.errors import RequestError


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


def test_a_folder_without_one_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"holds no manifest\.json"):
        read_manifest(tmp_path)
    with pytest.raises(RequestError, match="no such folder"):
        read_manifest(tmp_path / "nowhere")
