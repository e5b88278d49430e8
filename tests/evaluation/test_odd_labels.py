"""Labels as people have them: what has one meaning is taken so and counted, and with `strict` an error as well; all that
is wrong with a set is one line."""

import contextlib
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from exporter.artifact.manifest import read_manifest
from exporter.cli import main
from exporter.common.errors import RequestError
from tests.evaluation.colours import NAMES, labelled
from tests.evaluation.test_gates import NETWORK, SMALL
from tests.evaluation.test_readers import CLASSES, HEIGHT, WIDTH, changed, coco, made_image, yolo

# What the json of `coco` has without any change: its second image has no size.
AS_IT_IS = {"size_from_image": 1}
WHOLE = [2, 3, 12, 11]
CROWD = [0, 0, 40.5, 20]


def added(**values):
    """One more annotation, of the first image, like the first but for these values."""
    return lambda content: content["annotations"].append({**content["annotations"][0], "id": 9, **values})


def without(where, *keys):
    return lambda content: [content[where][0].pop(key) for key in keys]


def backslashes(content):
    content["images"][0]["file_name"] = "deep\\a.jpg"


def parent(content):
    """As Roboflow writes it: a first category, of the name of another one, that labels nothing."""
    content["categories"] += [{"id": 0, "name": "shapes"}, {"id": 1, "name": "dog"}]


COCO_ODD = {
    "over the edge": (changed("annotations", bbox=[35, 3, 10, 8]), {"clipped": 1}, [35, 3, 40, 11]),
    "over three edges": (changed("annotations", bbox=[-4, -5, 16, 100]), {"clipped": 1}, [0, 0, 12, 20]),
    "as tools round": (changed("annotations", bbox=[30, 3, 10.9, 8]), {}, [30, 3, 40.9, 11]),
    "outside": (added(bbox=[60, 3, 10, 8]), {"dropped_outside": 1}, WHOLE),
    "no height": (added(bbox=[4, 3, 1.03, 0.0], area=0.0), {"dropped_without_extent": 1}, WHOLE),
    "negative width": (added(bbox=[4, 3, -1, 5]), {"dropped_without_extent": 1}, WHOLE),
    "no area": (without("annotations", "area"), {"area_from_box": 2}, WHOLE),
    "area 0": (changed("annotations", area=0), {"area_from_box": 2}, WHOLE),
    "area null": (changed("annotations", area=None), {"area_from_box": 2}, WHOLE),
    "no iscrowd": (without("annotations", "iscrowd"), {}, WHOLE),
    "iscrowd null": (changed("annotations", iscrowd=None), {}, WHOLE),
    "segmentation": (changed("annotations", segmentation={"counts": "abc", "size": [20, 40]}), {}, WHOLE),
    "no size": (without("images", "width", "height"), {"size_from_image": 2}, WHOLE),
    "size 0": (changed("images", width=0, height=0), {"size_from_image": 2}, WHOLE),
    "size 1": (changed("images", width=1, height=1), {"size_from_image": 2}, WHOLE),
    "size -1": (changed("images", width=-1), {"size_from_image": 2}, WHOLE),
    "size in words": (changed("images", width="40 px", height=None), {"size_from_image": 2}, WHOLE),
    "another category": (parent, {"categories_ignored": 1}, WHOLE),
    "another case": (changed("categories", name="DOG"), {"names_in_other_case": 1}, WHOLE),
    "backslashes": (backslashes, {"backslashes": 1}, WHOLE),
}


@pytest.mark.parametrize("what", COCO_ODD)
def test_what_is_odd_in_a_json(tmp_path, what):
    change, counts, box = COCO_ODD[what]
    made_image(tmp_path / "pictures" / "deep" / "a.jpg")
    used = ["things", *CLASSES]  # the model has the category that labels nothing
    node = coco(tmp_path, lambda content: (content["annotations"][1].update(area=810), change(content)))
    if "area_from_box" in counts:
        node = coco(tmp_path, change)
    assert list(node.problems()) == []
    examples = node.examples(used, 64, 64)
    assert examples.notes == AS_IT_IS | counts
    assert examples[0].ground_truth.boxes.tolist() == [box, CROWD]
    assert examples[0].ground_truth.classes.tolist() == [used.index("dog"), used.index("cat")]
    if counts:
        with pytest.raises(RequestError):
            node.model_copy(update={"strict": True}).examples(used, 64, 64)


