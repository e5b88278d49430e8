"""A Hydra run from the command line: one build, or with -m one for every combination."""

import os
import re
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from exporter.config import check_named_recipes, compose, explain_unknown_keys, from_hydra, register_recipes
from exporter.errors import BuildError, RequestError
from exporter.messages import explained
from exporter.paths import CONF

# Values of these keys are paths: nothing in them is meant for Hydra's grammar.
PATH_KEYS = ("output_dir", "model.weights", "evaluation.annotations")


def run(words: list[str]) -> int:
    """Builds what the words say; with -m (--multirun) every combination, and a failed one does not stop the others."""
    sweeping = any(word in ("-m", "--multirun") for word in words)
    overrides = [word for word in words if not word.startswith("-")]
    check_named_recipes(overrides)
    quoted = words if sweeping else [quote_path(word) for word in words]
    if not any(word.startswith("-") for word in words):
        _build(compose(quoted))
        return 0
    outcomes: list[str | None] = []

    def task(config: DictConfig) -> None:
        outcomes.append(_swept(config) if HydraConfig.get().mode == RunMode.MULTIRUN else _build_composed(config))

    # With this, Hydra hands on what was raised instead of printing its own page; the caller's own wish is kept.
    wish = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    argv, sys.argv = sys.argv, ["exporter", *quoted]
    register_recipes()
    try:
        with explained("the command line"), explain_unknown_keys(overrides):
            hydra.main(config_path=str(CONF), config_name="export", version_base="1.3")(task)()
    finally:
        sys.argv = argv
        os.environ.pop("HYDRA_FULL_ERROR") if wish is None else os.environ.update(HYDRA_FULL_ERROR=wish)
    failed = [reason for reason in outcomes if reason]
    if failed:
        print(f"exporter: {len(failed)} of {len(outcomes)} runs failed", file=sys.stderr)
    return 1 if failed else 0


def quote_path(word: str) -> str:
    """`key=value` with the value quoted for Hydra where the key is a path's and the value is not quoted already."""
    key, sign, value = word.partition("=")
    plain = key in PATH_KEYS or key.endswith(".path")
    if not sign or not plain or value[:1] in ("'", '"') or value in ("", "null", "???"):
        return word
    # Between quotes a backslash means itself, except where it stands before a quote or at the end.
    escaped = re.sub(r"(\\*)('|$)", lambda run: run[1] * 2 + ("\\'" if run[2] else ""), value)
    return f"{key}='{escaped}'"


def _build_composed(config: DictConfig) -> None:
    _build(from_hydra(_with_hydra(config)))


def _with_hydra(config: DictConfig) -> DictConfig:
    """Hydra takes its own node out of what a task gets, and puts it here."""
    merged = OmegaConf.create({"hydra": HydraConfig.get()})
    OmegaConf.set_struct(merged, False)
    merged.merge_with(config)
    return merged


def _swept(config: DictConfig) -> str | None:
    """One run of a sweep, in a folder of its own; the reason in one line if it failed."""
    job: Any = HydraConfig.get()
    composed = from_hydra(_with_hydra(config))
    try:
        if composed.said("output_dir"):
            raise RequestError("output_dir: every run of a sweep would replace the last one's: set hydra.sweep.dir")
        composed.config.output_dir = str(Path(job.sweep.dir) / job.sweep.subdir)
        print(f"[{job.job.num}] {' '.join(composed.overrides)}", file=sys.stderr)
        _build(composed)
    except (RequestError, BuildError) as error:
        print(f"exporter: [{job.job.num}] {error}", file=sys.stderr)
        return str(error)
    return None


def _build(composed: Any) -> None:
    """Checks the recipe, then imports what builds, then builds."""
    from exporter.recipe import check

    recipe = check(composed)
    from exporter.publish import check_output_dir
    from exporter.runner import OWNED, build

    check_output_dir(recipe.output_dir, OWNED)
    from exporter.progress import Progress

    print(f"{recipe.name} → {recipe.output_dir}", file=sys.stderr)
    manifest = build(recipe, Progress())
    from exporter.report import summary_lines

    for line in summary_lines(manifest):
        print(line)
