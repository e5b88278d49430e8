"""The artifact in a folder, ready to run."""

from pathlib import Path
from typing import TYPE_CHECKING

from exporter.artifact.bounded_session import artifact_session
from exporter.artifact.manifest import Manifest
from exporter.common.errors import RequestError
from exporter.evaluation.detector import Detector

if TYPE_CHECKING:
    from exporter.runtime.engine import Engine


def detector_of(
    folder: Path, manifest: Manifest, size: tuple[int, int] | None = None, engine: "Engine | None" = None
) -> Detector:
    """The artifact in a folder that a build wrote, in the engine that it is for, or in this one. Raises
    RequestError also where its outputs are in a format of its recipe's own."""
    if manifest.postprocessing.format is not None and not manifest.postprocessing.readable:
        names = ", ".join(output.name for output in manifest.outputs)
        raise RequestError(
            f"{folder}: its outputs ({names}) are in a format of its recipe's own"
            f" (postprocessing/format={manifest.postprocessing.format}), which only its author can read: run it in"
            " your own program, or build it with postprocessing/format=batch"
        )
    session = artifact_session(folder, manifest, engine)
    return Detector(session, manifest.input, manifest.preprocessing, size, manifest.postprocessing.read)