def test_an_area_that_is_not_there_is_that_of_the_box_on_the_image(tmp_path):
    node = coco(tmp_path, changed("annotations", bbox=[35, 3, 10, 8], area=0))
    assert node.examples(CLASSES, 64, 64)[0].ground_truth.areas.tolist() == [40, 810]


def test_sizes_of_the_stored_image_are_taken_where_exif_turns_it(tmp_path):
    """As Label Studio writes them: width and height before the turn, boxes behind it."""
    node = coco(tmp_path, changed("images", width=HEIGHT, height=WIDTH))
    (line,) = node.problems()
    assert "the boxes would not fit" in line  # no EXIF, no turn
    made_image(tmp_path / "pictures" / "a.jpg", width=HEIGHT, height=WIDTH, orientation=6)
    examples = node.examples(CLASSES, 64, 64)
    assert examples.notes["size_turned"] == 1 and examples[0].read().shape[:2] == (HEIGHT, WIDTH)
    tall = json.loads((tmp_path / "labels.json").read_text())
    tall["annotations"][0]["bbox"] = [2, 3, 10, 30]
    (tmp_path / "labels.json").write_text(json.dumps(tall))
    (line,) = node.problems()
    assert "image 7" in line and "as it is stored" in line


def test_boxes_in_parts_of_the_image_are_not_cocos(tmp_path):
    node = coco(tmp_path, lambda c: [a.update(bbox=[0.1, 0.2, 0.5, 0.5]) for a in c["annotations"]])
    (line,) = node.problems()
    assert "all 2 boxes lie within the first pixel" in line


COCO_MANY = {
    "ids that are text": (lambda c: [a.update(id=str(a["id"])) for a in c["annotations"]], "id='5'", " more"),
    "ids with a point": (lambda c: [a.update(id=float(a["id"])) for a in c["annotations"]], "id='5.0'", " more"),
    "one id": (lambda c: [a.update(id=5) for a in c["annotations"]], "annotation 5: another one", "and 6 more"),
    "text": (lambda c: [a.update(bbox=["1", "2", "3", "4"]) for a in c["annotations"]], "annotation 5", "and 7 more"),
    "lost": (lambda c: [i.update(file_name=f"{i['id']}.jpg") for i in c["images"]], "7.jpg is not in", "9.jpg"),
    "no images": (lambda c: [a.update(image_id=50) for a in c["annotations"]], "image_id=50", "and 7 more"),
    "twice": (lambda c: c["images"].append(c["images"][0]), "image 7: two images share an id", ""),
}


@pytest.mark.parametrize("what", COCO_MANY)
def test_all_mistakes_of_a_json_are_one_line(tmp_path, what):
    change, first, last = COCO_MANY[what]

    def changed(content):
        objects = [{**content["annotations"][0], "id": i} for i in range(5, 15)]
        content["annotations"] = objects
        change(content)

    (line,) = coco(tmp_path, changed).problems()
    assert first in line and last in line and "\n" not in line and len(line) < 800


BOX, SECOND = "0 0.5 0.5 0.25 0.5\n", "1 .25 .25 .1 .1\n"
YOLO_ODD = {
    "over the edge": ("0 0.95 0.5 0.25 0.5\n", {"clipped": 1}, [33, 5, 40, 15]),
    "centre outside": ("0 -0.01 0.5 0.1 0.5\n", {"clipped": 1}, [0, 5, 1.6, 15]),
    "polygon": ("0 0.5 0.5 0.6 0.5 1.6 0.6\n", {"clipped": 1}, [20, 10, 40, 12]),
    "outside": (BOX + "0 1.5 0.5 0.1 0.1\n", {"dropped_outside": 1}, [15, 5, 25, 15]),
    "no width": (BOX + "0 0.5 0.5 0 0.5\n", {"dropped_without_extent": 1}, [15, 5, 25, 15]),
    "a line": (BOX + "0 0.5 0.5 0.5 0.5 0.5 0.5\n", {"dropped_without_extent": 1}, [15, 5, 25, 15]),
    "twice": (BOX + BOX, {"dropped_duplicates": 1}, [15, 5, 25, 15]),
    "twice, a score": (BOX + BOX.replace("\n", " 0.3\n"), {"dropped_duplicates": 1, "scores_ignored": 1}, [15, 5, 25, 15]),
    "score": ("0 0.5 0.5 0.25 0.5 0.91\n", {"scores_ignored": 1}, [15, 5, 25, 15]),
    "polygon with a score": ("0 0.25 0.5 0.5 0.25 0.75 0.5 0.9\n", {"scores_ignored": 1}, [10, 5, 30, 10]),
    "byte order mark": ("\ufeff" + BOX, {}, [15, 5, 25, 15]),
    "tabs and CRLF": (BOX.replace(" ", "\t").replace("\n", "\r\n"), {}, [15, 5, 25, 15]),
}  # fmt: skip


