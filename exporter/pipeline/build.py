"""From a checked recipe to a published, proven artifact.

What the stages are is in `exporter.pipeline.steps`; here their results are asked for and published. Nothing
is written to `output_dir` before the block's end.
"""

import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path

from omegaconf import OmegaConf

from exporter.artifact import manifest as m
from exporter.artifact.publish import publishing
from exporter.common.progress import Progress
from exporter.common.provenance import run_section
from exporter.config.recipe import Recipe
from exporter.evaluation.notes import warning
from exporter.model.autocast import no_autocast
from exporter.pipeline.steps import Steps, steps
from exporter.store.place import Files, Store
from exporter.store.stage import REUSED, UNNEEDED, Run


def build(recipe: Recipe, progress: Progress, fresh: bool = False) -> m.Manifest:
    """Builds, proves and publishes what the recipe's store does not have yet; `fresh`: everything, whatever it has.

    Raises RequestError for a bad request, BuildError where a proof does not hold; in both cases `output_dir` is as it
    was."""
    started, clock = time.time(), time.perf_counter()  # the first may be set back meanwhile
    run = Run(None if fresh else store_of(recipe, progress), recipe.name, progress)
    with no_autocast(), publishing(recipe.output_dir) as staging:
        made, files, artifact = _made(recipe, run)
        manifest = m.Manifest.model_validate(json.loads(files[m.FILE]))
        if manifest.artifact.sha256 != hashlib.sha256(artifact).hexdigest():
            # Two kinds of processor that share a store, and one of two results has left it.
            progress.warn("store: its results are not of one artifact: nothing of it is used")
            made, files, artifact = _made(recipe, replace(run, store=None))
            manifest = m.Manifest.model_validate(json.loads(files[m.FILE]))
        for name, content in {**files, m.ARTIFACT: artifact}.items():
            (staging / name).write_bytes(content)
        seconds = time.perf_counter() - clock
        run_facts = manifest.run.model_copy(update=run_section(recipe.output_dir, started, seconds))
        run_facts = run_facts.model_copy(update={"stages": stages(made)})
        manifest = manifest.model_copy(update={"run": run_facts})
        manifest.write(staging)
        _write_config(staging / ".hydra", recipe)
    return manifest


def _made(recipe: Recipe, run: Run) -> tuple[Steps, Files, bytes]:
    """The stages, and what they give: all other files by name, and the artifact."""
    made = steps(recipe, run)
    if not made.page.kept(run.store):
        # A mistake in the labels is said before the work, not after it.
        examples = recipe.evaluation.examples(made.facts.value(run).class_names, *recipe.request.nominal_image)
        if line := warning(examples.notes, "evaluation.strict=true"):
            run.progress.warn(f"evaluation: {line}")
    files, artifact = made.page.value(run), made.artifact.value(run)
    more = made.engine_files.value(run) if made.engine_files else {}
    return made, files | more, artifact


def store_of(recipe: Recipe, progress: Progress) -> Store | None:
    """Where the recipe's results are kept, None where they are not."""
    folder = recipe.store.folder
    return Store(folder, recipe.store.max_size, progress.warn) if folder else None


def stages(made: Steps) -> list[m.StageRun]:
    """What became of each stage. One that was not asked for, since what came of it was there, was reused."""
    return [
        m.StageRun(
            name=stage.name,
            key=stage.key,
            state=REUSED if stage.state == UNNEEDED else stage.state,
            seconds=round(stage.seconds, 2),
            because=list(stage.because),
        )
        for stage in made.stages
    ]


def _write_config(folder: Path, recipe: Recipe) -> None:
    """The composed configuration and the overrides of the command line, as Hydra would have written them."""
    folder.mkdir()
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(recipe.config)), encoding="utf-8")
    (folder / "overrides.yaml").write_text(
        OmegaConf.to_yaml(OmegaConf.create(list(recipe.overrides))), encoding="utf-8"
    )
