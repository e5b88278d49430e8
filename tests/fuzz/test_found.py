"""What fuzzing found, each as the one case that shows it."""

import json

import numpy as np
import onnx
import pytest

from exporter.common.errors import BuildError, RequestError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.config.settings import StoreSettings
from exporter.config.sweep_constraint import parse
from exporter.evaluation.yolo import YoloEvaluation
from exporter.graph.read_model import read_model
from exporter.model.graph_file import read_graph
from exporter.postprocessing.nms.onnx import OnnxNms
from exporter.preprocessing.normalization import Normalization
from exporter.quantization.int8 import Int8
from exporter.quantization.int8_fp16 import Int8Fp16
from exporter.quantization.task import Task
from exporter.runtime.onnx_runtime import session as run_in
from tests.attacks.making import good
from tests.evaluation.test_readers import CLASSES, coco, yolo
from tests.postprocessing.test_graph import run, session
from tests.quantization.networks import Builder, made_images, relative_error
from tests.quantization.networks import run as run_on
from tests.small_network import SmallDetector

NAN, INF = float("nan"), float("inf")
LONG = "a" * 5000  # longer than a name can be


@pytest.mark.parametrize("error", [RequestError, BuildError])
def test_a_message_is_one_line_whatever_a_stranger_wrote(error):
    assert str(error("a\nb\t\x1b[2J\u202e")) == "a b \ufffd[2J\ufffd"
    assert len(str(error("a " * 9000))) == 4000 and error("a").args == ("a",)
    assert str(error(f"{LONG}: give another")) == f"{'a' * 100}… give another"


@pytest.mark.parametrize("pre", [1000, 2])
def test_what_is_no_number_is_no_detection_and_spoils_no_other(pre):
    boxes = [[0, 0, 9, 9], [0, 0, NAN, 9], [0, 0, INF, 9], [20, 0, 29, 9], [-3e38, 0, 3e38, 9], [40, 0, 49, 9]]
    scores = [[NAN, 0.4], [0.9, 0.9], [0.9, 0.9], [INF, NAN], [0.9, 0.9], [0.5, NAN]]
    order = [1, 2, 4, 3, 0, 5] if pre == 1000 else [0, 5, 3, 3, 3, 3]
    feed = {"boxes": np.float32([boxes])[:, order], "scores": np.float32([scores])[:, order]}
    for agnostic in (False, True):
        nms = OnnxNms(
            confidence_threshold=0.3,
            nms_threshold=0.5,
            num_pre_nms_predictions=pre,
            max_predictions_per_image=2,
            class_agnostic=agnostic,
        )
        out = run(session(False, None, 2, nms), feed)
        assert out["num_predictions"].tolist() == [[2]]
        assert out["pred_boxes"][0].tolist() == [[40, 0, 49, 9], [0, 0, 9, 9]]
        np.testing.assert_array_equal(out["pred_scores"][0], np.float32([0.5, 0.4]))
        assert out["pred_classes"][0].tolist() == [0, 1]


@pytest.mark.parametrize("text", ["map<=1e999", "drop<=\u0663"])
def test_a_bound_is_a_number_that_a_metric_can_be(text):
    with pytest.raises(ValueError, match="is not a bound"):
        parse(text)


@pytest.mark.parametrize("size", ["9" * 400, 2**63, "\u0663 GB"])
def test_a_size_in_bytes_fits_a_file_system(size):
    with pytest.raises(ValueError, match="must be bytes"):
        StoreSettings.model_validate({"max_size": size})


@pytest.mark.parametrize("bound", ["nan", "inf", "-1"])
def test_a_bound_of_the_proof_that_nothing_can_hold_or_everything(bound):
    with pytest.raises(RequestError, match=r"proof\.max_box_error"):
        check(compose(["model=yolo_nas_s", f"proof.max_box_error={bound}"]))


@pytest.mark.parametrize("path", [LONG, "~nobody-here/a.pth", "a\0b"])
@pytest.mark.parametrize(
    "overrides", [["model=yolo_nas_s", "model.weights='{}'"], ["model=onnx", "model.weights='{}.onnx'"]]
)
def test_a_path_that_no_system_can_have_is_not_there(overrides, path):
    with pytest.raises(RequestError, match="weights"):
        check(compose([override.format(path) for override in overrides]))


