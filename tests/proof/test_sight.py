"""Blindness: networks that are fed with what they were not trained on are caught, and others are not accused."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from exporter.artifact.manifest import read_manifest
from exporter.common.errors import BuildError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.demo.scenes import scene
from exporter.evaluation.examples import GroundTruth
from exporter.postprocessing.detections import Detections
from exporter.preprocessing.attach_input import attach_input
from exporter.preprocessing.normalization import UNCHANGED, Normalization
from exporter.preprocessing.trained import Trained
from exporter.preprocessing.yolo_nas import YoloNas
from exporter.proof import sight
from exporter.proof.at_hand import AtHand
from exporter.proof.look import QUIET, RUNAWAY, Look, look
from exporter.proof.prove import torch_outputs
from exporter.proof.section import NotLooked, Sight
from exporter.proof.settings import ProofSettings
from exporter.proof.usual import in_words
from exporter.report.summary import summary_lines
from tests.making import NOTHING_PROVED, looked
from tests.proof.spoiled import through
from tests.report.diff.artifacts import write

SIZE = 96
BYTES = Normalization(std=(255.0, 255.0, 255.0))


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Usual inputs are tried on two images only."""
    monkeypatch.setattr(sight, "TRIED", 2)


class Raw(YoloNas):
    """YOLO-NAS on 0..255."""

    max_value: float = 1.0


def divided(normalization, by):
    return normalization.model_copy(update={"std": tuple(by * each for each in normalization.std)})


KNOWN = {}


def remembered(loaded, images, normalization):
    """`torch_outputs`; most tests show the same images."""
    key = (images.tobytes(), normalization)
    if key not in KNOWN:
        KNOWN[key] = torch_outputs(loaded, images, normalization)
    return KNOWN[key]


def at(parts, blind="auto", *, trained_on=1.0, declared=False, preprocessing=None, calibration=None, weak=False):
    """`looked` at the network as if it had been trained on RGB from 0 to `trained_on`, behind this preprocessing."""
    recipe, loaded, core = parts
    said = Trained(source="checkpoint" if declared else "model", preprocessing=recipe.preprocessing)
    recipe = replace(recipe, calibration=calibration, preprocessing=preprocessing or recipe.preprocessing, trained=said)
    given = divided(recipe.preprocessing.normalization, trained_on)
    core = through(core, [("Mul", 0.1), ("Sub", 4.0)]) if weak else core
    model = recipe.format.attach(recipe.nms.attach(attach_input(core, given, "uint8", "nchw", "rgb")))
    artifact = recipe.backend.finish(model).SerializeToString()

    def outputs(images, normalization):
        boxes, scores = remembered(loaded, images, divided(normalization, trained_on))
        return boxes, 1 / (1 + np.exp(4) * (1 / scores.clip(1e-12) - 1) ** 0.1) if weak else scores

    return looked(artifact, loaded, recipe, blind, outputs)


def images_in(folder, images):
    """The node that calibrates on these images, uint8 [h, w, 3] RGB, as files of a user's."""
    folder.mkdir()
    for i, image in enumerate(images):
        cv2.imwrite(str(folder / f"{i:02}.png"), image[..., ::-1])
    overrides = ["+recipe=yolo_nas_s_int8", f"input.size={SIZE}", "calibration=folder", f"calibration.path={folder}"]
    return check(compose(overrides)).calibration


def synthetic(count=8):
    return [scene("evaluation", i, SIZE, SIZE).image for i in range(count)]


def test_a_network_that_is_fed_rightly_sees(parts, tmp_path):
    section = at(parts, "error", declared=True)
    assert QUIET < 3 < section.response < RUNAWAY and section.warning is None and section.tried == {}
    assert (section.images, section.of, section.input) == (8, "demo scenes", "RGB, 0..1")
    section = at(parts, "error", calibration=images_in(tmp_path / "a", synthetic(12)))
    assert (section.images, section.of) == (12, "calibration images") and section.detected_on > 6


def test_one_trained_on_bytes_and_fed_0_to_1_is_said(parts):
    section = at(parts, trained_on=255)
    assert section.detected_on == 0 and section.response < QUIET
    assert "nothing is detected on 8 demo scenes" in section.warning
    assert "the network is fed RGB, 0..1, and it detects on 2 of 2 when fed RGB, 0..255" in section.warning


