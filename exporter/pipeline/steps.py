"""The build as a list of calls: load → trace → quantize → attach → prove → evaluate → benchmark → draw.

Nothing is computed here. Each call is put off (see `Stage`) and gives a stage that stands for its result; what a result
comes from is thereby known before anything runs, and a result that is in the store needs none of those before it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from exporter.common.node import UnknownOriginError
from exporter.common.provenance import cores, cpu, repository
from exporter.config.recipe import Recipe
from exporter.pipeline.stages import attach, load, measure, page, prove
from exporter.pipeline.stages.calibrated import summed_up
from exporter.pipeline.stages.codecs import (
    BENCHMARK,
    BYTES,
    CALIBRATED,
    EVALUATION,
    FACTS,
    FOLDER,
    MODEL,
    PROOF,
    SIGHT,
    SUMMARY,
    VARIANT_TIMES,
)
from exporter.pipeline.stages.quantize import quantize
from exporter.pipeline.stages.trace import trace
from exporter.postprocessing.nms import NmsNode
from exporter.postprocessing.nms.onnx import OnnxNms
from exporter.proof.settings import MAX_LOOKED_AT
from exporter.store.key import identity
from exporter.store.stage import Run, Stage

Tools = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Steps:
    """`stages` in the order in which they run when nothing is there, those left out that the recipe has no use for."""

    stages: tuple[Stage[Any], ...]
    artifact: Stage[bytes]
    page: Stage[dict[str, bytes]]
    facts: Stage[Any]
    engine_files: Stage[dict[str, bytes]] | None


def steps(recipe: Recipe, run: Run) -> Steps:
    """The stages of a checked recipe. Reads the files that the recipe names, for their digests; computes nothing."""
    asked, backend, evaluation = recipe.request, recipe.backend, recipe.evaluation
    machine = cpu()
    timed_on = {"cpu": machine, "cores": cores()}
    quantizes, weighs = recipe.quantization.quantizes, recipe.quantization.weighs_detections
    # Types and orders of the input's bytes are attached behind the core: no network is traced again for them.
    plain = recipe.input.model_copy(update={"dtype": "auto", "layout": "nchw", "channels": "auto"})
    around = {"request": asked, "backend": backend}
    tools: Tools = lambda: {"progress": run.progress}  # noqa: E731 - said once for three stages

    network = Stage("load weights", load.load, {"model": recipe.model.source})
    model = Stage("read facts", load.facts, {"network": network}, FACTS)
    core = Stage("trace", trace, {"network": network, "export": recipe.export, "input": plain}, MODEL)
    calibrated = Stage(
        "quantize",
        quantize,
        {"core": core, "model": model, "input": plain, "preprocessing": recipe.preprocessing,
         "trained": recipe.trained, "quantization": recipe.quantization, "calibration": calibration_of(recipe),
         "nms": weighing_nms(recipe) if weighs else None, "backend": backend},
        CALIBRATED,
        tools=partial(_collecting, recipe, network, run),
        beside={"network": network},
        shown=f"quantize ({recipe.quantization.name})",
    )  # fmt: skip
    runs: Tools = partial(_runs, network, run)
    named = {"model": model, "name": recipe.name, **around}
    artifact = Stage("attach", attach.artifact, {"calibrated": calibrated, **named}, BYTES)
    reference = sight = evaluated = traded = benchmark = engine_files = None
    if quantizes and (evaluation.measures or recipe.benchmark.measures or weighs):
        reference = Stage("attach to FP32", attach.finished, {"core": core, **named}, BYTES)
    if backend.writes_files:
        given = {"artifact": artifact, "model": model, **around}
        engine_files = Stage("write files", attach.engine_files, given, FOLDER, machine=machine)
    proof = Stage(
        "prove",
        prove.proved,
        {"artifact": artifact, "model": model, **around, "quantization": recipe.quantization,
         "settings": recipe.proof.model_copy(update={"blind": "auto"})},  # which this stage has no use for
        PROOF,
        tools=runs,
        beside={"network": network},
        machine=machine,
    )  # fmt: skip
    if recipe.proof.blind != "off":
        sight = Stage(
            "look",
            prove.looked,
            {"artifact": artifact, "model": model, **around, "evaluation": evaluation,
             "calibration": calibration_of(recipe, MAX_LOOKED_AT), "blind": recipe.proof.blind},
            SIGHT,
            tools=runs,
            beside={"network": network},
            machine=machine,
            shown="look at images",
        )  # fmt: skip
    if evaluation.measures:
        evaluated = Stage(
            "evaluate",
            measure.evaluated,
            {"artifact": artifact, "reference": reference, "model": model, **around, "evaluation": evaluation,
             "max_score_shift": _max_score_shift(recipe)},
            EVALUATION,
            tools=tools,
            machine=machine,
            shown=f"evaluate ({evaluation.name})",
        )  # fmt: skip
    if reference and weighs:
        given = {"calibrated": calibrated, "reference": reference, **named}
        traded = Stage("time variants", measure.traded_off, given, VARIANT_TIMES, tools=tools, machine=timed_on)
    if recipe.benchmark.measures:
        benchmark = Stage(
            "benchmark",
            measure.benchmarked,
            {"artifact": artifact, "reference": reference, "calibrated": calibrated, "core": core, **around,
             "benchmark": recipe.benchmark},
            BENCHMARK,
            tools=tools,
            machine=timed_on,
            shown=f"benchmark ({recipe.benchmark.name})",
        )  # fmt: skip
    # Asked for first: then nobody behind the artifact needs the graphs, and they are not held while it is proved.
    summary = Stage("sum up", summed_up, {"calibrated": calibrated}, SUMMARY)
    drawn = Stage(
        "draw",
        page.page,
        {"summary": summary, "artifact": artifact, "proof": proof, "sight": sight, "evaluated": evaluated,
         "benchmark": benchmark, "tradeoff": traded, "engine_files": engine_files, **named, "evaluation": evaluation,
         "recipe": _recipe_section(recipe),
         "packages": [node.package for node in (recipe.quantization, backend) if node.package]},
        FOLDER,
        tools=runs if quantizes else lambda: {**runs(), "outputs": None},
        beside={"network": network} if quantizes else {},
        shown="draw pages and images",
    )  # fmt: skip
    every = (network, model, core, calibrated, summary, artifact, reference, engine_files, proof, sight,
             evaluated, traded, benchmark, drawn)  # fmt: skip
    stages = tuple(stage for stage in every if stage)
    for stage in (core, calibrated):
        stage.uses = sum(stage in user.inputs.values() for user in stages)
    return Steps(stages, artifact, drawn, model, engine_files)


def calibration_of(recipe: Recipe, most: int | None = None) -> Any:
    """The calibration images, at most so many of them; None where none are needed."""
    node = recipe.calibration
    if not recipe.quantization.needs_calibration:
        return None
    return node if most is None else node.model_copy(update={"num_images": min(node.num_images, most)})


def weighing_nms(recipe: Recipe) -> NmsNode:
    """What makes detections of the core's outputs: the recipe's own NMS, or the plain one."""
    return (
        recipe.nms if recipe.nms.detects else OnnxNms().resolved(*recipe.trained.thresholds(*recipe.model.thresholds))
    )


def _max_score_shift(recipe: Recipe) -> float | None:
    """What the recipe sets, else what the quantization states for itself."""
    said = recipe.proof.max_score_shift
    return recipe.quantization.bounds.get("max_score_shift") if said == "auto" else said


def _recipe_section(recipe: Recipe) -> Any:
    from exporter.pipeline.describe import recipe_section

    return recipe_section(recipe, repository(recipe.recipe_name))


def _collecting(recipe: Recipe, network: Stage[Any], run: Run) -> dict[str, Any]:
    """What quantization works with. What looks at images remembers what it saw, where it can be told which."""
    from exporter.pipeline.stages.remembered import remembered_statistics

    tools: dict[str, Any] = {"progress": run.progress, "network": partial(network.value, run)}
    try:
        # Resize and normalization are the network's, or the recipe's own. What is seen serves every method.
        whose = {key: each for key, each in identity(recipe.calibration).items() if key not in ("method", "percentile")}
        images = {
            "calibration": whose, "preprocessing": identity([recipe.preprocessing, recipe.trained]),
            "model": identity(recipe.model), "size": identity(recipe.input.nominal),
        }  # fmt: skip
    except UnknownOriginError:
        return tools
    return {**tools, "collect": remembered_statistics(images, run)}


def _runs(network: Stage[Any], run: Run) -> dict[str, Any]:
    """What shows images to the torch network, and to the artifact; both remember what they gave."""
    from exporter.pipeline.stages.in_halves import remembered_sessions
    from exporter.pipeline.stages.remembered import remembered_outputs

    return {"outputs": remembered_outputs(network, run), "remembering": partial(remembered_sessions, run=run)}
