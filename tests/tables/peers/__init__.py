"""What other tools make of the same weights with the same calibration images: their files beside ours, in the same engines."""

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from exporter.artifact.benchmark.compare import processor
from exporter.artifact.manifest import ARTIFACT
from exporter.common.errors import BuildError, RequestError
from exporter.common.messages import one_of
from exporter.common.progress import Progress
from exporter.common.provenance import cores
from exporter.runtime.engine import Engine
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine
from exporter.runtime.openvino import OpenVinoEngine
from tests.tables import markdown
from tests.tables.markdown import Missing
from tests.tables.measured import built
from tests.tables.peers import programs
from tests.tables.peers.inputs import CALIBRATION, COMMON, inputs
from tests.tables.peers.scored import Baseline, in_engine
from tests.tables.rows import Metrics, Row, fill

HEAD = ("file", "engine", "mAP", "latency ratio", "FP32's sure detections: found; scores moved", "MB", "build, CPU s")


@dataclass(frozen=True)
class Maker:
    """What makes a file. overrides: our own build; program: of `programs`, run by the interpreter of the name `python`;
    packages: whose versions its metrics depend on; raw: whether its file takes float32 images and gives all boxes, without
    NMS."""

    overrides: tuple[str, ...] = ()
    program: str = ""
    python: str = ""
    packages: tuple[str, ...] = ()
    raw: bool = False


_ORT = partial(Maker, python="onnxruntime", packages=("onnxruntime",))
_NNCF = partial(Maker, python="nncf", packages=("nncf",))
_LIBREYOLO = partial(Maker, python="libreyolo", packages=("libreyolo", "nncf", "openvino", "torch"), raw=True)
_MODERN = partial(Maker, python="modern-yolonas", packages=("modern-yolonas", "torch"), raw=True)

FILES = {
    "exporter, FP32": Maker(("quantization=none",)),
    "exporter, INT8": Maker(("quantization=int8", "calibration=demo", f"calibration.num_images={CALIBRATION}")),
    "`quantize_static`, defaults": _ORT(program="ort"),
    "`quantize_static`, defaults after `quant_pre_process`": _ORT(program="ort_preprocessed"),
    "`quantize_static`, best options": _ORT(program="ort_best"),
    "`nncf.quantize`, defaults": _NNCF(program="nncf"),
    "`nncf.quantize`, `MIXED`, head and decoding ignored": _NNCF(program="nncf_documented"),
    "LibreYOLO, FP32, ONNX": _LIBREYOLO(program="libreyolo_fp32"),
    "LibreYOLO, INT8, OpenVINO IR": _LIBREYOLO(program="libreyolo_int8"),
    "LibreYOLO, INT8, ONNX": _LIBREYOLO(program="libreyolo_onnx_int8"),
    "modern-yolonas, FP32, ONNX": _MODERN(program="modern_yolonas_fp32"),
    "modern-yolonas, INT8, ONNX": _MODERN(program="modern_yolonas_int8"),
    "modern-yolonas, INT8, ONNX by torch's older exporter": _MODERN(program="modern_yolonas_int8_older"),
}
"""What the first column says, and what makes it; the first, in ONNX Runtime, is the baseline."""
PYTHONS = tuple(dict.fromkeys(maker.python for maker in FILES.values() if maker.python))
"""The names that `--peer-python` takes."""


def interpreters(given: Sequence[str]) -> dict[str, Path]:
    """From words NAME=PATH. Raises RequestError for another name, and a path that is not there."""
    found = {}
    for word in given:
        name, _, path = word.partition("=")
        if name not in PYTHONS:
            raise RequestError(one_of(f"--peer-python {word}: give NAME=PATH; no such tool", name, PYTHONS))
        if not Path(path).is_file():
            raise RequestError(f"--peer-python {word}: no such file: give the path of a Python that has {name}")
        found[name] = Path(path)
    return found


