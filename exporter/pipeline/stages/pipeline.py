"""Which stage gets what: the build of a recipe, last stage and first, before anything of it runs."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from exporter.benchmark.cpu import cores
from exporter.common.node import UnknownOriginError
from exporter.common.provenance import cpu, repository
from exporter.config.recipe import Recipe
from exporter.config.settings import MAX_LOOKED_AT
from exporter.pipeline.stages.codecs import (
    BENCHMARK,
    BYTES,
    CALIBRATED,
    EVALUATION,
    FACTS,
    FOLDER,
    JSON,
    MODEL,
    SUMMARY,
)
from exporter.store.key import identity
from exporter.store.stage import Run, Stage

# What is attached to a core, and what it takes to read the result.
ATTACHED = ("name", "input", "preprocessing", "trained", "nms", "format", "backend")


@dataclass(frozen=True)
class Pipeline:
    """`stages` in the order in which they run when nothing is there, those left out that the recipe has no use for."""

    stages: tuple[Stage[Any], ...]
    artifact: Stage[bytes]
    page: Stage[Any]
    facts: Stage[Any]
    intermediate: Stage[Any] | None


def pipeline(recipe: Recipe, run: Run) -> Pipeline:
    """The stages of a checked recipe. Reads the files that the recipe names, for their digests; computes nothing."""
    machine = cpu()

    def progress() -> dict[str, Any]:
        return {"progress": run.progress}

    # Types and orders of the input's bytes are attached behind the core: no network is traced again for them.
    plain = recipe.input.model_copy(update={"dtype": "auto", "layout": "nchw", "channels": "auto"})
    attached = recipe.part(*ATTACHED)

    network = Stage("load weights", "exporter.pipeline.stages.load.load", {"model": recipe.model}, {}, None)
    facts = Stage("read facts", "exporter.pipeline.stages.load.facts", {}, {"network": network}, FACTS)
    traced = Stage(
        "trace",
        "exporter.pipeline.stages.trace.traced",
        {"export": recipe.export, "input": plain},
        {"network": network},
        MODEL,
    )
    calibrated = _calibrated(recipe, plain, run, network, facts, traced)
    artifact = Stage(
        "attach",
        "exporter.pipeline.stages.finish.artifact",
        {"recipe": attached},
        {"calibrated": calibrated, "model": facts},
        BYTES,
    )
    reference = evaluation = tradeoff = benchmark = intermediate = None
    quantized = recipe.quantization.name != "none"
    measures = recipe.evaluation.name != "none" or recipe.benchmark.name != "none"
    if quantized and (measures or recipe.quantization.weighs_detections):
        reference = Stage(
            "attach to FP32", "exporter.pipeline.stages.finish.reference", {"recipe": attached},
            {"core": traced, "model": facts}, BYTES,
        )  # fmt: skip
    if getattr(recipe.backend, "ir", False):
        intermediate = Stage(
            "write IR", "exporter.pipeline.stages.intermediate.intermediate", {"recipe": attached},
            {"artifact": artifact, "model": facts}, FOLDER, machine=machine,
        )  # fmt: skip
    settled = recipe.proof.model_copy(update={"blind": "auto"})  # which the stage has no use for
    proved = Stage(
        "prove", "exporter.proof.prove.prove", {"recipe": recipe.part(*ATTACHED, "quantization", proof=settled)},
        {"artifact": artifact, "model": facts}, JSON,
        tools=partial(_outputs, network, run), beside={"network": network}, machine=machine,
    )  # fmt: skip
    sight = _sight(recipe, run, network, facts, artifact) if recipe.proof.blind != "off" else None
    own, nothing = _there({"artifact": artifact, "reference": reference, "model": facts})
    if recipe.evaluation.name != "none":
        evaluation = Stage(
            "evaluate", "exporter.pipeline.stages.measure.evaluated",
            {"recipe": recipe.part(*ATTACHED, "evaluation"), "max_score_shift": _max_score_shift(recipe), **nothing},
            own, EVALUATION,
            tools=progress, machine=machine, shown=f"evaluate ({recipe.evaluation.name})",
        )  # fmt: skip
    timed_on = {"cpu": machine, "cores": cores()}
    if reference and recipe.quantization.weighs_detections:
        tradeoff = Stage(
            "time variants", "exporter.pipeline.stages.measure.traded_off", {"recipe": attached},
            {"calibrated": calibrated, "reference": reference, "model": facts}, JSON, tools=progress, machine=timed_on,
        )  # fmt: skip
    if recipe.benchmark.name != "none":
        benchmark = Stage(
            "benchmark", "exporter.pipeline.stages.measure.benchmarked",
            {"recipe": recipe.part(*ATTACHED, "benchmark"), **nothing},
            {**own, "calibrated": calibrated, "core": traced}, BENCHMARK,
            tools=progress, machine=timed_on, shown=f"benchmark ({recipe.benchmark.name})",
        )  # fmt: skip
    measured = {"proof": proved, "sight": sight, "evaluation": evaluation, "benchmark": benchmark, "tradeoff": tradeoff,
                "intermediate": intermediate}  # fmt: skip
    # Asked for first: then nobody behind the artifact needs the graphs, and they are not held while it is proved.
    summary = Stage("sum up", "exporter.pipeline.stages.calibrated.summed_up", {}, {"calibrated": calibrated}, SUMMARY)
    inputs, missing = _there({"summary": summary, "artifact": artifact, "model": facts, **measured})
    pages = Stage(
        "draw", "exporter.pipeline.stages.page.page",
        {"recipe": _on_page(recipe), "repository": repository(recipe.recipe_name), **missing},
        inputs, FOLDER, tools=partial(_outputs, network, run) if quantized else lambda: {"outputs": None},
        beside={"network": network} if quantized else {}, shown="draw pages and pictures",
    )  # fmt: skip
    every = (network, facts, traced, calibrated, summary, artifact, reference, intermediate, proved, sight,
             evaluation, tradeoff, benchmark, pages)  # fmt: skip
    stages = tuple(stage for stage in every if stage)
    for stage in (traced, calibrated):
        stage.uses = sum(stage in user.inputs.values() for user in stages)
    return Pipeline(stages, artifact, pages, facts, intermediate)


def _there(stages: dict[str, Stage[Any] | None]) -> tuple[dict[str, Stage[Any]], dict[str, None]]:
    """The stages that a recipe has, and the names of those that it has not: their result is None."""
    there = {name: stage for name, stage in stages.items() if stage is not None}
    return there, dict.fromkeys(stages.keys() - there.keys())


def _max_score_shift(recipe: Recipe) -> float | None:
    """What the recipe sets, else what the quantization states for itself."""
    said = recipe.proof.max_score_shift
    return recipe.quantization.bounds.get("max_score_shift") if said == "auto" else said


def _sight(
    recipe: Recipe, run: Run, network: Stage[Any], facts: Stage[Any], artifact: Stage[bytes]
) -> Stage[dict[str, Any]]:
    """Whose key holds the images that it looks at, and no others."""
    calibration = None
    if recipe.quantization.needs_calibration:
        few = min(recipe.calibration.num_images, MAX_LOOKED_AT)
        calibration = recipe.calibration.model_copy(update={"num_images": few})
    return Stage(
        "look", "exporter.proof.sight.looked",
        {"recipe": recipe.part(*ATTACHED, "evaluation", calibration=calibration), "blind": recipe.proof.blind},
        {"artifact": artifact, "model": facts}, JSON,
        tools=partial(_outputs, network, run), beside={"network": network}, machine=cpu(),
        shown="look at images",
    )  # fmt: skip


def _calibrated(
    recipe: Recipe, plain: Any, run: Run, network: Stage[Any], facts: Stage[Any], traced: Stage[Any]
) -> Stage[Any]:
    read = ["export", "preprocessing", "trained", "quantization", "calibration", "backend"]
    if recipe.quantization.weighs_detections:
        read += ["nms", "model"]
    if not recipe.quantization.needs_calibration:
        read.remove("calibration")
    part = recipe.part(*read, input=plain)
    return Stage(
        "quantize", "exporter.pipeline.stages.quantize.quantize", {"recipe": part}, {"core": traced, "model": facts},
        CALIBRATED,
        tools=partial(_collect, recipe, network, run), beside={"network": network},
        shown=f"quantize ({recipe.quantization.name})",
    )  # fmt: skip


def _collect(recipe: Recipe, network: Stage[Any], run: Run) -> dict[str, Any]:
    """What quantization works with. What looks at pictures remembers what it saw, where it can be told which."""
    from exporter.pipeline.stages.remembered import remembered_statistics

    tools: dict[str, Any] = {"progress": run.progress, "network": partial(network.value, run)}
    try:
        # Resize and normalisation are the network's, or the recipe's own. What is seen serves every method.
        whose = {key: each for key, each in identity(recipe.calibration).items() if key not in ("method", "percentile")}
        pictures = {
            "calibration": whose, "preprocessing": identity([recipe.preprocessing, recipe.trained]),
            "model": identity(recipe.model), "size": identity(recipe.input.nominal),
        }  # fmt: skip
    except UnknownOriginError:
        return tools
    return {**tools, "collect": remembered_statistics(pictures, run)}


def _outputs(network: Stage[Any], run: Run) -> dict[str, Any]:
    from exporter.pipeline.stages.remembered import remembered_outputs

    return {"outputs": remembered_outputs(network, run)}


def _on_page(recipe: Recipe) -> Recipe:
    """The recipe as the manifest and the report tell it: where its artifact goes is not part of it."""
    aside = ("output_dir", "store", "progress", "sweep")
    config = {key: value for key, value in recipe.config.items() if key not in aside}
    overrides = tuple(w for w in recipe.overrides if not w.lstrip("+").startswith(aside))
    read = (*ATTACHED, "model", "quantization", "calibration", "evaluation", "benchmark", "recipe_name")
    return recipe.part(*read, config=config, overrides=overrides)
