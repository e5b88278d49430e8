"""The variants: built within a time, measured, and which of them to take."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from exporter.artifact.benchmark.cases import Case
from exporter.artifact.benchmark.compare import Row, compared
from exporter.artifact.manifest import Manifest
from exporter.common.errors import BuildError, RequestError
from exporter.common.progress import Progress
from exporter.config.recipe import Recipe
from exporter.pipeline.advise.variants import Variant, recipe_text

SHARE = 0.8
"""Of the budget goes into building; the rest is for timing what was built."""

WORTH_IT = 0.02
"""Of the fastest float32 variant's time: what a lower precision has to save at least. Less is within what repeated
measurements differ by, and it always costs some accuracy."""


@dataclass(frozen=True)
class Tried:
    """A variant, its row of metrics (None where there is no artifact), the points of mAP that it lost against the FP32
    artifact of its recipe in the same engine (None where that was not measured), and why there is nothing."""

    variant: Variant
    row: Row | None
    drop: float | None
    why: str | None


def check_request(recipes: Mapping[Variant, Recipe], overrides: Sequence[str], save: str | None) -> None:
    """Raises RequestError, before anything is built, where accuracy cannot be measured, and where a recipe, named
    `save`, could not say what is advised."""
    if all(not recipe.evaluation.measures for recipe in recipes.values()):
        raise RequestError(
            "advise: needs labelled images to know what a precision costs: add evaluation=demo (with demo weights),"
            " or evaluation=coco or yolo with yours"
        )
    if save is not None:
        for variant in recipes:
            recipe_text(overrides, variant, save, "")


def try_variants(
    recipes: Mapping[Variant, Recipe], budget: float, threads: Sequence[int], rounds: int, progress: Progress
) -> list[Tried]:
    """Builds what the budget of seconds allows and times it in turn; one for each variant and number of threads, then
    those of which there is no artifact. Raises BuildError where nothing could be built."""
    built, failed = _build(recipes, budget, progress)
    cases = [
        Case(
            recipes[variant].output_dir, manifest, recipes[variant].backend.engine, count, manifest.input.nominal_batch
        )
        for variant, manifest in built.items()
        for count in threads
    ]
    with progress.stage(f"time {len(cases)} of them in turn"):
        rows = compared(cases, rounds)
    owners = [variant for variant in built for _ in threads]
    tried = [_tried(owner, row) for owner, row in zip(owners, rows, strict=True)]
    return tried + [Tried(variant, None, None, why) for variant, why in failed.items()]


def best_of(tried: Sequence[Tried], max_drop: float) -> Tried | None:
    """The fastest of those that lose at most so many points; of those equally fast the one that loses less. Less than
    float32 is taken only where it is faster by `WORTH_IT`."""
    holding = [
        (each.row.p50_ms / each.row.case.batch, each.drop, number)
        for number, each in enumerate(tried)
        if each.row is not None and each.row.p50_ms is not None and each.drop is not None and each.drop <= max_drop
    ]
    fastest = min(holding, default=None)
    fp32 = min((each for each in holding if tried[each[2]].variant.fp32), default=None)
    if fastest and fp32 and fastest[0] > fp32[0] * (1 - WORTH_IT):
        fastest = fp32
    return tried[fastest[2]] if fastest else None


def _build(
    recipes: Mapping[Variant, Recipe], budget: float, progress: Progress
) -> tuple[dict[Variant, Manifest], dict[Variant, str]]:
    """What was built, and why the others were not. The first is built whatever the budget is."""
    from exporter.pipeline.build import build

    started, built, failed = time.monotonic(), {}, {}
    for variant, recipe in recipes.items():
        spent = time.monotonic() - started
        if built and spent > SHARE * budget:
            failed[variant] = f"not tried: {spent:.0f} s of --budget {budget:g} were spent"
            continue
        progress.begin(variant.name, str(recipe.output_dir))
        try:
            built[variant] = build(recipe, progress)
        except BuildError as error:
            failed[variant] = str(error)
    if not built:
        raise BuildError("advise: no variant could be built: " + "; ".join(dict.fromkeys(failed.values())))
    return built, failed


def _tried(variant: Variant, row: Row) -> Tried:
    """With the accuracy that the build has measured in the same engine."""
    evaluation = row.case.manifest.evaluation
    if evaluation is None:
        return Tried(variant, row, None, row.why)
    drop = evaluation.drop if evaluation.reference else 0.0
    return Tried(variant, replace(row, map=evaluation.artifact.map), drop, row.why)
