"""The training loss: falls towards the ground truth, teaches every part, and matches a slow assigner."""

import math

import pytest
import torch
from torch import Tensor

from exporter.model.dfl import NUM_BINS, anchors, decode
from tests.demo.training.assigner import assign, pairwise_iou
from tests.demo.training.loss import detection_loss, distribution_loss, giou_loss, varifocal

POINTS = anchors([(12, 12), (6, 6), (3, 3)], (8, 16, 32), torch.device("cpu"))
BOXES = torch.tensor([[8.0, 10.0, 50.0, 60.0], [40.0, 30.0, 92.0, 90.0]])
CLASSES = torch.tensor([2, 0])


def prediction(boxes: Tensor, classes: Tensor, shift: float = 0.0) -> tuple[Tensor, Tensor]:
    """Logits [1, 4*17, N], [1, 3, N] of a network that knows the nearest object at every anchor and claims each with
    the anchors that the assigner would give it; `shift` moves its boxes to the right by that many strides."""
    owner = ((POINTS[:, None, :2] - (boxes[:, :2] + boxes[:, 2:]) / 2) ** 2).sum(dim=2).argmin(dim=1)
    target = boxes[owner]
    distances = torch.cat([POINTS[:, :2] - target[:, :2], target[:, 2:] - POINTS[:, :2]], dim=1) / POINTS[:, 2:]
    distances = (distances + torch.tensor([-shift, 0, shift, 0])).clamp(0, NUM_BINS - 1.01)
    mass = (1 - (distances[..., None] - torch.arange(NUM_BINS)).abs()).clamp(min=1e-6)
    box_logits = mass.log().permute(1, 2, 0).reshape(1, 4 * NUM_BINS, len(POINTS))
    unsure = torch.full((len(POINTS), 3), 0.5)
    claimed = assign(unsure, decode(box_logits, POINTS)[0], POINTS[:, :2], boxes, classes).scores
    return box_logits, claimed.clamp(0.002, 0.998).logit().T[None]


def total(box_logits: Tensor, class_logits: Tensor) -> float:
    return detection_loss(box_logits, class_logits, POINTS, [BOXES], [CLASSES]).total.item()


def test_the_ground_truth_costs_less_than_anything_near_it() -> None:
    box_logits, class_logits = prediction(BOXES, CLASSES)
    perfect = detection_loss(box_logits, class_logits, POINTS, [BOXES], [CLASSES])
    assert perfect.boxes < 0.01 and perfect.classes < 0.05
    assert total(*prediction(BOXES, CLASSES, shift=0.5)) > perfect.total
    assert total(*prediction(BOXES, CLASSES, shift=1.5)) > total(*prediction(BOXES, CLASSES, shift=0.5))
    assert total(*prediction(BOXES, CLASSES.flip(0))) > perfect.total
    assert total(box_logits, class_logits * 0) > perfect.total


def test_descent_reaches_the_objects() -> None:
    torch.manual_seed(0)
    box_logits = torch.zeros(1, 4 * NUM_BINS, len(POINTS), requires_grad=True)
    class_logits = torch.full((1, 3, len(POINTS)), -math.log(99), requires_grad=True)
    adam = torch.optim.Adam([box_logits, class_logits], lr=0.1)
    history = []
    for _ in range(60):
        losses = detection_loss(box_logits, class_logits, POINTS, [BOXES], [CLASSES])
        adam.zero_grad()
        losses.total.backward()
        adam.step()
        history.append(losses.boxes.item())
    assert history[-1] < history[0] / 4


def test_gradients_flow_to_both_heads_and_are_finite() -> None:
    box_logits = torch.randn(2, 4 * NUM_BINS, len(POINTS), requires_grad=True)
    class_logits = torch.randn(2, 3, len(POINTS), requires_grad=True)
    losses = detection_loss(box_logits, class_logits, POINTS, [BOXES, BOXES[:1]], [CLASSES, CLASSES[:1]])
    losses.total.backward()
    for logits in (box_logits, class_logits):
        assert logits.grad is not None and torch.isfinite(logits.grad).all()
        assert all(logits.grad[image].abs().sum() > 0 for image in range(2))


def test_an_empty_image_teaches_background_only() -> None:
    box_logits = torch.randn(1, 4 * NUM_BINS, len(POINTS), requires_grad=True)
    class_logits = torch.randn(1, 3, len(POINTS), requires_grad=True)
    empty = [torch.zeros(0, 4)], [torch.zeros(0, dtype=torch.int64)]
    losses = detection_loss(box_logits, class_logits, POINTS, *empty)
    losses.total.backward()
    assert losses.boxes == 0 and losses.distribution == 0 and losses.classes > 0
    assert class_logits.grad is not None and (class_logits.grad > 0).all()


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 0.0),
        ((0, 0, 10, 10), (5, 0, 15, 10), 1 - 50 / 150),
        ((0, 0, 10, 10), (10, 10, 20, 20), 1 + 200 / 400),
    ],
)
def test_giou_by_hand(a: tuple, b: tuple, expected: float) -> None:
    boxes, targets = (torch.tensor([box], dtype=torch.float32) for box in (a, b))
    assert giou_loss(boxes, targets).item() == pytest.approx(expected, abs=1e-6)