@pytest.mark.parametrize("what", YOLO_ODD)
def test_what_is_odd_in_a_label_file(tmp_path, what):
    labels, counts, box = YOLO_ODD[what]
    node = yolo(tmp_path, labels=labels + SECOND)
    examples = node.examples(CLASSES, 64, 64)
    assert examples.notes == counts
    np.testing.assert_allclose(examples[0].ground_truth.boxes, [box, [8, 4, 12, 6]], atol=1e-9)
    if counts:
        with pytest.raises(RequestError, match=r"a\.txt: line \d"):
            node.model_copy(update={"strict": True}).examples(CLASSES, 64, 64)


def stray(*names, content=""):
    def write(folder):
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content)

    return write


def moved(old, new):
    return lambda folder: (
        (folder / new).parent.mkdir(parents=True, exist_ok=True) or shutil.move(folder / old, folder / new)
    )


def beside(folder):
    """Labels where the images are, in folders whose names say nothing."""
    shutil.move(folder / "labels" / "val" / "a.txt", folder / "images" / "val" / "a.txt")
    shutil.rmtree(folder / "labels")


def both(*steps):
    return lambda folder: [step(folder) for step in steps]


LISTED = "val: list.txt\nnames: [dog, cat]\n"
HIDDEN = ["._a.jpg", "deep/._b.jpg", ".thumbs/a.jpg", "@eaDir/a.jpg/thumb.jpg", "__MACOSX/a.jpg"]
YOLO_FOLDERS = {
    "list of classes": (stray("labels/val/classes.txt", content="dog\ncat\n"), "", {"files_ignored": 1}),
    "of macOS": (stray("labels/val/._a.txt", content="\0\5\x16\7"), "", {"files_ignored": 1}),
    "empty, of no image": (stray("labels/val/gone.txt"), "", {"files_ignored": 1}),
    "hidden images": (stray(*(f"images/val/{name}" for name in HIDDEN)), "", {"files_ignored": 5}),
    "a cache": (stray("labels/val.cache", "labels/val/.DS_Store", "images/val/Thumbs.db"), "", {}),
    "beside the images": (beside, "", {}),
    "Images and Labels": (
        both(moved("images", "Images"), moved("labels", "Labels")), "val: Images/val\nnames: [dog, cat]\n", {}),
    "upper case": (moved("labels/val/a.txt", "labels/val/a.TXT"), "", {}),
    "another case": (stray("x"), "val: images/val\nnames: [Dog, CAT]\n", {"names_in_other_case": 2}),
    "an unknown class": (stray("x"), "val: images/val\nnames: [dog, cat, unicorn]\n", {"categories_ignored": 1}),
    "numbers that are text": (stray("x"), "val: images/val\nnames: {'0': dog, '1': cat}\nnc: '2'\n", {}),
    "backslashes": (stray("x"), "val: images\\val\nnames: [dog, cat]\n", {"backslashes": 1}),
    "path with backslashes": (
        both(moved("images", "further/on/images"), moved("labels", "further/on/labels")),
        "path: further\\on\nval: images/val\nnames: [dog, cat]\n", {"backslashes": 1}),
    "list with backslashes": (
        stray("list.txt", content="images\\val\\a.jpg\r\n.\\images\\val\\deep\\b.jpg\r\n"), LISTED, {"backslashes": 2}),
    "list of macOS": (
        both(stray("list.txt", content="images/val/a.jpg\nimages/val/._a.jpg\nimages/val/deep/b.jpg\n"),
             stray("images/val/._a.jpg")), LISTED, {"files_ignored": 1}),
    "list in a folder": (
        stray("lists/val.txt", content="images/val/a.jpg\nimages/val/deep/b.jpg\n"),
        "val: lists/val.txt\nnames: [dog, cat]\n", {}),
    "images named twice": (
        stray("x"), "val: [images/val, ./images/../images/val, images/val/a.jpg]\nnames: [dog, cat]\n", {}),
    "images one by one": (stray("x"), "val: [images/val/a.jpg, images/val/deep/b.jpg]\nnames: [dog, cat]\n", {}),
    "from the current folder": (
        both(moved("images", "elsewhere/images"), moved("labels", "elsewhere/labels")),
        "path: set/elsewhere\nval: images/val\nnames: [dog, cat]\n", {"from_current_folder": 1}),
    "download": (stray("x"), "val: images/val\nnames: [dog, cat]\ndownload: |\n  import os\n", {}),
}  # fmt: skip


