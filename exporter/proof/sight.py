"""Does the network see anything in the images at hand? An artifact can be the network exactly, and be fed with what it
was never trained on.

It is blind for certain where

1. over 99 % of the boxes have a best score above 0.9;
2. nothing is detected at the artifact's threshold on images that hold at least 10 labelled objects;
3. labelled objects are not found (AP50 below 2), and fed with one of the usual inputs they are (20 or more);
4. it is fed 0..255 and its logits run away (`Look.response`), and fed 0..1 they still move as those of trained
   networks do: of one that was trained on 0..255 they would not;
5. its logits do not move with the image, and fed with one of the usual inputs they do, and clearly more is detected:
   on a quarter of the images or more, with a best score 3 times as high;
6. nothing is detected on at least 8 of the user's own unlabelled images, and with red and blue exchanged clearly more.
   (Other values than those of training make detections of nothing: they are no witness here.)

Where else nothing is detected, perhaps nothing is there that the network knows, or it is not trained to the end: that
is said, and no more. Random weights are not judged.
"""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import onnx

from exporter.backend import BackendNode
from exporter.backend.request import Request
from exporter.calibration import CalibrationNode
from exporter.common.errors import BuildError
from exporter.evaluation import EvaluationNode
from exporter.model.loaded import ModelFacts
from exporter.postprocessing import reference
from exporter.postprocessing.detections import Detections
from exporter.postprocessing.parameters import NmsParameters
from exporter.preprocessing.section import Preprocessing
from exporter.proof.at_hand import AtHand, at_hand
from exporter.proof.look import QUIET, RUNAWAY, SATURATED, Look, look, probes
from exporter.proof.prove import Outputs, Remembering
from exporter.proof.section import NotLooked, Sight
from exporter.proof.tensors import artifact_tensors
from exporter.proof.told import told
from exporter.proof.usual import USUAL, in_words
from exporter.runtime.engine import Sessions

THRESHOLD = 0.25
"""Without NMS inside nobody says which scores are detections."""
TRIED = 8
"""Images that the usual inputs are tried on."""
MIN_IMAGES, MIN_OBJECTS = 8, 10
UNFOUND, FOUND = 2.0, 20.0

Outcomes = Iterator[tuple[np.ndarray, Detections | None]]


def looked(
    artifact: bytes, model: ModelFacts, request: Request, backend: BackendNode, evaluation: EvaluationNode,
    calibration: CalibrationNode | None, blind: Literal["auto", "error", "warn"], outputs: Outputs,
    remembering: Remembering,
) -> Sight | NotLooked:  # fmt: skip
    """The manifest's section `proof.sight`. outputs, remembering: as for `exporter.proof.prove.prove`; the torch
    network is asked only where something looks wrong. blind: "auto" is "error" for what is certain, where the
    checkpoint declares its processing or the images are the user's, else "warn". calibration: None where nothing is
    calibrated.

    Raises BuildError for an artifact that is blind, RequestError for an image that cannot be read."""
    preprocessing = request.preprocessing_section()
    if model.weights.kind == "random":
        return NotLooked(images=0, why="the weights are random")
    if preprocessing.normalization is None or preprocessing.geometry is None:
        return NotLooked(images=0, why="how an image becomes the input is not known")
    images = at_hand(evaluation, calibration, model.class_names, preprocessing.geometry, request.nominal_image)
    parameters = request.parameters
    threshold = parameters.confidence_threshold if parameters else THRESHOLD
    shown = _of_artifact(artifact, images, preprocessing, request, remembering(backend.engine))
    given = look(shown, images, model.num_classes)
    own = in_words(preprocessing.normalization)
    section = Sight(
        images=len(images.images),
        of=images.of,
        objects=images.num_objects,
        threshold=threshold,
        input=own,
        **given.metrics(threshold).model_dump(),
    )
    if not _suspicious(given, threshold):
        return section
    some = images.some(TRIED)
    tried = {
        words: look(_of_torch(each, some, outputs, parameters), some, model.num_classes)
        for words, each in {own: preprocessing.normalization, **USUAL}.items()
    }
    metrics = {words: each.metrics(threshold) for words, each in tried.items()}
    section = section.model_copy(update={"tried_on": len(some.images), "tried": metrics})
    sure = _is_blind(given, tried, own, images, threshold)
    if not sure and given.detected_on(threshold):
        return section
    text = told(section, sure)
    if blind == "error" or (blind == "auto" and sure and (request.trained.declared or images.users)):
        raise BuildError(f"proof.blind: {text}; nothing was published (proof.blind=warn would all the same)")
    return section.model_copy(update={"warning": text})


