"""What each engine makes of each precision: accuracy, latency, throughput, and how alike their detections are."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from exporter.artifact.benchmark.cases import Case, cases, engine_names
from exporter.artifact.benchmark.compare import Row, compared, processor, scored
from exporter.artifact.detector import detector_of
from exporter.artifact.evaluate import evaluate_artifact
from exporter.common.errors import BuildError
from exporter.common.progress import Progress
from exporter.common.provenance import cores
from exporter.demo.scenes import scene
from exporter.evaluation.demo import DemoEvaluation
from exporter.evaluation.matched import matched
from exporter.postprocessing.detections import Detections
from exporter.report.benchmark_chart import draw
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine
from exporter.runtime.openvino import CAPABILITIES, Precision, about
from tests.tables import markdown
from tests.tables.markdown import Missing
from tests.tables.measured import built
from tests.tables.precision import WIDE

FILES = {
    "FP32": ("", "quantization=none"),
    "INT8": ("_int8",),
    "INT8, for OpenVINO": ("_int8", "backend=openvino"),
    "INT8 by NNCF": ("", "quantization=nncf"),
    "INT8, symmetric (for TensorRT)": ("_int8", "backend=tensorrt"),
}
"""What the first column says; the end of the recipe's name behind the network's, and the overrides that choose it. The
first, in ONNX Runtime, is the baseline."""

HEAD = ("file", "engine", "mAP", "latency ratio", "images/s, many at once", "detections as in ONNX Runtime")
SHOWN = 16  # synthetic images whose detections are compared between the engines


def table(
    model: str, size: int, scenes: int, rounds: int, limit: int | None, chart: Path, progress: Progress
) -> str:  # fmt: skip
    """The table in Markdown, and a paragraph before it that says what was measured where; `chart`: a PNG beside it."""
    common = ("model.weights=demo", "calibration=demo", f"input.size={size}", "proof.num_scenes=0",
              "postprocessing.nms.confidence_threshold=0.01", *WIDE)  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        folders, missing = {}, {}
        for name, (recipe, *overrides) in list(FILES.items())[:limit]:
            own = [override for override in common if name != "FP32" or not override.startswith("calibration")]
            try:
                built([f"+recipe={model}{recipe}", *own, *overrides], Path(folder) / name)
                folders[Path(folder) / name] = name
            except BuildError as error:
                missing[name] = str(error)
        chosen = _cases(list(folders))
        rows = compared(chosen, rounds)
        throughput = {_key(row.case): row for row in compared(_cases(list(folders), "throughput"), rounds)}
        images = DemoEvaluation(num_images=scenes)
        rows = scored(
            rows, lambda case: evaluate_artifact(case.folder, case.manifest, images, progress, case.engine).artifact.map
        )
        draw(rows, f"{model}, {size} × {size}, {processor()}", chart)
        shown = [_cells(folders[row.case.folder], row, throughput.get(_key(row.case)), size) for row in rows]
    shown += [[name, *[Missing(why)] * (len(HEAD) - 1)] for name, why in missing.items()]
    where = (
        f"{model} with the demo weights, {size} × {size}, {cores()} threads, on {processor()}. mAP@[.5:.95] on {scenes}"
        f" synthetic images neither trained nor calibrated on, NMS inside; latency: medians of {rounds} interleaved runs, against"
        " FP32 in ONNX Runtime, the middle half in brackets.\n\n"
    )
    return where + markdown.table(HEAD, shown)


def _cases(folders: Sequence[Path], hint: str = "latency") -> list[Case]:
    capable: list[Precision] = ["f32"]
    if CAPABILITIES["bf16"] in about()["capabilities"]:
        capable.append("bf16")
    names = engine_names(["all"] if hint == "latency" else ["openvino"])
    return cases(folders, names, capable, ["throughput" if hint == "throughput" else "latency"], [cores()], None)


def _key(case: Case) -> tuple[Path, str]:
    return case.folder, case.engine.label(case.folder / case.manifest.artifact.file)


def _cells(name: str, row: Row, throughput: Row | None, size: int) -> list[str | Missing]:
    engine = _key(row.case)[1].removesuffix(", TensorRT's NMS plugin emulated")
    if row.why is not None:
        return [name, engine, *[Missing(row.why)] * (len(HEAD) - 2)]
    ratio = f"{row.ratio.median:.3f} ({row.ratio.low:.3f} to {row.ratio.high:.3f})" if row.ratio else "1"
    many = throughput.per_second if throughput and throughput.per_second else row.per_second
    return [name, engine, f"{row.map:.2f}", ratio, f"{many:.2f}", _alike(row.case, size)]


def _alike(case: Case, size: int) -> str:
    """Of the detections scored 0.25 and above, those that both engines have, and their mean difference."""
    if isinstance(case.engine, OnnxRuntimeEngine):
        return "itself"
    images = [scene("proof", i, size, size).image for i in range(SHOWN)]
    ours, theirs = (
        [_sure(each) for each in detector_of(case.folder, case.manifest, engine=engine)(images)]
        for engine in (case.engine, OnnxRuntimeEngine())
    )
    found = matched(ours, theirs)
    pairs = f"{found['matched']} of {found['boxes']}"
    return f"{pairs}, IoU {found['mean_iou']:.4f}, score ±{found['mean_score_difference']:.4f}"


def _sure(found: Detections) -> Detections:
    sure = found.scores >= 0.25
    return Detections(found.boxes[sure], found.scores[sure], found.classes[sure])
