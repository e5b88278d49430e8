"""The synthetic dataset: the same everywhere, with boxes that fit what was drawn."""

import hashlib
import itertools
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.demo import scenes
from exporter.demo.scenes import CLASS_NAMES, SPLITS, Scene, scene
from exporter.demo.shapes import outline

DIGEST = """
import hashlib, sys, cv2
cv2.setNumThreads(int(sys.argv[1]))
from exporter.demo.scenes import scene
digest = hashlib.sha256()
for split, index, height, width in (("train", 0, 192, 192), ("evaluation", 7, 320, 448), ("proof", 1, 640, 640)):
    s = scene(split, index, height, width)
    for array in (s.image, s.boxes, s.classes):
        digest.update(array.tobytes())
print(digest.hexdigest(), "torch" in sys.modules)
"""


def digest(made: Scene) -> str:
    return hashlib.sha256(made.image.tobytes() + made.boxes.tobytes() + made.classes.tobytes()).hexdigest()


def test_two_processes_draw_the_same_bytes_without_torch() -> None:
    answers = [
        subprocess.run(
            [sys.executable, "-c", DIGEST, threads], check=True, capture_output=True, text=True
        ).stdout.split()
        for threads in ("1", "2")
    ]
    assert answers[0] == answers[1]
    assert answers[0][1] == "False"


def test_drawing_leaves_no_state_behind() -> None:
    first = digest(scene("train", 3, 192, 192))
    scene("evaluation", 4, 192, 192)
    np.random.default_rng().random(5)
    assert digest(scene("train", 3, 192, 192)) == first


def test_splits_and_indices_share_no_synthetic_image() -> None:
    made = {digest(scene(split, index, 96, 96)) for split, index in itertools.product(SPLITS, range(5))}
    assert len(made) == len(SPLITS) * 5


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SPLITS), st.integers(0, 2**50), st.integers(1, 260), st.integers(1, 260))
def test_any_size_gives_valid_boxes_inside_the_image(split: str, index: int, height: int, width: int) -> None:
    made = scene(split, index, height, width)
    assert made.image.shape == (height, width, 3) and made.image.dtype == np.uint8
    assert made.boxes.dtype == np.float32 and made.classes.dtype == np.int64
    assert made.boxes.shape == (len(made.classes), 4)
    assert np.isin(made.classes, range(len(CLASS_NAMES))).all()
    assert (made.boxes[:, :2] >= 0).all() and (made.boxes[:, 2:] <= (width, height)).all()
    assert (made.boxes[:, 2:] > made.boxes[:, :2]).all()


def test_boxes_are_tight_about_the_drawn_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """On an even grey, what differs from grey is the object: its extent is found without the synthetic image's own masks."""
    grey = np.full(3, 128, dtype=np.float32)
    monkeypatch.setattr(scenes, "background", lambda h, w, rng: (np.full((3, h, w), 128, np.float32), grey))
    monkeypatch.setattr(scenes, "_sizes", lambda h, w, rng: np.array([rng.uniform(20, 140)]))
    checked = 0
    for index in range(60):
        made = scene("train", index, 192, 192)
        for box in made.boxes:
            ys, xs = np.nonzero((made.image != 128).any(axis=2))
            seen = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
            # Less than half covered pixels lie outside the box; a thin tip may fade over a few of them.
            assert (np.abs(seen - box) <= 4).all()
            assert np.abs(seen - box).mean() <= 1.5
            checked += 1
    assert checked > 50


def test_a_known_square_has_the_box_it_should() -> None:
    corners = [np.array([(10, 20), (50, 20), (50, 45), (10, 45)], dtype=np.float64)]
    stencil = scenes._rasterise(corners, 0.0, 64, 64)
    assert np.abs(scenes._tight_box(stencil) - (10, 20, 50, 45)).max() <= 1


def test_objects_stay_visible_and_numerous(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects painted in the colour of their order show how much of each is left to see."""
    counts, hidden = [], 0
    painted: list[np.ndarray] = []

    def number(image: np.ndarray, stencil: scenes._Stencil, *_: object) -> None:
        solid = stencil.cover >= 0.5
        image[(slice(None), *stencil.window)][:, solid] = len(painted) + 1
        painted.append(solid)

    blank = np.zeros(3, dtype=np.float32)
    monkeypatch.setattr(scenes, "background", lambda h, w, rng: (np.zeros((3, h, w), np.float32), blank))
    monkeypatch.setattr(scenes, "_paint", number)
    for index in range(30):
        painted.clear()
        made = scene("train", index, 320, 320)
        counts.append(len(made.boxes))
        for order, solid in enumerate(painted, 1):
            left = (made.image[..., 0] == order).sum() / solid.sum()
            hidden += left < 1
            assert left >= 0.7
    assert 3 < np.mean(counts) < 13
    assert hidden > 10


def test_every_class_is_drawn_and_none_dominates() -> None:
    drawn = np.concatenate([scene("calibration", index, 192, 192).classes for index in range(150)])
    share = np.bincount(drawn, minlength=len(CLASS_NAMES)) / len(drawn)
    assert share.min() > 0.06 and share.max() < 0.25


def test_no_two_classes_share_a_shape() -> None:
    """Hu's moments do not change with turning and size: the classes must differ in them, or in having a hole."""
    means = []
    for class_id in range(len(CLASS_NAMES)):
        signatures = []
        for seed in range(6):
            canvas = np.zeros((200, 200), np.uint8)
            polygons = [np.rint(p + 100).astype(np.int32) for p in outline(class_id, 120, np.random.default_rng(seed))]
            cv2.fillPoly(canvas, polygons, 1)
            hull = cv2.contourArea(cv2.convexHull(np.concatenate(polygons)))
            hu = cv2.HuMoments(cv2.moments(canvas, True))[0, 0]
            signatures.append((canvas.sum() / hull, 3 * hu, canvas[100, 100]))
        means.append(np.mean(signatures, axis=0))
    for (i, a), (j, b) in itertools.combinations(enumerate(means), 2):
        assert np.abs(a - b).max() > 0.01, f"{CLASS_NAMES[i]} looks like {CLASS_NAMES[j]}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("test", 0), "no split 'test': choose one of train, calibration, evaluation, proof"),
        (("train", -1), "scene index -1: give 0 or more"),
        (("train", 0, 0, 64), "scene size 0x64: height and width must be 1 or more"),
        (("train", 0, 64, -3), "scene size 64x-3: height and width must be 1 or more"),
    ],
)
def test_bad_arguments_say_what_is_allowed(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        scene(*arguments)
    assert str(caught.value) == message
