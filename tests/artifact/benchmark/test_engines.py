"""One artifact in several engines: what is compared, what is said of what cannot be, and the chart of it."""

import contextlib
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import exporter
from exporter.artifact.benchmark.cases import Case, cases, engine_names
from exporter.artifact.benchmark.compare import Row, compared
from exporter.artifact.manifest import read_manifest
from exporter.cli import main, verbs
from exporter.cli.verbs import benchmark
from exporter.common.errors import BuildError, RequestError
from exporter.demo.scenes import scene
from exporter.report.benchmark_chart import draw, labels
from exporter.report.drawing import write_png
from exporter.runtime import openvino
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine
from exporter.runtime.openvino import OpenVinoEngine
from tests.model.graphs import saved_detector

LOOSE = ["proof.num_images=2", "proof.mean_score_error=1", "proof.mean_box_error=1000"]  # weights at random


@pytest.fixture(scope="module")
def float_artifact(tmp_path_factory):
    """A tiny network in float32 with a dynamic batch."""
    folder = tmp_path_factory.mktemp("float")
    overrides = [*saved_detector(folder), *LOOSE, "input.batch=dynamic", f"output_dir={folder / 'artifact'}"]
    exporter.build(overrides=[*overrides, "model.class_names=[a,b,c,d,e]"])
    return folder / "artifact"


@pytest.fixture(scope="module")
def int8_artifact(tmp_path_factory):
    """The same in INT8, for one image."""
    folder = tmp_path_factory.mktemp("int8")
    int8 = ["model.class_names=[a,b,c,d,e]", "quantization=int8", "calibration=demo", "calibration.num_images=2"]
    exporter.build(overrides=[*saved_detector(folder), *LOOSE, *int8, f"output_dir={folder / 'artifact'}"])
    return folder / "artifact"


def labelled(folder):
    """Three labelled images in YOLO's format."""
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    for i in range(3):
        write_png(folder / "images" / f"{i}.png", scene("evaluation", i, 64, 96).image)
        (folder / "labels" / f"{i}.txt").write_text(f"{i} 0.5 0.5 0.5 0.5\n")
    (folder / "data.yaml").write_text("train: images\nval: images\nnames: [a, b, c, d, e]\n")
    return folder / "data.yaml"


def told(*folders, engines=("all",), precisions=(), hints=(), more=()):
    """What the verb prints, line by line; what it raises goes through."""
    flags = {"--engine": engines, "--precision": precisions, "--hint": hints}
    said = [argument for flag, values in flags.items() for value in values for argument in (flag, value)]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert (
            verbs.run("benchmark", [*map(str, folders), *said, "--threads", "1", "--rounds", "2", *map(str, more)]) == 0
        )
    return printed.getvalue().splitlines()


def test_every_engine_that_is_here_runs_it(float_artifact, int8_artifact, tmp_path):
    first, *rest = told(
        float_artifact,
        int8_artifact,
        hints=["latency", "throughput"],
        more=["--yolo", labelled(tmp_path), "--num-images", 2, "--out", tmp_path / "out"],
    )
    assert first.endswith("2 rounds")
    told_of = {
        (str(folder), engine) for folder in (float_artifact, int8_artifact) for engine in ("onnxruntime", "openvino")
    }
    assert all(any(line.startswith(f"{folder} in {engine}") for line in rest) for folder, engine in told_of)
    rows = json.loads((tmp_path / "out" / "benchmark.json").read_text())["rows"]
    assert [row["hint"] for row in rows] == [None, "latency", "throughput"] * 2
    for row in rows:
        assert row["per_second"] > 0 and row["why"] is None and 0 <= row["map"] <= 100
        assert (row["p50_ms"] is None) == (row["hint"] == "throughput")
    assert rows[0]["ratio"] is None and rows[1]["ratio"]["median"] > 0
    with Image.open(tmp_path / "out" / "benchmark.png") as image:
        assert image.size[0] > 800 and len(np.unique(np.asarray(image.convert("L")))) > 10


