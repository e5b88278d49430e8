"""`exporter inspect FILE.onnx`: what a stranger's graph gives, and the recipe that it is taken for."""

import shlex

import numpy as np
import onnx
import pytest
import torch

from exporter.cli import main
from exporter.cli.verbs.inspect.taken import Taken
from exporter.common.errors import RequestError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.model.head import Head
from exporter.model.head.libreyolo import COCO_IDS
from tests.model.graphs import detector
from tests.model.head.encoded import HEADS, HEIGHT, WIDTH, encoded, known, network, one_dimension_more, preset

NAMES = "{0: 'a', 1: 'b', 2: 'c', 3: 'd', 4: 'e'}"
LIBRE = {"libreyolo_version": "1.6.0", "names": NAMES}


def saved(tmp_path, what: str, outputs=None, /, **metadata: str):
    head = HEADS[what]
    model = network(encoded(head, *known(head, batch=1)), outputs)
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, tmp_path / "x.onnx")
    return str(tmp_path / "x.onnx")


@pytest.mark.parametrize(
    ("what", "metadata", "said"),
    [
        ("yolov8", {"description": "Ultralytics YOLO11n model", "names": NAMES}, ["yolo11: as the file says itself", "equally possible: yolov8, yolov9\n", "5: named in the file"]),
        ("yolov5", {}, ["yolov5: guessed from shapes and values", "5: not named in the file"]),
        ("yolox", {}, ["yolox: guessed", "BGR 0..255"]),
        ("detr", {"names": NAMES}, ["detr", "size 64 × 96: fixed in the file"]),
        ("yolo26", {}, ["yolo26: guessed", "model.head.num_classes=80"]),
        ("rtdetr_ultralytics", {"description": "Ultralytics rtdetr-l", "names": NAMES}, ["rtdetr_ultralytics: as the file says itself"]),
        ("libreyolox", LIBRE | {"model_family": "yolox"}, ["libreyolox: as the file says itself", "BGR 0..255"]),
        ("masks behind", {"names": NAMES, "task": "segment"}, ["model.head.num_classes=5", "not read        what follows 5 classes of each box"]),
        ("paddle", {}, ["paddle: guessed", "what it is fed: not known, set preprocessing"]),
        ("paddle_joined", {}, ["paddle_joined: guessed", "what it is fed: not known, set preprocessing"]),
        ("libreyolo9", LIBRE | {"model_family": "yolo9"}, ["libreyolo9: as the file says itself", "bottom right"]),
    ],
)  # fmt: skip
def test_what_fits_is_said_with_what_is_sure_and_what_is_guessed(tmp_path, capsys, what, metadata, said):
    assert main(["inspect", saved(tmp_path, what, **metadata)]) == 0
    shown = capsys.readouterr().out
    for text in said:
        assert text in shown
    sure = "known" if metadata.keys() & {"libreyolo_version", "description"} else "guessed"
    assert f"{sure:<16}what it is fed" in shown and "build           exporter model=onnx model/head=" in shown


@pytest.mark.parametrize("classes", [1, 5])
def test_boxes_in_0_to_1_are_read_so_where_a_presets_are_in_pixels(tmp_path, capsys, classes):
    head = preset("yolov5", unit="relative")
    onnx.save(network(encoded(head, *known(head, batch=1, classes=classes))), tmp_path / "x.onnx")
    assert main(["inspect", str(tmp_path / "x.onnx")]) == 0
    shown = capsys.readouterr().out
    assert "head            yolov5: guessed" in shown and shown.endswith("model.head.unit=relative\n")