def test_distribution_loss_is_least_where_two_bins_share_the_distance() -> None:
    wanted = torch.full((1, 4), 3.25)
    ideal = torch.full((1, 4, NUM_BINS), -30.0)
    ideal[..., 3], ideal[..., 4] = math.log(0.75), math.log(0.25)
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert distribution_loss(ideal, wanted).item() == pytest.approx(entropy, abs=1e-5)
    assert distribution_loss(ideal.roll(1, dims=2), wanted).item() > entropy + 1
    assert torch.isfinite(distribution_loss(ideal, torch.full((1, 4), 40.0))).all()


def test_varifocal_by_hand() -> None:
    logits, targets = torch.tensor([0.0, 0.0], requires_grad=True), torch.tensor([0.0, 0.8])
    loss = varifocal(logits, targets)
    assert loss.item() == pytest.approx((0.75 * 0.25 + 0.8) * math.log(2), rel=1e-5)
    loss.backward()
    # For a negative d/dz (p^2 * -log(1 - p)) = 2 p^2 (1 - p) * -log(1 - p) + p^3; for a positive target * (p - target).
    assert logits.grad is not None
    assert logits.grad.tolist() == pytest.approx([0.75 * (0.25 * math.log(2) + 0.125), 0.8 * (0.5 - 0.8)], rel=1e-5)


def test_boxes_count_by_their_assigned_score() -> None:
    """Both box losses are averages under the target scores, so they do not grow with the number of anchors."""
    box_logits, class_logits = prediction(BOXES, CLASSES, shift=1.0)
    losses = detection_loss(box_logits, class_logits, POINTS, [BOXES], [CLASSES])
    made = assign(class_logits[0].T.sigmoid(), decode(box_logits, POINTS)[0], POINTS[:, :2], BOXES, CLASSES)
    weight = made.scores.sum(dim=1)
    rows = weight > 0
    cost = giou_loss(decode(box_logits, POINTS)[0][rows], made.boxes[rows])
    assert losses.boxes.item() == pytest.approx(((cost * weight[rows]).sum() / weight.sum()).item(), rel=1e-4)


def slow_assign(scores: Tensor, predicted: Tensor, boxes: Tensor, classes: Tensor, topk: int) -> tuple[Tensor, dict]:
    """The assigner's rule, one anchor and one object at a time. Returns target scores and {anchor: object}."""
    overlap = pairwise_iou(boxes, predicted).tolist()
    alignment: dict[int, dict[int, float]] = {}
    for g, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        inside = [n for n, (x, y, _) in enumerate(POINTS.tolist()) if x1 < x < x2 and y1 < y < y2]
        metric = {n: scores[n, classes[g]].item() * overlap[g][n] ** 6 for n in inside}
        alignment[g] = {n: metric[n] for n in sorted(metric, key=lambda n: -metric[n])[:topk] if metric[n] > 0}
    owner: dict[int, int] = {}
    for g, chosen in alignment.items():
        for n in chosen:
            if n not in owner or overlap[g][n] > overlap[owner[n]][n]:
                owner[n] = g
    targets = torch.zeros_like(scores)
    for g, chosen in alignment.items():
        mine = {n: m for n, m in chosen.items() if owner[n] == g}
        for n, metric in mine.items():
            targets[n, classes[g]] = metric / max(mine.values()) * max(overlap[g][k] for k in mine)
    return targets, owner


@pytest.mark.parametrize("seed", range(8))
def test_assigner_agrees_with_a_loop(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(6, 2, generator=generator) * 60
    boxes = torch.cat([corners, corners + 12 + torch.rand(6, 2, generator=generator) * 30], dim=1)
    classes = torch.randint(3, (6,), generator=generator)
    scores = torch.rand(len(POINTS), 3, generator=generator)
    reach = POINTS[:, 2:] * (0.5 + 2 * torch.rand(len(POINTS), 4, generator=generator))
    predicted = torch.cat([POINTS[:, :2] - reach[:, :2], POINTS[:, :2] + reach[:, 2:]], dim=1)
    made = assign(scores, predicted, POINTS[:, :2], boxes, classes, topk=5)
    targets, owner = slow_assign(scores, predicted, boxes, classes, topk=5)
    assert len(owner) > 10
    torch.testing.assert_close(made.scores, targets, rtol=1e-3, atol=1e-6)
    for anchor, g in owner.items():
        assert torch.equal(made.boxes[anchor], boxes[g])