def _suspicious(given: Look, threshold: float) -> bool:
    """Whether to look closer."""
    unfound = given.ap50 is not None and given.ap50 < UNFOUND
    moves = QUIET <= given.response <= RUNAWAY
    return not moves or unfound or given.saturated > SATURATED or not given.detected_on(threshold)


def _is_blind(given: Look, tried: dict[str, Look], own: str, images: AtHand, threshold: float) -> bool:
    """The rules at the top of the module. tried: what the torch network does with some of the images when it is fed as
    it is built (`own`), and with the usual inputs."""
    nothing, objects = not given.detected_on(threshold), images.num_objects or 0
    if given.saturated > SATURATED or (nothing and objects >= MIN_OBJECTS):
        return True
    if given.ap50 is not None and given.ap50 < UNFOUND and objects >= MIN_OBJECTS:
        return max(each.ap50 or 0 for each in tried.values()) >= FOUND
    if given.response > RUNAWAY and own.endswith("0..255"):
        calm = tried[own.replace("0..255", "0..1")]
        return QUIET <= calm.response <= given.response / 1.5
    if given.response < QUIET:
        return any(_clearly_more(each, tried[own], threshold) for each in tried.values())
    swapped = tried.get(own.replace("RGB", "BGR") if own.startswith("RGB") else own.replace("BGR", "RGB"))
    enough = nothing and images.users and images.ground_truths is None and len(images.images) >= MIN_IMAGES
    return enough and swapped is not None and _clearly_more(swapped, tried[own], threshold)


def _clearly_more(other: Look, own: Look, threshold: float) -> bool:
    on_enough = 4 * other.detected_on(threshold) >= len(other.best)
    return QUIET <= other.response <= RUNAWAY and on_enough and other.best.max() >= 3 * own.best.max()


def _of_artifact(
    artifact: bytes, images: AtHand, preprocessing: Preprocessing, request: Request, session: Sessions
) -> Outcomes:
    """What `look` takes."""
    shown = np.concatenate([probes(*images.images.shape[1:3]), images.images])
    input, batch = request.input_section(onnx.load_from_string(artifact)), request.input.fixed_batch or 1
    run = artifact_tensors(artifact, [shown], input, preprocessing, batch, session, request.read)
    for tensor in run:
        found = tensor.detections
        if found is None and request.outside is not None:
            found = Detections.of_rows(reference.detections(tensor.boxes, tensor.scores, request.outside))
        if found is not None and tensor.letterboxed is not None:  # its raw images were of the input's size already
            found = Detections(tensor.letterboxed.boxes, found.scores, found.classes)
        yield tensor.scores, found


def _of_torch(normalization: Any, images: AtHand, outputs: Outputs, parameters: NmsParameters | None) -> Outcomes:
    """What `look` takes. normalization: a usual one, or what the artifact is built with."""
    shown = np.concatenate([probes(*images.images.shape[1:3]), images.images])
    for boxes, scores in zip(*outputs(shown, normalization), strict=True):
        found = None
        if images.ground_truths is not None and parameters is not None:
            found = Detections.of_rows(reference.detections(boxes, scores, parameters))
        yield scores, found
