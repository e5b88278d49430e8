"""What a run takes on a GPU: ONNX Runtime's CUDA provider in each of its settings, beside torch, eager and captured. All
sessions are in one process and run in turn; inputs and outputs lie on the GPU; medians."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from exporter.artifact.benchmark.cases import Case
from exporter.benchmark.paired import interleaved
from exporter.common.errors import BuildError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.runtime.engine import Timed
from exporter.runtime.onnx_providers import Provider
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine
from tests.tables import markdown
from tests.tables.markdown import Missing
from tests.tables.measured import built

SETTINGS: dict[str, dict[str, str]] = {
    "default": {},
    "nhwc": {"prefer_nhwc": "1"},
    "CUDA graph": {"enable_cuda_graph": "1"},
    "nhwc, CUDA graph": {"prefer_nhwc": "1", "enable_cuda_graph": "1"},
}
"""Columns, and what the provider is told."""
CLUSTER = ("postprocessing/nms=cluster", "postprocessing.nms.rounds=24")
NMS = {"onnx": (), "cluster": CLUSTER, "none": ("postprocessing/nms=none",)}
FILES = {
    "FP32, NMS onnx": (1, ()),
    **{f"FP16, NMS {name}": (1, ("quantization=fp16", *words)) for name, words in NMS.items()},
    **{f"FP16, NMS {name}, batch 16": (16, ("quantization=fp16", *words)) for name, words in NMS.items()},
}
"""Rows: images a run, and the overrides of the build."""
TORCH = {"torch FP16, no NMS": 1, "torch FP16, no NMS, batch 16": 16}
"""Rows: images a run. Eager in the first column, captured in the third."""
NO_CAPTURE = "a CUDA graph cannot hold NonMaxSuppression"


def table(provider: Provider, size: int, rounds: int, many: int = 16) -> str:
    """The table in Markdown and a line before it that says where. provider: "cuda"; with "cpu" the same code runs where no
    GPU is, settings of CUDA left out. many: what stands in for a batch of 16."""
    cells: dict[tuple[str, str], str | Missing] = {}
    with tempfile.TemporaryDirectory() as folder:
        runs = _sessions(provider, size, many, Path(folder), cells) | _torch(provider, size, many)
        times = interleaved(list(runs.values()), rounds)
    for key, taken in zip(runs, times, strict=True):
        cells[key] = f"{median(taken):.2f}"
    elsewhere = Missing("not in this row")
    lines = [(row, *(cells.get((row, column), elsewhere) for column in SETTINGS)) for row in (*FILES, *TORCH)]
    card = torch.cuda.get_device_name() if provider == "cuda" else "a CPU, in place of a GPU"
    head = (
        f"YOLO-NAS-S, {size} × {size}, {card}, {OnnxRuntimeEngine(provider).label(b'')}, torch {torch.__version__}: ms"
    )
    return f"{head}\n\n{markdown.table(('file', *SETTINGS), lines)}"


def _sessions(
    provider: Provider, size: int, many: int, folder: Path, cells: dict[tuple[str, str], str | Missing]
) -> dict[tuple[str, str], Timed]:
    """By row and column, what runs once; where there is nothing to run, the cell that says why. The files are the same
    whatever is timed, so they are built for the CPU."""
    runs: dict[tuple[str, str], Timed] = {}
    for row, (batch, overrides) in FILES.items():
        place = folder / row.replace(" ", "_")
        given = ("+recipe=yolo_nas_s", *overrides, f"input.size={size}", f"input.batch={min(batch, many)}",
                 "proof.num_images=1", "proof.num_scenes=0")  # fmt: skip
        manifest, _ = built(given, place, str(folder / "store"))
        for column, told in SETTINGS.items():
            if provider == "cpu" and told:
                cells[row, column] = Missing("a setting of CUDA")
            elif "enable_cuda_graph" in told and "NonMaxSuppression" in manifest.artifact.operators:
                cells[row, column] = Missing(NO_CAPTURE)
            else:
                options = {"use_tf32": "0", **told} if provider == "cuda" else {}
                engine = OnnxRuntimeEngine(provider, tuple(options.items()))
                try:
                    runs[row, column] = Case(place, manifest, engine, 2, min(batch, many)).subject.runner(2)
                    runs[row, column]()
                except BuildError as error:
                    runs.pop((row, column), None)
                    cells[row, column] = Missing(str(error))
    return runs


def _torch(provider: Provider, size: int, many: int) -> dict[tuple[str, str], Timed]:
    """The network in torch, with nothing behind it; on a CPU in float32, which has no float16 to speak of."""
    device, dtype = ("cuda", torch.float16) if provider == "cuda" else ("cpu", torch.float32)
    network: Any = check(compose(["+recipe=yolo_nas_s", f"input.size={size}"])).model.load().network
    network = network.to(device, dtype).eval()
    runs: dict[tuple[str, str], Timed] = {}
    for row, batch in TORCH.items():
        images = torch.rand(min(batch, many), 3, size, size, device=device, dtype=dtype)
        runs[row, "default"] = _timed(lambda images=images: network(images), device)
        if device == "cuda":
            runs[row, "CUDA graph"] = _timed(_captured(network, images), device)
    return runs


def _captured(network: Any, images: torch.Tensor) -> Callable[[], object]:
    """A replay of the network on these images. Source: PyTorch, CUDA semantics, "CUDA Graphs"."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside), torch.inference_mode():
        for _ in range(3):
            network(images)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph), torch.inference_mode():
        network(images)
    return graph.replay


def _timed(run: Callable[[], object], device: str) -> Timed:
    def once() -> float:
        started = time.perf_counter()
        with torch.inference_mode():
            run()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started

    return once
