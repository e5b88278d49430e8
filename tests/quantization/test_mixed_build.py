"""Mixed precision through a whole build, and on the demo network with a planted fault."""

from functools import partial

import onnx
import pytest

import exporter
from exporter.artifact.manifest import read_manifest
from exporter.artifact.publish import ARTIFACT
from exporter.artifact.verify import verify
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.demo.scenes import CLASS_NAMES, scene
from exporter.evaluation.examples import GroundTruth
from exporter.pipeline.stages.trace import core_graph
from exporter.postprocessing.nms.onnx import OnnxNms
from exporter.quantization.int8 import Int8
from exporter.quantization.mixed import Mixed
from exporter.quantization.reference_evaluator import reference_evaluator
from exporter.quantization.task import Task
from tests.quantization.outliers import DEPTH, as_a_set, contract_core, plant
from tests.report.page.test_page import check_self_contained


@pytest.fixture(scope="module", params=["boxes in their order", pytest.param("a set", marks=pytest.mark.slow)])
def built(request, tmp_path_factory):
    """A small core with a fault between two layers, as somebody would give it; as a DETR would give its boxes, too."""
    place, a_set = tmp_path_factory.mktemp("mixed"), request.param == "a set"
    core = plant(contract_core(64), "layer2.conv/Conv", "layer3.conv/Conv")
    onnx.save(as_a_set(core) if a_set else core, place / "core.onnx")
    overrides = ["model=onnx", f"model.weights={place / 'core.onnx'}", "preprocessing=yolo_nas", "quantization=mixed",
             "quantization.max_drop=5", "quantization.num_ranking_images=2", "calibration=demo", "input.size=64",
             "calibration.num_images=4", "proof.num_images=1", "proof.mean_score_error=1", "proof.mean_box_error=1000",
             f"model.head.suppressed={a_set}", f"output_dir={place / 'out'}"]  # fmt: skip
    exporter.build(None, overrides)
    return place / "out"


def test_everything_is_published(built):
    names = {entry.name + "/" * entry.is_dir() for entry in built.iterdir()}
    assert {"sensitivity.png", "tradeoff.png"} < names <= set(ARTIFACT)
    manifest = read_manifest(built)
    summary = manifest.quantization
    assert set(summary.left_for_accuracy) == {"layer2.conv/Conv", "layer3.conv/Conv"}
    assert summary.drop <= 5 < summary.tried[0].drop
    assert {each.in_int8 for each in manifest.run.tradeoff} >= {DEPTH, DEPTH - 2}
    parsed = check_self_contained((built / "report.html").read_text(encoding="utf-8"))
    assert {"What INT8 costs and gains", "Sensitivity"} <= set(parsed.words)
    list(verify(built))


@pytest.mark.slow
def test_the_demo_with_a_planted_outlier_is_mended_on_synthetic_images_that_nobody_chose_by():
    size, nms = 192, OnnxNms().resolved(0.25, 0.7)
    recipe = check(compose(["+recipe=yolo_nas_s_mixed", f"input.size={size}", "calibration.num_images=12"]))
    loaded = recipe.model.load()
    block = "neck.neck2.blocks.bottlenecks.1"
    core = plant(
        core_graph(loaded.network, recipe.export, recipe.input),
        f"{block}.cv1.rbr_reparam/Conv",
        f"{block}.cv2.rbr_reparam/Conv",
    )
    geometry, normalization = recipe.preprocessing.geometry(size, size), recipe.preprocessing.normalization
    images = recipe.calibration.images(geometry, normalization)
    ground_truths = partial(recipe.calibration.ground_truths, CLASS_NAMES, geometry)
    task = Task(core, images=images, ground_truths=ground_truths, nms=nms, input_range=(0.0, 1.0))
    mixed = Mixed(max_drop=0.5, num_ranking_images=1).quantize(task)
    assert mixed.summary.labels == "the pictures' own"
    assert len(mixed.summary.left_for_accuracy) <= 4
    assert {f"{block}.cv1.rbr_reparam/Conv", f"{block}.cv2.rbr_reparam/Conv"} == {
        each.layer for each in mixed.summary.ranking[:2]
    }
    held = reference_evaluator(_on_other_images(task, geometry, normalization, size), 40)
    plain = Int8().quantize(task).model
    assert held.map - held.mean_precision(plain) > 40
    assert held.map - held.mean_precision(mixed.model) < 1


def _on_other_images(task, geometry, normalization, size):
    """The task with 40 synthetic images of the evaluation's."""
    synthetic = [scene("evaluation", i, size, size) for i in range(40)]
    at = geometry.transform(size, size)
    images = [normalization.apply(geometry.apply(s.image).transpose(2, 0, 1)[None]) for s in synthetic]
    ground_truths = [GroundTruth.of(geometry.to_input(s.boxes, at), s.classes) for s in synthetic]
    return Task(task.core, images=images, ground_truths=lambda: iter(ground_truths), nms=task.nms)
