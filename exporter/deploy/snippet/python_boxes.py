"""Pieces of a program in Python that makes detections of all boxes, by the contract's NMS, in numpy.

The artifact leaves NMS to whoever reads it (`postprocessing.outside` of the manifest), as to `exporter predict`.
"""

from exporter.deploy.snippet.facts import Facts

BOXES = {
    "yolo": '''
def every(outputs, i):
    """Of image i all boxes [N, 4] and, of each class, their scores [N, C]."""
    table = outputs["output0"][i].T
    centre, size = table[:, :2], table[:, 2:4]
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1), table[:, 4:]

''',
    "deepstream": '''
def every(outputs, i):
    """Of image i all boxes [N, 4] and their scores [N, C]: of the best class of each, the others' are 0."""
    table = outputs["output"][i]
    scores = np.zeros((len(table), len(NAMES)), np.float32)
    scores[np.arange(len(table)), table[:, 5].astype(int)] = table[:, 4]
    return table[:, :4], scores

''',
    "split": '''
def every(outputs, i):
    """Of image i all boxes [N, 4] and, of each class, their scores [N, C]."""
    return outputs["boxes"][i], outputs["scores"][i]

''',
}

NMS = '''
def rows(outputs, i):
    """Of image i, after NMS: boxes [n, 4], scores [n], classes [n], best first."""
    boxes, scores = every(outputs, i)
    scores = np.where(np.isfinite(scores), scores, np.float32(0))
    best = np.sort(np.argsort(-scores.max(axis=1), kind="stable")[:{looked_at}])  # boxes that are looked at
    boxes, scores = boxes[best], scores[best]
    candidate = (scores > np.float32({confidence})) & (np.abs(boxes).sum(axis=1, keepdims=True) < 1e18)
{best_class}    box, c = candidate.nonzero()
    order = np.argsort(-scores[box, c], kind="stable")[:{candidates}]
    box, c = box[order], c[order]
    low, high = np.minimum(boxes[box, :2], boxes[box, 2:]), np.maximum(boxes[box, :2], boxes[box, 2:])
    area = (high - low).prod(axis=1)
    free, kept = np.ones(len(box), bool), []
    for k in range(len(box)):
        if free[k] and len(kept) < {most}:
            kept.append(k)
            both = np.maximum(np.minimum(high[k], high) - np.maximum(low[k], low), 0).prod(axis=1)
            iou = np.divide(both, area[k] + area - both, out=np.zeros_like(both), where=both > 0)
            free &= ~({near})
    return boxes[box[kept]], scores[box[kept], c[kept]], c[kept]

'''

BEST_CLASS = """\
    candidate &= np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None]  # a box is only of its best class
"""


def rows(facts: Facts) -> str:
    """The function `rows`, for a format of all boxes."""
    nms = facts.outside
    assert nms is not None
    near = f"iou > np.float32({nms.nms_threshold})"
    return BOXES[facts.format] + NMS.format(
        looked_at=nms.num_pre_nms_predictions,
        confidence=nms.confidence_threshold,
        best_class="" if nms.multi_label else BEST_CLASS,
        candidates=nms.max_candidates_per_image,
        most=nms.max_predictions_per_image,
        near=near if nms.class_agnostic else f"({near}) & (c == c[k])",
    )
