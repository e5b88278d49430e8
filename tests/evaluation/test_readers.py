"""COCO and YOLO data sets made by hand, right and wrong: what is wrong is one line that names the place."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from exporter.cli import main
from exporter.common.errors import RequestError
from exporter.demo.scenes import CLASS_NAMES
from exporter.evaluation.coco import CocoEvaluation
from exporter.evaluation.demo import DemoEvaluation
from exporter.evaluation.yolo import YoloEvaluation

CLASSES = ["person", "cat", "dog"]
WIDTH, HEIGHT = 40, 20


def made_image(path, width=WIDTH, height=HEIGHT, orientation=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image, exif = Image.fromarray(noise), Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    image.save(path, exif=exif)


def coco(folder, change=lambda content: None, **settings):
    """Two images, one of them background; categories with gaps in their ids. `change` spoils the json."""
    for name in ("a.jpg", "b.jpg"):
        made_image(folder / "pictures" / name)
    content = {
        "images": [{"id": 7, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT}, {"id": 9, "file_name": "b.jpg"}],
        "categories": [{"id": 90, "name": "dog"}, {"id": 18, "name": "cat"}, {"id": 3, "name": "things"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 90, "bbox": [2, 3, 10, 8], "area": 44.0, "iscrowd": 0},
            {"id": 2, "image_id": 7, "category_id": 18, "bbox": [0, 0, 40.5, 20], "iscrowd": 1},
        ],
    }
    change(content)
    (folder / "labels.json").write_text(json.dumps(content))
    return CocoEvaluation(
        path=str(folder / "pictures"), annotations=str(folder / "labels.json"), num_images=None, max_drop=None
    ).model_copy(update=settings)


def yolo(folder, data="val: images/val\nnames: {0: dog, 1: cat}\n", labels="0 0.5 0.5 0.25 0.5\n1 .25 .25 .1 .1\n\n"):
    for name in ("a.jpg", "deep/b.jpg"):
        made_image(folder / "images" / "val" / name)
    (folder / "labels" / "val").mkdir(parents=True, exist_ok=True)
    (folder / "labels" / "val" / "a.txt").write_text(labels)
    (folder / "data.yaml").write_text(data)
    return YoloEvaluation(path=str(folder / "data.yaml"), split="val", num_images=None, max_drop=None)


def test_coco_categories_are_matched_by_name_and_crowds_kept(tmp_path):
    node = coco(tmp_path)
    assert list(node.problems()) == []
    first, background = node.examples(CLASSES, 64, 64)
    assert first.ground_truth.boxes.tolist() == [[2, 3, 12, 11], [0, 0, 40.5, 20]]
    assert first.ground_truth.classes.tolist() == [2, 1]
    assert first.ground_truth.crowd.tolist() == [False, True]
    assert first.ground_truth.areas.tolist() == [44, 810]
    assert background.ground_truth.boxes.shape == (0, 4)
    assert first.read().shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("make", [coco, yolo])
def test_images_of_16_bits_are_scaled_alike(tmp_path, make):
    node = make(tmp_path)
    values = np.arange(WIDTH * HEIGHT, dtype=np.uint16).reshape(HEIGHT, WIDTH)
    for number, path in enumerate(sorted(tmp_path.rglob("*.jpg"))):
        Image.fromarray(values * (4 if number else 1)).save(path, "PNG")
    first, second = node.examples(CLASSES, 64, 64)
    assert first.depth is second.depth and first.depth.bits == 12
    for example, each in ((first, values), (second, values * 4)):
        np.testing.assert_array_equal(example.read()[..., 0], np.rint(each * (255 / 4095)))
    said = node.model_copy(update={"bit_depth": 16}).examples(CLASSES, 64, 64)
    assert said[1].read().max() == (values.max() * 4) >> 8
    assert node.identity() != node.model_copy(update={"bit_depth": 16}).identity()


def test_yolo_names_are_matched_by_name_and_parts_become_pixels(tmp_path):
    node = yolo(tmp_path)
    assert list(node.problems()) == []
    first, background = node.examples(CLASSES, 64, 64)
    assert first.name == "a.jpg" and background.name == "b.jpg"
    np.testing.assert_allclose(first.ground_truth.boxes, [[15, 5, 25, 15], [8, 4, 12, 6]])
    assert first.ground_truth.classes.tolist() == [2, 1]
    assert background.ground_truth.boxes.shape == (0, 4)


def test_num_images_takes_that_many(tmp_path):
    assert [e.name for e in coco(tmp_path, num_images=1).examples(CLASSES, 64, 64)] == ["a.jpg"]


def test_yolo_takes_lists_roboflows_paths_and_images_turned_upright(tmp_path):
    node = yolo(tmp_path, "path: .\nval: [../images/val, more.txt]\nnames: [dog, cat]\nnc: 2\n")
    made_image(tmp_path / "images" / "turned.jpg", orientation=6)
    (tmp_path / "labels" / "turned.txt").write_text("1 0.5 0.5 1 1\n")
    (tmp_path / "more.txt").write_text("images/turned.jpg\n")
    turned = next(e for e in node.examples(CLASSES, 64, 64) if e.name == "turned.jpg")
    assert turned.ground_truth.boxes.tolist() == [[0, 0, HEIGHT, WIDTH]]
    assert turned.read().shape == (WIDTH, HEIGHT, 3)


def test_yolo_labels_of_other_tasks_have_boxes_too(tmp_path):
    polygons = "0 0.25 0.5 0.5 0.25 0.75 0.5 0.5 0.75\n1 0.5 0.5 0.25 0.5\n"
    (tmp_path / "polygons").mkdir()
    first, _ = yolo(tmp_path / "polygons", labels=polygons).examples(CLASSES, 64, 64)
    assert first.ground_truth.boxes.tolist() == [[10, 5, 30, 15], [15, 5, 25, 15]]
    assert first.ground_truth.areas.tolist() == [200, 100]
    data = "val: images/val\nkpt_shape: [2, 3]\nnames: [dog, cat]\n"
    first, _ = yolo(tmp_path, data, labels="0 0.5 0.5 0.25 0.5 0.1 0.1 2 0 0 0\n").examples(CLASSES, 64, 64)
    assert first.ground_truth.boxes.tolist() == [[15, 5, 25, 15]]


def changed(where, **values):
    """Replaces values of the first annotation, image or category."""
    return lambda content: content[where][0].update(values)


COCO_MISTAKES = [
    (changed("annotations", bbox=[2, 3, float("nan"), 8]), ["annotation 1", "[x, y, width, height]"]),
    (changed("annotations", bbox=[2, 3, 10**400, 8]), ["annotation 1", "[x, y, width, height]"]),
    (changed("annotations", bbox=[1, 2, 3]), ["annotation 1", "[x, y, width, height]"]),
    (changed("annotations", bbox=["1", 2, 3, 4]), ["annotation 1", "[x, y, width, height]"]),
    (changed("annotations", category_id=4), ["annotation 1", "category_id=4", "90, 18, 3"]),
    (changed("annotations", image_id=8), ["annotation 1", "image_id=8"]),
    (changed("annotations", image_id=[8]), ["annotation 1", "image_id='[8]'"]),
    (changed("annotations", category_id=None), ["annotation 1", "category_id='None'"]),
    (changed("annotations", iscrowd=5), ["annotation 1", "iscrowd=5"]),
    (changed("annotations", area=-1), ["annotation 1", "area=-1"]),
    (changed("annotations", id="x"), ["id='x'"]),
    (changed("images", file_name="gone.jpg"), ["image 7", "gone.jpg", "2 labels have no image"]),
    (changed("images", file_name=3), ["image 7", "file_name=3"]),
    (changed("images", width=20, height=40), ["image 7", "40 × 20", "20 × 40"]),
    (changed("images", id=9), ["share an id"]),
    (changed("categories", name="cat"), ["share an id or a name"]),
    (changed("categories", name=None), ["category 90"]),
    (lambda content: content.update(annotations=[]), ["none of 2 images has a label"]),
    (lambda content: content.update(annotations=[], images=[]), ["lists no images"]),
    (lambda content: content["annotations"].pop(0), ["none of 2 images has a label"]),  # a crowd is left
    (lambda content: content.pop("categories"), ["no list categories"]),
]


@pytest.mark.parametrize(("change", "said"), COCO_MISTAKES, ids=[said[-1] for _, said in COCO_MISTAKES])
def test_coco_mistakes_are_named_before_anything_runs(tmp_path, change, said):
    (line,) = coco(tmp_path, change).problems()
    assert "\n" not in line
    assert all(part in line for part in said), line


def test_coco_files_that_are_not_there_or_not_json(tmp_path):
    node = coco(tmp_path)
    (tmp_path / "labels.json").write_text("{")
    assert "not JSON" in next(node.problems())
    (tmp_path / "labels.json").unlink()
    assert "labels.json: No such file" in next(node.problems())
    assert "not a folder" in next(node.model_copy(update={"path": "nowhere"}).problems())


YOLO_MISTAKES = [
    ({"labels": "2 0.5 0.5 0.5 0.5\n"}, ["a.txt: line 1", "class 2", "0 to 1"]),
    ({"labels": "-1 0.5 0.5 0.5 0.5\n"}, ["line 1", "class -1"]),
    ({"labels": "0.5 0.5 0.5 0.5 0.5\n"}, ["line 1", "class 0.5"]),
    ({"labels": "0 nan 0.5 0.5 0.5\n"}, ["line 1", "five numbers"]),
    ({"labels": "0 0.5 0.5 0.5\n"}, ["line 1", "five numbers"]),
    ({"labels": "cat 0.5 0.5 0.5 0.5\n"}, ["line 1", "five numbers"]),
    ({"labels": "0,0.5,0.5,0.5,0.5\n"}, ["line 1", "five numbers", "spaces"]),
    ({"labels": "0 0.5 0.5 0.5 0.5 7\n"}, ["line 1", "five numbers"]),  # no score
    ({"labels": "\n0 20 10 10 5\n"}, ["line 2", "divide pixels"]),
    ({"labels": "0 0.5 0.5 0.6 nan 0.6 0.6\n"}, ["line 1", "three points"]),
    ({"labels": ""}, ["none of 2 images has a label"]),
    ({"data": "names: [dog]\n"}, ["split=val"]),
    ({"data": "train: images\nnames: [dog]\n"}, ["split=val", "it has train"]),
    ({"data": "val: nowhere\nnames: [dog]\n"}, ["nowhere", "neither a folder", "{folder}/nowhere and {here}/nowhere"]),
    ({"data": "path: ../x\nval: y\nnames: [dog]\n"}, ["{folder.parent}/x/y and {here.parent}/x/y"]),
    ({"data": "val: [images/val, list.txt]\nnames: [dog, cat]\n"}, ["list.txt: line 1: gone.jpg: no such image"]),
    ({"data": "val: images/val\nnames: [yes, no]\n"}, ["0 is True, 1 is False", "in quotes"]),
    ({"data": "val: images/val\nnames: {0: dog, 1: null}\n"}, ["1 is None", "in quotes"]),
    ({"data": "val: images/val\nnames: {0: dog, 1: [cat]}\n"}, ["1 is ['cat']"]),
    ({"data": "val: images/val\nnames: {yes: dog, 1: cat}\n"}, ["neither a list"]),
    ({"data": "val: labels\nnames: [dog]\n"}, ["no images"]),
    ({"data": "val: images/val\nnames: dog\n"}, ["neither a list"]),
    ({"data": "val: images/val\nnames: [dog, dog]\n"}, ["the same"]),
    ({"data": "val: images/val\nnames: [dog, cat]\nnc: 3\n"}, ["nc=3", "2 names"]),
    ({"data": "val: [\n"}, ["not valid YAML", "line 2"]),
    ({"data": "- 1\n"}, ["not a mapping"]),
    ({"data": "val: images/val\nnames: [dog]\nday: 2024-13-45\n"}, ["month", "put that value in quotes"]),
    ({"data": f"val: images/val\nnames: [dog]\nnc: {'9' * 5000}\n"}, ["not valid YAML", "digits"]),
    ({"data": f"val: images/val\nnames:\n  ? '{'9' * 5000}'\n  : dog\n"}, ["neither a list", "class numbers"]),
    ({"data": 'path: "~\\0"\nval: images/val\nnames: [dog]\n'}, ["neither a folder", "mend path"]),
    ({"data": 'val: "~\\0"\nnames: [dog]\n'}, ["neither a folder", "mend path or val"]),
]


@pytest.mark.parametrize(("files", "said"), YOLO_MISTAKES, ids=[said[-1] for _, said in YOLO_MISTAKES])
def test_yolo_mistakes_are_named_before_anything_runs(tmp_path, files, said):
    (tmp_path / "list.txt").write_text("gone.jpg\n")
    (line,) = yolo(tmp_path, **files).problems()
    assert "\n" not in line
    assert all(part.format(folder=tmp_path, here=Path.cwd()) in line for part in said), line


def test_yolo_labels_without_an_image(tmp_path):
    node = yolo(tmp_path)
    (tmp_path / "labels" / "val" / "lost.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (line,) = node.problems()
    assert "lost.txt: labels without an image" in line


@pytest.mark.parametrize("make", [coco, yolo])
def test_corrupt_images_are_named(tmp_path, make):
    node = make(tmp_path)
    (file,) = tmp_path.rglob("a.jpg")
    data = file.read_bytes()
    file.write_bytes(b"nothing of the kind")
    assert "a.jpg: not an image" in next(node.problems())
    file.write_bytes(data[:-200])  # its header is whole, and its end is not there
    assert "a.jpg: the image cannot be read" in next(node.problems())
    file.write_bytes(data + b"\0")  # another end, and all of it is there
    assert list(node.problems()) == []


@pytest.mark.parametrize("make", [coco, yolo])
def test_labels_that_are_not_the_models_show_what_differs(tmp_path, make):
    with pytest.raises(RequestError) as error:
        make(tmp_path).examples(["person", "dog"], 64, 64)
    said = ("cat: not a class", "the model has person instead", "class_names")
    assert all(part in str(error.value) for part in said)
    assert "dog" not in str(error.value)
    with pytest.raises(RequestError) as error:
        make(tmp_path).examples([f"class number {i}" for i in range(300)], 64, 64)
    assert "… (300 in all)" in str(error.value) and len(str(error.value)) < 500
    with pytest.raises(RequestError, match="or not only one"):
        make(tmp_path).examples(["dog", "cat", "dog"], 64, 64)


def test_the_demo_is_for_the_demos_classes():
    with pytest.raises(RequestError, match=r"disc, square.* \(8 in all\).*it has cat:"):
        DemoEvaluation(num_images=1, max_drop=None).examples(["cat"], 64, 64)
    with pytest.raises(RequestError, match="in this order; it has crescent"):
        DemoEvaluation(num_images=1, max_drop=None).examples(CLASS_NAMES[::-1], 64, 64)


def test_bad_labels_end_a_build_before_it_starts(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    coco(tmp_path, changed("annotations", bbox=["2", 3, 1, 8]))
    overrides = [
        "+recipe=yolo_nas_s",
        "evaluation=coco",
        "evaluation.path=pictures",
        "evaluation.annotations=labels.json",
    ]
    assert main(overrides) == 2
    assert "annotation 1" in capsys.readouterr().err
    assert not (tmp_path / "outputs").exists()


REFUSED = [
    (["+recipe=yolo_nas_s", "evaluation=demo", "evaluation.max_drop=1"], ["max_drop=1", "quantization=none"]),
    (["+recipe=yolo_nas_s", "evaluation=demo", "postprocessing/nms=none"], ["evaluation=demo", "nms=none"]),
    (["+recipe=yolo_nas_s", "evaluation=coco"], ["evaluation.path", "evaluation.annotations"]),
    (["+recipe=yolo_nas_s", "evaluation=coko"], ["did you mean coco"]),
    (["+recipe=yolo_nas_s", "evaluation=demo", "evaluation.num_images=0"], ["evaluation.num_images=0"]),
    (["+recipe=yolo_nas_s_int8", "evaluation=demo", "evaluation.max_drop=-1"], ["evaluation.max_drop=-1"]),
]


@pytest.mark.parametrize(("arguments", "said"), REFUSED, ids=[" ".join(arguments) for arguments, _ in REFUSED])
def test_requests_that_cannot_be_met(arguments, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    line = capsys.readouterr().err.strip()
    assert "\n" not in line
    assert all(part in line for part in said), line
