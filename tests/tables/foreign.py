"""`python -m tests.tables.foreign [NAME…]`: networks of other packages, exported to ONNX by their own tools with random weights
at 320 × 320 (FOREIGN_SIZE: another size), taken with a preset of `model/head`, in FP32, in INT8 and for OpenVINO, against their
own post-processing.

Each package is installed into an environment of its own (`foreign_environment.py`), in which `foreign_tools.py` exports and reads;
one that cannot be installed or imported is a row that says so. Random weights detect nothing: see `livened` there; the threshold
is the score that 200 pairs an image are above, or half of them. Times: medians of interleaved runs, 2 threads.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch

import exporter
from exporter.common.errors import BuildError, RequestError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.demo.scenes import scene
from exporter.postprocessing.reference import iou
from exporter.preprocessing.declared import Declared
from exporter.runtime.openvino import OpenVinoEngine
from tests.tables.foreign_environment import run_tools
from tests.tables.foreign_tools import NETWORKS, ROUNDING, SIZE, Rows
from tests.tables.markdown import table

IMAGES, PAIRS, RUNS, OVERLAP = 6, 200, 15, 0.7
BUILDS = ("fp32", "int8", "openvino")


@dataclass
class Measured:
    """Of one network: rows of its own post-processing (`total`), how many of them it gives `again` where the engine optimises
    nothing in its file (the others are near ties, which rounding exchanges), rows of ours in FP32, and how many of those equal
    its own; by build the share of its rows that ours match, milliseconds (`given`: its own file) and seconds of building, or
    why there is none."""

    total: int = 0
    again: int = 0
    ours: int = 0
    equal: int = 0
    matched: dict[str, float] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    built: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def images(count: int, group: str = "proof") -> list[np.ndarray]:
    """uint8 [SIZE, SIZE, 3] RGB: no resize is in question here."""
    return [scene(group, i, SIZE, SIZE).image for i in range(count)]


def session(path: Path, threads: int = 2, optimised: bool = True):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def fed(declared: Declared, image: np.ndarray) -> np.ndarray:
    """float32 [1, 3, H, W], as the network takes it."""
    return declared.normalization.apply(image.transpose(2, 0, 1)[None].astype(np.float32)).astype(np.float32)


def rows(run, image: np.ndarray) -> Rows:
    """What an artifact in the batch format gives."""
    feed = np.ascontiguousarray(image.transpose(2, 0, 1)[None])
    count, boxes, scores, classes = run(feed)
    n = int(count[0, 0])
    return np.column_stack([boxes[0, :n], scores[0, :n], classes[0, :n]])


def matched(found: Rows, wanted: Rows, overlap: float = 0.5) -> int:
    """How many of `wanted` have a row of their own in `found`: of their class, best score first."""
    free, count = np.ones(len(found), bool), 0
    for row in wanted[np.argsort(-wanted[:, 4], kind="stable")]:
        near = (
            iou(row[None, :4].astype(np.float32), found[:, :4].astype(np.float32))[0] * free * (found[:, 5] == row[5])
        )
        if len(near) and near.max() >= overlap:
            free[near.argmax()] = False
            count += 1
    return count


def exact(found: Rows, wanted: Rows) -> int:
    """The same, for rows that are equal but for rounding."""
    free, count = np.ones(len(found), bool), 0
    for row in wanted:
        same = (
            free
            & (np.abs(found[:, :4] - row[:4]).max(1) < 0.05)
            & (np.abs(found[:, 4] - row[4]) < 1e-3 * row[4])
            & (found[:, 5] == row[5])
        )
        if same.any():
            free[same.argmax()] = False
            count += 1
    return count


def median_times(runs: dict[str, Callable[[], object]]) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for i in range(RUNS + 3):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if i >= 3:
                taken[name].append(time.perf_counter() - start)
    return {name: 1000 * float(np.median(times)) for name, times in taken.items()}


def exported(name: str, folder: Path) -> Path:
    """Its ONNX file, by its own tool. Raises BuildError where that fails."""
    path, shown = folder / f"{name.lower().replace(',', '').replace(' ', '-')}.onnx", folder / "shown.npy"
    if not path.exists():
        np.save(shown, np.stack(images(4, "train")))
        run_tools(NETWORKS[name].requirement, "export", name, shown, path, folder=folder)
    return path


def own_rows(name: str, given: list[list[np.ndarray]], confidence: float, folder: Path) -> list[Rows]:
    """What its own post-processing makes of its file's outputs for each image."""
    outputs = {f"{i}_{k}": value for i, each in enumerate(given) for k, value in enumerate(each)}
    np.savez(folder / "given.npz", confidence=confidence, overlap=OVERLAP, **outputs)
    run_tools(NETWORKS[name].requirement, "read", name, folder / "given.npz", folder / "rows.npz", folder=folder)
    with np.load(folder / "rows.npz") as found:
        return [found[str(i)] for i in range(len(given))]


def calibration(folder: Path) -> Path:
    """A folder of images to calibrate with."""
    target = folder / "calibration"
    if not target.exists():
        target.mkdir()
        for i, image in enumerate(images(24, "train")):
            cv2.imwrite(str(target / f"{i:02}.png"), image[..., ::-1])
    return target


