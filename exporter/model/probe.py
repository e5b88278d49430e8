"""What a graph that somebody else made seems to give, told from what it gives for a few images.

Only what is sure counts, for a good file that is refused is as bad as a wrong one that is taken. In a good file every
box ends behind its beginning, boxes lie all over the image, and what changes in a corner of the image changes the
boxes there most: that holds for any weights, so nothing has to be detected on the images.
"""

from collections.abc import Sequence

import numpy as np

from exporter.demo.scenes import scene

TRIED = 64  # pixels of a blank image where any size goes
NEAR = 0.7  # good files have a tenth of their coordinates near 0 at most, boxes in 0..1 four fifths and more
FEW = 0.01  # of the boxes; good files have none that end before they begin
ROUNDED = 0.01  # so far may float16 and integers put a score beyond 0..1
SLACK = 0.05  # of the image's side
MOVED = 0.05  # of the image's side, by which what changed lies off the middle

MOST = 0.5  # of the columns of scores

TWICE = (0.499, 0.7312)  # a sigmoid of 0..1; no network is that sure of every class of every box

SWAPPED = "scores where boxes should be, and boxes where scores should be"
ORDERS = {"x2, y2, x1, y1": (2, 3, 0, 1), "x1, x2, y1, y2": (0, 2, 1, 3)}
"""Where x1, y1, x2, y2 stand in other orders of the same numbers."""


