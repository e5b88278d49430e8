"""How far the proof's metrics may be off: which bounds hold for a recipe, and whether they do."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, NoReturn, Protocol

import onnx

from exporter.backend import BackendNode
from exporter.backend.request import Request
from exporter.common.error_bounds import INT8
from exporter.common.errors import BuildError
from exporter.evaluation.matched import bounded_shift
from exporter.graph.facts import is_quantized
from exporter.model.loaded import ModelFacts
from exporter.proof.letterbox import MAX_BEYOND, MAX_BOX_ERROR, MAX_GREY_BIAS, MAX_MAP_DROP
from exporter.proof.section import DetectionErrors, Proof
from exporter.proof.settings import ProofSettings


class Quantizer(Protocol):
    """What the proof asks of `exporter.quantization.QuantizationNode`, which says what these are."""

    quantizes: ClassVar[bool]
    bounds: ClassVar[Mapping[str, float]]
    beyond_bounds: ClassVar[str]


def bounds_of(
    artifact: bytes, model: ModelFacts, request: Request, backend: BackendNode, quantization: Quantizer,
    settings: ProofSettings,
) -> dict[str, float]:  # fmt: skip
    """What the recipe sets, else what the quantization states for itself; what INT8 does for a network that came
    quantized, in an engine that rounds otherwise than ONNX Runtime. Nothing is stated for random weights in another
    precision: layer by layer they make every rounding larger, the more the deeper the network is."""
    bounds = dict(quantization.bounds)
    if not quantization.quantizes and not backend.capabilities.exact_pairs:
        bounds = dict(INT8) if is_quantized(onnx.load_from_string(artifact)) else bounds
    if backend.bounds and not quantization.quantizes:
        bounds = dict(backend.bounds)
    if model.weights.kind == "random" and (quantization.quantizes or backend.bounds):
        bounds = {}
    if request.preprocessing.takes_raw_images and "max_map_drop" in bounds:
        bounds["max_map_drop"] += MAX_MAP_DROP
    bounds |= {key: max(value, bounds[key]) for key, value in backend.bounds.items() if key in bounds}
    own = settings.model_dump(exclude={"num_images", "num_scenes", "blind"})
    return bounds | {key: value for key, value in own.items() if value != "auto"}


def hold(proof: Proof, problems: Iterable[str], beyond_bounds: str) -> None:
    """Raises BuildError that names every metric beyond its bound with what may help, and the problems."""
    metrics: dict[str, float | None] = {**proof.network.model_dump()}
    if isinstance(proof.detections, DetectionErrors):
        metrics["max_map_drop"] = proof.detections.map_drop
        metrics["max_score_shift"] = bounded_shift(proof.detections.score_shift)
    beyond = [
        f"{key} is {metric:.4g}, allowed {bound:g}"
        for key, bound in proof.bounds.items()
        if (metric := metrics.get(key)) is not None and not metric <= bound  # NaN is beyond every bound
    ]
    if beyond and beyond_bounds:
        beyond.append(beyond_bounds)
    rows = proof.postprocessing
    if rows and rows.unexplained:
        beyond.append(f"{rows.unexplained} of {rows.rows} detections are not what the contract of the NMS gives")
    if proof.format and proof.format.wrong:
        beyond.append(f"{', '.join(proof.format.wrong)}: not what the recipe's own format gives by itself")
    geometry = proof.geometry
    if geometry and geometry.beyond_one_grey_level > MAX_BEYOND:
        beyond.append(f"{geometry.beyond_one_grey_level:.2%} of the pixels are not those that OpenCV gives")
    if geometry and geometry.mean_grey_error is not None and geometry.mean_grey_error > MAX_GREY_BIAS:
        beyond.append(f"the pixels are {geometry.mean_grey_error:.2g} grey levels off those of OpenCV in the mean")
    if geometry and geometry.max_box_error > MAX_BOX_ERROR:
        beyond.append(f"boxes are {geometry.max_box_error:.3g} pixels of the raw image away from where they belong")
    beyond += problems
    if beyond:
        fail(beyond)


def fail(beyond: Sequence[str]) -> NoReturn:
    """Raises BuildError that names what is beyond."""
    raise BuildError("the artifact is not the network: " + "; ".join(beyond) + "; nothing was published")
