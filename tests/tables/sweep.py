"""What a sweep saves: twelve builds at once against twelve that each begin with nothing. Two runs at a time want Hydra's
joblib launcher (the extra `sweep`)."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from itertools import product
from pathlib import Path

from exporter.artifact.manifest import ARTIFACT, read_manifest
from exporter.common.files import file_digest
from exporter.common.geometry import STRIDE
from exporter.common.progress import Progress
from exporter.pipeline.sweep.overrides import check_overrides
from exporter.store.stage import BUILT

LAUNCHERS = {"one sweep": (), "one sweep, two runs at a time": ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")}


def table(size: int, limit: int | None, progress: Progress) -> str:
    """All of it in Markdown: seconds, and stages that ran. Raises RequestError where a launcher is not installed, and
    RuntimeError where an artifact of a sweep is not the one built alone."""
    for launcher in LAUNCHERS.values():
        check_overrides(launcher)
    sides = list(dict.fromkeys(max(round(size * part / STRIDE), 1) * STRIDE for part in (1, 0.75, 0.5)))[:limit]
    swept = {  # the last varies fastest: runs beside each other have networks of their own to quantize, the longest first
        "postprocessing/format": ["batch", "flat"],
        "postprocessing.nms.confidence_threshold": [0.25, 0.4],
        "input.size": sides,
    }
    every = [[f"{key}={value}" for key, value in zip(swept, row, strict=True)] for row in product(*swept.values())]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        alone = {tuple(sorted(row)): folder / str(i) for i, row in enumerate(every)}
        apart = sum(
            _run([*row, "store.path=none", f"output_dir={alone[tuple(sorted(row))]}"], progress) for row in every
        )
        built = [alone[key] for key in alone]
        lines = [f"| each by itself, from nothing | {apart:.0f} | | {sum(map(_stages_built, built))} |"]
        together = [f"{key}={','.join(map(str, values))}" for key, values in swept.items()]
        for number, (words, launcher) in enumerate(LAUNCHERS.items()):
            place = folder / f"sweep{number}"
            where = [f"hydra.sweep.dir={place}", f"store.path={folder / f'store{number}'}"]
            seconds = _run(["-m", *together, *launcher, *where], progress)
            runs = json.loads((place / "summary.json").read_text(encoding="utf-8"))["runs"]
            pairs = [(place / run["folder"], alone[_own(run["overrides"], swept)]) for run in runs]
            if any(file_digest(one / ARTIFACT) != file_digest(other / ARTIFACT) for one, other in pairs):
                raise RuntimeError(f"{words}: not the bytes of the artifacts that were built alone")
            ran = sum(_stages_built(one) for one, _ in pairs)
            lines.append(f"| {words}, from nothing | {seconds:.0f} | {apart / seconds:.2f} | {ran} |")
    return (
        f"{len(built)} builds of yolo_nas_s_int8, sides {', '.join(map(str, sides))}, two formats, two thresholds:\n\n"
        "| | seconds | times faster | stages that ran |\n| --- | --- | --- | --- |\n" + "\n".join(lines)
    )


def _run(overrides: Sequence[str], progress: Progress) -> float:
    """The seconds that the command takes from start to end."""
    started = time.perf_counter()
    with progress.stage(" ".join(override for override in overrides if "/" not in override.partition("=")[2])):
        command = [sys.executable, "-m", "exporter", "+recipe=yolo_nas_s_int8", *overrides]
        subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def _own(overrides: Sequence[str], swept: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(override for override in overrides if override.partition("=")[0] in swept))


def _stages_built(folder: Path) -> int:
    return sum(stage.state == BUILT for stage in read_manifest(folder).run.stages)
