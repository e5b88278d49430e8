"""Class names in the metadata of ONNX files."""

import json

import pytest

from exporter.common.errors import RequestError
from exporter.model.graph_names import class_names
from exporter.model.onnx import OnnxModel
from tests.model.graphs import CLASSES, detector


@pytest.mark.parametrize(
    ("metadata", "names"),
    [
        ({"names": "{0: 'person', 1: \"driver's seat\", 2: 'a: b, c'}"}, ("person", "driver's seat", "a: b, c")),
        ({"names": "{1: 'b', 0: 'a',}", "stride": "32"}, ("a", "b")),
        ({"names": "['a', 'b\\'c']"}, ("a", "b'c")),
        ({"names": '{"0": "a", "1": "b"}'}, ("a", "b")),
        ({"class_names": '["a", "b"]', "names": "{0: 'other'}"}, ("a", "b")),
        ({"classes": json.dumps(["à", "b"])}, ("à", "b")),
        ({"stride": "32"}, None),
        *(({"names": nothing}, None) for nothing in ("", "[]", " {} ")),
    ],
)
def test_names_are_read_as_tools_write_them(metadata, names):
    assert class_names(metadata, "x.onnx") == names


@pytest.mark.parametrize(
    "text",
    [
        "80", "['a', 3]", "{0: 'a', 2: 'b'}", "{'a': 0}", "['a\\nb']", "__import__('os').getcwd()",
        "['a' * 10]", "[" * 100_000, "-" * 100_000 + "1", "{0: " * 50_000, "[" + "'a'," * 400_000 + "]", "['a'",
        "{0: 'a" + "\\" * 99_999, '{"0": "a", "1": ["b"]}',
    ],
)  # fmt: skip
def test_what_is_no_list_of_names_is_refused(text):
    with pytest.raises(RequestError, match=r"^x\.onnx: what its metadata calls names is no list of class names"):
        class_names({"names": text}, "x.onnx")


def test_names_of_a_file_are_those_of_its_classes(tmp_path):
    model, path = detector(), tmp_path / "core.onnx"
    entry = model.metadata_props.add(key="names", value=str(dict(enumerate("abcde"))))

    def load(names="auto"):
        path.write_bytes(model.SerializeToString())
        node = OnnxModel(
            weights=str(path), outputs="auto", class_names=names, confidence_threshold=0.25, nms_threshold=0.7
        )
        return node.load().class_names

    assert load() == ("a", "b", "c", "d", "e")
    entry.value = str(dict(enumerate("abcdef")))
    with pytest.raises(RequestError, match=rf"metadata: names 6 classes and predicts {CLASSES}: set"):
        load()
    assert load(tuple("vwxyz")) == tuple("vwxyz")
