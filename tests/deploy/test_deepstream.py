"""`exporter deepstream`: golden files, read back as the key file that nvinfer reads."""

import configparser
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.common.errors import RequestError
from exporter.deploy.deepstream import EFFICIENT, YOLO, config
from tests.deploy.manifests import manifest

GOLDEN = Path(__file__).with_name("golden")
# Names that Gst-nvinfer reads (DeepStream SDK, gstnvinfer_property_parser.h); another one is an error there
KNOWN = {
    "gie-unique-id", "process-mode", "network-type", "onnx-file", "model-engine-file", "batch-size",
    "network-mode", "infer-dims", "network-input-order", "model-color-format", "net-scale-factor", "offsets",
    "maintain-aspect-ratio", "symmetric-padding", "scaling-filter", "num-detected-classes", "labelfile-path",
    "cluster-mode", "parse-bbox-func-name", "custom-lib-path",
}  # fmt: skip

CASES = {
    "plugin": manifest(plugin=True, clip=True, dtype="float32", batch="batch"),
    "rows_bgr_nhwc": manifest(
        dtype="float32",
        channels="bgr",
        layout="nhwc",
        network="ppyoloe",
        precision="float16",
        size=(320, 640),
        format="deepstream",
    ),
    "all_boxes": manifest(
        format="deepstream", outside=True, dtype="float32", inside=False, batch=4, precision="float32"
    ),
}


def _read(text: str) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(interpolation=None, strict=True, comment_prefixes=("#",))
    parsed.read_string(text)
    return parsed


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    text = config(CASES[name])
    assert text == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")
    parsed = _read(text)
    assert parsed.sections() == ["property", "class-attrs-all"]
    assert set(parsed["property"]) <= KNOWN


def test_the_plugins_outputs_have_a_parser():
    given = _read(config(CASES["plugin"]))["property"]
    assert given["parse-bbox-func-name"] == EFFICIENT.function
    assert (given["cluster-mode"], given["network-type"]) == ("4", "0")  # NMS is inside; a detector
    assert (given["batch-size"], given["net-scale-factor"], given["model-color-format"]) == ("16", "1", "0")
    assert "offsets" not in given
    assert _read(config(CASES["plugin"]))["class-attrs-all"]["pre-cluster-threshold"] == "0.25"


def test_detections_in_rows_of_six_are_taken_as_they_are():
    given = _read(config(CASES["rows_bgr_nhwc"]))["property"]
    assert (given["parse-bbox-func-name"], given["cluster-mode"]) == (YOLO.function, "4")
    assert (given["model-color-format"], given["network-input-order"], given["infer-dims"]) == ("1", "1", "3;320;640")
    assert (given["maintain-aspect-ratio"], given["network-mode"], given["net-scale-factor"]) == ("0", "2", "1")


def test_all_boxes_are_suppressed_by_nvinfer_and_normalised_by_it():
    parsed = _read(config(CASES["all_boxes"]))
    given, classes = parsed["property"], parsed["class-attrs-all"]
    assert (given["parse-bbox-func-name"], given["cluster-mode"]) == (YOLO.function, "2")
    assert (classes["pre-cluster-threshold"], classes["nms-iou-threshold"]) == ("0.25", "0.7")
    assert float(given["net-scale-factor"]) == pytest.approx(1 / 255, rel=1e-15)
    assert (given["batch-size"], given["maintain-aspect-ratio"], given["symmetric-padding"]) == ("4", "1", "1")


def test_offsets_are_the_means_in_the_networks_order():
    normalization = {"order": [2, 1, 0], "mean": [103.5, 116.25, 123.75], "std": [58.0, 58.0, 58.0]}
    given = manifest(plugin=True, clip=True, dtype="float32", inside=False)
    changed = given.preprocessing.model_dump() | {"normalization": normalization}
    found = _read(config(given.model_validate(given.model_dump() | {"preprocessing": changed})))["property"]
    assert (found["offsets"], found["model-color-format"]) == ("103.5;116.25;123.75", "1")
    assert float(found["net-scale-factor"]) == pytest.approx(1 / 58, rel=1e-15)


@pytest.mark.parametrize(("given", "said"), [
    (manifest(plugin=True, clip=True), "takes uint8 and nvinfer gives float32: build it with input.dtype=float32$"),
    (manifest(format="deepstream", dtype="float32", backend="onnxruntime"), "build it with backend=tensorrt$"),
    (manifest(plugin=True, dtype="float32"), "width before it clips the box: build it with postprocessing.clip=true$"),
    (manifest(dtype="float32"), "reads postprocessing/format=batch: build it with postprocessing/format=deepstream$"),
    (manifest(format=None, dtype="float32"), "reads postprocessing/nms=none: build it with"),
    (manifest(format="deepstream", dtype="float32", inside=False, network="ppyoloe"), "one number for all: build it"
     " with preprocessing=auto input.dtype=float32$"),
    (manifest(format="flat", backend="onnxruntime"), "it is for backend=onnxruntime, no parser reads"
     " postprocessing/format=flat, it takes uint8 and nvinfer gives float32: build it with backend=tensorrt"
     " postprocessing/format=deepstream input.dtype=float32$"),
], ids=range(7))  # fmt: skip
def test_all_that_is_in_the_way_of_nvinfer_is_one_line_that_says_what_to_build(given, said):
    with pytest.raises(RequestError, match=said):
        config(given)


def test_a_folder(tmp_path, capsys):
    folder = tmp_path / "artifact"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"onnx")
    CASES["plugin"].write(folder)
    assert main(["deepstream", str(folder), "--out", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "config_infer.txt",
        "labels.txt",
        "model.onnx",
    ]
    assert (tmp_path / "out" / "labels.txt").read_text().splitlines() == [f"class_{i}" for i in range(8)]
    out = capsys.readouterr().out
    assert "not run in DeepStream" in out
    assert "engine: build it first" in out
    assert main(["deepstream", str(folder), "--out", str(tmp_path / "out")]) == 2
    assert "give a new or empty directory" in capsys.readouterr().err
    (folder / "model.onnx").write_bytes(b"other")
    assert main(["deepstream", str(folder), "--out", str(tmp_path / "new")]) == 2
    assert "not what its manifest says" in capsys.readouterr().err


def test_a_name_of_two_lines_is_no_label():
    given = manifest(format="deepstream", dtype="float32")
    named = {"class_names": ["a\nb", *given.model.class_names[1:]]}
    with pytest.raises(RequestError, match="is no single line of a labels file"):
        config(given.model_validate(given.model_dump() | {"model": given.model.model_dump() | named}))
