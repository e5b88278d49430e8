"""Which images a network is looked at on: the labelled ones that hold objects, else the user's own, else synthetic ones."""

from dataclasses import replace

import cv2
import numpy as np

from exporter.calibration import DemoCalibration, FolderCalibration
from exporter.demo.scenes import CLASS_NAMES, scene
from exporter.evaluation import DemoEvaluation, NoEvaluation
from exporter.evaluation.examples import Examples
from exporter.preprocessing.declared import Declared
from exporter.proof.at_hand import at_hand

SIZE = 96
GEOMETRY = Declared(resize="stretch").geometry(SIZE, SIZE)


def at(evaluation, calibration=None, drawn=(SIZE, SIZE)):
    return at_hand(evaluation, calibration, CLASS_NAMES, GEOMETRY, drawn)


class Odd(DemoEvaluation):
    """The first image holds crowds alone."""

    def examples(self, class_names, height, width):
        first, *others = super().examples(class_names, height, width)
        crowds = replace(first.ground_truth, crowd=np.ones(len(first.ground_truth.boxes), bool))
        return Examples([replace(first, ground_truth=crowds), *others], {})


def test_the_evaluations_images_as_the_network_gets_them_and_their_boxes_with_them():
    found = at(DemoEvaluation(num_images=3, max_drop=None, min_map=None), drawn=(SIZE // 2, SIZE))
    assert found.of == "images of evaluation=demo" and not found.users
    for i, (image, ground_truth) in enumerate(zip(found.images, found.ground_truths, strict=True)):
        drawn = scene("evaluation", i, SIZE // 2, SIZE)
        np.testing.assert_array_equal(image, cv2.resize(drawn.image, (SIZE, SIZE)))
        np.testing.assert_allclose(ground_truth.boxes, drawn.boxes * [1, 2, 1, 2])
    assert found.num_objects == sum(len(scene("evaluation", i, SIZE // 2, SIZE).boxes) for i in range(3))


def test_images_without_objects_do_not_count():
    found = at(Odd(num_images=3, max_drop=None, min_map=None))
    assert len(found.images) == 2
    np.testing.assert_array_equal(found.images[0], scene("evaluation", 1, SIZE, SIZE).image)
    assert at(Odd(num_images=1, max_drop=None, min_map=None)).of == "demo scenes"


def test_calibration_images_count_where_they_are_the_users(tmp_path):
    given = scene("train", 5, SIZE, SIZE).image
    cv2.imwrite(str(tmp_path / "one.png"), given[..., ::-1])
    found = at(
        NoEvaluation(), FolderCalibration(path=str(tmp_path), num_images=4, seed=0, bit_depth="auto", method="minmax")
    )
    assert (found.of, found.users, found.ground_truths, found.num_objects) == ("calibration images", True, None, None)
    np.testing.assert_array_equal(found.images, given[None])
    for calibration in (None, DemoCalibration(num_images=4, seed=0, method="minmax")):
        found = at(NoEvaluation(), calibration)
        assert (found.of, found.users) == ("demo scenes", False)
        np.testing.assert_array_equal(found.images[0], scene("proof", 0, SIZE, SIZE).image)