@pytest.mark.parametrize("why", ["declared", "images"])
def test_it_is_an_error_where_that_is_certain(parts, tmp_path, why):
    calibration = images_in(tmp_path / "a", synthetic(3)) if why == "images" else None
    with pytest.raises(BuildError, match=r"proof\.blind: nothing .* when fed RGB, 0\.\.255 .*proof\.blind=warn"):
        at(parts, trained_on=255, declared=why == "declared", calibration=calibration)
    assert at(parts, "warn", trained_on=255, declared=why == "declared", calibration=calibration).warning


def test_one_trained_on_0_to_1_and_fed_bytes_is_caught(parts):
    with pytest.raises(
        BuildError, match=r"the scores run away .* is fed RGB, 0\.\.255, and it detects on 2 of 2 when fed RGB, 0\.\.1"
    ):
        at(parts, preprocessing=Raw(), declared=True)


def test_one_trained_on_bytes_and_fed_bytes_is_right(parts):
    assert at(parts, "error", preprocessing=Raw(), trained_on=255, declared=True).warning is None


@pytest.mark.slow
def test_the_users_images_without_objects_are_no_accusation(parts, tmp_path):
    background = [np.full((SIZE, SIZE, 3), 90 + i, np.uint8) for i in range(12)]
    section = at(parts, calibration=images_in(tmp_path / "a", background), declared=True)
    assert section.detected_on == 0 and "there may be nothing that it knows" in section.warning
    with pytest.raises(BuildError, match=r"proof\.blind: nothing is detected"):
        at(parts, "error", calibration=images_in(tmp_path / "b", background))


@pytest.mark.slow
def test_a_hardly_trained_network_is_no_accusation(parts, tmp_path):
    """Its logits move a tenth as far as they will: nothing is above the threshold, however it is fed."""
    section = at(parts, declared=True, calibration=images_in(tmp_path / "a", synthetic()), weak=True)
    assert section.detected_on == 0 and section.response < QUIET and section.warning


def seen(best=0.1, saturated=0.0, ap50=None, response=5.0, on=8):
    """On so many of 8 images."""
    return Look(np.where(np.arange(8) < on, best, 0.01), saturated, ap50, response)


def judged(given, tried, own="RGB, 0..1", count=8, objects=None, users=True):
    """`_is_blind` for images of which, with `objects`, each holds as many."""
    ground_truths = objects and [GroundTruth.of(np.zeros((objects, 4)), np.zeros(objects))] * count
    images = AtHand(np.zeros((count, 1, 1, 3), np.uint8), ground_truths, "images", users)
    return sight._is_blind(given, {own: given, **tried}, own, images, 0.25)


@pytest.mark.parametrize(
    ("blind", "given", "tried", "more"),
    [
        (True, seen(0.95, saturated=0.995), {}, {}),
        (False, seen(0.95, saturated=0.9), {}, {}),
        (True, seen(0.2), {}, {"objects": 2}),
        (False, seen(0.2), {}, {"objects": 1}),  # 8 objects in all
        (True, seen(0.9, ap50=1), {"BGR, 0..1": seen(0.9, ap50=30)}, {"objects": 2}),
        (False, seen(0.9, ap50=1), {"BGR, 0..1": seen(0.9, ap50=10)}, {"objects": 2}),
        (False, seen(0.9, ap50=5), {"BGR, 0..1": seen(0.9, ap50=30)}, {"objects": 2}),
        (True, seen(0.2), {"BGR, 0..1": seen(0.7)}, {}),
        (False, seen(0.2), {"BGR, 0..1": seen(0.5)}, {}),
        (False, seen(0.2), {"BGR, 0..1": seen(0.7)}, {"count": 7}),
        (False, seen(0.2), {"BGR, 0..1": seen(0.7)}, {"users": False}),
        (False, seen(0.2), {"RGB, 0..255": seen(0.9)}, {}),  # which makes detections of nothing
        (True, seen(0.06, response=0.1), {"RGB, 0..255": seen(0.9)}, {"users": False}),
        (False, seen(0.06, response=0.1), {"RGB, 0..255": seen(0.9, response=25)}, {}),
        (False, seen(0.06, response=0.1), {"RGB, 0..255": seen(0.2)}, {}),
        (True, seen(0.2), {"BGR, 0..1": seen(0.7, on=2)}, {}),
        (False, seen(0.2), {"BGR, 0..1": seen(0.7, on=1)}, {}),
        (True, seen(0.2), {"RGB, 0..1": seen(0.7)}, {"own": "BGR, 0..1"}),
        (False, seen(0.2), {"BGR, 0..1": seen(0.7, response=0.5)}, {}),
        (True, seen(0.9, response=25), {"RGB, 0..1": seen(0.9, response=16)}, {"own": "RGB, 0..255", "users": False}),
        (False, seen(0.9, response=25), {"RGB, 0..1": seen(0.9, response=17)}, {"own": "RGB, 0..255"}),
        (False, seen(0.9, response=25), {"RGB, 0..1": seen(0.9, response=0.5)}, {"own": "RGB, 0..255"}),
        (False, seen(0.9, response=17), {"RGB, 0..1": seen(0.9, response=5)}, {"own": "RGB, 0..255"}),
        (False, seen(0.9, response=25), {}, {}),  # it is fed 0..1 already
    ],
)
def test_what_is_certain(blind, given, tried, more):
    assert judged(given, tried, **more) == blind


