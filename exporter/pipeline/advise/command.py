"""`exporter advise`: builds the variants within a time, measures what was built, and names the one to take."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from exporter.artifact.manifest import Manifest
from exporter.benchmark.cases import Case
from exporter.benchmark.chart import draw
from exporter.benchmark.compare import Row, compared, processor
from exporter.common.errors import BuildError, RequestError
from exporter.common.paths import recipe_files
from exporter.common.progress import Progress
from exporter.config.recipe import Recipe
from exporter.config.recipe_file import NAME
from exporter.pipeline.advise.variants import Variant, checked, recipe_text, variants

SHARE = 0.8
"""Of the budget goes into building; the rest is for timing what was built."""


@dataclass(frozen=True)
class Tried:
    """A variant, its row of figures (None where there is no artifact), the points of mAP that it lost against the FP32
    artifact of its recipe in the same engine (None where that was not measured), and why there is nothing."""

    variant: Variant
    row: Row | None
    drop: float | None
    why: str | None


def advise(
    words: Sequence[str], max_drop: float, budget: float, threads: Sequence[int], rounds: int, out: Path,
    save: str | None, progress: Progress,
) -> Iterator[str]:  # fmt: skip
    """Lines: a table of what was tried on this machine, and the words of the one to take: the fastest that loses at
    most `max_drop` points of mAP. `out`: where artifacts, advice.json and advice.png go; `save`: the name of a recipe
    to write into ./recipes; budget: seconds.

    Raises RequestError for words that are no build's, or where accuracy cannot be measured; BuildError where no variant
    holds the bound."""
    recipes = {each: checked(words, each, str(out / each.name)) for each in variants()}
    _check(recipes, words, save)
    built, failed = _build(recipes, budget, progress)
    cases = [
        Case(recipes[variant].output_dir, manifest, recipes[variant].backend.engine, count, _batch(manifest))
        for variant, manifest in built.items()
        for count in threads
    ]
    with progress.stage(f"time {len(cases)} of them in turn"):
        rows = compared(cases, rounds)
    owners = [variant for variant in built for _ in threads]
    tried = [_tried(owner, row) for owner, row in zip(owners, rows, strict=True)]
    tried += [Tried(variant, None, None, why) for variant, why in failed.items()]
    best = choice(tried, max_drop)
    yield f"{processor()}, {rounds} rounds; drop: points of mAP lost against FP32"
    yield from table(tried, best)
    _write(out, tried, best, max_drop)
    yield f"{out / 'advice.json'}, {out / 'advice.png'}"
    if best is None or best.row is None:
        raise BuildError(f"--max-drop {max_drop:g}: no variant that was tried holds it: allow more, or --budget more")
    line = " ".join((*words, *best.variant.words))
    yield f"take this, with {best.row.case.threads} threads:"
    yield f"  python -m exporter {line}"
    if save is not None:
        why = f"Advised on {processor()}: {best.row.p50_ms:.1f} ms, {best.drop or 0:.2f} points lost"
        file = Path("recipes") / f"{save}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(recipe_text(words, best.variant, save, why), encoding="utf-8")
        yield f"{file}"


def choice(tried: Sequence[Tried], max_drop: float) -> Tried | None:
    """The fastest of those that lose at most so many points; of those equally fast the one that loses less."""
    holding = [
        (each.row.p50_ms / each.row.case.batch, each.drop, number)
        for number, each in enumerate(tried)
        if each.row is not None and each.row.p50_ms is not None and each.drop is not None and each.drop <= max_drop
    ]
    return tried[min(holding)[2]] if holding else None


def table(tried: Sequence[Tried], best: Tried | None) -> Iterator[str]:
    """A line for each, the fastest first."""
    yield f"  {'variant':<20} {'threads':>7} {'p50, ms':>9} {'of FP32':>8} {'mAP':>7} {'drop':>6} {'MB':>6}"
    for each in sorted(tried, key=lambda each: (each.row and each.row.p50_ms) or float("inf")):
        if each.row is None or each.row.p50_ms is None:
            yield f"  {each.variant.name:<20} {each.why or (each.row and each.row.why)}"
            continue
        row, size = each.row, each.row.case.manifest.artifact.bytes / 1e6
        ratio = f"{row.ratio.median:.3f}" if row.ratio else "1"
        score, drop = ("–" if value is None else f"{value:.2f}" for value in (row.map, each.drop))
        yield (
            f"  {each.variant.name:<20} {row.case.threads:>7} {row.p50_ms:>9.1f} {ratio:>8} {score:>7} {drop:>6}"
            f" {size:>6.1f}{'  ← take this' if each is best else ''}"
        )


def _check(recipes: dict[Variant, Recipe], words: Sequence[str], save: str | None) -> None:
    """Raises RequestError before anything is built."""
    if all(not recipe.evaluation.measures for recipe in recipes.values()):
        raise RequestError(
            "advise: needs labelled pictures to know what a precision costs: add evaluation=demo (with demo weights),"
            " or evaluation=coco or yolo with yours"
        )
    if save is not None:
        if not NAME.fullmatch(save) or save in recipe_files():
            raise RequestError(f"--save {save}: is no name for a recipe, or there is one already: give another")
        for variant in recipes:
            recipe_text(words, variant, save, "")


def _build(
    recipes: dict[Variant, Recipe], budget: float, progress: Progress
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


def _batch(manifest: Manifest) -> int:
    return manifest.input.nominal_shape[0] if manifest.input.layout != "hwc" else 1


def _write(out: Path, tried: Sequence[Tried], best: Tried | None, max_drop: float) -> None:
    rows = [
        {"variant": each.variant.name, "words": each.variant.words, "drop": each.drop, "why": each.why,
         "taken": each is best, **(each.row.plain() if each.row else {})}
        for each in tried
    ]  # fmt: skip
    about = {"processor": processor(), "max_drop": max_drop, "tried": rows}
    (out / "advice.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    title = f"{processor()}; circle: the fastest that loses at most {max_drop:g} points"
    draw([each.row for each in tried if each.row], title, out / "advice.png", best.row if best else None)
