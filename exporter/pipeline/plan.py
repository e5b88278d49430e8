"""`exporter plan`: what a build would do, and about how long; `exporter explain`: what one did, and why."""

from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median

from exporter.artifact.manifest import read_manifest
from exporter.common.errors import RequestError
from exporter.common.progress import Progress
from exporter.config.check import check
from exporter.config.compose import compose, composing
from exporter.config.recipe import Recipe
from exporter.pipeline.build import store_of
from exporter.pipeline.steps import steps
from exporter.pipeline.sweep.overrides import no_run
from exporter.store.place import Entry
from exporter.store.stage import BUILT, Run, Stage


def combinations(given: Sequence[str]) -> list[list[str]]:
    """The overrides of each run of a sweep, as Hydra's own sweeper takes them apart, `glob` over the options that there
    are. Raises RequestError for overrides that it cannot read, and where they make no run."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    with composing() as loader:
        overrides = OverridesParser.create(config_loader=loader).parse_overrides(list(given))
        runs = [list(each) for batch in BasicSweeper.split_arguments(overrides, None) for each in batch]
    if not runs:
        raise no_run(given)
    return runs


def plan_sweep(overrides: Sequence[str]) -> Iterator[str]:
    """As `plan`, for the runs of a sweep; those that are refused have a line too. Raises RequestError at the end where
    there are such."""
    runs, refused = combinations(overrides), 0

    def recipes() -> Iterator[Recipe | str]:
        nonlocal refused
        for each in runs:
            try:
                yield check(compose(each))
            except RequestError as error:
                refused += 1
                yield f"{' '.join(each)}\n  refused: {error}"

    yield from plan(recipes())
    if refused:
        raise RequestError(f"-m: {refused} of {len(runs)} runs are refused: the lines above say why")


def plan(recipes: Iterable[Recipe | str]) -> Iterator[str]:
    """For each recipe a line for each stage, then one for all; a string stands for itself. Nothing is computed and
    nothing is written."""
    planned: set[str] = set()  # what a recipe before will have put into the store
    total, guessed, count, every = 0.0, False, 0, 0
    for recipe in recipes:
        if isinstance(recipe, str):
            yield recipe
            continue
        run = Run(store_of(recipe, Progress()), recipe.name, Progress())
        made = steps(recipe, run)
        needed = _needed([made.page, made.artifact], run, planned)
        yield " ".join(recipe.overrides) or recipe.name
        for stage in made.stages:
            every += 1
            if id(stage) not in needed:
                there = "in the store" if stage.kept(run.store) else "not needed"
                yield f"  {stage.name:<16} {'made above' if stage.key in planned else there}"
                continue
            about = _seconds(stage, recipe.name, run.past)
            total, guessed, count = total + (about or 0), guessed or about is None, count + 1
            why = f"; never kept: {stage.unknown}" if stage.unknown else ""
            yield f"  {stage.name:<16} will run, {'not timed yet' if about is None else f'about {about:.1f} s'}{why}"
        planned |= {stage.key for stage in made.stages if id(stage) in needed and stage.key and stage.codec}
    yield f"{count} of {every} stages will run: about {total:.1f} s{' and what was not timed yet' if guessed else ''}"


def _needed(wanted: "Iterable[Stage]", run: Run, planned: Container[str | None]) -> set[int]:
    """Ids of the stages that have to run so that these results are there."""
    found: set[int] = set()
    for stage in wanted:
        if not stage.kept(run.store) and not (run.store and stage.key in planned):
            # What is beside is asked for on demand, so perhaps not at all: it counts, for nobody knows before.
            found |= {id(stage)} | _needed([*stage.inputs.values(), *stage.beside.values()], run, planned)
    return found


def _seconds(stage: "Stage", label: str, past: Sequence[Entry]) -> float | None:
    """The median time that this stage has taken, for this recipe where it ran before, else for any."""
    same = [entry for entry in past if entry.stage == stage.name]
    times = [entry.seconds for entry in same if entry.label == label] or [entry.seconds for entry in same]
    return median(times) if times else None


def explain(folder: Path) -> Iterator[str]:
    """Of each stage of the build that made an artifact: whether it ran, how long, and why.

    Raises RequestError where the manifest does not say."""
    manifest = read_manifest(folder)
    stages = manifest.run.stages
    if not stages:
        raise RequestError(f"{folder}: its manifest is of an exporter that did not say why a stage ran: build it again")
    yield f"{manifest.name}: {sum(each.state == BUILT for each in stages)} of {len(stages)} stages ran"
    for each in stages:
        key = each.key[:12] if each.key else "no key"
        yield f"  {each.name:<16} {each.state:<8} {each.seconds:7.1f} s  {key}"
        for reason in each.because:
            yield f"      {reason}"
