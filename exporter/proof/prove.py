"""The proof: the finished artifact is run, and held against the torch network and a plain reference of its NMS.

Questions, each with its metrics:

- network: are the tensors before NMS those of the torch network? See `exporter.proof.network`.
- post-processing: are the detections what the contract makes of *the artifact's own* tensors before NMS? Row by row,
  so that a tie which flips in the network cannot fail it.
- format: does a user's format compute in the artifact what it computes by itself? Is one of the exporter's what
  it promises, to the unused row? See `exporter.proof.form`.
- quantization: do scales, zero points and anchors fit together? See `exporter.proof.quantized`.
- geometry: where it is inside, does it show the network what OpenCV would, and do boxes find back to the raw image?
- detections: how near are boxes, scores and mAP to the torch network's, and did scores move all one way? See
  `exporter.proof.detections`.

Whether the network sees anything is another question: see `exporter.proof.sight`.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import onnx

from exporter.backend import BackendNode
from exporter.backend.request import Request
from exporter.common.geometry import Geometry
from exporter.demo.scenes import scene
from exporter.evaluation.detector import Detector
from exporter.graph.facts import has_plugin
from exporter.model.loaded import LoadedModel, ModelFacts
from exporter.postprocessing import reference
from exporter.postprocessing.agreement import Margins, unexplained
from exporter.postprocessing.detections import Detections
from exporter.preprocessing.encode import encode
from exporter.preprocessing.normalization import Normalization
from exporter.preprocessing.own_normalization import AnyNormalization
from exporter.preprocessing.section import Input, Preprocessing
from exporter.proof.bounds import Quantizer, bounds_of, fail, hold
from exporter.proof.detections import TorchOutputs, detection_errors, torch_detections
from exporter.proof.form import declared_problems, given_problems, promised
from exporter.proof.letterbox import letterbox_errors, seen
from exporter.proof.network import channel_problems, network_errors
from exporter.proof.quantized import anchor_problems, pair_problems
from exporter.proof.section import (
    DetectionErrors,
    LetterboxErrors,
    NmsRows,
    NotCompared,
    Proof,
    UserFormatErrors,
)
from exporter.proof.settings import ProofSettings
from exporter.proof.tensors import Tensors, artifact_tensors
from exporter.proof.user_format import user_format_errors
from exporter.runtime.engine import Engine, Sessions

PROBE = Normalization(std=(255.0, 255.0, 255.0))


Outputs = Callable[[np.ndarray, AnyNormalization], tuple[np.ndarray, ...]]
"""What the torch network gives for images, see `torch_outputs`."""
Remembering = Callable[[Engine], Sessions]
"""The sessions of an engine, or others that give the same for less: see `exporter.pipeline.stages.in_halves`."""


def prove(
    artifact: bytes, model: ModelFacts, request: Request, backend: BackendNode, quantization: Quantizer,
    settings: ProofSettings, outputs: Outputs, remembering: Remembering,
) -> Proof:  # fmt: skip
    """The manifest's section `proof`, `sight` left out. outputs: `torch_outputs` of the network, or what gives the
    same; remembering: for the accuracy on many images. Raises BuildError where a metric is beyond its bound."""
    graph = onnx.load_from_string(artifact)
    problems = list(_graph_problems(graph, request, quantization))
    if problems:  # what has another form cannot be run as the contract says
        fail(problems)
    input, preprocessing = request.input_section(graph), request.preprocessing_section()
    if preprocessing.normalization is None:  # nobody knows how images become this network's input: any range will do
        preprocessing = preprocessing.model_copy(update={"normalization": PROBE})
    engine, batch = backend.engine, request.input.fixed_batch
    session = remembering(engine)
    groups = _images(request, settings.num_images)
    images = [image for group in groups for image in group]
    tensors = list(artifact_tensors(artifact, groups, input, preprocessing, batch or 2, engine.session, request.read))
    shown = [seen(tensor, image, input) for tensor, image in zip(tensors, images, strict=True)]
    margins = Margins.of(engine.computes_in, max(side for image in shown for side in image.shape[:2]))
    feeds = {input.name: encode(groups[0][[0] * (batch or 1)], input, preprocessing)}
    proof = Proof(
        engine=engine.label(artifact),
        nodes_by_provider=engine.placement(artifact, feeds),
        pictures=f"{len(images) - 1} demo scenes and noise, "
        + ", ".join(f"{width} × {height}" for height, width in request.image_sizes),
        network=network_errors(tensors, shown, _normalised(outputs, request), model.unordered),
        postprocessing=_postprocessing_errors(tensors, request, margins),
        format=_format_errors(artifact, groups, input, preprocessing, request, backend),
        geometry=_geometry_errors(tensors, images, shown, preprocessing),
        detections=_detection_errors(artifact, model, request, settings, input, preprocessing, outputs, session),
        bounds=bounds_of(artifact, model, request, backend, quantization, settings),
    )
    problems = [*given_problems(tensors, shown, request, plugin=has_plugin(graph), margins=margins)]
    if quantization.quantizes:
        problems += channel_problems(tensors, shown, _normalised(outputs, request), proof.network, model.unordered)
    hold(proof, problems, quantization.beyond_bounds)
    return proof


def _normalised(outputs: Outputs, request: Request) -> TorchOutputs:
    return lambda images: outputs(images, request.normalization or PROBE)


def _graph_problems(graph: onnx.ModelProto, request: Request, quantization: Quantizer) -> Iterator[str]:
    """What can be seen without a run: see `declared_problems`, `pair_problems` and `anchor_problems`. What came
    quantized has its own ways."""
    yield from declared_problems(graph, promised(graph, request))
    if quantization.quantizes:
        yield from pair_problems(graph)
        yield from anchor_problems(graph)


def _images(request: Request, num_images: int) -> list[np.ndarray]:
    """uint8 [n, H, W, 3] RGB each: `num_images` of the nominal size, synthetic images of the split `proof` and the last
    one noise, and one synthetic image of every other size that shows the whole range."""
    size, *others = request.image_sizes
    images = [scene("proof", i, *size).image for i in range(num_images - 1)]
    images.append(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))
    return [np.stack(images), *(scene("proof", 0, *other).image[None] for other in others)]


def torch_outputs(
    loaded: LoadedModel, raw_images: np.ndarray, normalization: AnyNormalization
) -> tuple[np.ndarray, ...]:
    """boxes [B, N, 4] and scores [B, N, C] of the torch network for uint8 [B, H, W, 3] RGB images, one at a time."""
    import torch

    with torch.inference_mode():
        images = [
            torch.from_numpy(normalization.apply(raw_image[None].transpose(0, 3, 1, 2))) for raw_image in raw_images
        ]
        outputs = [loaded.network(image) for image in images]
    return tuple(np.concatenate([output[k].numpy() for output in outputs]) for k in (0, 1))


def _postprocessing_errors(tensors: list[Tensors], request: Request, margins: Margins) -> NmsRows | None:
    """How many rows differ from the plain reference; None without NMS."""
    rows = different = wrong = 0
    parameters = request.nms.parameters
    for tensor in tensors:
        found = tensor.detections
        if found is None or parameters is None:
            return None
        want = reference.detections(tensor.boxes, tensor.scores, parameters)
        got = np.concatenate([found.boxes, found.scores[:, None], found.classes[:, None]], axis=1, dtype=np.float32)
        rows += len(want)
        differing = reference.mismatches(got, want)
        different += differing
        # Two computations may part at a tie or a threshold; a row that no rounding explains is a fault.
        wrong += unexplained(got, tensor.boxes, tensor.scores, parameters, margins) if differing else 0
    return NmsRows(reference="plain numpy, from the contract", rows=rows, different=different, unexplained=wrong)


def _format_errors(
    artifact: bytes, groups: list[np.ndarray], input: Input, preprocessing: Preprocessing, request: Request,
    backend: BackendNode,
) -> UserFormatErrors | None:  # fmt: skip
    """See `user_format_errors`; None where the format is not a user's code."""
    code, batch = request.format.code, request.input.fixed_batch or 2
    return user_format_errors(artifact, groups, input, preprocessing, batch, code, backend.engine) if code else None