@pytest.mark.parametrize("what", YOLO_FOLDERS)
def test_what_is_odd_about_the_folders_of_a_set(tmp_path, monkeypatch, what):
    change, data, counts = YOLO_FOLDERS[what]
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "set"
    node = yolo(folder)
    change(folder)
    if data:
        (folder / "data.yaml").write_text(data)
    assert list(node.problems()) == []
    first, background = examples = node.examples(CLASSES, 64, 64)
    assert examples.notes == counts
    np.testing.assert_allclose(first.ground_truth.boxes, [[15, 5, 25, 15], [8, 4, 12, 6]])
    assert background.name == "b.jpg" and not len(background.ground_truth.boxes)
    if counts:
        with pytest.raises(RequestError):
            node.model_copy(update={"strict": True}).examples(CLASSES, 64, 64)


def test_a_list_that_takes_some_images_of_a_folder_leaves_the_labels_of_the_others_alone(tmp_path):
    node = yolo(tmp_path, LISTED)
    (tmp_path / "list.txt").write_text("images/val/a.jpg\n")
    made_image(tmp_path / "images" / "val" / "c.jpg")
    (tmp_path / "labels" / "val" / "c.txt").write_text(BOX)
    assert [e.name for e in node.examples(CLASSES, 64, 64)] == ["a.jpg"]


def test_all_mistakes_of_a_yolo_set_are_one_line(tmp_path):
    node = yolo(tmp_path, labels="5 0.5 0.5 0.1 0.1\n" * 217)
    (line,) = node.problems()
    assert "line 1" in line and "line 3" in line and "line 4" not in line and line.endswith(" … and 214 more")
    for i in range(2):  # files of no bytes, and half ones
        (tmp_path / "images" / "val" / f"{i}.png").write_bytes(b"")
    (tmp_path / "labels" / "val" / "a.txt").write_text("cat 1 1 1 1\n")
    (line,) = node.problems()
    assert all(part in line for part in ("0.png: the file is empty", "1.png: the file is empty", "a.txt: line 1"))


def test_what_was_odd_is_part_of_the_identity(tmp_path):
    """The store would otherwise give the manifest the counts of other files with the same meaning."""
    node = yolo(tmp_path)
    before = node.identity()
    (tmp_path / "labels" / "val" / "classes.txt").write_text("dog\ncat\n")
    assert node.identity() != before
    shutil.move(tmp_path, tmp_path.with_name("moved"))
    moved = node.model_copy(update={"path": str(tmp_path.with_name("moved") / "data.yaml")})
    (tmp_path.with_name("moved") / "labels" / "val" / "classes.txt").unlink()
    assert moved.identity() == before


def test_nothing_is_left(tmp_path):
    (line,) = yolo(tmp_path, labels="0 0.5 0.5 0 0.5\n").problems()
    assert "none of 2 images has a label (boxes without extent dropped: 1)" in line


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """An INT8 artifact that was calibrated and scored on a set with a hidden file and a box over the edge; all of it,
    its words, and what was said."""
    folder = tmp_path_factory.mktemp("odd")
    size, spoiled = labelled()[0][0].shape[0], "0 0.99 0.5 0.1 0.1\n"
    for i, (pixels, boxes, classes) in enumerate(labelled()):
        for kind in ("images", "labels"):
            (folder / kind).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / "images" / f"{i}.png")
        lines = [
            f"{c} {(x1 + x2) / 2 / size} {(y1 + y2) / 2 / size} {(x2 - x1) / size} {(y2 - y1) / size}\n"
            for (x1, y1, x2, y2), c in zip(boxes.tolist(), classes.tolist(), strict=True)
        ]
        (folder / "labels" / f"{i}.txt").write_text("".join(lines) + (spoiled if i == 0 else ""))
    (folder / "images" / "._0.png").write_bytes(b"\0")
    (folder / "data.yaml").write_text(f"train: images\nval: images\nnames: {NAMES}\n")
    overrides = [*NETWORK, *SMALL, "trust=tests", "quantization=int8", "proof.mean_score_error=1", "calibration=yolo",
             f"calibration.path={folder / 'data.yaml'}", "evaluation=yolo", f"evaluation.path={folder / 'data.yaml'}",
             f"output_dir={folder / 'out'}"]  # fmt: skip
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        assert main(overrides) == 0
    return folder, overrides, said.getvalue()


