"""The manifest's section on the proof: what the artifact gives, held against the torch network and plain references.

What computes each part is in the module of its name, `exporter.proof.prove` puts them together.
"""

from typing import Literal

from exporter.common.section import Section
from exporter.evaluation.section import ScoreShift


class NetworkErrors(Section):
    """|artifact - torch| before NMS: boxes in pixels of the input, scores in 0..1. The mean over boxes is weighted by
    their best score."""

    max_box_error: float
    mean_box_error: float
    max_score_error: float
    mean_score_error: float


class NmsRows(Section):
    """The rows that the reference gives for the artifact's own tensors before NMS, how many of the artifact's differ
    from them, and how many of those differences no rounding explains."""

    reference: str
    rows: int
    different: int
    unexplained: int


class UserFormatErrors(Section):
    """The outputs of a user's format, the largest difference to what the code gives by itself, and the names of those
    that are not the same."""

    outputs: list[str]
    max_difference: float
    wrong: list[str]


class LetterboxErrors(Section):
    """Of pixels in grey levels, the mean of the worst image (null in manifests of version 0.1.0), the share of values
    that are off by more than one level, and of boxes in pixels of the raw image."""

    reference: str
    max_grey_error: int
    mean_grey_error: float | None = None
    beyond_one_grey_level: float
    max_box_error: float


class DetectionErrors(Section):
    """mAP@[.5:.95] in points of the artifact and of the torch network on so many synthetic images, `map_drop` the
    torch network's less the artifact's; of how many boxes of either there are matched ones (one class, an IoU of 0.5
    or more), their mean IoU and difference of scores (null where none match), and how scores moved."""

    scenes: int
    map: float
    torch_map: float
    map_drop: float
    boxes: int
    matched: int
    mean_iou: float | None
    mean_score_difference: float | None
    score_shift: ScoreShift | None = None


class NotCompared(Section):
    """Detections were not compared, and why."""

    scenes: Literal[0]
    map: None
    why: str


class Seen(Section):
    """What a network makes of images: the best score, on how many of them something is detected, the share of boxes
    whose best score is above 0.9, AP50 in points (null without labels), and by how much class logits move with the
    image."""

    best_score: float
    detected_on: int
    saturated: float
    ap50: float | None
    response: float


class Sight(Seen):
    """What the artifact makes of the images at hand. `objects` counts those that are labelled, `threshold` is the score
    of a detection, `input` says what the network is fed. Where that looked wrong: what the torch network makes of
    `tried_on` of the images when it is fed as here and in other usual ways, and the warning if there was one."""

    images: int
    of: str
    objects: int | None
    threshold: float
    input: str
    tried_on: int | None = None
    tried: dict[str, Seen] = {}  # noqa: RUF012 - pydantic copies it
    warning: str | None = None


class NotLooked(Section):
    """Nobody looked at images, and why."""

    images: Literal[0]
    why: str


class Proof(Section):
    """`engine` is what the artifact was run in, with the number of nodes by what computed them (null where it does not
    say); `pictures` are the images. Null are: `postprocessing` without NMS, `format` but for a user's, `geometry` where
    resize and padding are outside, `sight` with `proof.blind=off`. The build would have failed with a metric beyond the
    bound of its name."""

    engine: str
    nodes_by_provider: dict[str, int] | None
    pictures: str
    network: NetworkErrors
    postprocessing: NmsRows | None
    format: UserFormatErrors | None
    geometry: LetterboxErrors | None
    detections: DetectionErrors | NotCompared
    bounds: dict[str, float]
    sight: Sight | NotLooked | None = None