def test_threads_and_batches_are_what_was_asked_for(float_artifact, int8_artifact):
    found = cases([float_artifact, int8_artifact], ["own"], ["f32"], ["latency"], [1, 2], [1, 3])
    assert [(case.threads, case.batch) for case in found] == [(1, 1), (1, 3), (2, 1), (2, 3)] * 2
    rows = compared(found, 2)
    assert [row.why is None for row in rows] == [True] * 4 + [True, False, True, False]
    assert "takes 1 at a time: build it with input.batch=dynamic for 3" in str(rows[5].why)
    assert "not measured: takes 1 at a time" in benchmark.line(rows[5])
    assert found[1].subject.array.shape[0] == 3


def test_a_raw_image_is_one_and_not_repeated_to_many(float_artifact):
    free = read_manifest(float_artifact).input
    raw = free.model_copy(update={"shape": ["height", "width", 3], "layout": "hwc"})
    assert free.batch_is_free and not raw.batch_is_free


def test_an_engine_that_dies_of_it_is_a_row_that_says_so(float_artifact, monkeypatch):
    def die(self, model, threads=None, limits=None):
        raise BuildError("OpenVINO died of SIGFPE (open)")

    monkeypatch.setattr(OpenVinoEngine, "session", die)
    _, first, second = told(float_artifact)
    assert "ms" in first and second.endswith("not measured: OpenVINO died of SIGFPE (open)")


@pytest.mark.slow
def test_a_file_for_tensorrt_is_named_by_the_engine_that_cannot_take_its_plugin(tmp_path):
    import exporter
    from tests.small_network import SmallDetector

    overrides = [
        "model=yolo_nas_s",
        "input.size=64",
        "backend=tensorrt",
        "postprocessing/nms=efficientnms",
        "proof.num_images=2",
    ]
    exporter.build(model=SmallDetector(), overrides=[*overrides, f"output_dir={tmp_path / 'trt'}"])
    _, runtime, vino = told(tmp_path / "trt")
    assert "plugin emulated" in runtime and "p50" in runtime
    assert "not measured" in vino and "EfficientNMS_TRT" in vino


@pytest.mark.parametrize("flags", [
    ["--engine", "openvin"], ["--engine", "openvino", "--precision", "f17"], ["--engine", "openvino", "--hint", "fast"],
    ["--threads", "0"], ["--batch", "0"], ["--rounds", "1"],
])  # fmt: skip
def test_what_is_not_known_is_refused_with_what_is(flags, capsys):
    assert main(["benchmark", "nowhere", *flags]) == 2
    said = capsys.readouterr().err
    assert f"argument {flags[-2]}: " in said and repr(flags[-1]) in said and said.count("\n") == 1
    assert "choose from" in said or "give a whole number of at least" in said


@pytest.mark.parametrize("flags, said", [
    (["--precision", "bf16"], "are OpenVINO's: add --engine openvino"),
    (["--engine", "onnxruntime", "--hint", "throughput"], "are OpenVINO's"),
    (["--num-images", "0"], "num_images=0"),
    (["--num-images", "2", "--bit-depth", "10"], "--bit-depth: is for the images of --yolo or --coco"),
    (["--bit-depth", "10"], "--bit-depth: is for the images of --yolo or --coco"),
])  # fmt: skip
def test_what_would_have_no_effect_is_refused(flags, said, capsys):
    assert main(["benchmark", "nowhere", *flags]) == 2
    assert said in capsys.readouterr().err


def test_labelled_images_are_known_before_anything_is_timed(float_artifact, monkeypatch):
    monkeypatch.setattr("exporter.artifact.benchmark.compare.compared", lambda cases, rounds: pytest.fail("timed"))
    with pytest.raises(RequestError, match="--yolo and --coco: give one of them"):
        told(float_artifact, more=["--yolo", "data.yaml", "--coco", "folder", "a.json"])


