"""Declarative, reproducible export of object detectors to ONNX, with the proof that it is the same model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.manifest import Manifest

__all__ = ["build"]


def build(recipe: str | None = None, overrides: Sequence[str] = (), quiet: bool = True) -> "Manifest":
    """Builds one artifact, as `python -m exporter +recipe=RECIPE OVERRIDES…` does, and returns its manifest.

    The Hydra state of a caller that uses Hydra itself is left as it was. Raises `exporter.errors.RequestError` for a
    bad request and `exporter.errors.BuildError` where the build or its proof fails; nothing is published then.
    """
    from exporter.config import compose
    from exporter.hydra_run import quote_path
    from exporter.progress import Progress
    from exporter.recipe import check

    words = [quote_path(word) for word in overrides]
    checked = check(compose([f"+recipe={recipe}", *words] if recipe else words))
    from exporter.runner import build as run

    return run(checked, Progress(quiet))