def _geometry_errors(
    tensors: list[Tensors], images: list[np.ndarray], shown: list[np.ndarray], preprocessing: Preprocessing
) -> LetterboxErrors | None:
    """See `letterbox_errors`; None where resize and padding are outside."""
    if not preprocessing.geometry_inside_graph or preprocessing.geometry is None:
        return None
    return letterbox_errors(tensors, images, shown, preprocessing.geometry)


def _detection_errors(
    artifact: bytes, model: ModelFacts, request: Request, settings: ProofSettings, input: Input,
    preprocessing: Preprocessing, outputs: Outputs, session: Sessions,
) -> DetectionErrors | NotCompared:  # fmt: skip
    """mAP and matched boxes against the torch network; or null and why."""
    why = None
    if model.weights.kind != "demo":
        why = "the weights are not the demo's: no images here belong to them"
    elif request.parameters is None:
        why = "without NMS there are no detections"
    elif request.detect is None:
        why = "they are in the recipe's own format"
    elif settings.num_scenes == 0:
        why = "proof.num_scenes=0"
    if why or preprocessing.geometry is None:
        return NotCompared(scenes=0, map=None, why=why or "how an image becomes the input is not known")
    return detection_errors(
        Detector(session(artifact), input, preprocessing, read=request.detect),
        torch_detector(request, preprocessing.geometry, outputs),
        settings.num_scenes, *request.nominal_image,
    )  # fmt: skip


def torch_detector(request: Request, geometry: Geometry, outputs: Outputs) -> Callable[[np.ndarray], Detections]:
    """`torch_detections` of images for the network and the NMS that were asked for."""
    parameters = request.parameters
    assert parameters is not None  # whoever asks for detections has an NMS
    normalised = _normalised(outputs, request)
    return partial(torch_detections, outputs=normalised, geometry=geometry, parameters=parameters)
