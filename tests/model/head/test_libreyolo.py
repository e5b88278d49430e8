"""Files of LibreYOLO's families, each exported by LibreYOLO with random weights: what `exporter inspect` takes them for finds
what LibreYOLO's own runtime finds in them, and is fed what it feeds them."""

from pathlib import Path

import numpy as np
import pytest
import torch

import exporter
from exporter.cli.verbs.inspect.graph import inspected
from exporter.common.errors import BuildError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.demo.scenes import scene
from exporter.model.head.libreyolo import FAMILIES
from tests.tables.foreign import exact, fed, rows, session
from tests.tables.foreign_environment import TOOLS, run_tools
from tests.tables.foreign_tools import LIBREYOLO

IMAGES, PAIRS, SHARE = 4, 60, 0.95  # no image has more than 300 of the pairs
ODD = (190, 333)  # height and width of an image that has to be resized
RESIZED = {"retinanet": (320, 320)}  # whose input follows the image, its shorter side as long as the input
FED = {"yolonas": 0.02, "efficientdet": 0.02}  # no margin of 4 pixels below 640; padding of another colour
ONE_CLASS = ("detr", "yolonas", "yolox")  # of which LibreYOLO takes a box's best class alone
SIDES = {"ssd": 300, "efficientdet": 512, "rtdetrv2": 640}
CLASSES = {
    "centernet": "LibreCenterNet", "deformable_detr": "LibreDeformableDETR", "deim": "LibreDEIM", "deimv2": "LibreDEIMv2",
    "detr": "LibreDETR", "dfine": "LibreDFINE", "dinodetr": "LibreDINODETR", "ec": "LibreEC", "efficientdet": "LibreEfficientDet",
    "gtr": "LibreGTR", "lwdetr": "LibreLWDETR", "picodet": "LibrePICODET", "ppyoloe": "LibrePPYOLOE", "retinanet": "LibreRetinaNet",
    "rtdetr": "LibreRTDETR", "rtdetrv2": "LibreRTDETRv2", "rtdetrv4": "LibreRTDETRv4", "rtmdet": "LibreRTMDet", "ssd": "LibreSSD",
    "tinyformer": "LibreTinyFormer", "yolo2": "LibreYOLO2", "yolo3": "LibreYOLO3", "yolo4": "LibreYOLO4", "yolo7": "LibreYOLO7",
    "yolo9": "LibreYOLO9", "yolo9_e2e": "LibreYOLO9E2E", "yolo9_p2": "LibreYOLO9P2", "yolonas": "LibreYOLONAS", "yolox": "LibreYOLOX",
}  # fmt: skip
ROUNDING = ["proof.max_score_error=1", "proof.max_box_error=1e30"]  # of random weights; what counts is compared here


def run_in_libreyolo(*arguments: object, folder: Path) -> None:
    run_tools(LIBREYOLO, *arguments, folder=folder, tools=TOOLS.with_name("libreyolo_tools.py"))


def clipped(found: np.ndarray, side: int) -> np.ndarray:
    """As LibreYOLO does with most; what is left of a box outside the image is none."""
    found = np.concatenate([found[:, :4].clip(0, side), found[:, 4:]], axis=1)
    return found[((found[:, 2:4] - found[:, :2]) > 0).all(axis=1)]


def equal(found: list[np.ndarray], wanted: list[np.ndarray]) -> int:
    return sum(exact(own, want) for own, want in zip(found, wanted, strict=True))


def test_every_family_is_tried():
    assert CLASSES.keys() == FAMILIES.keys()


@pytest.mark.slow
@pytest.mark.parametrize("family", CLASSES)
def test_it_is_taken_for_what_libreyolo_itself_finds(family, tmp_path):
    side, file, out = SIDES.get(family, 320), tmp_path / "theirs.onnx", tmp_path / "out.npz"
    np.save(tmp_path / "shown.npy", np.stack([scene("train", i, side, side).image for i in range(4)]))
    try:
        run_in_libreyolo("export", CLASSES[family], side, tmp_path / "shown.npy", file, folder=tmp_path)
    except BuildError as error:
        pytest.skip(f"{CLASSES[family]}: {error}")
    _, taken = inspected(file)
    assert taken is not None
    overrides = [*taken.overrides, "proof.num_images=2", "proof.blind=off", *ROUNDING]
    recipe = check(compose(overrides))
    trained = recipe.preprocessing
    images = [scene("proof", i, side, side).image for i in range(IMAGES)]
    odd = scene("proof", 9, *RESIZED.get(family, ODD)).image

    network = recipe.model.load().network
    scores = np.concatenate([network(torch.from_numpy(fed(trained, image)))[1].numpy() for image in images])
    if family in ONE_CLASS:
        scores = scores.max(axis=2)
    confidence = float(np.sort(scores.ravel())[-min(PAIRS * IMAGES, scores.size // 2)])
    np.savez(tmp_path / "images.npz", **{str(i): image for i, image in enumerate([*images, odd])})
    run_in_libreyolo("run", file, confidence, tmp_path / "images.npz", out, folder=tmp_path)
    with np.load(out) as theirs:
        wanted, again = ([clipped(theirs[f"{name}_{i}"], side) for i in range(IMAGES)] for name in ("rows", "again"))
        blob = theirs[f"fed_{IMAGES}"]

    overrides += [f"postprocessing.nms.confidence_threshold={confidence}"]
    overrides += [] if recipe.nms.parameters.nms_threshold == 1 else ["postprocessing.nms.nms_threshold=1"]
    overrides += ["postprocessing.nms.multi_label=false"] * (family in ONE_CLASS)
    exporter.build(overrides=[*overrides, f"output_dir={tmp_path / 'built'}"], quiet=True)
    run = session(tmp_path / "built" / "model.onnx")
    ours = [clipped(rows(lambda feed: run.run(None, {"images": feed}), image), side) for image in images]
    total, own = sum(map(len, wanted)), equal(again, wanted)

    geometry = trained.geometry(*blob.shape[2:])
    placed = geometry.apply(odd).transpose(2, 0, 1)[None].astype(np.float32)
    mine = trained.normalization.apply(placed)
    apart = float(np.abs(mine - blob).mean() / np.ptp(blob))
    same = equal(ours, wanted)
    print(f"{family}: {total} rows, {same} equal ours, {own} its file's again, fed {apart:.4f} apart")
    assert total >= 40 and abs(sum(map(len, ours)) - total) <= (1 - SHARE) * total
    assert same >= SHARE * own
    assert apart < FED.get(family, 0.01)
