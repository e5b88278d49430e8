"""COCO's average precision on detections made by hand."""

import numpy as np
import pytest

from exporter.common.errors import BuildError
from exporter.common.progress import Progress
from exporter.evaluation.evaluate import evaluate
from exporter.evaluation.examples import Example, GroundTruth, spread
from exporter.evaluation.scores import scores
from exporter.postprocessing.detections import Detections

SMALL, MEDIUM, LARGE = [0, 0, 20, 20], [30, 30, 90, 90], [100, 100, 300, 300]


def ground_truth(boxes, classes, crowd=None):
    made = GroundTruth.of(np.array(boxes), np.array(classes))
    return made if crowd is None else GroundTruth(made.boxes, made.classes, np.array(crowd), made.areas)


def detections(boxes, values, classes):
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.array(values, np.float32), np.array(classes, np.int64)
    )


def test_perfect_detections_score_100_in_every_size_and_class_that_there_is(capfd):
    boxes = [SMALL, MEDIUM, LARGE]
    found = scores([detections(boxes, [0.9, 0.8, 0.7], [0, 1, 1])], [ground_truth(boxes, [0, 1, 1])], 3)
    assert (found.map, found.ap50, found.ap75) == (100, 100, 100)
    assert found.by_size == {"small": 100, "medium": 100, "large": 100}
    assert found.by_class == [100, 100, None]
    assert capfd.readouterr().out == ""


def test_no_detections_score_0_where_there_is_something_to_find():
    found = scores([detections([], [], [])], [ground_truth([SMALL], [1])], 2)
    assert (found.map, found.by_size, found.by_class) == (0, {"small": 0, "medium": None, "large": None}, [None, 0])


def test_a_box_of_half_the_overlap_counts_at_that_threshold_only():
    found = scores([detections([[0, 0, 100, 60]], [0.9], [0])], [ground_truth([[0, 0, 100, 100]], [0])], 1)
    assert (found.ap50, found.ap75) == (100, 0)
    assert found.map == pytest.approx(30, abs=0.1)  # IoU 0.6 passes 0.5, 0.55 and 0.6


def test_detections_in_a_crowd_count_neither_for_nor_against():
    objects, crowd = ground_truth([SMALL, LARGE], [0, 0]), ground_truth([SMALL, LARGE], [0, 0], crowd=[False, True])
    inside = [[110, 110, 150, 150], [160, 160, 200, 200]]
    found = detections([*inside, SMALL], [0.9, 0.8, 0.7], [0, 0, 0])
    assert scores([found], [crowd], 1).map == 100
    assert scores([found], [objects], 1).map < 50


def test_a_background_image_counts_its_false_detections():
    found = [detections([SMALL], [0.5], [0]), detections([SMALL], [0.9], [0])]
    ground_truths = [ground_truth([SMALL], [0]), ground_truth(np.zeros((0, 4)), [])]
    assert scores(found, ground_truths, 1).map == pytest.approx(50, abs=0.1)


def test_nothing_to_score_is_refused():
    with pytest.raises(ValueError, match="no true boxes"):
        scores([detections([], [], [])], [ground_truth([SMALL], [0], crowd=[True])], 1)
    with pytest.raises(ValueError, match="1 images of detections, 0"):
        scores([detections([], [], [])], [], 1)


def test_spread_takes_the_wanted_number_in_order():
    assert spread(range(5), None) == spread(range(5), 9) == [0, 1, 2, 3, 4]
    assert spread(range(10), 4) == [0, 2, 5, 7]


class Scripted:
    """A detector that gives what it was told to, two images at a time."""

    batch = 2

    def __init__(self, answers):
        self.answers, self.sizes = iter(answers), []

    def __call__(self, images):
        self.sizes.append(len(images))
        return [next(self.answers) for _ in images]


def examples(count):
    return [
        Example(f"{i}", ground_truth([SMALL, LARGE], [0, 1]), lambda: np.zeros((4, 4, 3), np.uint8))
        for i in range(count)
    ]


GOOD = detections([SMALL, LARGE], [0.9, 0.9], [0, 1])
BAD = detections([SMALL, LARGE], [0.9, 0.9], [0, 0])


def test_the_gate_bites_beyond_its_bound_and_only_then():
    def run(max_drop):
        own, reference = Scripted([GOOD, BAD, GOOD]), Scripted([GOOD] * 3)
        return evaluate(own, reference, examples(3), 2, Progress(), name="demo", max_drop=max_drop)

    section = run(None)
    assert section.reference is not None and section.reference.map == 100
    assert section.drop == pytest.approx(100 - section.artifact.map)
    assert run(section.drop).drop == section.drop
    with pytest.raises(BuildError, match=r"drop of .* points, evaluation\.max_drop=1 allows less; nothing was pub"):
        run(1)


def test_images_are_counted_and_run_in_batches():
    own = Scripted([GOOD] * 3)
    section = evaluate(own, None, examples(3), 3, Progress(), name="demo")
    assert own.sizes == [2, 1]
    assert (section.num_images, section.num_boxes, section.boxes_by_class) == (3, 6, [3, 3, 0])
    assert (section.reference, section.drop, section.num_background) == (None, None, 0)
    again = evaluate(Scripted([GOOD] * 3), None, examples(3), 3, Progress(), name="demo")
    assert again == section
