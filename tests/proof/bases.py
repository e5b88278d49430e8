"""A few artifacts of the demo weights that nothing is wrong with, each built once in a process."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import onnx

from exporter.config.check import check
from exporter.config.compose import compose
from exporter.config.recipe import Recipe
from exporter.model.loaded import LoadedModel
from exporter.preprocessing.normalization import Normalization
from exporter.proof.prove import torch_outputs
from tests.making import finished, prove, quantize, traced

SMALL = ["input.size=96", "proof.num_images=2"]
DYNAMIC = "input.batch=dynamic"
MANY = ["postprocessing.nms.confidence_threshold=0.05", "postprocessing.nms.max_predictions_per_image=20"]
"""So low that one of the two images has as many detections as there may be, the other less, and both enough for an NMS
to do."""
INT8 = ["+recipe=yolo_nas_s_int8", "calibration.num_images=8"]
"""A quarter of the bytes of FP32, and what is exact of a proof is as exact: so it goes for all that is not the trunk."""
OVERRIDES = {
    "float": ["+recipe=yolo_nas_s", DYNAMIC, *MANY],
    "int8": [*INT8, *MANY],
    "batch": [*INT8, DYNAMIC, *MANY, "postprocessing.nms.num_pre_nms_predictions=60"],
    "flat": [*INT8, DYNAMIC, *MANY, "postprocessing/format=flat"],
    "raw": [*INT8, DYNAMIC, "postprocessing/nms=none"],
    "frame": [*INT8, *MANY, "preprocessing=letterbox"],
    "plugin": ["+recipe=yolo_nas_s", *MANY, "backend=tensorrt", "postprocessing/nms=efficientnms"],
}
SCENES = {"int8": ["proof.num_scenes=8", "proof.max_map_drop=1.5"]}
"""Where metrics of tensors bound little, as by default. On so few synthetic images some tenths of a point more."""


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
    """One of `OVERRIDES`."""
    overrides = OVERRIDES[name]
    recipe = check(compose([*overrides, *SMALL, *SCENES.get(name, ["proof.num_scenes=0"])]))
    core = _int8_core(DYNAMIC in overrides) if INT8[0] in overrides else _core(DYNAMIC in overrides)
    return Base(recipe, _loaded(), onnx.load_from_string(finished(core, _loaded(), recipe)), _outputs)


@cache
def _loaded() -> LoadedModel:
    return check(compose(["+recipe=yolo_nas_s"])).model.load()


@cache
def _core(dynamic: bool) -> onnx.ModelProto:
    """Traced for any batch; for one image that is what all its shapes say then."""
    if dynamic:
        recipe = check(compose(["+recipe=yolo_nas_s", *SMALL, DYNAMIC]))
        return traced(recipe)
    core = onnx.ModelProto()
    core.CopyFrom(_core(dynamic=True))
    for value in (*core.graph.input, *core.graph.output, *core.graph.value_info):
        for side in value.type.tensor_type.shape.dim:
            if side.dim_param:
                side.dim_value = 1
    return core


@cache
def _int8_core(dynamic: bool) -> onnx.ModelProto:
    recipe = check(compose([*INT8, *SMALL, *([DYNAMIC] if dynamic else [])]))
    return quantize(_core(dynamic), _loaded(), recipe)[0].model


_known: dict[tuple[bytes, Normalization], tuple[np.ndarray, ...]] = {}


def _outputs(images: np.ndarray, normalization: Normalization) -> tuple[np.ndarray, ...]:
    """The torch network's, computed once for all spoilers of a base."""
    key = (images.tobytes(), normalization)
    if key not in _known:
        _known[key] = torch_outputs(_loaded(), images, normalization)
    return _known[key]
