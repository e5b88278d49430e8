"""`exporter snippet`: the program is run, and finds what `exporter predict` finds."""

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest

import exporter
from exporter.artifact.detector import detector_of
from exporter.artifact.manifest import read_manifest
from exporter.cli import main
from exporter.common.errors import RequestError
from exporter.common.paths import recipe_files
from exporter.demo.scenes import scene
from exporter.deploy.snippet import python_boxes, write
from exporter.deploy.snippet.facts import facts
from exporter.deploy.snippet.write import snippet
from exporter.postprocessing import reference
from exporter.postprocessing.parameters import NmsParameters
from tests.deploy.manifests import OUTSIDE
from tests.model.graphs import detector

pytestmark = pytest.mark.usefixtures("one_store")

IMAGES = [scene("evaluation", i, *size).image for i, size in enumerate([(70, 100), (200, 90), (64, 96), (33, 300)])]
NAMES = ["cat", "dog", 'it\'s "x"', "\\", 'end\n"""\'']  # some of them made to break out of a literal
HEADERS = Path(os.environ.get("ONNXRUNTIME_INCLUDE", "/usr/include/onnxruntime"))
LIBRARY = next(Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*"), None)


def module(folder: Path, name: str = "snippet"):
    """The program for the artifact in the folder, imported."""
    path = folder.parent / f"{folder.name}.py"
    path.write_text(snippet(folder, "python"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def agree(folder: Path, images=IMAGES) -> int:
    """Holds what the program finds against what `predict` does; how many detections there were."""
    manifest = read_manifest(folder)
    wanted = list(detector_of(folder, manifest)(images))
    found = module(folder).detect(images)
    assert len(found) == len(images)
    for want, rows in zip(wanted, found, strict=True):
        assert [name for name, _, _ in rows] == [manifest.model.class_names[c] for c in want.classes]
        assert [score for _, score, _ in rows] == want.scores.tolist()
        assert np.allclose(np.reshape([box for *_, box in rows], (-1, 4)), want.boxes, atol=1e-3)
    return sum(len(want.scores) for want in wanted)


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """A function that gives the folder of an artifact of a tiny graph, built with these words."""
    place = tmp_path_factory.mktemp("snippets")
    onnx.save(detector(), place / "core.onnx")

    def build(name: str, *overrides: str) -> Path:
        given = ["model=onnx", f"model.weights={place / 'core.onnx'}", "input.height=64", "input.width=96"]
        none_inside = {"postprocessing/nms=none", *(f"postprocessing/format={name}" for name in python_boxes.BOXES)}
        given += ["postprocessing.nms.confidence_threshold=0.4"] if none_inside.isdisjoint(overrides) else []
        exporter.build(None, [*given, *overrides, "proof.num_images=1", f"output_dir={place / name}"])
        return place / name

    return build


def test_the_int8_recipe(int8_artifact):
    assert agree(int8_artifact) > 0


def test_a_free_batch(float_artifact):
    assert agree(float_artifact) > 0


VARIANTS = {
    "fixed batch, bgr, flat": ["preprocessing=yolo_nas", "input.batch=3", "input.channels=bgr", "postprocessing/format=flat"],
    "last, half, stretched": ["preprocessing=ppyoloe", "input.layout=nhwc", "input.dtype=float16"],
    "frames, flat": ["preprocessing=letterbox", "preprocessing.like=yolo_nas", "postprocessing/format=flat"],
    "frames, bgr": ["preprocessing=letterbox", "preprocessing.like=ppyoloe", "input.channels=bgr"],
}  # fmt: skip


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if i else n for i, n in enumerate(VARIANTS)])
def test_layouts_formats_and_geometries(build, name):
    assert agree(build(name, *VARIANTS[name])) > 0


ALL_BOXES = {
    "yolo": ["postprocessing/format=yolo", "input.batch=3"],
    "split": ["postprocessing/format=split", "input.channels=bgr"],
    "deepstream": ["postprocessing/format=deepstream", "input.batch=dynamic"],
    "deepstream, NMS inside": ["postprocessing/format=deepstream", "postprocessing/nms=onnx"],
}


@pytest.mark.parametrize("name", ALL_BOXES)
def test_formats_that_other_programs_read(build, name):
    assert agree(build(name, "preprocessing=yolo_nas", *ALL_BOXES[name])) > 0


@pytest.mark.parametrize("change", [
    {}, {"class_agnostic": True}, {"multi_label": False}, {"max_candidates_per_image": 7}, {"max_predictions_per_image": 3},
    {"num_pre_nms_predictions": 10},
], ids=str)  # fmt: skip
def test_the_programs_nms_is_the_contracts(int8_artifact, change):
    outside = NmsParameters(**OUTSIDE | {"multi_label": True} | change)
    known = replace(facts(read_manifest(int8_artifact), "m"), format="split", outside=outside)
    program: dict = {"np": np}
    exec(python_boxes.rows(known), program)
    rng = np.random.default_rng(0)
    for _ in range(20):
        corner = rng.integers(0, 40, (60, 2))
        boxes = np.concatenate([corner, corner + rng.integers(0, 40, (60, 2))], axis=1).astype(np.float32)
        scores = (rng.integers(0, 20, (60, 3)) / 20).astype(np.float32)  # many that tie
        boxes[0, 0], scores[1, 0] = np.nan, np.inf
        want = reference.detections(boxes, scores, outside)
        got = program["rows"]({"boxes": boxes[None], "scores": scores[None]}, 0)
        assert np.array_equal(np.concatenate([got[0], got[1][:, None], got[2][:, None]], axis=1), want)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["yolo_nas_s", "ppyoloe_s"])
