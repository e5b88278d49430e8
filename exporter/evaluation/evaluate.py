"""The stage: an artifact, and the FP32 artifact of the same recipe, run on labelled pictures and scored."""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from exporter import manifest as m
from exporter.contrast import has_contrast, warning
from exporter.errors import BuildError
from exporter.evaluation.examples import Example
from exporter.evaluation.scores import scores
from exporter.inference import Detections, Detector
from exporter.progress import Progress


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
    depth_key: str = "evaluation.bit_depth=",
) -> m.Evaluation:
    """The manifest's section `evaluation`. Both run on the same pictures, as their manifest would have it run.

    reference: the FP32 artifact of the same recipe, None where the artifact is that itself; depth_key: how the bits of
    16-bit images are given, all but the number. Raises BuildError where
    the artifact's mAP is below `min_map` points of 100, or more than `max_drop` below the reference's; RequestError
    for a picture that cannot be read.
    """
    detectors = [artifact] if reference is None else [artifact, reference]
    found: list[list[Detections]] = [[] for _ in detectors]
    digest = hashlib.sha256()
    depth = next((example.depth for example in examples if example.depth), None)
    if depth and (line := depth.said("evaluation", depth_key)):
        progress.warn(line)
    flat: list[str] = []
    for group in _groups(progress.bar(examples, "evaluate", len(examples)), artifact.batch):
        pictures = [example.read() for example in group]
        for detector, its in zip(detectors, found, strict=True):
            its.extend(detector(pictures))
        for example, picture in zip(group, pictures, strict=True):
            if not has_contrast(picture):
                flat.append(example.name)
            for values in (picture, example.truth.boxes, example.truth.classes):
                digest.update(np.ascontiguousarray(values).tobytes())
    cure = f"check them, and the bits that 16-bit images use ({depth_key}N)"
    if line := warning("evaluation", flat, len(examples), cure):
        progress.warn(line)
    truths = [example.truth for example in examples]
    own, *others = (scores(each, truths, num_classes) for each in found)
    counted = np.bincount(np.concatenate([t.classes[~t.crowd] for t in truths]), minlength=num_classes)
    evaluation = m.Evaluation(
        name=name,
        num_images=len(examples),
        num_boxes=int(counted.sum()),
        num_crowds=sum(int(truth.crowd.sum()) for truth in truths),
        num_background=sum(not len(truth.boxes) for truth in truths),
        boxes_by_class=counted.tolist(),
        digest=digest.hexdigest(),
        artifact=own,
        reference=others[0] if others else None,
        drop=round(others[0].map - own.map, 3) if others else None,
        max_drop=max_drop,
        min_map=min_map,
        bit_depth=depth.bits if depth else None,
    )
    _hold(evaluation)
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


def _hold(evaluation: m.Evaluation) -> None:
    """The gates. Raises BuildError."""
    found, least = evaluation.artifact.map, evaluation.min_map
    drop, allowed, reference = evaluation.drop, evaluation.max_drop, evaluation.reference
    if least is not None and found < least:
        beside = f" (the FP32 artifact's {reference.map:.2f})" if reference else ""
        raise BuildError(
            f"mAP is {found:.2f} on {evaluation.num_images} pictures{beside}, evaluation.min_map={least:g} asks for"
            " more; nothing was published: check that the preprocessing (normalisation, channel order) is the one the"
            " network was trained with, and that the weights belong to these labels"
        )
    if drop is None or allowed is None or reference is None or drop <= allowed:
        return
    raise BuildError(
        f"mAP is {found:.2f} on {evaluation.num_images} pictures, the FP32 artifact's"
        f" {reference.map:.2f}: a drop of {drop:.2f} points, evaluation.max_drop={allowed:g} allows less; nothing was"
        " published: leave more layers in float (quantization.exclude) or calibrate on other pictures"
    )