@pytest.mark.slow
def test_accuracy_is_measured_once_in_each_engine(float_artifact, monkeypatch):
    asked = []

    def evaluate(folder, manifest, images, progress, engine):
        asked.append((engine.label(folder / manifest.artifact.file).split()[0], images.num_images))
        if isinstance(engine, OpenVinoEngine):
            raise BuildError("OpenVINO died of it")
        return SimpleNamespace(artifact=SimpleNamespace(map=42.0))

    monkeypatch.setattr("exporter.artifact.evaluate.evaluate_artifact", evaluate)
    _, *rows = told(float_artifact, more=["--num-images", 3, "--threads", "1,2"])
    assert asked == [("onnxruntime", 3), ("openvino", 3)]
    assert all(", mAP 42.00" in row for row in rows[:2])
    assert all(row.endswith("not measured: OpenVINO died of it") for row in rows[2:]) and len(rows) == 4


def test_all_is_what_is_installed(monkeypatch, float_artifact):
    assert engine_names(["all", "own"]) == ["onnxruntime", "openvino", "own"]
    monkeypatch.setattr("exporter.artifact.benchmark.cases.installed", lambda: False)
    assert engine_names(["all"]) == ["onnxruntime"]
    with pytest.raises(RequestError, match="pip install exporter"):
        told(float_artifact, engines=["openvino"])


def test_a_precision_that_is_not_here_is_a_row_that_says_so(float_artifact, monkeypatch):
    known = {"version": "1", "device": "a CPU", "capabilities": ["FP32", "INT8"]}
    monkeypatch.setattr(openvino, "about", lambda: known)
    _, row = told(float_artifact, engines=["openvino"], precisions=["bf16"])
    assert "not measured: backend.precision=bf16: OpenVINO cannot compute in it" in row


def test_nothing_to_show_is_no_image(float_artifact, tmp_path):
    case = Case(float_artifact, read_manifest(float_artifact), OnnxRuntimeEngine(), 1, 1)
    assert not draw([Row(case, p50_ms=1.0)], "", tmp_path / "a.png") and not (tmp_path / "a.png").exists()


def test_the_command_line(float_artifact, capsys):
    assert main(["benchmark", str(float_artifact), "--threads", "1,2", "--rounds", "2", "--batch", "2"]) == 0
    out = capsys.readouterr().out
    assert "1 threads, batch 2: p50" in out and "2 threads, batch 2: p50" in out


def test_numbers_of_points_that_lie_together_do_too(float_artifact):
    (case,) = cases([float_artifact], ["own"], ["f32"], ["latency"], [1], None)
    rows = [Row(case, p50_ms=x, map=y) for x, y in ((50.0, 90.0), (10.0, 90.0), (51.0, 90.1), (50.0, 10.0))]
    assert sorted(text for _, text in labels(rows, (0.0, 100.0), (0.0, 100.0))) == ["1, 3", "2", "4"]


def test_the_first_is_the_measure_and_what_is_slower_is_said_loudly(int8_artifact, float_artifact, monkeypatch):
    found = cases([float_artifact, int8_artifact], ["own"], ["f32"], ["latency"], [1], None)
    for times, loud in ([10.0, 20.0], True), ([10.0, 5.0], False):
        monkeypatch.setattr(
            "exporter.artifact.benchmark.compare.interleaved", lambda runs, n, t=times: [[t[0]] * n, [t[1]] * n]
        )
        first, second = map(benchmark.line, compared(found, 2))
        assert str(float_artifact) in first and "of the first" not in first
        assert str(int8_artifact) in second and f"{times[1] / 10:.3f} of the first" in second
        assert second.endswith("!! SLOWER") == loud


def test_evaluate_prints_metrics(int8_artifact, tmp_path, capsys):
    assert main(["evaluate", str(int8_artifact), "--yolo", str(labelled(tmp_path))]) == 0
    assert "mAP" in capsys.readouterr().out
    assert main(["evaluate", str(int8_artifact), "--yolo", "nowhere.yaml"]) == 2
    assert main(["evaluate", str(int8_artifact), "--num-images", "0"]) == 2
