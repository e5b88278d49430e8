"""Whole builds: what a change costs, and what it must not."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import exporter
from exporter.artifact.manifest import read_manifest
from exporter.cli import main
from exporter.common.files import file_digest
from tests.model.graphs import saved_detector

OVERRIDES = [
    "quantization=int8", "calibration.num_images=2", "proof.num_images=1", "proof.mean_score_error=1", "proof.mean_box_error=1000",
]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a store in which one INT8 build is, and that build."""
    folder = tmp_path_factory.mktemp("builds")
    overrides = [*saved_detector(folder), *OVERRIDES, "calibration=demo", f"store.path={folder / 'store'}"]
    exporter.build(overrides=[*overrides, f"output_dir={folder / 'first'}"])
    return folder, overrides


def batches():
    """A loader of a user's own."""
    return [np.random.default_rng(0).integers(0, 256, (2, 3, 64, 96), dtype=np.uint8)]


def states(folder):
    return {stage.name: stage.state for stage in read_manifest(folder).run.stages}


def ran(folder):
    return [name for name, state in states(folder).items() if state == "built"]


def test_a_build_from_nothing_runs_every_stage(place):
    assert set(states(place[0] / "first").values()) == {"built"}


def test_the_same_build_again_runs_nothing_and_imports_no_torch(place):
    folder, overrides = place
    program = (
        "import sys, exporter; exporter.build(overrides=sys.argv[1:]);"
        " assert not {'torch', 'onnxruntime'} & sys.modules.keys()"
    )
    again = [*overrides, f"output_dir={folder / 'again'}"]
    subprocess.run([sys.executable, "-c", program, *again], check=True)
    assert ran(folder / "again") == []
    for name in ("model.onnx", "preview.png", "report.html"):
        assert file_digest(folder / "again" / name) == file_digest(folder / "first" / name)


@pytest.mark.parametrize(
    "override",
    [
        "postprocessing.nms.confidence_threshold=0.4",
        pytest.param("postprocessing/format=flat", marks=pytest.mark.slow),
        pytest.param("input.channels=bgr", marks=pytest.mark.slow),
    ],
)
def test_what_is_behind_the_core_leaves_it_alone(place, override):
    folder, overrides = place
    exporter.build(overrides=[*overrides, override, f"output_dir={folder / 'other'}"])
    assert ran(folder / "other") == ["attach", "prove", "look", "draw"]
    exporter.build(overrides=[*overrides, override, f"output_dir={folder / 'alone'}", "store.path=none"])
    assert file_digest(folder / "other" / "model.onnx") == file_digest(folder / "alone" / "model.onnx")


def test_the_same_weights_under_another_name_are_called_by_that_name(place):
    folder, overrides = place
    shutil.copy(folder / "core0.onnx", folder / "renamed.onnx")
    renamed = [*overrides, f"model.weights={folder / 'renamed.onnx'}", f"output_dir={folder / 'renamed'}"]
    manifest = exporter.build(overrides=renamed)
    assert manifest.model.weights.file == "renamed.onnx"
    assert file_digest(folder / "renamed" / "model.onnx") == file_digest(folder / "first" / "model.onnx")


@pytest.mark.slow
def test_methods_share_what_was_seen_of_the_images(place, monkeypatch):
    folder, overrides = place
    from exporter.quantization import statistics

    collect, calls = statistics.collect, []
    monkeypatch.setattr(statistics, "collect", lambda *given: calls.append(given[3]) or collect(*given))
    for method in ("percentile", "mse", "entropy"):
        exporter.build(overrides=[*overrides, f"calibration.method={method}", f"output_dir={folder / method}"])
        alone = [*overrides, f"calibration.method={method}", f"output_dir={folder / 'alone'}", "store.path=none"]
        if method == "mse":
            shared = len(calls)
            exporter.build(overrides=alone)
            assert file_digest(folder / "mse" / "model.onnx") == file_digest(folder / "alone" / "model.onnx")
            del calls[shared:]
    assert calls == [True]


def test_a_plan_says_what_will_run_and_does_nothing(place, capsys):
    folder, overrides = place
    said = [*overrides, f"output_dir={folder / 'planned'}"]
    assert main(["plan", *said, "postprocessing.nms.nms_threshold=0.33"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(re.match(r"  attach +will run, about [\d.]+ s$", line) for line in lines)
    assert any(re.match(r"  trace +in the store$", line) for line in lines)
    assert main(["plan", *said]) == 0
    assert "0 of 9 stages will run: about 0.0 s" in capsys.readouterr().out
    sweep = [override for override in said if not override.startswith("output_dir")]
    assert main(["plan", "-m", *sweep, "calibration.num_images=3", "postprocessing.nms.nms_threshold=0.3,0.4"]) == 0
    assert re.search(r"  quantize +made above", capsys.readouterr().out)
    assert not (folder / "planned").exists()


def test_an_artifact_explains_itself(place, capsys):
    folder, overrides = place
    exporter.build(overrides=[*overrides, "postprocessing.nms.nms_threshold=0.55", f"output_dir={folder / 'why'}"])
    assert main(["explain", str(folder / "why")]) == 0
    assert re.search(r"nms\.nms_threshold: [\d.]+ → 0\.55", capsys.readouterr().out)


def test_the_store_is_listed_and_cleared(place, tmp_path, capsys):
    folder, _ = place
    assert main(["store", "ls", "--path", str(folder / "store")]) == 0
    assert re.search(r"trace +onnx", capsys.readouterr().out)
    assert main(["store", "gc", "--path", str(folder / "store"), "--max-size", "1 TB"]) == 0
    assert "0 results removed" in capsys.readouterr().out
    assert main(["store", "clear", "--path", str(tmp_path / "nowhere")]) == 0
    assert main(["store", "ls", "--path", "none"]) == 2
    assert main(["store", "gc", "--max-size", "many"]) == 2
    assert "store.max_size" in capsys.readouterr().err


@pytest.mark.slow
def test_code_of_ones_own_is_built_again_unless_it_has_a_digest(tmp_path):
    overrides = [*saved_detector(tmp_path), *OVERRIDES, "calibration=custom", f"calibration._target_={__name__}.batches", "trust=tests",
             f"store.path={tmp_path / 'store'}"]  # fmt: skip
    for digest, expected in ((None, True), ("one", True), ("one", False)):
        said = [f"calibration.digest={digest}"] if digest else []
        exporter.build(overrides=[*overrides, *said, f"output_dir={tmp_path / 'out'}"])
        assert ("quantize" in ran(tmp_path / "out")) == expected


def test_the_manifest_of_a_reused_build_is_of_now(place):
    folder, overrides = place
    exporter.build(overrides=[*overrides, f"output_dir={folder / 'now'}"])
    run = json.loads((folder / "now" / "manifest.json").read_text())["run"]
    assert run["output_dir"].endswith("/now") and run["seconds"] < read_manifest(folder / "first").run.seconds
