"""The size and the thresholds that an ONNX file says itself: `input.size=auto`."""

import onnx
import pytest

from exporter.common.errors import RequestError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.model.graph_said import said
from exporter.preprocessing.trained import Trained
from tests.model.graphs import detector

FREE = {"size": ("h", "w")}


def saying(options, metadata):
    model = detector(batch=1, **options)
    onnx.helper.set_model_props(model, metadata)
    return model


def recipe(tmp_path, options, metadata, *overrides):
    onnx.save(saying(options, metadata), tmp_path / "x.onnx")
    given = ["model=onnx", f"model.weights={tmp_path / 'x.onnx'}", "name=a", "output_dir=a", *overrides]
    return check(compose(given))


@pytest.mark.parametrize(
    ("options", "metadata", "size", "source"),
    [
        ({}, {}, (64, 96), "input"),
        ({}, {"imgsz": "[640, 640]"}, (64, 96), "input"),
        (FREE, {"imgsz": "[320, 416]"}, (320, 416), "metadata"),
        (FREE, {"imgsz": "(320, 416)"}, (320, 416), "metadata"),
        (FREE, {"imgsz": "320"}, (320, 320), "metadata"),
        (FREE, {"imgsz": "416", "imgsz_h": "320", "imgsz_w": "416"}, (320, 416), "metadata"),
        ({"size": (64, "w")}, {"imgsz": "[320, 416]"}, (64, 416), "metadata"),
    ],
)
def test_the_size_that_a_file_says_and_where(options, metadata, size, source):
    found = said(saying(options, metadata), Trained())
    assert (found.size, found.size_from) == (size, source)


def test_the_size_is_the_files_and_the_manifest_says_from_where(tmp_path):
    found = recipe(tmp_path, FREE, {"imgsz": "[320, 416]"}, "input.size=auto")
    assert (found.input.height, found.input.width) == (320, 416)
    section = found.request.preprocessing_section()
    assert (section.trained.size, section.trained.size_from) == ((320, 416), "metadata")


@pytest.mark.parametrize("text", ["", "[320]", "[0, 320]", "[320, 320, 3]", "[-32, 32]", "['a', 'b']", "9" * 9, "3.5"])
def test_what_is_no_size(text):
    assert said(saying(FREE, {"imgsz": text}), Trained()).size is None


def test_a_file_that_says_none_is_one_line(tmp_path):
    with pytest.raises(RequestError, match=r"^input\.size=auto: the weights do not say which size .* in pixels$"):
        recipe(tmp_path, FREE, {"imgsz": "3.5"}, "input.size=auto")


def test_a_file_that_is_not_there_is_what_is_wrong():
    given = ["model=onnx", "model.weights=gone.onnx", "name=a", "output_dir=a", "input.size=auto"]
    with pytest.raises(RequestError, match=r"^model\.weights=gone\.onnx: no such ONNX file: .* \(\.onnx\)$"):
        check(compose(given))


def test_a_size_that_the_head_cannot_have_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"input\.size.*multiple of 32"):
        recipe(tmp_path, FREE, {"imgsz": "[330, 330]"}, "input.size=auto")


def test_thresholds_of_the_metadata_are_taken_unless_the_recipe_has_its_own(tmp_path):
    metadata = {"nms_conf": "0.35", "nms_iou": "0.6"}
    nms = recipe(tmp_path, {}, metadata, "input.size=auto").nms
    assert (nms.confidence_threshold, nms.nms_threshold) == (0.35, 0.6)
    own = ["input.size=auto", "postprocessing.nms.confidence_threshold=0.1"]
    nms = recipe(tmp_path, {}, metadata | {"nms_iou": "7"}, *own).nms
    assert (nms.confidence_threshold, nms.nms_threshold) == (0.1, 0.7)
