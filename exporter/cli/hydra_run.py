"""A Hydra run from the command line: one build, or with -m one for every combination."""

import os
import sys
from collections.abc import Sequence

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from exporter.common.messages import explained
from exporter.common.paths import CONF
from exporter.common.quoting import quote_path, quote_text
from exporter.config.check import check, named
from exporter.config.compose import (
    Composed,
    check_named_recipes,
    compose,
    explain_unknown_keys,
    from_hydra,
    register_recipes,
)
from exporter.pipeline.sweep.run import Metric, run_one

MULTIRUN = ("-m", "--multirun")


def run(arguments: list[str]) -> int:
    """Builds what the arguments say; with -m (--multirun) every combination, and a failed one does not stop
    the others."""
    check_named_recipes(_overrides(arguments))
    if any(argument in MULTIRUN for argument in arguments):
        from exporter.pipeline.sweep.sweep import sweep

        # In front of all others: Hydra's own parser takes no flag between two overrides.
        rest = [quote_text(argument) for argument in arguments if argument not in MULTIRUN]
        return sweep([MULTIRUN[1], *rest], through_hydra)
    quoted = [quote_path(argument) for argument in arguments]
    if any(argument.startswith("-") for argument in arguments):
        through_hydra(quoted)
    else:
        _build(compose(quoted))
    return 0


def through_hydra(arguments: Sequence[str]) -> None:
    """Has Hydra read the arguments, its own flags among them, and call `task` as often and wherever they say."""
    # With this, Hydra hands on what was raised instead of printing its own page; the caller's own wish is kept.
    wish = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    argv, sys.argv = sys.argv, ["exporter", *arguments]
    register_recipes()
    try:
        with explained("the command line"), explain_unknown_keys(_overrides(arguments)):
            hydra.main(config_path=str(CONF), config_name="export", version_base="1.3")(task)()
    finally:
        sys.argv = argv
        os.environ.pop("HYDRA_FULL_ERROR") if wish is None else os.environ.update(HYDRA_FULL_ERROR=wish)


def task(config: DictConfig) -> Metric:
    """What Hydra calls: a build, or one run of a sweep. A launcher may call it in another process, which finds it by
    its name."""
    whole = _with_hydra(config)
    composed = from_hydra(whole)
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        named(whole, composed)  # hydra.sweep.subdir may hold ${name}
        return run_one(composed, whole.hydra)
    _build(composed)
    return None


def _overrides(arguments: Sequence[str]) -> list[str]:
    return [argument for argument in arguments if not argument.startswith("-")]


def _with_hydra(config: DictConfig) -> DictConfig:
    """Hydra takes its own node out of what a task gets, and puts it here."""
    merged = OmegaConf.create({"hydra": HydraConfig.get()})
    OmegaConf.set_struct(merged, False)
    merged.merge_with(config)
    return merged


def _build(composed: Composed) -> None:
    """Checks the recipe, then imports what builds, then builds."""
    recipe = check(composed)
    from exporter.artifact.publish import check_output_dir
    from exporter.pipeline.build import build

    check_output_dir(recipe.output_dir)
    from exporter.common.progress_form import progress_in

    progress = progress_in(recipe.progress.format)
    progress.begin(recipe.name, str(recipe.output_dir))
    manifest = build(recipe, progress)
    from exporter.report.summary import summary_lines

    progress.end(summary_lines(manifest))
