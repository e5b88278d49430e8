"""Times artifacts against each other: A B A B … in one process, so that a machine whose speed drifts cannot mislead."""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from exporter.demo.scenes import scene
from exporter.errors import RequestError
from exporter.inference import encode
from exporter.manifest import Manifest, read_manifest


def runner(folder: Path, threads: int) -> Callable[[], Any]:
    """A function that runs the artifact end to end once, on one demo scene of its input's size.

    Raises RequestError where the input's size or batch is not fixed."""
    import onnxruntime as ort

    manifest = read_manifest(folder)
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    session = ort.InferenceSession(str(folder / manifest.artifact.file), options, providers=["CPUExecutionProvider"])
    feed = {manifest.input.name: _picture(manifest)}
    return lambda: session.run(None, feed)


def _picture(manifest: Manifest) -> np.ndarray:
    axes = {"nchw": (0, 2, 3), "nhwc": (0, 1, 2)}[manifest.input.layout]
    batch, height, width = (manifest.input.shape[axis] for axis in axes)
    if not isinstance(height, int) or not isinstance(width, int):
        raise RequestError(f"{manifest.name}: its input has no fixed size: benchmark artifacts of a fixed size")
    count = batch if isinstance(batch, int) else 1
    pictures = np.stack([scene("evaluation", i, height, width).image for i in range(count)])
    return encode(pictures, manifest.input, manifest.preprocessing)


def paired(first: Callable[[], Any], second: Callable[[], Any], rounds: int) -> dict[str, Any]:
    """Milliseconds of both (medians) and the ratio first/second round by round: median, and the middle half of it."""
    for run in (first, second) * 3:
        run()  # the first runs allocate
    times: tuple[list[float], list[float]] = ([], [])
    for i in range(rounds):
        for k in (0, 1) if i % 2 == 0 else (1, 0):  # whoever runs second finds other things in the cache
            started = time.perf_counter()
            (first, second)[k]()
            times[k].append(1000 * (time.perf_counter() - started))
    ratios = [a / b for a, b in zip(*times, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {
        "first_ms": statistics.median(times[0]),
        "second_ms": statistics.median(times[1]),
        "ratio": middle,
        "ratio_quartiles": (low, high),
        "rounds": rounds,
    }


def compare(folders: Sequence[Path], threads: int, rounds: int) -> list[str]:
    """A line for each folder after the first: its time against the first's."""
    from exporter.describe import cpu

    run = [runner(folder, threads) for folder in folders]
    processor = cpu()
    lines = [f"{processor.get('name', '?')} ({', '.join(processor.get('features', []))}), {threads} threads"]
    for folder, other in zip(folders[1:], run[1:], strict=True):
        r = paired(other, run[0], rounds)
        low, high = r["ratio_quartiles"]
        lines.append(
            f"{folder} / {folders[0]}: {r['ratio']:.3f} (middle half {low:.3f} to {high:.3f} of {rounds} rounds;"
            f" {r['first_ms']:.1f} ms against {r['second_ms']:.1f} ms)"
        )
    return lines
