"""Declarative, reproducible export of object detectors to ONNX, with the proof that it is the same model."""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from exporter.common.errors import BuildError, RequestError

if TYPE_CHECKING:
    from torch import nn

    from exporter.artifact.manifest import Manifest

__all__ = ["BuildError", "RequestError", "build"]

_BUILDING = threading.RLock()


def build(
    recipe: str | None = None,
    overrides: Sequence[str] = (),
    model: "nn.Module | None" = None,
    quiet: bool = True,
    digest: str | None = None,
) -> "Manifest":
    """Builds one artifact, as `python -m exporter +recipe=RECIPE OVERRIDES…` does, and returns its manifest.

    `model` takes the place of the network that the recipe names: a torch network of the contract, in memory, straight
    after training. It is copied; mode, device, gradients and hooks of the caller's stay as they are. What is made of it
    is kept for the next build only with `digest`, your word for its code and weights: another when they change.

    May be called from several threads: they build one after the other, since what Hydra composes, what torch traces,
    filters of warnings and limits of memory are one for the whole process. Processes build at the same time.

    The Hydra state of a caller that uses Hydra itself is left as it was. Raises `exporter.RequestError` for a bad
    request and `exporter.BuildError` where the build or its proof fails; nothing is published then.
    """
    from exporter.common.progress_form import progress_in
    from exporter.common.quoting import quote_path
    from exporter.config.check import check
    from exporter.config.compose import compose

    quoted = [quote_path(override) for override in overrides]
    with _BUILDING:
        checked = check(compose([f"+recipe={recipe}", *quoted] if recipe else quoted), model, digest)
        from exporter.pipeline.build import build as run

        return run(checked, progress_in("none" if quiet else "text"))