def table(
    size: int, scenes: int, rounds: int, limit: int | None, pythons: Mapping[str, Path], file: Path, progress: Progress
) -> str:  # fmt: skip
    """The table in Markdown, and a paragraph before it that says what was measured where; pythons: interpreters that
    have the tools, by the names of `PYTHONS`; this one for those that are not given."""
    settings = {"size": size, "scenes": scenes, "rounds": rounds, "threads": cores()}
    makers = dict(list(FILES.items())[:limit])
    known = {name: _versions(maker, pythons) for name, maker in makers.items()}
    rows = [
        Row((name,), (*maker.overrides, maker.program, json.dumps(known[name])), settings)
        for name, maker in makers.items()
    ]
    with tempfile.TemporaryDirectory() as scratch:
        baseline = Baseline(Path(scratch) / "inputs", scenes)
        inputs(baseline.folder, size)
        metrics = fill(
            rows, partial(measured, baseline=baseline, pythons=pythons, folder=Path(scratch)), file, progress
        )
    told = sorted({f"{package} {version}" for each in known.values() for package, version in each.items()})
    where = (
        f"YOLO-NAS-S with the demo weights, {size} × {size}, {cores()} threads of {processor()}; every tool was given the"
        f" same {CALIBRATION} synthetic images for calibration. mAP@[.5:.95] on {scenes} others; latency: medians of"
        f" {rounds} interleaved runs against our FP32 artifact in ONNX Runtime, the middle half in brackets; FP32 against"
        f" itself shows the noise. {', '.join(told)}.\n\n"
    )
    return where + markdown.table(
        HEAD, [line for row, each in zip(rows, metrics, strict=True) for line in lines(row, each)]
    )


def measured(row: Row, baseline: Baseline, pythons: Mapping[str, Path], folder: Path) -> Metrics:
    """Makes one file, then scores and times it in each engine. Raises BuildError where it cannot be made."""
    maker, out = FILES[row.name[0]], folder / "out"
    started = _children_seconds()
    if maker.program:
        out = folder / maker.program
        out.mkdir()
        _run(maker, pythons, baseline.folder, row.settings["size"], out / ARTIFACT)
    else:
        built([*COMMON, *maker.overrides, f"input.size={row.settings['size']}"], out)
    seconds = _children_seconds() - started
    ir = sorted(out.glob("ir/*.xml"))
    model = ir[0] if ir else out / ARTIFACT
    engines: list[Engine] = [OpenVinoEngine()] if ir else [OnnxRuntimeEngine(), OpenVinoEngine()]
    return {
        "engines": [in_engine(engine, model, baseline, row.settings["rounds"], raw=maker.raw) for engine in engines],
        "bytes": sum(path.stat().st_size for path in model.parent.glob(f"{model.stem}.*")),
        "seconds": seconds,
    }


def lines(row: Row, found: Metrics) -> list[list[str | Missing]]:
    """The table's lines of one file: one for each engine."""
    if "reason" in found:
        return [[*row.name, *[Missing(found["reason"])] * (len(HEAD) - 1)]]
    cost = [f"{found['bytes'] / 1e6:.1f}", f"{found['seconds']:.0f}"]
    return [[*row.name, each["engine"], *_cells(each), *cost] for each in found["engines"]]


def _cells(found: Metrics) -> list[str | Missing]:
    if "reason" in found:
        return [Missing(found["reason"])] * 3
    ratio, shift = found["ratio"], found["shift"]
    moved = f"; {shift['median']:+.3f} ({shift['p5']:+.3f} to {shift['p95']:+.3f})" if shift else ""
    return [
        f"{found['map']:.2f}",
        f"{ratio['median']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f})",
        f"{shift['matched'] if shift else 0} of {found['sure']}{moved}",
    ]


def _children_seconds() -> float:
    """Of all cores: other work on the machine lengthens what a clock on the wall says of a build."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _python(maker: Maker, pythons: Mapping[str, Path]) -> str:
    return str(pythons.get(maker.python, sys.executable))


def _versions(maker: Maker, pythons: Mapping[str, Path]) -> dict[str, str]:
    """Of the maker's packages that its interpreter has."""
    asked = (
        "import importlib.metadata as m, json, sys\n"
        "installed = {d.name.lower(): d.version for d in m.distributions() if d.name}\n"
        "print(json.dumps({p: installed[p] for p in sys.argv[1:] if p in installed}))"
    )
    command = [_python(maker, pythons), "-c", asked, *maker.packages]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _run(maker: Maker, pythons: Mapping[str, Path], given: Path, size: int, out: Path) -> None:
    """Raises BuildError with the first cause where the program fails."""
    command = [_python(maker, pythons), programs.__file__, maker.program, str(given), str(size), str(out)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        last = run.stderr.strip().splitlines()[-1:] or [f"ended with {run.returncode}"]
        raise BuildError(last[0])
