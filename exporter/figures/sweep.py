"""What a sweep saves: twelve builds in one store against twelve that each begin with nothing."""

import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

from exporter.manifest import file_digest, read_manifest
from exporter.progress import Progress
from exporter.settings import STRIDE
from exporter.store.stage import BUILT


def table(size: int, limit: int | None, progress: Progress) -> str:
    """Both in Markdown: seconds, stages that ran, whether each artifact of the sweep is the one built alone."""
    sides = [max(round(size * part / STRIDE), 1) * STRIDE for part in (0.5, 0.75, 1)]
    every = list(product(dict.fromkeys(sides), ("batch", "flat"), (0.25, 0.4)))[:limit]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cold = [_built(each, folder / f"cold{i}", "none", progress) for i, each in enumerate(every)]
        warm = [_built(each, folder / f"warm{i}", str(folder / "store"), progress) for i, each in enumerate(every)]
        own, shared = (
            [file_digest(folder / f"{kind}{i}" / "model.onnx") for i in range(len(every))] for kind in ("cold", "warm")
        )
    (cold_seconds, cold_stages), (warm_seconds, warm_stages) = (
        map(sum, zip(*rows, strict=True)) for rows in (cold, warm)
    )
    return (
        f"{len(every)} builds of yolo_nas_s_int8, sides {', '.join(map(str, dict.fromkeys(sides)))}, two formats, two"
        f" thresholds:\n\n| | seconds | stages that ran |\n| --- | --- | --- |\n"
        f"| each from nothing | {cold_seconds:.0f} | {cold_stages} |\n"
        f"| in one store | {warm_seconds:.0f} | {warm_stages} |\n\n"
        f"{cold_seconds / warm_seconds:.2f} times faster, {cold_stages - warm_stages} stage runs saved; bytes"
        f" {'the same' if own == shared else 'NOT THE SAME'}."
    )


def _built(row: tuple[int, str, float], folder: Path, store: str, progress: Progress) -> tuple[float, int]:
    """The seconds that a build takes from start to end, and how many of its stages ran."""
    size, form, threshold = row
    words = ["+recipe=yolo_nas_s_int8", f"input.size={size}", f"postprocessing/format={form}", f"output_dir={folder}",
             f"postprocessing.nms.confidence_threshold={threshold}", f"store.path={store}"]  # fmt: skip
    started = time.perf_counter()
    with progress.stage(f"{' '.join(map(str, row))}, store {'none' if store == 'none' else 'shared'}"):
        subprocess.run([sys.executable, "-m", "exporter", *words], check=True, capture_output=True)
    stages = read_manifest(folder).run["stages"]
    return time.perf_counter() - started, sum(stage["state"] == BUILT for stage in stages)
