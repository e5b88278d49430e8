"""A few artifacts that nothing is wrong with, each built once in a process: of the demo weights where a spoiler is about
a network that was trained, of a tiny network where it is about what stands around one."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import onnx

from exporter.config.check import check
from exporter.config.compose import compose
from exporter.config.recipe import Recipe
from exporter.graph.trace import trace
from exporter.model.loaded import LoadedModel
from exporter.model.section import Weights
from exporter.preprocessing.normalization import Normalization
from exporter.proof.prove import torch_outputs
from tests.making import finished, prove, quantize, traced
from tests.small_network import SmallDetector

SIZE = 96
FLOAT = ["+recipe=yolo_nas_s", f"input.size={SIZE}", "proof.num_images=2", "proof.num_scenes=0"]
DYNAMIC = "input.batch=dynamic"
MANY = ["postprocessing.nms.confidence_threshold=0.05", "postprocessing.nms.max_predictions_per_image=20"]
SOME = ["postprocessing.nms.confidence_threshold=0.5", "postprocessing.nms.max_predictions_per_image=20"]
"""So low that both images have enough detections for an NMS to do; of the tiny network, and of its 60 best boxes, one
has as many as there may be, the other less."""
INT8 = ["quantization=int8", "calibration=demo", "calibration.num_images=8"]
# Where metrics of tensors bound little, as by default. On so few synthetic images some tenths of a point more.
SCENES = ["proof.num_scenes=8", "proof.max_map_drop=1.5"]
TRAINED = {"float": MANY, "int8": [*INT8, *MANY, *SCENES]}
SMALL = {
    "batch": [DYNAMIC, *SOME, "postprocessing.nms.num_pre_nms_predictions=60"],
    "flat": [DYNAMIC, *SOME, "postprocessing/format=flat"],
    "raw": [DYNAMIC, "postprocessing/nms=none"],
    "frame": [*SOME, "preprocessing=letterbox"],
    "plugin": [*SOME, "backend=tensorrt", "postprocessing/nms=efficientnms"],
}


@dataclass(frozen=True)
class Base:
    """What `prove` takes, and the artifact as a graph: to be copied before it is changed."""

    recipe: Recipe
    loaded: LoadedModel
    model: onnx.ModelProto
    outputs: Callable[[np.ndarray, Normalization], tuple[np.ndarray, ...]]

    def prove(self, artifact: onnx.ModelProto) -> dict:
        """Raises BuildError where the artifact is not the network."""
        return prove(artifact.SerializeToString(), self.loaded, self.recipe, self.outputs)


@cache
def base(name: str) -> Base:
    """One of `TRAINED` and `SMALL`."""
    if name in TRAINED:
        return _base(trained(), trained_core(), TRAINED[name])
    return _base(small(), small_core(DYNAMIC in SMALL[name]), SMALL[name])


@cache
def quantized() -> Base:
    """The tiny network in INT8, for any batch."""
    return _base(small(), small_core(dynamic=True), [*INT8, *SMALL["batch"]])


def _base(loaded: LoadedModel, core: onnx.ModelProto, overrides: list[str]) -> Base:
    recipe = check(compose([*FLOAT, *overrides]))
    if recipe.quantization.quantizes:
        core = quantize(core, loaded, recipe)[0].model
    known: dict[tuple[bytes, Normalization], tuple[np.ndarray, ...]] = {}

    def outputs(images: np.ndarray, normalization: Normalization) -> tuple[np.ndarray, ...]:
        """The torch network's, computed once for all spoilers of a base."""
        key = (images.tobytes(), normalization)
        if key not in known:
            known[key] = torch_outputs(loaded, images, normalization)
        return known[key]

    return Base(recipe, loaded, onnx.load_from_string(finished(core, loaded, recipe)), outputs)


@cache
def trained() -> LoadedModel:
    """YOLO-NAS-S with the demo weights: on RGB in 0..1."""
    return check(compose(FLOAT)).model.load()


@cache
def trained_core() -> onnx.ModelProto:
    """Its core for one image; nobody changes it."""
    return traced(check(compose(FLOAT)))


@cache
def small() -> LoadedModel:
    """The tiny network, of random weights."""
    weights = Weights(file=None, sha256=None, source="memory", kind="memory", licence=None)
    return LoadedModel("small", tuple("abc"), 0, weights, SmallDetector().eval())


@cache
def small_core(dynamic: bool) -> onnx.ModelProto:
    """Its core, traced for any batch; for one image that is what all its shapes say then."""
    if dynamic:
        return trace(small().network, None, SIZE, SIZE, 18)
    core = onnx.ModelProto()
    core.CopyFrom(small_core(dynamic=True))
    for value in (*core.graph.input, *core.graph.output, *core.graph.value_info):
        for side in value.type.tensor_type.shape.dim:
            if side.dim_param:
                side.dim_value = 1
    return core
