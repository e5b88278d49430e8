"""The manifest's section on what detections are worth."""

from exporter.common.section import Section


class Scores(Section):
    """COCO's average precision in points of 100, with the artifact's own NMS and thresholds; null where the images
    hold no object of that size (small, medium, large) or class (in the order of `model.class_names`)."""

    map: float
    ap50: float
    ap75: float
    by_size: dict[str, float | None]
    by_class: list[float | None]


class ScoreShift(Section):
    """How the scores of detections that were matched (one class, an IoU of 0.5 or more) moved against those of the
    network without quantization, of at least 0.25 there: the median, and the 5th and 95th percentile; below 0 they
    fell."""

    matched: int
    median: float
    p5: float
    p95: float


class Evaluation(Section):
    """What detections are worth on labelled images. `reference` is the FP32 artifact of the same recipe on the same
    images, null where the artifact is that itself; `drop` is the reference's mAP less the artifact's, `score_shift`
    how scores moved from there. `digest` is a sha256 over pixels and labels, `num_background` counts images without
    an object, `boxes_by_class` leaves crowds out, `labels` counts by kind what was odd about the labels and how it was
    taken (clipped, dropped, ignored), `bit_depth` is what images of 16 bits were scaled by (null: there are none). The
    build would have failed with a drop above `max_drop`, an mAP below `min_map` or a shift whose median is beyond
    `max_score_shift`."""

    name: str
    num_images: int
    num_boxes: int
    num_crowds: int
    num_background: int
    boxes_by_class: list[int]
    digest: str
    artifact: Scores
    reference: Scores | None
    drop: float | None
    max_drop: float | None
    min_map: float | None = None
    labels: dict[str, int] = {}  # noqa: RUF012 - pydantic copies it
    score_shift: ScoreShift | None = None
    max_score_shift: float | None = None
    bit_depth: int | None = None
