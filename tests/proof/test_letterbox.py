"""What a geometry inside a graph did, held against OpenCV's pixels and the manifest's numbers, by hand."""

import numpy as np
import pytest

from exporter.common.geometry import Geometry
from exporter.postprocessing.detections import Detections
from exporter.preprocessing.section import Input
from exporter.proof.letterbox import letterbox_errors, seen
from exporter.proof.tensors import Letterboxed, Tensors

GEOMETRY = Geometry.fit(32, 64, margin=0, padding=114)
RAW = np.random.default_rng(0).integers(60, 190, (48, 48, 3), np.uint8)  # 32 × 32 of the input, 16 to the left
BOX = np.array([[20, 4, 36, 20]], np.float32)


def tensor(moved: float = 0.0) -> Tensors:
    """Of one detection, which is at 1.5 times as many pixels in the raw image."""
    boxes = np.array([[6, 6, 30, 30 + moved]], np.float32)
    found = Detections(BOX, np.ones(1, np.float32), np.zeros(1, np.int64))
    return Tensors(BOX, np.ones((1, 1), np.float32), found, Letterboxed(GEOMETRY.apply(RAW), boxes))


def errors(*changed: np.ndarray, moved: float = 0.0):
    return letterbox_errors([tensor(moved)] * len(changed), [RAW] * len(changed), changed, GEOMETRY)


def test_nothing_is_off_where_all_is_right():
    found = errors(GEOMETRY.apply(RAW))
    assert (found.max_grey_error, found.mean_grey_error, found.beyond_one_grey_level, found.max_box_error) == (0,) * 4


def test_each_error_is_of_its_kind():
    right = GEOMETRY.apply(RAW)
    spot, darker = right.copy(), right.copy()
    spot[5, 20, 1] += 4
    darker[:, 16:48] -= 1  # all of the image, no padding
    found = errors(right, spot, darker)
    assert found.max_grey_error == 4 and found.mean_grey_error == 1
    assert found.beyond_one_grey_level == pytest.approx(1 / (3 * right.size))
    assert errors(right, moved=0.5).max_box_error == pytest.approx(0.5)


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_the_network_is_shown_what_the_graph_made_in_rgb(channels):
    fed = Input(name="frame", dtype="uint8", shape=[48, 48, 3], allowed={}, layout="hwc", channels=channels,
                range=None)  # fmt: skip
    given = tensor()
    made = GEOMETRY.apply(RAW)
    assert np.array_equal(seen(given, RAW, fed), made if channels == "rgb" else made[..., ::-1])
    assert seen(Tensors(given.boxes, given.scores, None), RAW, fed) is RAW