def measured(name: str, folder: Path, builds: tuple[str, ...] = BUILDS, timed: bool = True) -> Measured:
    """Raises BuildError and RequestError where there is no file of it, or no build in FP32."""
    network, path, result = NETWORKS[name], exported(name, folder), Measured()
    given = session(path)
    base = ["model=onnx", f"model/head={network.head}", f"model.weights={path}", "input.size=auto", "proof.num_images=2",
            "proof.blind=off", *network.more]  # fmt: skip
    recipe = check(compose(base))
    declared = recipe.trained.preprocessing
    assert declared is not None
    shown = images(IMAGES)
    arrays = [fed(declared, image) for image in shown]
    before, unoptimised = (
        [each.run(None, {each.get_inputs()[0].name: array}) for array in arrays]
        for each in (given, session(path, optimised=False))
    )
    loaded = recipe.model.load().network
    scores = np.concatenate([loaded(torch.from_numpy(array))[1].numpy() for array in arrays])
    if any("multi_label=false" in each for each in network.more):
        scores = scores.max(axis=2)
    confidence = float(np.sort(scores.ravel())[-min(PAIRS * IMAGES, scores.size // 2)])
    base += [f"postprocessing.nms.confidence_threshold={confidence}"]
    base += [] if recipe.nms.parameters.nms_threshold == 1 else [f"postprocessing.nms.nms_threshold={OVERLAP}"]
    int8 = ["quantization=int8", "calibration=folder", f"calibration.path={calibration(folder)}", "calibration.num_images=24",
            "proof.mean_score_error=1", "proof.mean_box_error=1000", "proof.max_score_shift=1",
            *(["proof.max_score_error=1", "proof.max_box_error=1000"] if set(ROUNDING) <= set(network.more) else [])]  # fmt: skip
    overrides = {"fp32": [], "int8": int8, "openvino": [*int8, "backend=openvino"]}
    outputs = {}
    for kind in builds:
        start, out = time.perf_counter(), folder / "out" / path.stem / kind
        try:
            exporter.build(overrides=[*base, *overrides[kind], f"output_dir={out}"])
            outputs[kind], result.built[kind] = out / "model.onnx", time.perf_counter() - start
        except (RequestError, BuildError) as error:  # what cannot be built is a cell that says why
            result.reasons[kind] = " ".join(str(error).split())[:160]
    if "fp32" in result.reasons:
        raise BuildError(result.reasons["fp32"])
    runs = {}
    for kind, file in outputs.items():
        engine = OpenVinoEngine().session(file.read_bytes()) if kind == "openvino" else session(file)
        runs[kind] = lambda feed, engine=engine: engine.run(None, {"images": feed})
    wanted, again = (own_rows(name, outputs, confidence, folder) for outputs in (before, unoptimised))
    found = {kind: [rows(run, image) for image in shown] for kind, run in runs.items()}
    result.total, result.ours = sum(map(len, wanted)), sum(map(len, found["fp32"]))
    result.again = sum(exact(f, w) for f, w in zip(again, wanted, strict=True))
    result.equal = sum(exact(f, w) for f, w in zip(found["fp32"], wanted, strict=True))
    for kind, of_images in found.items():
        result.matched[kind] = sum(matched(f, w) for f, w in zip(of_images, wanted, strict=True)) / max(result.total, 1)
    if timed:
        feed = np.ascontiguousarray(shown[0].transpose(2, 0, 1)[None])
        result.times = median_times(
            {"given": lambda: given.run(None, {given.get_inputs()[0].name: arrays[0]})}
            | {kind: (lambda run=run: run(feed)) for kind, run in runs.items()}
        )
    return result


def row(name: str, folder: Path) -> list[str]:
    network = NETWORKS[name]
    cells = [name, f"`{network.head}`", network.requirement]
    try:
        result = measured(name, folder)
    except (RequestError, BuildError) as error:  # what does not install, import or build is a row that says so
        return [*cells, " ".join(str(error).split())[:200], *[""] * 6]
    of_its_own = {kind: time / result.times["given"] for kind, time in result.times.items()}
    cells.append(f"{result.equal} of {result.total} (we have {result.ours}, its file unoptimised {result.again})")
    cells.append(f"{result.times['given']:.1f} ms, {of_its_own['fp32']:.2f}")
    for kind in ("int8", "openvino"):
        if kind in result.reasons:
            cells += [result.reasons[kind], ""]
        else:
            cells += [f"{100 * result.matched[kind]:.0f} %", f"{of_its_own[kind]:.2f}"]
    return [*cells, " / ".join(f"{seconds:.0f}" for seconds in result.built.values()) + " s"]


def main(names: list[str], folder: Path) -> None:
    head = ("network", "head", "package", "FP32: rows equal to its own post-processing's", "its own file in ONNX Runtime, ours FP32",
            "INT8: matched", "INT8 time", "INT8 in OpenVINO: matched", "its time", "built in")  # fmt: skip
    listed = []
    for name in names:
        listed.append(row(name, folder))
        print(table(head, listed[-1:]), flush=True)
    print(table(head, listed))


if __name__ == "__main__":
    keep = Path(os.environ.get("FOREIGN_FOLDER", tempfile.mkdtemp()))
    keep.mkdir(parents=True, exist_ok=True)
    main(sys.argv[1:] or list(NETWORKS), keep)
