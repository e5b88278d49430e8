"""Calibration on a COCO json: the images that it lists, and what is on them."""

import json

import numpy as np
import pytest
from PIL import Image

from exporter.calibration.coco import CocoCalibration
from exporter.calibration.folder import FolderCalibration
from exporter.cli import main
from exporter.common.errors import RequestError
from exporter.common.geometry import Geometry
from exporter.preprocessing.normalization import Normalization

GEOMETRY = Geometry.fit(64, 96, margin=4, padding=114)
NORMALIZATION = Normalization(std=(255.0, 255.0, 255.0))
ANNOTATIONS = [
    {"id": 1, "image_id": 104, "category_id": 9, "bbox": [10, 5, 20, 10], "area": 50.0},
    {"id": 2, "image_id": 104, "category_id": 3, "bbox": [0, 0, 40, 20], "iscrowd": 1},
]


@pytest.fixture
def data(tmp_path):
    """Six images, listed from the last to the first but for one; of `4.png` two objects are known."""
    rng = np.random.default_rng(0)
    for i in range(6):
        pixels = rng.integers(0, 256, (20 + i, 40 + 2 * i, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    content = {
        "images": [{"id": 100 + i, "file_name": f"{i}.png"} for i in (4, 3, 2, 1, 0)],
        "categories": [{"id": 9, "name": "dog"}, {"id": 3, "name": "cat"}],
        "annotations": ANNOTATIONS,
    }

    def write(**changes):
        kept = {key: value for key, value in (content | changes).items() if value is not None}
        (tmp_path / "labels.json").write_text(json.dumps(kept))
        return tmp_path

    return write


def coco(folder, **fields) -> CocoCalibration:
    values = {"path": str(folder), "annotations": str(folder / "labels.json"), "num_images": 128, "seed": 0}
    return CocoCalibration(**{**values, "method": "minmax", **fields})


def test_the_images_of_the_list_in_its_order_as_a_folder_gives_them(data):
    folder = data()
    images = coco(folder).images(GEOMETRY, NORMALIZATION)
    got = list(images)
    plain = FolderCalibration(path=str(folder), num_images=128, seed=0, method="minmax")
    expected = list(plain.images(GEOMETRY, NORMALIZATION))
    assert images.num_images == images.files == 5
    for one, other in zip(got, [expected[i] for i in (4, 3, 2, 1, 0)], strict=True):
        np.testing.assert_array_equal(one, other)
    assert list(coco(folder).problems("mine.pth")) == []


def test_the_seed_chooses_and_the_digest_tells(data):
    digests = set()
    for seed in (0, 0, 1, 2, 3):
        images = coco(data(), num_images=2, seed=seed).images(GEOMETRY, NORMALIZATION)
        assert len(list(images)) == 2
        digests.add(images.digest)
    assert 1 < len(digests) < 5


def test_labels_are_those_of_the_chosen_images_in_pixels_of_the_input(data):
    ground_truths = list(coco(data()).ground_truths(["cat", "dog"], GEOMETRY) or [])
    assert [len(ground_truth.boxes) for ground_truth in ground_truths] == [2, 0, 0, 0, 0]
    scale = 92 / 48  # 48 × 24 pixels in 96 × 64: 92 × 46 of them, in the middle
    offset = [2, 9, 2, 9]
    expected = np.array([[10, 5, 30, 15], [0, 0, 40, 20]]) * scale + offset
    np.testing.assert_allclose(ground_truths[0].boxes, expected, atol=1e-4)
    assert ground_truths[0].classes.tolist() == [1, 0] and ground_truths[0].crowd.tolist() == [False, True]
    np.testing.assert_allclose(ground_truths[0].areas, [50 * scale**2, 800 * scale**2], rtol=1e-6)
    assert len(list(coco(data(), num_images=2, seed=1).ground_truths(["cat", "dog"], GEOMETRY) or [])) == 2


def test_nobody_says_what_is_there_without_labels_or_in_other_classes(data):
    assert coco(data()).ground_truths(["cat", "bird"], GEOMETRY) is None
    assert coco(data(annotations=None, categories=None)).ground_truths(["cat", "dog"], GEOMETRY) is None


def test_labels_that_cannot_be_right_matter_only_where_they_are_asked_for(data):
    node = coco(data(annotations=[{**ANNOTATIONS[0], "bbox": [1, 2, "0", 4]}]))
    assert list(node.problems("mine.pth")) == []
    with pytest.raises(RequestError, match="annotation 1"):
        node.ground_truths(["cat", "dog"], GEOMETRY)


def test_odd_labels_are_told_where_they_are_asked_for_and_with_strict_errors(data):
    folder = data(annotations=[{**ANNOTATIONS[0], "bbox": [40, 5, 20, 10]}])
    told = {}
    (box,) = next(iter(coco(folder).ground_truths(["Cat", "DOG"], GEOMETRY, told.update))).boxes
    np.testing.assert_allclose(box, np.array([40, 5, 48, 15]) * 92 / 48 + [2, 9, 2, 9], atol=1e-4)
    assert told == {"clipped": 1, "size_from_image": 5, "names_in_other_case": 1}
    with pytest.raises(RequestError, match=r"annotation 1 .*reaches over the edge"):
        coco(folder, strict=True).ground_truths(["cat", "dog"], GEOMETRY)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": []}, "lists no images"),
        ({"images": None}, "no list images"),
        ({"images": [{"id": 1, "file_name": "gone.png"}]}, "gone.png is not in calibration.path="),
        ({"images": [{"id": 1}]}, "file_name=None is not text"),
        ({"images": [{"id": i, "file_name": f"{i}.jpg"} for i in range(9)]}, "image 2: 2.jpg is not in"),
        ({"images": [{"id": i, "file_name": f"{i}.jpg"} for i in range(9)]}, " … and 6 more"),
        ({"images": [{"id": 1, "file_name": "0.png"}] * 2}, "share an id"),
    ],
)
def test_mistakes_are_named_before_anything_runs(data, changes, said):
    (line,) = coco(data(**changes)).problems("mine.pth")
    assert said in line and "\n" not in line


def test_a_corrupt_image_is_named(data):
    folder = data()
    (folder / "3.png").write_bytes((folder / "3.png").read_bytes()[:200])
    (line,) = coco(folder).problems("mine.pth")
    assert "3.png: the image cannot be read" in line
    with pytest.raises(RequestError, match=r"3\.png: the image cannot be read"):
        list(coco(folder).images(GEOMETRY, NORMALIZATION))


def test_a_build_that_lacks_them_ends_before_it_starts(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    overrides = [
        "+recipe=yolo_nas_s_int8",
        "calibration=coco",
        "calibration.path=.",
        "calibration.annotations=none.json",
    ]
    assert main(overrides) == 2
    assert "calibration.annotations=none.json: No such file" in capsys.readouterr().err
