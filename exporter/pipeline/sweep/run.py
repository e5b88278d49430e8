"""One run of a sweep: a build that leaves its outcome behind, whatever it was."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from exporter.common.errors import BuildError, RequestError
from exporter.common.messages import in_one_line
from exporter.common.progress import Progress
from exporter.config.check import check
from exporter.config.compose import Composed
from exporter.config.recipe import Recipe
from exporter.config.sweep_metrics import NAMES, Metrics, metrics
from exporter.pipeline.sweep.folder import RUNS, claim
from exporter.pipeline.sweep.outcome import Outcome
from exporter.pipeline.sweep.overrides import refuse_neighbours

Metric = float | tuple[float, ...] | None


def run_one(composed: Composed, job: Any) -> Metric:
    """Builds in a folder of the run's own, its `output_dir` where the overrides say one, and returns what
    `sweep.metric` names, None where it is null or the run failed. A failed run is an outcome, never an exception: the
    others go on.

    job: Hydra's own configuration. Raises BuildError only where no outcome can be written.
    """
    started = time.perf_counter()
    sweep = Path(job.sweep.dir)
    folder = sweep / job.sweep.subdir
    if not (sweep / RUNS).is_dir():
        raise BuildError(f"{sweep / RUNS}: not there: all machines of a sweep must see one hydra.sweep.dir")
    _as_where_it_was_started(job.runtime.cwd, composed)
    num, name = int(job.job.num), os.path.relpath(folder, sweep)
    key = "output_dir" if composed.said("output_dir") else "hydra.sweep.subdir"
    reason = constraint = metric = None
    try:
        if key != "output_dir":
            composed.config.output_dir = str(folder)
        recipe = check(composed)
        name = os.path.relpath(recipe.output_dir.absolute(), sweep)
        claim(sweep / RUNS, key, name, num, composed.overrides)
        constraint = recipe.sweep.constraint
        refuse_neighbours(str(job.runtime.choices["hydra/launcher"]), recipe.benchmark.name)
        from exporter.pipeline.build import build  # what builds is imported where something is built

        manifest = build(recipe, Progress())
        metric = _metric(recipe, metrics(manifest, time.perf_counter() - started), job)
    except (RequestError, BuildError) as error:
        reason = " ".join(str(error).split())
    except Exception as error:  # noqa: BLE001 - a fault of one run is no fault of the others
        reason = f"{in_one_line(error)}: build it alone, with HYDRA_FULL_ERROR=1, to see where"
    state = "failed" if reason else "done"
    seconds = round(time.perf_counter() - started, 1)
    Outcome(num, list(composed.overrides), name, state, reason, seconds, constraint).write(sweep / RUNS)
    return metric


def _as_where_it_was_started(place: str, composed: Composed) -> None:
    """Paths in the overrides, and code that they trust, are seen from where the command was given; a worker of a
    cluster starts elsewhere."""
    os.chdir(place)
    if composed.said("trust") and place not in sys.path:
        sys.path.insert(0, place)


def _metric(recipe: Recipe, measured: Metrics, job: Any) -> Metric:
    """The metrics that the sweeper asks for, in its order."""
    names = recipe.sweep.metrics
    sweeper = job.runtime.choices["hydra/sweeper"]
    if not names and sweeper != "basic":
        raise RequestError(f"sweep.metric: must be set for hydra/sweeper={sweeper}: {', '.join(NAMES)}")
    values = []
    for name in names:
        value = getattr(measured, name)
        if value is None:
            raise RequestError(f"sweep.metric={name}: was not measured: add evaluation=… or benchmark=cpu")
        values.append(value)
    return values[0] if len(values) == 1 else tuple(values) or None
