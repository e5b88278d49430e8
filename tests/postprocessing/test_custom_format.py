"""`postprocessing/format=custom`: detections in a user's own format."""

from dataclasses import replace
from functools import partial

import numpy as np
import onnx
import pytest

from exporter.artifact.detector import detector_of
from exporter.artifact.manifest import read_manifest
from exporter.artifact.verify import verify
from exporter.cli import main
from exporter.common.errors import BuildError, RequestError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.deploy.snippet.write import snippet
from exporter.graph import facts
from exporter.pipeline.stages.trace import core_graph
from exporter.postprocessing.format.batch import BatchFormat
from exporter.postprocessing.format.custom import CustomFormat
from exporter.proof.prove import torch_outputs
from exporter.runtime.onnx_runtime import session
from tests.making import attach, finished, prove
from tests.model.graphs import detector

OWN = "tests.preprocessing.user_code"
SIZE = ["input.height=64", "input.width=96", "preprocessing=yolo_nas", "postprocessing.nms.confidence_threshold=0.4"]


@pytest.fixture(scope="module")
def core_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("core") / "core.onnx"
    onnx.save(detector(), path)
    return path


def overrides_of(core_file, name: str, *overrides: str) -> list[str]:
    code = ["postprocessing/format=custom", f"postprocessing.format._target_={OWN}.{name}", "trust=tests"]
    return ["model=onnx", f"model.weights={core_file}", *SIZE, *code, "proof.num_images=1", *overrides]


def node(name: str, **arguments) -> CustomFormat:
    return CustomFormat(target=f"{OWN}.{name}", arguments=arguments)


def corners(batch: dict[str, np.ndarray], width: int = 96) -> np.ndarray:
    """The table of `own.Corners`, in numpy."""
    boxes, scores, classes = (batch[f"pred_{name}"] for name in ("boxes", "scores", "classes"))
    size = boxes[..., 2:] - boxes[..., :2]
    table = np.concatenate([boxes[..., :2] + size / 2, size], axis=2) / width
    return np.concatenate([table, scores[..., None], classes[..., None].astype(np.float32)], axis=2)


def test_the_artifact_gives_what_the_code_makes_of_the_detections(core_file, tmp_path, capsys):
    assert main([*overrides_of(core_file, "Corners", "input.batch=dynamic"), f"output_dir={tmp_path / 'out'}"]) == 0
    manifest = read_manifest(tmp_path / "out")
    assert [(o.name, o.dtype, o.shape) for o in manifest.outputs] == [
        ("count", "int64", ["batch"]), ("table", "float32", ["batch", 300, 6])]  # fmt: skip
    assert {output.meaning for output in manifest.outputs} == {"the recipe's own format"}
    assert manifest.postprocessing.format == "custom"
    assert manifest.proof.format.outputs == ["count", "table"]
    assert manifest.proof.format.wrong == []
    assert manifest.proof.postprocessing.rows > 0
    assert len(list(verify(tmp_path / "out"))) == 5

    recipe = check(compose(overrides_of(core_file, "Corners", "input.batch=dynamic")))
    plain = attach(
        core_graph(recipe.model.load().network, recipe.export, recipe.input), replace(recipe, format=BatchFormat())
    )
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 64, 96), dtype=np.uint8)
    names = [output.name for output in plain.graph.output]
    batch = dict(zip(names, session(plain.SerializeToString()).run(None, {"images": images}), strict=True))
    count, table = session(tmp_path / "out" / "model.onnx").run(None, {"images": images})
    assert count.sum() > 0 and np.array_equal(count, batch["num_predictions"][:, 0])
    assert np.allclose(table, corners(batch), atol=1e-5)

    with pytest.raises(RequestError, match=r"its outputs \(count, table\) are in a format of its recipe's own"):
        detector_of(tmp_path / "out", manifest)
    compile(snippet(tmp_path / "out", "python"), "snippet", "exec")


def test_an_onnxscript_function(core_file):
    recipe = check(compose(overrides_of(core_file, "areas")))
    model = attach(core_graph(recipe.model.load().network, recipe.export, recipe.input), recipe)
    onnx.checker.check_model(model, full_check=True)
    assert [facts.tensor(o)["shape"] for o in model.graph.output] == [[1, 1], [1, 300]]


def test_the_proof_runs_the_code_by_itself(core_file):
    recipe = check(compose(overrides_of(core_file, "Corners")))
    loaded = recipe.model.load()
    core = core_graph(loaded.network, recipe.export, recipe.input)
    other = replace(recipe, format=node("Pixels"))
    with pytest.raises(BuildError, match="table: not what the recipe's own format gives by itself"):
        prove(finished(core, loaded, other), loaded, recipe, partial(torch_outputs, loaded))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Clashing", "gives boxes, which the network calls its own tensors"),
        ("normalise", "takes 1 tensors: let it take num_predictions, pred_boxes, pred_scores, pred_classes"),
        ("Unchanged", r"fails on int64 \[1, 1\], float32 \[1, 300, 4\].*TypeError"),
    ],
)
def test_code_that_cannot_be_a_format_is_refused(core_file, name, said):
    recipe = check(compose(overrides_of(core_file, "Corners")))
    core = core_graph(recipe.model.load().network, recipe.export, recipe.input)
    with pytest.raises(RequestError, match=rf"postprocessing\.format\._target_={OWN}\.{name}: {said}"):
        attach(core, replace(recipe, format=node(name)))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["trust=[]"], "trust=tests"),
        (["evaluation=demo"], "evaluation=demo: cannot read detections in a format of your own"),
    ],
)
def test_what_does_not_go_with_it_is_refused(core_file, overrides, said):
    with pytest.raises(RequestError, match=said):
        check(compose(overrides_of(core_file, "Corners", *overrides)))