def test_what_was_odd_is_in_the_manifest(built):
    manifest = read_manifest(built[0] / "out")
    assert manifest.evaluation is not None and manifest.evaluation.labels == {"clipped": 1, "files_ignored": 1}
    assert manifest.calibration is not None and manifest.calibration.labels == {"files_ignored": 1}
    assert (manifest.calibration.name, manifest.calibration.num_images) == ("yolo", 4)


def test_a_manifest_without_these_counts_is_read(built, tmp_path):
    values = json.loads((built[0] / "out" / "manifest.json").read_text())
    for group in ("evaluation", "calibration"):
        del values[group]["labels"], values["recipe"]["config"][group]["strict"]
    (tmp_path / "manifest.json").write_text(json.dumps(values))
    assert read_manifest(tmp_path).evaluation.labels == {}


def test_what_was_odd_is_said_in_one_line(built, capsys):
    said = [line for line in built[2].splitlines() if "labels:" in line]
    assert [line.split("labels:")[0].split()[-1] for line in said] == ["evaluation:", "calibration:"]
    assert "clipped at the image's edge: 1" in said[0] and "evaluation.strict=true" in said[0]
    assert main(["evaluate", str(built[0] / "out"), "--yolo", str(built[0] / "data.yaml")]) == 0
    assert "clipped at the image's edge: 1" in capsys.readouterr().err
    assert main(["evaluate", str(built[0] / "out"), "--yolo", str(built[0] / "data.yaml"), "--strict"]) == 2
    assert "reaches over the edge" in capsys.readouterr().err
    assert main(["evaluate", str(built[0] / "out"), "--strict"]) == 2
    assert "--yolo or --coco" in capsys.readouterr().err


def test_strict_ends_a_build_before_it_starts(built, tmp_path, capsys):
    overrides = [*built[1][:-1], f"output_dir={tmp_path / 'out'}"]
    assert main([*overrides, "evaluation.strict=true"]) == 2
    assert "0.txt: line 4: the box" in capsys.readouterr().err
    assert main([*overrides, "calibration.strict=true"]) == 2
    assert "a hidden file" in capsys.readouterr().err


def test_it_is_built_again_from_its_data_yaml(built, capsys):
    assert main(["rebuild", str(built[0] / "out"), "--trust", "tests"]) == 2
    assert "calibration=yolo): say where they lie, --pictures DATA_YAML" in capsys.readouterr().err
    place = ["--pictures", str(built[0] / "data.yaml")]
    assert main(["rebuild", str(built[0] / "out"), "--trust", "tests", *place]) == 0
    assert main(["rebuild", str(built[0] / "out"), "--trust", "tests", *place, "--annotations", "x.json"]) == 2
    assert "x.json: has no effect" in capsys.readouterr().err


def test_of_a_json_both_places_are_asked_for(built, tmp_path, capsys):
    values = json.loads((built[0] / "out" / "manifest.json").read_text())
    values["calibration"]["name"] = "coco"
    values["recipe"]["config"]["calibration"]["_target_"] = "exporter.calibration.CocoCalibration"
    (tmp_path / "manifest.json").write_text(json.dumps(values))
    assert main(["rebuild", str(tmp_path), "--trust", "tests"]) == 2
    assert "say where they lie, --pictures FOLDER --annotations JSON" in capsys.readouterr().err
    assert main(["rebuild", str(tmp_path), "--trust", "tests", "--pictures", "x"]) == 2
    assert "say where they lie, --annotations JSON" in capsys.readouterr().err