def test_normalisation_outside(tmp_path, name):
    overrides = [
        "model.weights=random",
        "input.size=64",
        "proof.num_scenes=0",
        "proof.num_images=1",
        "preprocessing=none",
    ]
    exporter.build(name, [*overrides, "postprocessing.nms.confidence_threshold=0.02", f"output_dir={tmp_path / name}"])
    assert agree(tmp_path / name) > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(recipe_files()))
def test_every_shipped_recipe(tmp_path, name):
    text = recipe_files()[name][0].read_text()
    mixed = "/quantization: mixed" in text  # looks for what it costs on objects, which random weights do not find
    overrides = [f"model.weights={'demo' if mixed else 'random'}", "proof.num_scenes=0", "proof.num_images=1"]
    overrides += ["postprocessing.nms.confidence_threshold=0.02", f"output_dir={tmp_path / name}"]
    overrides += ["proof.mean_score_error=1", "proof.mean_box_error=1000"]
    overrides += [f"input.size={160 if mixed else 64}"] if "dynamic" not in text else []
    if mixed or "/quantization: int8" in text:
        overrides += ["calibration=demo", f"calibration.num_images={8 if mixed else 2}"]
    exporter.build(name, overrides)
    assert agree(tmp_path / name) > 0


def test_without_nms_and_without_knowing_how_an_image_goes_in(build):
    folder = build("plain", "postprocessing/nms=none", "input.batch=dynamic")
    array = np.random.default_rng(0).random((3, 64, 96), dtype=np.float32)
    program = module(folder)
    (found,) = program.detect([array])
    boxes, scores = onnxruntime.InferenceSession(folder / "model.onnx").run(None, {"images": array[None]})
    assert len(found) == len(boxes[0])
    assert [score for _, score, _ in found] == sorted(scores[0].max(axis=1).tolist(), reverse=True)
    best = scores[0].max(axis=1).argmax()
    assert found[0] == (NAMES_OF_ONNX[scores[0, best].argmax()], scores[0, best].max(), boxes[0, best].tolist())
    np.save(folder / "x.npy", array)
    assert program.read(str(folder / "x.npy")).shape == (3, 64, 96)


NAMES_OF_ONNX = [f"class_{i}" for i in range(5)]


def test_the_resize_is_opencvs_to_the_byte(int8_artifact):
    resize, rng = module(int8_artifact).resize, np.random.default_rng(0)
    for _ in range(200):
        height, width, new_height, new_width = rng.integers(1, 90, 4)
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        wanted = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
        assert np.array_equal(resize(image, new_height, new_width), wanted)


def write_ppm(path: Path, image: np.ndarray) -> None:
    path.write_bytes(b"P6\n# a comment\n%d %d\n255\n" % image.shape[1::-1] + image.tobytes())