def test_an_image_whose_name_no_system_can_have_is_not_there(tmp_path):
    with pytest.raises(RequestError, match="is not in"):
        coco(tmp_path, lambda content: content["images"][0].update(file_name=LONG)).examples(CLASSES, 64, 64)
    yolo(tmp_path / "yolo", data=json.dumps({"val": LONG, "names": ["dog", "cat"]}))
    with pytest.raises(RequestError, match="neither a folder nor"):
        YoloEvaluation(path=str(tmp_path / "yolo/data.yaml"), split="val", num_images=None).examples(CLASSES, 64, 64)


@pytest.mark.parametrize("field", ["opset", "ir"])
def test_versions_of_no_onnx(field, tmp_path):
    model = good()
    if field == "opset":
        model.opset_import[0].version = 2**31
    else:
        model.ir_version = 2**31
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    for read in (read_model, lambda path: read_graph(path, "a.onnx")):
        with pytest.raises(RequestError, match="not an ONNX model"):
            read(tmp_path / "a.onnx")


def test_layers_that_share_the_weights_of_an_upsampling():
    b = Builder(batch=1)
    x = b.conv_relu("stem", "images", 3, 8, strides=[4, 4])
    up = b.upsample("up", x, 8, 8)
    again = b.add("ConvTranspose", "again", b.conv_relu("more", up, 8, 8), "up.weight", "up.bias", strides=[2, 2])
    model = b.model(b.conv("last", again, 8, 4))
    quantized, summary, _ = Int8().quantize(Task(model, images=made_images(3), input_range=(0.0, 1.0)))
    onnx.checker.check_model(quantized, full_check=True)
    assert summary.convolutions.left_in_float == ["last/Conv"]
    (image,) = made_images(1, seed=5)
    assert relative_error(run_on(model, image)[0], run_on(quantized, image)[0]) < 0.05


def test_a_range_too_wide_for_scales_in_float16():
    """Its pair stays in float32: the scale was infinite, and every output NaN."""
    b = Builder(batch=1)
    x = b.conv("stem", "images", 3, 8)
    for i in range(3):
        x = b.conv(f"layer{i}", x, 8, 8)
        b.weights[f"layer{i}.weight"] *= 300
    model = b.model(b.conv("last", x, 8, 4))
    model.opset_import[0].version, model.ir_version = 19, 9
    task = Task(
        model, Normalization(std=(255, 255, 255)), (16, 16), made_images(3), scheme="s8s8", input_range=(0.0, 1.0)
    )
    quantized = Int8Fp16().quantize(task).model
    onnx.checker.check_model(quantized, full_check=True)
    (image,) = made_images(1, seed=5)
    (want,), (got,) = run_on(model, image), run_in(quantized.SerializeToString()).run(None, {"images": image})
    assert np.abs(want).max() > 127 * 65504 and relative_error(want, got) < 0.1


@pytest.mark.parametrize(
    "override",
    ["backend=true", "+backend=1", "quantization=0.5", "postprocessing/nms={a:1}", "backend=[1]", "~backend=true"],
)
def test_an_option_that_is_no_name(override):
    with pytest.raises(RequestError, match="no such option"):
        compose(["model=yolo_nas_s", override])


@pytest.mark.parametrize(
    "override",
    [
        "@backend._target_=true",
        "=true",
        "~@a=1",
        "postprocessing=1",
        "hydra=1",
        "recipe@x=1",
        "+recipe@x=true",
        "hydra/help=1",
    ],
)
def test_a_group_without_options_is_chosen_from(override):
    with pytest.raises(RequestError, match="no group that has options"):
        compose(["model=yolo_nas_s", override])


def test_a_value_with_more_keys_than_there_are_says_how_to_add_them():
    with pytest.raises(RequestError, match=r"\+export.options.KEY=VALUE"):
        compose(["model=yolo_nas_s", "export.options={optimize:false}"])


def test_a_network_in_memory_is_a_custom_one():
    overrides = ["model=custom", "model.confidence_threshold=0.4", "input.size=64"]
    assert check(compose(overrides), SmallDetector()).model.thresholds == (0.4, 0.7)
    with pytest.raises(RequestError, match=r"model\._target_: must be set"):
        check(compose(overrides))
