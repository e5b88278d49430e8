"""Every network in every precision, compiled whole by TensorRT for RTX, bytes in and detections out: seconds, size,
layers."""

import tempfile
import time
from functools import partial
from pathlib import Path

from exporter.common.progress import Progress
from exporter.deploy.engine.build import shapes_of
from exporter.model.architectures import ARCHITECTURES
from exporter.runtime.tensorrt.library import installed
from exporter.runtime.tensorrt.network import configured, parsed, serialized
from tests.tables import markdown
from tests.tables.markdown import Missing
from tests.tables.measured import built
from tests.tables.rows import Metrics, Row, fill
from tests.tables.tensorrt import PRECISIONS

TARGETS = ("sm86", "sm89", "sm120")
HEAD = ("network", "precision", "parsed, s", "compiled, s", "layers", "ONNX, MB", "engine, MB")


def table(size: int, limit: int | None, file: Path, progress: Progress) -> str:
    """The table in Markdown. Weights are random: a compiler does not care."""
    rows = [Row((model, precision), overrides(model, PRECISIONS[precision], size), {"targets": list(TARGETS)})
            for model in ARCHITECTURES for precision in PRECISIONS][:limit]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        found = fill(rows, partial(measured, folder=Path(folder)), file, progress)
    cells = [
        (*row.name, *[Missing(each["reason"])] * 5) if "reason" in each else
        (*row.name, *(f"{each[key]:.3g}" for key in ("parsed", "compiled")), str(each["layers"]),
         *(f"{each[key] / 1e6:.1f}" for key in ("onnx", "engine")))
        for row, each in zip(rows, found, strict=True)
    ]  # fmt: skip
    return markdown.table(HEAD, cells)


def overrides(model: str, precision: str, size: int) -> tuple[str, ...]:
    """The build of one row."""
    said = ("model.weights=random", f"+recipe={model}", f"quantization={precision}", "backend=tensorrt_rtx",
            f"input.size={size}", "proof.num_images=1", "proof.num_scenes=0")  # fmt: skip
    return (*said, "calibration=demo", "calibration.num_images=2") if "int8" in precision else said


def measured(row: Row, folder: Path) -> Metrics:
    """Builds one row, and compiles it for `TARGETS`. Raises BuildError where either fails."""
    manifest, _ = built(row.overrides, folder / "artifact")
    library, content = installed("tensorrt_rtx"), (folder / "artifact" / manifest.artifact.file).read_bytes()
    assert library is not None
    started = time.perf_counter()
    network = parsed(library, content)
    between = time.perf_counter()
    plan = serialized(network, configured(network, TARGETS, shapes_of(manifest.input.name, manifest.backend.profile)))
    return {"parsed": between - started, "compiled": time.perf_counter() - between, "layers": network.num_layers,
            "onnx": len(content), "engine": len(plan)}  # fmt: skip
