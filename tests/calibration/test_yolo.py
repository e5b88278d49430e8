"""Calibration on a data.yaml: the images of its split, and what is on them."""

import numpy as np
import pytest
from PIL import Image

from exporter.calibration.folder import FolderCalibration
from exporter.calibration.yolo import YoloCalibration
from exporter.cli import main
from exporter.common.errors import RequestError
from exporter.common.geometry import Geometry
from exporter.preprocessing.normalization import Normalization

GEOMETRY = Geometry.fit(64, 96, margin=4, padding=114)
NORMALIZATION = Normalization(std=(255.0, 255.0, 255.0))


@pytest.fixture
def data(tmp_path):
    """Five images for training, two of them further below, on the first of which is one object; one for validation."""
    rng = np.random.default_rng(0)
    for name in ("train/a", "train/b", "train/c", "train/deep/d", "train/deep/e", "val/f"):
        for kind in ("images", "labels"):
            (tmp_path / kind / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (24, 48, 3), np.uint8)).save(tmp_path / "images" / f"{name}.png")
    (tmp_path / "labels" / "train" / "a.txt").write_text("1 0.25 0.5 0.5 0.5\n")
    (tmp_path / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [cat, dog]\n")
    return tmp_path


def yolo(folder, **fields) -> YoloCalibration:
    values = {"path": str(folder / "data.yaml"), "split": "train", "num_images": 128, "seed": 0, "method": "minmax"}
    return YoloCalibration(**{**values, **fields})


def test_the_images_of_the_split_as_a_folder_gives_them(data):
    images = yolo(data).images(GEOMETRY, NORMALIZATION)
    plain = FolderCalibration(path=str(data / "images" / "train"), num_images=128, seed=0, method="minmax")
    for one, other in zip(images, plain.images(GEOMETRY, NORMALIZATION), strict=True):
        np.testing.assert_array_equal(one, other)
    assert images.num_images == images.files == 5
    assert yolo(data, split="val").images(GEOMETRY, NORMALIZATION).num_images == 1
    assert yolo(data, num_images=2).images(GEOMETRY, NORMALIZATION).num_images == 2
    assert list(yolo(data).problems("mine.pth")) == []


def test_labels_are_those_of_the_chosen_images_in_pixels_of_the_input(data):
    first, *others = yolo(data).ground_truths(["dog", "cat"], GEOMETRY)
    scale = 92 / 48
    np.testing.assert_allclose(first.boxes, [np.array([0, 6, 24, 18]) * scale + [2, 9, 2, 9]], atol=1e-4)
    assert first.classes.tolist() == [0] and [len(each.boxes) for each in others] == [0, 0, 0, 0]
    assert yolo(data).ground_truths(["bird"], GEOMETRY) is None


def test_odd_labels_are_told_and_wrong_ones_matter_only_where_they_are_asked_for(data):
    told = {}
    (data / "labels" / "train" / "b.txt").write_text("0 1 0.5 0.5 0.5\n")
    assert yolo(data).ground_truths(["cat", "dog"], GEOMETRY, told.update) is not None
    assert told == {"clipped": 1}
    with pytest.raises(RequestError, match=r"b\.txt: line 1: .*reaches over the edge"):
        yolo(data, strict=True).ground_truths(["cat", "dog"], GEOMETRY)
    (data / "labels" / "train" / "b.txt").write_text("7 0.5 0.5 0.5 0.5\n")
    assert list(yolo(data).problems("mine.pth")) == []
    with pytest.raises(RequestError, match="class 7"):
        yolo(data).ground_truths(["cat", "dog"], GEOMETRY)


def test_the_identity_is_that_of_images_and_labels(data):
    before = yolo(data).identity()
    assert yolo(data).identity() == before
    (data / "labels" / "train" / "b.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    after = yolo(data).identity()
    assert after != before and after["path"] == before["path"]
    (data / "images" / "train" / "._b.png").touch()
    assert yolo(data).identity() == after | {"odd": {"files_ignored": 1}}
    (data / "images" / "train" / "b.png").write_bytes((data / "images" / "train" / "a.png").read_bytes())
    assert yolo(data).identity()["path"] != before["path"]


def test_images_that_cannot_be_read_are_told_at_once_and_before_the_work(data):
    for name in "abc":
        file = data / "images" / "train" / f"{name}.png"
        file.write_bytes(file.read_bytes()[:-100])
    (data / "images" / "train" / "deep" / "d.png").write_bytes(b"")
    (line,) = yolo(data).problems("mine.pth")
    assert all(f"{name}.png: the image cannot be read" in line for name in "abc") and line.endswith(" … and 1 more")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["calibration.path=none.yaml"], "calibration.path=none.yaml: not a file: give the data.yaml"),
        (["calibration.path=data.yaml", "calibration.split=test"], "calibration.split=test (it has train, val)"),
        (["calibration.path=data.yaml", "calibration.split=all"], "calibration.split='all': should be"),
    ],
)
def test_a_build_that_lacks_them_ends_before_it_starts(data, overrides, said, capsys, monkeypatch):
    monkeypatch.chdir(data)
    assert main(["+recipe=yolo_nas_s_int8", "calibration=yolo", *overrides]) == 2
    assert said in capsys.readouterr().err
