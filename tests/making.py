"""The stages of a build one by one, for a recipe and a network that is loaded already; without a store, but for `traced`."""

from functools import partial

import onnx

from exporter.common.progress import Progress
from exporter.common.provenance import repository
from exporter.config.recipe import Recipe
from exporter.model.loaded import LoadedModel
from exporter.pipeline.build import store_of
from exporter.pipeline.describe import describe, recipe_section
from exporter.pipeline.stages import attach as attaching
from exporter.pipeline.stages.calibrated import Calibrated
from exporter.pipeline.stages.quantize import quantize as quantizing
from exporter.pipeline.stages.trace import core_graph
from exporter.pipeline.steps import calibration_of, steps, weighing_nms
from exporter.proof import prove as proving
from exporter.proof import sight
from exporter.proof.section import NetworkErrors, NotCompared, Proof
from exporter.runtime.engine import Engine, Sessions
from exporter.store.stage import Run


def traced(recipe: Recipe) -> onnx.ModelProto:
    """The core of the recipe's network, from the store where any test has traced it before: seconds for a real one."""
    run = Run(store_of(recipe, Progress()), recipe.name, Progress())
    (stage,) = (each for each in steps(recipe, run).stages if each.name == "trace")
    return stage.value(run)


def quantize(core, loaded: LoadedModel, recipe: Recipe, progress=None) -> Calibrated:
    """The core in the recipe's precision."""
    weighs = recipe.quantization.weighs_detections
    return quantizing(
        core, loaded, recipe.input, recipe.preprocessing, recipe.trained, recipe.quantization,
        calibration_of(recipe), weighing_nms(recipe) if weighs else None, recipe.backend, progress or Progress(),
        lambda: loaded,
    )  # fmt: skip


NOTHING_PROVED = Proof(
    engine="none", nodes_by_provider=None, pictures="none", postprocessing=None, format=None, geometry=None, bounds={},
    network=NetworkErrors(max_box_error=0, mean_box_error=0, max_score_error=0, mean_score_error=0),
    detections=NotCompared(scenes=0, map=None, why="nothing was proved"),
)  # fmt: skip
"""For what looks at other sections."""


def attach(core, recipe: Recipe):
    """The core with pre- and post-processing."""
    return attaching.attach(core, recipe.request, recipe.backend)


def finished(core, loaded: LoadedModel, recipe: Recipe) -> bytes:
    """The artifact of a core."""
    return attaching.finished(core, loaded, recipe.name, recipe.request, recipe.backend)


def made(loaded: LoadedModel, recipe: Recipe) -> bytes:
    """What is published for the recipe."""
    core = core_graph(loaded.network, recipe.export, recipe.input)
    return finished(quantize(core, loaded, recipe).quantized.model, loaded, recipe)


def whole(engine: Engine) -> Sessions:
    """Nothing is remembered."""
    return engine.session


def prove(artifact: bytes, loaded: LoadedModel, recipe: Recipe, outputs=None):
    """The manifest's section `proof`."""
    outputs = outputs or partial(proving.torch_outputs, loaded)
    return proving.prove(
        artifact, loaded, recipe.request, recipe.backend, recipe.quantization, recipe.proof, outputs, whole
    )


def described(file, loaded: LoadedModel, recipe: Recipe, quantization, calibration=None, proof=None):
    """The manifest of the artifact in `file`."""
    section = recipe_section(recipe, repository(recipe.recipe_name))
    return describe(
        file, loaded.facts, recipe.name, recipe.request, recipe.backend, section, [], quantization, calibration,
        proof or NOTHING_PROVED, None, None, [], None,
    )  # fmt: skip


def looked(artifact: bytes, loaded: LoadedModel, recipe: Recipe, blind: str, outputs):
    """Its part `sight`."""
    return sight.looked(
        artifact, loaded, recipe.request, recipe.backend, recipe.evaluation, recipe.calibration, blind, outputs, whole
    )
