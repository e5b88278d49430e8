"""Images that leave INT8 without a scale to speak of are refused, and the layers named."""

import numpy as np
import pytest

from exporter.common.errors import RequestError
from exporter.demo.scenes import scene
from exporter.preprocessing.yolo_nas import YoloNas
from exporter.quantization.degenerate_range import check_filled
from exporter.quantization.int8 import Int8
from exporter.quantization.probes import NUM_SYNTHETIC
from exporter.quantization.statistics import Statistics
from exporter.quantization.task import Task
from tests.quantization.networks import Builder, detector, run

SIZE = 64
NORMALIZATION = YoloNas().normalization


def synthetic(count: int) -> np.ndarray:
    return np.stack([scene("calibration", 10 + i, SIZE, SIZE).image for i in range(count)])


def quantize(images: np.ndarray, core=None):
    inputs = [
        NORMALIZATION.apply(image.transpose(2, 0, 1)[None]) if image.dtype == np.uint8 else image for image in images
    ]
    task = Task(core or detector(SIZE), NORMALIZATION, images=inputs, input_range=(0.0, 1.0))
    return Int8().quantize(task)


@pytest.mark.parametrize("images", [synthetic(1), synthetic(4), synthetic(4) // 3, np.repeat(synthetic(1), 5, axis=0)])
def test_synthetic_images_pass_even_a_single_one_or_dark_ones(images):
    assert quantize(images).summary.always_zero == []


@pytest.mark.parametrize("value", [0, 114, 255])
def test_images_of_one_colour_are_refused(value):
    with pytest.raises(
        RequestError, match=r"in \d+ of 13 layers \(images.*blank, all alike or normalised twice"
    ) as refusal:
        quantize(np.full((4, SIZE, SIZE, 3), value, np.uint8))
    assert "\n" not in str(refusal.value)


def test_images_that_were_normalised_twice_are_refused():
    twice = [NORMALIZATION.apply(NORMALIZATION.apply(image.transpose(2, 0, 1)[None])) for image in synthetic(4)]
    with pytest.raises(RequestError, match=r"in \d+ of 13 layers \(images.*normalised twice"):
        quantize(np.stack(twice))


def test_a_layer_that_only_these_images_leave_without_extent_is_named_and_a_dead_one_is_listed():
    """`bright` fires for more than these images hold, `dead` for nothing at all."""
    b = Builder(SIZE)
    b.conv_relu("bright", "images", 3, 1, kernel=1)
    b.weights["bright.conv.weight"][:], b.weights["bright.conv.bias"][:] = 1, -2.4
    b.conv_relu("dead", "images", 3, 1, kernel=1)
    b.weights["dead.conv.weight"][:], b.weights["dead.conv.bias"][:] = 1, -4
    both = b.add("Concat", "both", "bright/Relu", "dead/Relu", axis=1)
    core = b.model(b.conv("last", b.conv_relu("next", both, 2, 4), 4, 4))
    assert quantize(synthetic(4) | 192, core).summary.always_zero == ["dead/Relu"]
    with pytest.raises(RequestError, match=r"bright/Relu") as refusal:
        quantize(synthetic(4) // 2, core)
    assert "dead" not in str(refusal.value)


def spans(core, tensors):
    """Of each tensor, over the synthetic images that layers are tried on, by ONNX Runtime alone."""
    images = [
        NORMALIZATION.apply(scene("calibration", i, SIZE, SIZE).image.transpose(2, 0, 1)[None])
        for i in range(NUM_SYNTHETIC)
    ]
    held = [run(core, image, *tensors, optimize=False) for image in images]
    return [max(a.max() for a in each) - min(a.min() for a in each) for each in zip(*held, strict=True)]


@pytest.mark.parametrize("short", [1, 4, 5])
def test_the_limit_is_an_eighth_of_what_synthetic_images_span(short):
    core = detector(SIZE)
    tensors = [node.output[0] for node in core.graph.node if node.op_type in ("Conv", "Relu")][:5]
    whole = spans(core, tensors)
    seen = {
        name: Statistics(1.0, 1.0 + float(span) / 7.95, 0, 0, None) for name, span in zip(tensors, whole, strict=True)
    }
    task = Task(core, NORMALIZATION)
    check_filled(task, core, seen)
    for name, span in list(zip(tensors, whole, strict=True))[:short]:
        seen[name] = Statistics(1.0, 1.0 + float(span) / 8.05, 0, 0, None)
    with pytest.raises(RequestError, match=f"in {short} of 5 layers ") as refusal:
        check_filled(task, core, seen)
    listed = ", ".join(tensors[: min(short, 4)]) + (" …" if short > 4 else "")
    assert f"({listed})" in str(refusal.value)


def test_what_only_noise_or_white_fills_is_no_fault_of_the_images():
    b = Builder(SIZE)
    b.conv_relu("grain", "images", 3, 2)
    sign = np.array([[1, -1, 1], [-1, 1, -1], [1, -1, 1]], np.float32)
    b.weights["grain.conv.weight"][:] = np.stack([sign, -sign, sign]), np.full((3, 3, 3), 1 / 9)
    b.weights["grain.conv.bias"][:] = -4, -2.95
    core = b.model(b.conv("last", b.conv_relu("next", "grain/Relu", 2, 4), 4, 4))
    shades = (synthetic(4) // 2).clip(20, 110)
    assert quantize(shades, core).summary.always_zero == ["grain/Relu"]
