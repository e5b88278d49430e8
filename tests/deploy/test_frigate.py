"""`exporter frigate`: what Frigate's detectors read, and what has to change where they do not."""

import pytest
import yaml

from exporter.cli import main
from exporter.common.errors import RequestError
from exporter.deploy.frigate import CONTRACTS, config
from tests.deploy.manifests import manifest

ORT = {"backend": "onnxruntime"}
TAKEN = {
    ("onnx", "yolonas"): manifest(format="flat", channels="bgr", size=(320, 320), **ORT),
    ("openvino", "yolonas"): manifest(format="flat", channels="bgr", backend="openvino"),
    ("memryx", "yolonas"): manifest(format="flat", dtype="float32", inside=False, **ORT),
    ("rknn", "yolonas"): manifest(format="split", outside=True, dtype="float32", inside=False, classes=80, **ORT),
    ("onnx", "yolo-generic"): manifest(format="yolo", outside=True, network="ppyoloe", **ORT),
    ("openvino", "yolo-generic"): manifest(format="yolo", outside=True, dtype="float32", inside=False, **ORT),
}


@pytest.mark.parametrize(("detector", "model_type"), CONTRACTS)
def test_the_blocks_say_what_the_artifact_takes(detector, model_type):
    given = TAKEN[detector, model_type]
    blocks = yaml.safe_load(config(given, detector, model_type))
    assert blocks["detectors"][detector]["type"] == detector
    model = blocks["model"]
    assert (model["model_type"], model["labelmap_path"]) == (model_type, "/config/model_cache/labels.txt")
    assert (model["height"], model["width"]) == given.input.nominal_image
    dtype = {"uint8": "int", "float32": "float"}[given.input.dtype]
    if detector == "rknn":  # the compiled file takes the camera's bytes
        assert (model["input_dtype"], model["input_tensor"], model["path"][-5:]) == ("int", "nhwc", ".rknn")
    else:
        assert (model["input_dtype"], model["input_tensor"]) == (dtype, "nchw")
    assert model["input_pixel_format"] == ("bgr" if given.input.channels == "bgr" else "rgb")


@pytest.mark.parametrize(("detector", "model_type", "given", "said"), [
    ("onnx", "yolonas", manifest(batch="batch", layout="nhwc", dtype="float32", size=(320, 352)),
     "it has postprocessing/format=batch, Frigate gives one image of one size, its layout is nhwc, Frigate gives bytes"
     " and it takes float32: build it with postprocessing/format=flat input.batch=1 input.height=320 input.width=352"
     " input.layout=nchw preprocessing=auto input.dtype=uint8$"),
    ("onnx", "yolo-generic", manifest(format=None), "nms=none: build it with postprocessing/format=yolo$"),
    ("memryx", "yolonas", manifest(format="flat"), r"gives float32 in 0\.\.1: build it with preprocessing=none$"),
    ("memryx", "yolonas", manifest(format="flat", network="ppyoloe"), r"is not fed 0\.\.1, RGB"),
    ("rknn", "yolonas", manifest(format="split", outside=True, dtype="float32", inside=False), "has 8 classes.* 80"),
    ("rknn", "yolo-generic", TAKEN["rknn", "yolonas"], "is not known here: take --detector onnx --model-type yolonas,"),
], ids=range(6))  # fmt: skip
def test_all_that_is_in_the_way_is_one_line(detector, model_type, given, said):
    with pytest.raises(RequestError, match=said):
        config(given, detector, model_type)


def test_a_folder(tmp_path, capsys):
    folder, out = tmp_path / "artifact", tmp_path / "out"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"onnx")
    TAKEN["onnx", "yolonas"].write(folder)
    assert main(["frigate", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert main(["frigate", str(folder), "--out", str(out)]) == 0
    assert (out / "config.yaml").read_text() == printed
    said = capsys.readouterr().out
    assert "detector onnx, model type yolonas; not run inside Frigate" in said
    assert "preprocessing.resize=stretch measures what Frigate feeds" in said
    assert (out / "yolo_nas_s_int8.onnx").read_bytes() == b"onnx"
    assert main(["labels", str(folder)]) == 0
    assert capsys.readouterr().out == (out / "labels.txt").read_text() == "".join(f"class_{i}\n" for i in range(8))
    assert main(["frigate", str(folder), "--out", str(out)]) == 2