def test_a_look_by_hand():
    """Two boxes of one class; black gives logits of 0, what is drawn 3, and one box in a hundred 30."""
    black, drawn = np.full((100, 1), 0.5), np.full((100, 1), 1 / (1 + np.exp(-3)))
    drawn[0] = 1 - 1e-13
    images = AtHand(np.zeros((2, 8, 8, 3), np.uint8), None, "images", users=True)
    shown = [np.array([[0.95], [0.2]]), np.array([[0.1], [0.9]])]
    found = look([(each, None) for each in (black, drawn, drawn, drawn, *shown)], images, 1)
    assert found.best.tolist() == [0.95, 0.9] and (found.saturated, found.ap50) == (0.25, None)
    assert found.response == pytest.approx(3, abs=0.3)
    assert (found.detected_on(0.9), found.detected_on(0.89)) == (1, 2)
    box = np.array([[1, 1, 5, 5]], np.float32)
    labelled = replace(images, ground_truths=[GroundTruth.of(box, np.zeros(1, np.int64))] * 2)
    rights = [
        Detections(box, np.ones(1), np.zeros(1, np.int64)),
        Detections(box + 9, np.ones(1), np.zeros(1, np.int64)),
    ]
    outcomes = [*((black, None) for _ in range(4)), *zip(shown, rights, strict=True)]
    assert look(outcomes, labelled, 1).ap50 == pytest.approx(50, abs=1) and look(outcomes, labelled, 1).response == 0


def test_a_closing_line_says_it(tmp_path):
    manifest = read_manifest(write(tmp_path / "a"))
    seen = Sight(images=8, of="images", objects=None, threshold=0.25, input="RGB, 0..1", best_score=0.1, detected_on=0,
                  saturated=0, ap50=None, response=5, warning="nothing is detected")  # fmt: skip
    older, newer = (
        list(summary_lines(manifest.model_copy(update={"proof": NOTHING_PROVED.model_copy(update=more)})))
        for more in ({}, {"sight": seen})
    )
    assert [line for line in newer if line not in older] == ["  warning    proof.blind: nothing is detected"]


def test_configurations_of_older_versions_have_no_such_keys():
    given = compose(["+recipe=yolo_nas_s"]).config.proof
    older = {key: value for key, value in given.items() if key not in ("blind", "max_score_shift")}
    assert ProofSettings.model_validate(older) == ProofSettings.model_validate(dict(given))


def test_random_weights_are_not_judged(parts):
    recipe, loaded, core = parts
    loaded = replace(loaded, weights=loaded.weights.model_copy(update={"source": "random, seed 0", "kind": "random"}))
    assert at((recipe, loaded, core), "error", trained_on=255) == NotLooked(images=0, why="the weights are random")


def test_words_for_the_usual_inputs():
    rgb = np.arange(48, dtype=np.uint8).reshape(1, 3, 4, 4)
    assert np.array_equal(UNCHANGED.apply(rgb), rgb)
    assert in_words(BYTES) == "RGB, 0..1" and in_words(UNCHANGED) == "RGB, 0..255"
    assert in_words(check(compose(["+recipe=ppyoloe_s"])).preprocessing.normalization).startswith("BGR, less ImageNet")
    assert (
        in_words(Normalization(std=(2, 2, 2), order=(1, 0, 2))) == "GRB, less [0.0, 0.0, 0.0] and over [2.0, 2.0, 2.0]"
    )
