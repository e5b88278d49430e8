"""Boxes and scores before NMS against a network's, in their order or as a set."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.proof.network import nearest, network_errors
from exporter.proof.tensors import Tensors

IMAGE = np.zeros((64, 64, 3), np.uint8)


def rows(seed: int, count: int = 20, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """boxes [N, 4] and scores [N, C]."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 300, (count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 100, (count, 2))], axis=1).astype(np.float32)
    return boxes, rng.uniform(0, 1, (count, classes)).astype(np.float32)


def errors(own, wanted, unordered=True):
    def outputs(images):
        return wanted[0][None], wanted[1][None]

    tensors = [Tensors(boxes=own[0], scores=own[1], detections=None, letterboxed=None)]
    return network_errors(tensors, [IMAGE], outputs, unordered)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_a_set_in_another_order_is_the_same_set(seed, random):
    boxes, scores = rows(seed)
    order = list(range(len(boxes)))
    random.shuffle(order)
    place = nearest(boxes[order], scores[order], boxes, scores)
    assert [order[i] for i in place] == list(range(len(boxes)))
    found = errors((boxes[order], scores[order]), (boxes, scores))
    assert found.max_box_error == found.max_score_error == 0


def test_the_nearest_is_so_in_each_coordinate():
    wanted = np.array([[0, 0, 10, 10], [0, 0, 300, 300]], np.float32)
    given = np.array([[0, 1, 300, 299], [1, 1, 11, 11]], np.float32)  # the first shares a side with either
    scores = np.full((2, 3), 0.5, np.float32)
    assert nearest(given, scores, wanted, scores).tolist() == [1, 0]


def test_the_surest_row_chooses_first():
    wanted = np.array([[0, 0, 10, 10], [0, 0, 12, 12]], np.float32)
    given = np.array([[0, 0, 11, 11], [0, 0, 100, 100]], np.float32)
    sure = np.array([[0.5, 0.3], [0.9, 0.1]], np.float32)
    assert nearest(given, np.array([[0.7, 0.2]] * 2, np.float32), wanted, sure).tolist() == [1, 0]


def test_two_classes_that_rounding_exchanges_leave_a_row_where_it_is():
    wanted = np.array([[0, 0, 10, 10], [200, 200, 300, 300]], np.float32)
    scores = np.array([[0.51, 0.509, 0.1], [0.1, 0.6, 0.2]], np.float32)
    rounded = np.array(
        [[0.509, 0.51, 0.1], [0.6, 0.1, 0.2]], np.float32
    )  # the second is another's, of the first's class
    assert nearest(wanted, rounded, wanted, scores).tolist() == [0, 1]


def test_where_the_network_sees_nothing_no_box_means_anything():
    boxes, _ = rows(1)
    nothing = np.zeros((20, 5), np.float32)
    assert errors((boxes + 3, nothing), (boxes, nothing), unordered=False).mean_box_error == 0


def test_in_its_order_it_is_another():
    boxes, scores = rows(1)
    assert errors((boxes[::-1], scores[::-1]), (boxes, scores), unordered=False).max_box_error > 10


@pytest.mark.parametrize("row", [0, 7, 19])
def test_one_wrong_row_is_seen(row):
    boxes, scores = rows(2)
    moved, lower = boxes.copy(), scores.copy()
    moved[row] += 3
    assert errors((moved[::-1], scores[::-1]), (boxes, scores)).max_box_error == pytest.approx(3, abs=1e-4)
    lower[row, scores[row].argmax()] -= 0.01
    assert errors((boxes[::-1], lower[::-1]), (boxes, scores)).max_score_error == pytest.approx(0.01, abs=1e-5)


def test_what_is_filling_does_not_count_unless_the_artifact_makes_more_of_it():
    boxes, scores = rows(3)
    scores[-1] = 0.001
    other, more = boxes.copy(), scores.copy()
    other[-1], more[-1, 0] = other[-1] + 200, 0.01
    found = errors((other, more), (boxes, scores))
    assert found.max_box_error == found.max_score_error == 0
    assert errors((other, more), (boxes, scores), unordered=False).max_box_error == pytest.approx(200, abs=1e-3)
    more[-1, 0] = 0.6  # a detection that the network does not make
    assert errors((boxes, more), (boxes, scores)).max_score_error == pytest.approx(0.599, abs=1e-4)


def test_rows_tied_with_the_last_may_be_others():
    """A set of the best pairs, cut off among equal scores: which of them are in it, rounding decides."""
    boxes, _ = rows(4)
    scores = np.zeros((20, 5), np.float32)
    scores[:10, 1], scores[10:, 2] = 0.9, 0.5
    other = boxes.copy()
    other[15:] += 200
    found = errors((other, scores), (boxes, scores))
    assert found.max_box_error == found.max_score_error == 0
    other[3] += 3
    assert errors((other, scores), (boxes, scores)).max_box_error == pytest.approx(3, abs=1e-4)
    saturated = np.where(scores > 0, np.float32(1), 0)  # of the artifact alone
    assert errors((boxes, saturated), (boxes, scores)).max_score_error == pytest.approx(0.5, abs=1e-4)
    assert errors((other, saturated), (boxes, saturated)).max_box_error > 100  # all are tied: then all count
