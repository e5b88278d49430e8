"""The stage: an artifact, and the FP32 artifact of the same recipe, run on labelled images and scored."""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from exporter.common.contrast import has_contrast, low_contrast_line
from exporter.common.errors import BuildError
from exporter.common.progress import Progress
from exporter.evaluation.detector import Detector
from exporter.evaluation.examples import Example
from exporter.evaluation.matched import bounded_shift, score_shift
from exporter.evaluation.scores import scores
from exporter.evaluation.section import Evaluation as EvaluationSection
from exporter.postprocessing.detections import Detections

CHECK = (
    "check that the preprocessing (normalisation, channel order) is the one the network was trained with, and that the"
    " weights belong to these labels"
)
LESS = (
    "leave more layers in float (quantization.exclude), or calibrate by all methods (calibration.method=measure) or"
    " on other images"
)


def evaluate(
    artifact: Detector,
    reference: Detector | None,
    examples: Sequence[Example],
    num_classes: int,
    progress: Progress,
    *,
    name: str,
    max_drop: float | None = None,
    min_map: float | None = None,
    max_score_shift: float | None = None,
    must_find: bool = False,
    depth_key: str = "evaluation.bit_depth=",
) -> EvaluationSection:
    """The manifest's section `evaluation`. Both run on the same images, as their manifest would have it run.

    reference: the FP32 artifact of the same recipe, None where the artifact is that itself; depth_key: how the bits of
    16-bit images are given, all but the number. Raises BuildError where the artifact's mAP is below `min_map` points of
    100, or more than `max_drop` below the reference's; where the median of the scores of matched detections moved by
    more than `max_score_shift`; and with `must_find` where the FP32 artifact's mAP is 0. RequestError for an image
    that cannot be read.
    """
    detectors = [artifact] if reference is None else [artifact, reference]
    found: list[list[Detections]] = [[] for _ in detectors]
    digest = hashlib.sha256()
    depth = next((example.depth for example in examples if example.depth), None)
    if depth and (line := depth.said("evaluation", depth_key)):
        progress.warn(line)
    flat: list[str] = []
    for group in _groups(progress.bar(examples, "evaluate", len(examples)), artifact.batch):
        images = [example.read() for example in group]
        for detector, its in zip(detectors, found, strict=True):
            its.extend(detector(images))
        for example, image in zip(group, images, strict=True):
            if not has_contrast(image):
                flat.append(example.name)
            for values in (image, example.ground_truth.boxes, example.ground_truth.classes):
                digest.update(np.ascontiguousarray(values).tobytes())
    fix = f"check them, and the bits that 16-bit images use ({depth_key}N)"
    if line := low_contrast_line(flat, len(examples), fix):
        progress.warn(f"evaluation: {line}")
    ground_truths = [example.ground_truth for example in examples]
    own, *others = (scores(each, ground_truths, num_classes) for each in found)
    counted = np.bincount(np.concatenate([t.classes[~t.crowd] for t in ground_truths]), minlength=num_classes)
    evaluation = EvaluationSection(
        name=name,
        num_images=len(examples),
        num_boxes=int(counted.sum()),
        num_crowds=sum(int(ground_truth.crowd.sum()) for ground_truth in ground_truths),
        num_background=sum(not len(ground_truth.boxes) for ground_truth in ground_truths),
        boxes_by_class=counted.tolist(),
        digest=digest.hexdigest(),
        artifact=own,
        reference=others[0] if others else None,
        drop=round(others[0].map - own.map, 3) if others else None,
        max_drop=max_drop,
        min_map=min_map,
        score_shift=score_shift(*found) if others else None,
        max_score_shift=max_score_shift if others else None,
        bit_depth=depth.bits if depth else None,
    )
    _hold(evaluation, must_find)
    return evaluation


def _groups(examples: Iterable[Example], size: int) -> Iterable[list[Example]]:
    group: list[Example] = []
    for example in examples:
        group.append(example)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _hold(evaluation: EvaluationSection, must_find: bool) -> None:
    """The gates. Raises BuildError."""
    found, least = evaluation.artifact.map, evaluation.min_map
    drop, allowed, reference = evaluation.drop, evaluation.max_drop, evaluation.reference
    on = f"on {evaluation.num_images} images"
    if least is not None and found < least:
        beside = f" (the FP32 artifact's {reference.map:.2f})" if reference else ""
        raise BuildError(
            f"mAP is {found:.2f} {on}{beside}, evaluation.min_map={least:g} asks for more; nothing was published:"
            f" {CHECK}"
        )
    if must_find and (reference or evaluation.artifact).map == 0:
        raise BuildError(
            f"mAP of the FP32 artifact is 0.00 {on} with {evaluation.num_boxes} objects: it finds none of them, so no"
            f" drop can be measured; nothing was published: {CHECK}; or take evaluation=none"
        )
    if drop is not None and allowed is not None and reference is not None and drop > allowed:
        raise BuildError(
            f"mAP is {found:.2f} {on}, the FP32 artifact's {reference.map:.2f}: a drop of {drop:.2f} points,"
            f" evaluation.max_drop={allowed:g} allows less; nothing was published: {LESS}"
        )
    moved, bound, shift = bounded_shift(evaluation.score_shift), evaluation.max_score_shift, evaluation.score_shift
    if shift is not None and moved is not None and bound is not None and moved > bound:
        raise BuildError(
            f"scores of {shift.matched} matched detections moved by {shift.median:+.3f} (median) from the FP32"
            f" artifact's, proof.max_score_shift={bound:g} allows less either way; nothing was published: {LESS}"
        )
