"""What a sweep saves: twelve builds at once against twelve that each begin with nothing."""

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
from exporter.store.stage import BUILT


def table(size: int, limit: int | None, progress: Progress) -> str:
    """Both in Markdown: seconds, stages that ran, whether each artifact of the sweep is the one built alone."""
    sides = list(dict.fromkeys(max(round(size * part / STRIDE), 1) * STRIDE for part in (0.5, 0.75, 1)))[:limit]
    swept = {
        "input.size": sides,
        "postprocessing/format": ["batch", "flat"],
        "postprocessing.nms.confidence_threshold": [0.25, 0.4],
    }
    every = [[f"{key}={value}" for key, value in zip(swept, row, strict=True)] for row in product(*swept.values())]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        alone = {tuple(sorted(row)): folder / str(i) for i, row in enumerate(every)}
        apart = sum(
            _run([*row, "store.path=none", f"output_dir={alone[tuple(sorted(row))]}"], progress) for row in every
        )
        together = [f"{key}={','.join(map(str, values))}" for key, values in swept.items()]
        at_once = _run(
            ["-m", *together, f"hydra.sweep.dir={folder / 'sweep'}", f"store.path={folder / 'store'}"], progress
        )
        runs = json.loads((folder / "sweep" / "summary.json").read_text(encoding="utf-8"))["runs"]
        pairs = [(folder / "sweep" / run["folder"], alone[_own(run["overrides"], swept)]) for run in runs]
        in_sweep, by_itself = (sum(map(_stages_built, folders)) for folders in zip(*pairs, strict=True))
        same = all(file_digest(one / ARTIFACT) == file_digest(other / ARTIFACT) for one, other in pairs)
    return (
        f"{len(pairs)} builds of yolo_nas_s_int8, sides {', '.join(map(str, sides))}, two formats, two thresholds:\n\n"
        f"| | seconds | stages that ran |\n| --- | --- | --- |\n"
        f"| each by itself, from nothing | {apart:.0f} | {by_itself} |\n"
        f"| one sweep, from nothing | {at_once:.0f} | {in_sweep} |\n\n"
        f"{apart / at_once:.2f} times faster, {by_itself - in_sweep} stage runs saved; bytes"
        f" {'the same' if same else 'NOT THE SAME'}."
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
    return sum(stage["state"] == BUILT for stage in read_manifest(folder).run.stages)