def test_the_number_of_a_class_is_no_score(tmp_path, capsys):
    """Of two classes it is 0 or 1, as a score could be."""
    found = preset("yolo26", num_classes=2)
    model = network(encoded(found, *known(found, batch=1, classes=2)))
    onnx.helper.set_model_props(model, {"names": "{0: 'a', 1: 'b'}"})
    onnx.save(model, tmp_path / "x.onnx")
    assert main(["inspect", str(tmp_path / "x.onnx")]) == 0
    assert "head            yolo26: guessed" in capsys.readouterr().out
    boxes, scores = known(HEADS["yolov8"], batch=1)
    zero, score = np.zeros((*boxes.shape[:2], 1)), scores[..., :1]
    for columns, first in (([boxes, score, zero], "yolo26"), ([boxes, zero, score], "paddle_joined")):  # of one class
        onnx.save(network([np.concatenate(columns, -1)]), tmp_path / "x.onnx")
        assert main(["inspect", str(tmp_path / "x.onnx")]) == 0
        assert f"head            {first}: guessed" in capsys.readouterr().out
    # mmdeploy: box and score, and the class in another output
    numbers = scores.argmax(-1)
    model = network([np.concatenate([boxes, scores.max(-1, keepdims=True)], -1)], ["dets"])
    model.graph.initializer.append(onnx.numpy_helper.from_array(numbers, "numbers"))
    model.graph.node.append(onnx.helper.make_node("Identity", ["numbers"], ["labels"]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("labels", onnx.TensorProto.INT64, numbers.shape))
    onnx.save(model, tmp_path / "x.onnx")
    assert main(["inspect", str(tmp_path / "x.onnx")]) == 0
    assert "not recognised" in capsys.readouterr().out


def test_what_ultralytics_feeds_is_known_whatever_its_boxes_look_like(tmp_path, capsys):
    """libreyolo9 fits by its shapes, and pads elsewhere."""
    assert main(["inspect", saved(tmp_path, "libreyolo9", description="Ultralytics YOLO11n model", names=NAMES)]) == 0
    shown = capsys.readouterr().out
    assert "head            libreyolo9: guessed" in shown
    assert (
        "known           what it is fed: RGB 0..1, proportions kept, padding center with 114 (as Ultralytics" in shown
    )
    assert "preprocessing=declared preprocessing.max_value=255 preprocessing.resize=letterbox" in shown


def test_names_of_tensors_are_quoted_as_the_command_line_reads_them(tmp_path, capsys):
    taken = Taken("paddle", None, tmp_path / "x.onnx", 1, 64, 96, {}, ('größe/a "b"', "c\\d,[e]"))
    (cut,) = (each for each in taken.overrides if each.startswith("model.cut="))
    overrides = ["model=onnx", "model/head=paddle", "model.weights=x.onnx", cut]
    assert tuple(compose(overrides).config.model.cut) == taken.cut


def test_boxes_with_one_dimension_more_are_those_of_yolov4(tmp_path, capsys):
    head = HEADS["yolov4"]
    onnx.save(network(one_dimension_more(encoded(head, *known(head, batch=1)))), tmp_path / "x.onnx")
    assert main(["inspect", str(tmp_path / "x.onnx")]) == 0
    assert "yolov4: guessed" in capsys.readouterr().out


def test_save_writes_a_recipe_that_builds_from_the_file(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = saved(tmp_path, "dfine", ["dets", "labels"])
    assert main(["inspect", file, "--save", "theirs"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "recipes/theirs.yaml"
    recipe = check(compose(["+recipe=theirs"]))
    assert (recipe.input.height, recipe.input.width) == (64, 96)
    assert recipe.model.load().num_classes in (4, 5)  # of five columns the last may be no object: RF-DETR's usual
    assert type(recipe.nms).__name__ == "TopkNms"
    for name in ("theirs", "yolo_nas_s"):  # of the one that ships there would be two files of one name
        assert main(["inspect", file, "--save", name]) == 2
        assert "is there already" in capsys.readouterr().err


def test_a_saved_recipe_says_how_many_classes_there_are_where_the_file_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["inspect", saved(tmp_path, "yolo26"), "--save", "theirs"]) == 0
    assert check(compose(["+recipe=theirs"])).model.load().num_classes == 80


def test_the_recipe_says_what_the_file_is_fixed_to_and_what_is_not_read(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    head = HEADS["dfine"]
    four = [np.repeat(each, 4, axis=0) for each in encoded(head, *known(head, batch=1))]
    model = network(four, batch=4, size=(72, 90))
    model.graph.output.append(onnx.helper.make_tensor_value_info("zero", onnx.TensorProto.FLOAT, []))
    onnx.save(model, "x.onnx")
    assert main(["inspect", "x.onnx", "--save", "theirs"]) == 0
    shown = capsys.readouterr().out
    assert "not read        zero: see that" in shown
    assert "input.batch=4 input.height=72 input.width=90 model.head.size_multiple=2" in shown
    recipe = check(compose(["+recipe=theirs"]))
    assert (recipe.input.batch, recipe.input.height, recipe.input.width) == (4, 72, 90)


def test_a_file_of_float16_is_read_like_any_other(tmp_path, capsys):
    head = HEADS["yolov8"]
    model = network(encoded(head, *known(head, batch=1)), kind=onnx.TensorProto.FLOAT16)
    onnx.save(model, tmp_path / "x.onnx")
    assert main(["inspect", str(tmp_path / "x.onnx")]) == 0
    assert "head            yolo" in capsys.readouterr().out


def test_a_file_for_another_task_is_told_so(tmp_path, capsys):
    assert main(["inspect", saved(tmp_path, "yolov8", None, task="detect")]) == 0
    assert "not recognised" not in capsys.readouterr().out
    model = network([np.zeros((1, 20), np.float32)])
    onnx.helper.set_model_props(model, {"task": "classify"})
    onnx.save(model, tmp_path / "x.onnx")
    assert main(["inspect", str(tmp_path / "x.onnx")]) == 0
    assert (
        "not recognised: the file says that it is for another task than detection: classify" in capsys.readouterr().out
    )


def test_names_of_another_number_are_why_no_head_fits(tmp_path, capsys):
    assert main(["inspect", saved(tmp_path, "detr", names="{0: 'a', 1: 'b'}")]) == 0
    assert "it names 2 classes, and as detr it gives scores of 5: model/head=detr and" in capsys.readouterr().out
    boxes, scores = known(HEADS["yolov5"], batch=1)
    first = 1 - scores.sum(-1, keepdims=True)  # the background: what follows the first five columns is a score too
    model = network([np.concatenate([boxes, first, scores], -1).transpose(0, 2, 1)])
    onnx.helper.set_model_props(model, {"names": NAMES})
    onnx.save(model, tmp_path / "x.onnx")
    assert main(["inspect", str(tmp_path / "x.onnx")]) == 0
    assert "not recognised" in capsys.readouterr().out
    # Five columns of scores are five classes, also where the first two could be read alone.
    assert main(["inspect", saved(tmp_path, "yolov8", names="{0: 'a', 1: 'b'}")]) == 0
    assert "it names 2 classes, and as yolo11 it gives scores of 5" in capsys.readouterr().out


def test_the_contract_is_its_own_head_and_nonsense_is_none(tmp_path, capsys):
    onnx.save(detector(batch=1), tmp_path / "core.onnx")
    assert main(["inspect", str(tmp_path / "core.onnx")]) == 0
    assert "head            boxes_scores" in capsys.readouterr().out
    model = detector(batch=1)
    del model.graph.output[1:]
    onnx.save(model, tmp_path / "half.onnx")
    assert main(["inspect", str(tmp_path / "half.onnx")]) == 0
    assert "not recognised: its one output seems to be boxes without scores" in capsys.readouterr().out
    assert main(["inspect", str(tmp_path / "half.onnx"), "--save", "no"]) == 2
    assert main(["inspect", str(tmp_path / "gone.onnx")]) == 2


def test_a_side_that_the_file_fixes_is_kept_where_the_other_is_free(tmp_path, capsys):
    file = saved(tmp_path, "yolov8")
    model = onnx.load(file)
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_param = "width"
    onnx.save(model, file)
    assert main(["inspect", file]) == 0
    assert "size 64 × 640: guessed" in capsys.readouterr().out


def of_libreyolo(tmp_path, family: str, outputs: list[np.ndarray], names: int, **metadata: str) -> str:
    model = network(outputs)
    said = {str(i): f"name{i}" for i in range(names)}
    onnx.helper.set_model_props(model, {**LIBRE, "model_family": family, "names": str(said), **metadata})
    onnx.save(model, tmp_path / "x.onnx")
    return str(tmp_path / "x.onnx")


def fed_as(recipe) -> str:
    """What its network is fed, in the words of `inspect`."""
    node = recipe.request.preprocessing
    usual = {"auto": str(recipe.request.trained.preprocessing), "yolo_nas": "preprocessing=yolo_nas"}
    return usual.get(node.name, str(node))


@pytest.mark.parametrize(
    ("family", "head", "names", "fed", "metadata"),
    [
        ("picodet", Head(layout="joined"), 5, "RGB (x - [123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375], stretched", {}),
        ("rtmdet", Head(layout="joined"), 5, "BGR (x - [103.53, 116.28, 123.675]) / [57.375, 57.12, 58.395], proportions kept, padding bottom right with 114", {}),
        ("yolo3", preset("libreyolo9"), 5, "RGB 0..1, proportions kept, padding bottom right with 128", {}),
        ("yolo9", preset("libreyolo9"), 5, "RGB 0..1, proportions kept, padding center with 114", {"letterbox_pad": "center"}),
        ("deimv2", preset("dfine"), 5, "RGB 0..1, stretched", {"size": "atto"}),
        ("deimv2", preset("dfine"), 5, "RGB (x - [123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375], stretched", {"size": "x"}),
        ("yolonas", Head(), 5, "preprocessing=yolo_nas", {}),
        ("dinodetr", preset("dfine", classes=COCO_IDS), 80, "RGB (x - [123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375], stretched", {}),
    ],
)  # fmt: skip
def test_what_libreyolo_calls_its_family_says_what_is_fed_and_how_it_is_read(
    tmp_path, capsys, monkeypatch, family, head, names, fed, metadata
):
    monkeypatch.chdir(tmp_path)
    want = known(head, batch=1, classes=names)
    file = of_libreyolo(tmp_path, family, encoded(head, *want), names, **metadata)
    assert main(["inspect", file, "--save", "theirs"]) == 0
    shown = capsys.readouterr().out
    assert "as the file says itself" in shown and f"what it is fed: {fed} (as LibreYOLO feeds its {family})" in shown
    build = next(line for line in shown.splitlines() if line.strip().startswith("build"))
    recipes = [check(compose(overrides)) for overrides in (["+recipe=theirs"], shlex.split(build)[2:])]
    assert [fed_as(recipe) for recipe in recipes] == [fed, fed]
    for recipe in recipes:
        loaded = recipe.model.load()
        boxes, scores = (each.numpy() for each in loaded.network(torch.zeros(1, 3, HEIGHT, WIDTH)))
        assert np.abs(boxes - want[0]).max() < 1e-3 and np.abs(scores - want[1]).max() < 1e-6


def test_which_output_has_boxes_is_seen_where_the_graph_leaves_their_columns_open(tmp_path, capsys):
    head = HEADS["dfine"]
    model = network(encoded(head, *known(head, batch=1))[::-1])
    for value in model.graph.output:
        value.type.tensor_type.shape.dim[2].dim_param = f"columns_of_{value.name}"
    onnx.save(model, tmp_path / "x.onnx")
    assert main(["inspect", str(tmp_path / "x.onnx")]) == 0
    shown = capsys.readouterr().out
    assert "guessed from shapes and values" in shown and "dfine" in shown


@pytest.mark.parametrize(("family", "outputs"), [("fcos", 1), ("yolo9", 2)])
def test_a_family_that_is_not_known_or_does_not_fit_is_said(tmp_path, capsys, family, outputs):
    head = HEADS["libreyolo9" if outputs == 1 else "dfine"]
    assert main(["inspect", of_libreyolo(tmp_path, family, encoded(head, *known(head, batch=1)), 5)]) == 0
    shown = capsys.readouterr().out
    assert f"LibreYOLO's {family}, of which this is not known" in shown and "guessed from shapes and values" in shown
    assert "nothing below is taken from that name" in shown


def test_an_output_that_is_a_sequence_is_named(tmp_path, capsys):
    head = HEADS["dfine"]
    model = network(encoded(head, *known(head, batch=1)))
    model.graph.node.append(onnx.helper.make_node("SequenceConstruct", ["out0"], ["all"], "/all"))
    model.graph.output.append(onnx.helper.make_tensor_sequence_value_info("all", onnx.TensorProto.FLOAT, None))
    onnx.save(model, tmp_path / "x.onnx")
    assert main(["inspect", str(tmp_path / "x.onnx")]) == 0
    assert "all: a sequence" in capsys.readouterr().out


def test_a_head_with_background_is_taken_first_only_where_it_wins_in_most_boxes(tmp_path, capsys):
    """As DETR and RT-DETR write their files: logits and pred_boxes, told apart by the activation alone."""
    rng, boxes = np.random.default_rng(0), known(HEADS["detr"], batch=1)[0]
    for background, first in ((0.97, "detr"), (0.02, "dfine")):
        rest = rng.uniform(0.05, 1, (1, boxes.shape[1], 5))
        scores = rest / rest.sum(-1, keepdims=True) * (1 - background)
        onnx.save(network(encoded(HEADS["detr"], boxes, scores), ["boxes", "logits"]), tmp_path / "x.onnx")
        assert main(["inspect", str(tmp_path / "x.onnx")]) == 0
        shown = capsys.readouterr().out
        assert f"  head            {first}: guessed" in shown and "equally possible: " in shown


def test_detections_of_more_classes_than_coco_has_and_than_the_file_names(tmp_path, capsys):
    head = HEADS["yolo26"].model_copy(update={"num_classes": 300})
    of = encoded(head, *known(head, batch=1, classes=300))
    onnx.save(network(of), tmp_path / "x.onnx")
    assert main(["inspect", str(tmp_path / "x.onnx")]) == 0
    shown = capsys.readouterr().out
    assert "365: guessed, for the file does not say how many" in shown and "model.head.num_classes=365" in shown
    named = network(of)
    onnx.helper.set_model_props(named, {"names": NAMES})
    onnx.save(named, tmp_path / "x.onnx")
    assert main(["inspect", str(tmp_path / "x.onnx")]) == 0
    assert "it names 5 classes, and read as yolo26: " in (shown := capsys.readouterr().out)
    assert "where 5 are counted from 0" in shown


def test_oriented_boxes_lose_their_angle_which_is_said(tmp_path, capsys):
    assert main(["inspect", saved(tmp_path, "masks behind", names=NAMES, task="obb")]) == 0
    assert "the file is for obb, and only boxes, scores and classes are taken: boxes lose" in capsys.readouterr().out


def test_names_that_cannot_be_read_are_said_and_those_of_the_recipe_do(tmp_path, capsys):
    file = saved(tmp_path, "yolov8", names="a,b,c,d,e")
    assert main(["inspect", file]) == 0
    assert "5: what its metadata calls names is no list of class names" in capsys.readouterr().out
    given = ["model=onnx", "model/head=yolov8", f"model.weights={file}", "input.height=64", "input.width=96"]
    with pytest.raises(RequestError, match=r"no list of class names: give them as model\.class_names"):
        check(compose(given)).model.load()
    assert check(compose([*given, "model.class_names=[v,w,x,y,z]"])).model.load().class_names == tuple("vwxyz")


def test_a_side_of_minus_one_is_free(tmp_path, capsys):
    model = onnx.load(saved(tmp_path, "yolov8"))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    onnx.save(model, tmp_path / "x.onnx")
    assert main(["inspect", str(tmp_path / "x.onnx")]) == 0
    assert "build           exporter model=onnx model/head=" in capsys.readouterr().out