def images(height: int, width: int) -> np.ndarray:
    """float32 [4, 3, height, width], 0..255: a synthetic image, the same with noise at the top right, the same with
    noise at the bottom left, and noise."""
    plain = scene("proof", 0, height, width).image
    noise = np.random.default_rng(0).integers(0, 256, plain.shape, dtype=np.uint8)
    right, left = plain.copy(), plain.copy()
    right[: height // 2, width // 2 :] = noise[: height // 2, width // 2 :]
    left[height // 2 :, : width // 2] = noise[height // 2 :, : width // 2]
    return np.stack([plain, right, left, noise]).transpose(0, 3, 1, 2).astype(np.float32)


def misread(given: Sequence[tuple[np.ndarray, np.ndarray]], height: int, width: int) -> str | None:
    """What the outputs seem to be, in words, where they are not boxes x1, y1, x2, y2 in pixels and scores in 0..1.

    given: boxes [4, N, 4] and scores [4, N, C] of `images` of this size, for each range that their values may be
    wanted in. Of a network that was trained in another range scores still are scores; boxes and numbers that are not
    finite count only where they are so in all."""
    finite = [each for each in given if all(np.isfinite(part).all() for part in each)]
    if not finite:
        return "numbers that are not finite"
    scores = np.concatenate([scores for _, scores in finite])
    in_unit = all(((boxes >= 0) & (boxes <= 1)).all() for boxes, _ in finite)
    if scores.shape[2] == 4 and in_unit and scores.max() > 2:
        return SWAPPED
    size = np.array([width, height] * 2)
    found = [_boxes(boxes.reshape(-1, 4), size) for boxes, _ in finite]
    said = [found[0] if all(found) else None, _scores(scores)]
    if not any(said):
        swapped = [_axes_swapped(*each, size[:2]) for each in finite]
        if True in swapped and False not in swapped:
            return "boxes y1, x1, y2, x2 (what changes at the top right of an image moves boxes at the bottom left)"
    return " and ".join(filter(None, said)) or None


def _axes_swapped(boxes: np.ndarray, scores: np.ndarray, sides: np.ndarray) -> bool | None:
    """Whether boxes are y1, x1, y2, x2: then what changes at the top right changes boxes at the bottom left most. None
    where the changes are not so clear."""
    centres = (boxes[0, :, :2] + boxes[0, :, 2:]) / 2 / sides
    moves = []
    for changed, direction in ((1, (1, -1)), (2, (-1, 1))):
        by_row = _share(boxes[changed] - boxes[0]) + _share(scores[changed] - scores[0])
        if not by_row.any():
            return None
        moves.append((np.average(centres, axis=0, weights=by_row) - centres.mean(axis=0)) * direction)
    if np.min(moves) > MOVED:
        return False
    return True if np.max(moves) < -MOVED else None


def _share(change: np.ndarray) -> np.ndarray:
    """The largest change in each row, as a share of the largest of all."""
    by_row = np.abs(change.astype(np.float64)).max(axis=1)
    return by_row / max(by_row.max(), np.finfo(np.float64).tiny)


def _boxes(rows: np.ndarray, size: np.ndarray) -> str | None:
    in_unit = ((rows > -1.5) & (rows < 2.5)).mean() > NEAR
    order = _order(rows * size if in_unit else rows, size)
    low, high = np.quantile(rows, (0.05, 0.95))
    centres = (rows[:, :2] + rows[:, 2:]) / 2
    if ((centres < -size[:2]) | (centres > 2 * size[:2])).any(axis=1).mean() > NEAR:
        return f"boxes far outside the image (most numbers lie from {low:.2g} to {high:.2g})"
    if in_unit:
        return f"boxes {f'{order}, ' if order else ''}in 0..1 (most numbers lie from {low:.2g} to {high:.2g})"
    return f"boxes {order} in pixels" if order else None


def _order(rows: np.ndarray, size: np.ndarray) -> str | None:
    """The order that the numbers of a box seem to have, in pixels; None where x1, y1, x2, y2 is possible."""
    first, second, sides = rows[:, :2], rows[:, 2:], size[:2]
    backward = (second - first < -SLACK * sides).any(axis=1).mean()
    if backward <= FEW:
        return None
    read = f"(as x1, y1, x2, y2, {backward:.0%} of them would end before they begin)"
    for name, columns in ORDERS.items():
        ordered = rows[:, columns]
        if (ordered[:, 2:] - ordered[:, :2] > -0.001 * sides).all():
            return f"{name} {read}"
    if (second < -SLACK * sides).any(axis=1).mean() > FEW:
        return f"in an order that is not known {read}"
    around = _inside(first - second / 2, first + second / 2, sides)
    beside = _inside(first, first + second, sides)
    names = {"cx, cy, w, h": around, "x1, y1, w, h": beside}
    clear = abs(around - beside) > 0.1
    return f"{max(names, key=lambda name: names[name]) if clear else ' or '.join(names)} {read}"


def _inside(low: np.ndarray, high: np.ndarray, sides: np.ndarray) -> float:
    """The share of boxes that lie in the image."""
    return float(((low > -SLACK * sides) & (high < (1 + SLACK) * sides)).all(axis=1).mean())


def share_inside(boxes: Sequence[np.ndarray], height: int, width: int) -> float:
    """The share of boxes xyxy that lie in an image of that size, in the range of values where most do."""
    sides = np.array([width, height])
    rows = [each.reshape(-1, 4) for each in boxes]
    return max(_inside(each[:, :2], each[:, 2:], sides) for each in rows)


def follow_cells(places: Sequence[np.ndarray], cells: Sequence[tuple[int, int]]) -> bool:
    """Whether the first two numbers of boxes grow with the column and the row of their cells, as those of decoded boxes
    do; offsets from a cell are the same everywhere. cells: rows and columns of each map."""
    grids = [np.stack(np.meshgrid(np.arange(w) / w, np.arange(h) / h), axis=-1).reshape(-1, 2) for h, w in cells]
    at = np.concatenate(grids)
    at = at[:: round(len(at) / places[0].shape[1])]  # of very many boxes only some are judged
    with np.errstate(all="ignore"):  # what is the same everywhere follows nothing
        found = [np.corrcoef(each[..., axis].mean(axis=0), at[:, axis])[0, 1] for each in places for axis in (0, 1)]
    return all(each > NEAR for each in found)


def forward(boxes: Sequence[np.ndarray]) -> bool:
    """Whether boxes xyxy end behind their beginning, but for a few."""
    return all((each[..., 2:] < each[..., :2]).any(axis=-1).mean() <= FEW for each in boxes)


def _scores(scores: np.ndarray) -> str | None:
    low, high = float(scores.min()), float(scores.max())
    if low >= TWICE[0] and high <= TWICE[1]:
        return f"scores from {low:.3g} to {high:.3g}, as a sigmoid of what is in 0..1 already gives"
    scored = _columns_of_scores(scores, slack=ROUNDED)
    if MOST * scores.shape[2] < scored < scores.shape[2]:
        return (
            f"scores in {scored} columns and something else in {scores.shape[2] - scored} (masks, keypoints, an angle)"
        )
    if low < -ROUNDED:
        return f"logits (from {low:.3g} to {high:.3g}), scores before the sigmoid"
    if high > 1 + ROUNDED:
        return f"scores from {low:.3g} to {high:.3g}, beyond 0..1"
    if scores.shape[2] > 1 and _add_up(scores):
        return f"scores that add up to 1 in every row, a softmax over {scores.shape[2]} columns with the background"
    return None


def _columns_of_scores(scores: np.ndarray, slack: float) -> int:
    """How many columns hold nothing but what is in 0..1, or beside it by so much."""
    return int(((scores >= -slack) & (scores <= 1 + slack)).all(axis=(0, 1)).sum())


def leading_scores(given: Sequence[tuple[np.ndarray, np.ndarray]]) -> int:
    """How many columns, `given` as in `misread`, hold scores before the first that holds something else; 0 where all
    do."""
    scores = np.concatenate([scores for _, scores in given])
    other = ~((scores >= 0) & (scores <= 1)).all(axis=(0, 1))
    return int(other.argmax())


def have_whole_numbers(given: Sequence[tuple[np.ndarray, np.ndarray]]) -> bool:
    """Whether a column of scores, `given` as in `misread`, holds whole numbers alone; no sigmoid gives just 0."""
    scores = np.concatenate([scores for _, scores in given])
    return bool((scores == np.rint(scores)).all(axis=(0, 1)).any())


def _add_up(scores: np.ndarray) -> bool:
    """Whether the scores of every row add up to 1, as after a softmax. Sigmoids do so only where all are 0 or 1, as
    they are on images in the wrong range."""
    decided = (scores.max(axis=2) > 0.99).mean()
    return bool((np.abs(scores.sum(axis=2, dtype=np.float64) - 1) < 2e-3).all()) and decided < 1 - FEW


def are_scores(given: Sequence[tuple[np.ndarray, np.ndarray]]) -> bool:
    """Whether what a network gives itself, `given` as in `misread`, are scores before any activation: most columns of
    logits go below 0 or above 1 somewhere."""
    scores = np.concatenate([scores for _, scores in given])
    return _columns_of_scores(scores, slack=0) > MOST * scores.shape[2]


def may_be_logits(given: Sequence[tuple[np.ndarray, np.ndarray]]) -> bool:
    """Whether what a network gives itself, `given` as in `misread`, may be scores before an activation: what is never
    below 0 is none, and what has scores in its first columns has them already."""
    return leading_scores(given) == 0 and bool(min(scores.min() for _, scores in given) < -ROUNDED)


def have_background(given: Sequence[tuple[np.ndarray, np.ndarray]]) -> bool:
    """Whether scores, `given` as in `misread`, are those of a softmax already, of which one is the background's."""
    return _add_up(np.concatenate([scores for _, scores in given]))
