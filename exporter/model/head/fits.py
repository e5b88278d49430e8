"""Which other declarations would make sense of what a network gives, where the recipe's does not."""

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np

from exporter.model import probe
from exporter.model.head import Head
from exporter.model.head.plain import MisdeclaredError

Read = Callable[[Head], list[tuple[np.ndarray, np.ndarray]]]
"""Boxes and scores of `exporter.model.probe.images`, for each range of values, as they are with a head."""

MOST_TOLD = 3
OUTSIDE, INSIDE = 0.2, 0.5
"""Of the boxes: at most so many of a wrong reading lie in the image, and at least so many of a right one."""
CLEAR = 0.2  # of the boxes

DISTANCES = ("distances", "pixel_distances")
BY_SIDES = ("xywh", "cxcywh")
ACTIVATIONS = (
    ("none", "none"), ("sigmoid", "none"), ("none", "first"), ("none", "last"), ("softmax", "first"),
    ("softmax", "last"),
)  # fmt: skip


def misdeclared(head: Head, read: Read, height: int, width: int) -> str | None:
    """What the outputs seem to be in place of what the head says, in words; None where it makes sense."""
    given = read(head)
    if head.activation != "none" and not head.objectness and probe.are_scores(read(_as_it_is(head))):
        return f"scores in 0..1 already, before model.head.activation={head.activation}"
    if seems := probe.misread(given, height, width):
        return seems
    if head.decoding == "yolox":
        raw = [places for places, _ in read(head.model_copy(update={"decoding": "none"}))]
        if probe.follow_cells(raw, head.num_cells(height, width)):
            return "decoded boxes already, before model.head.decoding=yolox"
    if head.decoding in DISTANCES:
        key, readings = "decoding", DISTANCES
    elif head.decoding == "none" and head.boxes in BY_SIDES:
        key, readings = "boxes", ("xyxy", *BY_SIDES)
    else:
        return None
    boxes = {each: [places for places, _ in read(head.model_copy(update={key: each}))] for each in readings}
    inside = {each: probe.share_inside(places, height, width) for each, places in boxes.items()}
    own, best = getattr(head, key), max(inside, key=lambda each: inside[each])
    clearly = inside[own] < OUTSIDE and inside[best] > INSIDE
    # Corners never run backwards; read as a centre and sides, those of small boxes lie in the image half of the time.
    corners = best == "xyxy" and inside[best] - inside[own] > CLEAR
    if (clearly or corners) and probe.forward(boxes[best]):
        return f"boxes {best} ({inside[own]:.0%} lie in the image as {own}, {inside[best]:.0%} as {best})"
    return None


def declarations_that_fit(head: Head, read: Read, height: int, width: int) -> list[str]:
    """As overrides of a command line, those with the fewest changes first, at most `MOST_TOLD` that change as few."""
    fit: list[tuple[int, str]] = []
    for other, changes in sorted(_others(head, read), key=lambda each: len(each[1])):
        if fit and len(changes) > fit[0][0]:
            break
        try:
            fits = misdeclared(other, read, height, width) is None
            if other.background != head.background and other.activation == "none":
                fits = fits and probe.have_background(read(_as_it_is(other)))
        except MisdeclaredError:
            continue
        if fits:
            fit.append((len(changes), " ".join(f"model.head.{key}={value}" for key, value in changes.items())))
    return [text for _, text in fit[:MOST_TOLD]]


def _others(head: Head, read: Read) -> Iterator[tuple[Head, dict[str, str]]]:
    """Heads that differ in what no shape tells, and in what."""
    logits = head.objectness and head.activation != "none"  # as they are they are no objectness
    if head.num_read is None and head.layout in ("joined", "maps") and not logits:
        scores = probe.leading_scores(read(_as_it_is(head))) - (head.background != "none")
        if scores > 0:
            yield head.model_copy(update={"num_classes": scores}), {"num_classes": str(scores)}
    own = (head.activation, head.background)
    activations = [each for each in ACTIVATIONS if head.layout != "detections" and each != own]
    if head.activation == "none" and not probe.may_be_logits(read(_as_it_is(head))):
        activations = [each for each in activations if each[0] == "none"]
    places = product(("xyxy", "cxcywh", "xywh", "yxyx"), ("pixels", "relative"))
    if head.decoding in DISTANCES:
        (other,) = set(DISTANCES) - {head.decoding}
        yield head.model_copy(update={"decoding": other}), {"decoding": other}
    for (boxes, unit), (activation, background) in product(
        places if head.decoding == "none" else [(head.boxes, head.unit)], [own, *activations]
    ):
        said = {"boxes": boxes, "unit": unit, "activation": activation, "background": background}
        changes = {key: value for key, value in said.items() if value != getattr(head, key)}
        if not changes or (head.objectness and activation == "softmax"):
            continue
        yield head.model_copy(update=changes), changes


def _as_it_is(head: Head) -> Head:
    return head.model_copy(update={"activation": "none", "background": "none", "classes": ()})
