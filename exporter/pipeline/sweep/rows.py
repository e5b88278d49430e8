"""The rows of the summary: every run with what varied and what it measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from exporter.artifact.manifest import Run, read_manifest
from exporter.common.errors import RequestError
from exporter.config.sweep_metrics import Metrics, measured_on, metrics
from exporter.pipeline.sweep.outcome import Outcome


@dataclass(frozen=True)
class Row:
    """One run. `varied`: what it has of the keys in which the runs differ; `folder` is relative to the sweep's;
    `stages`: how many of the build's stages were taken from the store, of how many; None where that is not known."""

    num: int
    overrides: list[str]
    varied: dict[str, str]
    folder: str
    state: Literal["done", "failed"]
    reason: str | None
    figures: Metrics
    measured_on: str | None
    stages: tuple[int, int] | None
    constraint: str | None


def rows(sweep: Path, found: Sequence[Outcome]) -> list[Row]:
    """A row for each outcome; the metrics of those that are done come from their manifests."""
    keys = varied_keys([outcome.overrides for outcome in found])
    return [_row(sweep, outcome, keys) for outcome in found]


def _row(sweep: Path, outcome: Outcome, keys: Sequence[str]) -> Row:
    values = _by_key(outcome.overrides)
    state, reason, manifest = outcome.state, outcome.reason, None
    if state == "done":
        try:
            manifest = read_manifest(sweep / outcome.folder)
        except RequestError as error:  # somebody has taken it away since
            state, reason = "failed", str(error)
    return Row(
        num=outcome.num,
        overrides=outcome.overrides,
        varied={key: values[key] for key in keys if key in values},
        folder=outcome.folder,
        state=state,
        reason=reason,
        figures=metrics(manifest, outcome.seconds) if manifest else Metrics(seconds=outcome.seconds),
        measured_on=measured_on(manifest) if manifest else None,
        stages=_stages(manifest.run) if manifest else None,
        constraint=outcome.constraint,
    )


def varied_keys(overrides: Iterable[Sequence[str]]) -> list[str]:
    """The keys that not all runs set to one value, in the order in which they come."""
    runs = [_by_key(each) for each in overrides]
    keys = dict.fromkeys(key for run in runs for key in run)
    return [key for key in keys if len({run.get(key) for run in runs}) > 1]


def _by_key(overrides: Sequence[str]) -> dict[str, str]:
    """`+recipe=a` as recipe: a."""
    parts = (override.partition("=") for override in overrides)
    return {key.lstrip("+~"): value for key, _, value in parts}


def _stages(run: Run) -> tuple[int, int] | None:
    stages = run.stages
    return (sum(stage.state == "reused" for stage in stages), len(stages)) if stages else None