def test_it_runs_from_a_shell(int8_artifact, tmp_path, capsys):
    assert main(["snippet", str(int8_artifact)]) == 0
    (tmp_path / "detect.py").write_text(capsys.readouterr().out, encoding="utf-8")
    write_ppm(tmp_path / "a.ppm", IMAGES[0])
    np.save(tmp_path / "a.npy", IMAGES[0])
    # Nothing but these two packages and the standard library.
    modules = {alias.name for node in ast.walk(ast.parse((tmp_path / "detect.py").read_text()))
               if isinstance(node, ast.Import) for alias in node.names}  # fmt: skip
    assert modules == {"re", "sys", "numpy", "onnxruntime"}
    command = [sys.executable, str(tmp_path / "detect.py"), "a.ppm", "a.npy"]
    lines = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.split("\n")
    half = len(lines) // 2
    assert lines[0] == "a.ppm" and lines[half] == "a.npy"
    assert lines[1:half] == lines[half + 1 : -1] and half > 1


@pytest.mark.parametrize("language", ["python", "cpp", "triton"])
def test_names_cannot_become_code(int8_artifact, language, monkeypatch):
    manifest = read_manifest(int8_artifact)
    hostile = [*NAMES, '"); system("rm -rf /"); ("', "??/", "日本"]
    model = manifest.model.model_copy(update={"class_names": hostile})
    known = facts(manifest.model_copy(update={"model": model}), Path("odd\"name'\n") / "model.onnx")
    text = write.PROGRAMS[language](known)
    if language != "cpp":
        values = {target.id: ast.literal_eval(node.value) for node in ast.parse(text).body
                  if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Name) and target.id in ("NAMES", "MODEL")}  # fmt: skip
        assert values == {"NAMES": hostile, "MODEL": str(known.model)}
    else:
        (line,) = [line for line in text.split("\n") if " NAMES = " in line]
        literals = line.split("{", 1)[1].rstrip("};")
        # Octal escapes mean the same in Python's literals of bytes.
        assert [
            value.decode()
            for value in ast.literal_eval("[" + literals.replace('"', 'b"', 1).replace(', "', ', b"') + "]")
        ] == hostile


def test_what_onnx_runtime_cannot_run_is_refused(int8_artifact, monkeypatch):
    manifest = read_manifest(int8_artifact)
    artifact = manifest.artifact.model_copy(update={"operators": {"trt.plugins::EfficientNMS_TRT": 1}})
    monkeypatch.setattr(write, "read_manifest", lambda _: manifest.model_copy(update={"artifact": artifact}))
    with pytest.raises(RequestError, match=r"trt\.plugins::EfficientNMS_TRT, which ONNX Runtime cannot run by itself"):
        snippet(int8_artifact, "python")


def compiled(folder: Path, headers: Path) -> Path:
    """The program in C++ for the artifact in the folder, against the library in the wheel of onnxruntime."""
    libraries = folder.parent / "lib"
    libraries.mkdir(exist_ok=True)
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (libraries / name).unlink(missing_ok=True)
        (libraries / name).symlink_to(LIBRARY)
    source, program = folder.parent / f"{folder.name}.cpp", folder.parent / f"{folder.name}.out"
    source.write_text(snippet(folder, "cpp"), encoding="utf-8")
    command = ["g++", "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", source, "-o", program]
    command += ["-I", headers, "-L", libraries, "-lonnxruntime", f"-Wl,-rpath,{libraries}"]
    subprocess.run(command, check=True)
    return program


@pytest.mark.slow
@pytest.mark.parametrize("overrides", [*VARIANTS.values(), ["postprocessing/nms=none", "preprocessing=yolo_nas"]])
def test_the_program_in_cpp_prints_what_the_one_in_python_does(build, tmp_path, overrides):
    if not (shutil.which("g++") and LIBRARY and (HEADERS / "onnxruntime_cxx_api.h").is_file()):
        pytest.skip(f"needs g++ and the headers of the ONNX Runtime C++ API, in {HEADERS} or $ONNXRUNTIME_INCLUDE")
    folder = build("cpp", *overrides)
    program = compiled(folder, HEADERS)
    (tmp_path / "detect.py").write_text(snippet(folder, "python"), encoding="utf-8")
    for i, image in enumerate(IMAGES):
        write_ppm(tmp_path / f"{i}.ppm", image)
        own, other = (
            subprocess.run([*command, f"{i}.ppm"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
            for command in ([str(program)], [sys.executable, "detect.py"])
        )
        assert own == other


def test_cpp_is_generated_for_every_kind(int8_artifact, float_artifact):
    for folder in (int8_artifact, float_artifact):
        text = snippet(folder, "cpp")
        assert text.count("{") == text.count("}") and "onnxruntime_cxx_api.h" in text
