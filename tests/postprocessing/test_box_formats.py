"""Formats of all boxes, and clipping: what consumers make of them, and what the proof sees."""

import ast
from dataclasses import replace
from functools import partial

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from exporter.artifact.manifest import read_manifest
from exporter.artifact.verify import verify
from exporter.cli import main
from exporter.common.errors import BuildError, RequestError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.pipeline.stages.trace import core_graph
from exporter.postprocessing import reference
from exporter.postprocessing.clip import attach_clip
from exporter.postprocessing.format.deepstream import DeepStreamFormat
from exporter.postprocessing.format.finished import format_of
from exporter.postprocessing.format.split import SplitFormat
from exporter.postprocessing.format.yolo import YoloFormat
from exporter.postprocessing.nms.none import NoNms
from exporter.postprocessing.parameters import NmsParameters
from exporter.proof.prove import torch_outputs
from exporter.runtime.onnx_runtime import session
from tests.deploy.consumers import deepstream, frigate_yolo_generic, ultralytics
from tests.making import finished, prove
from tests.model.graphs import detector
from tests.postprocessing.test_nodes import NMS, core

SIDE, N, C = 640, 8400, 80
ARGMAX = NmsParameters(0.25, 0.7, None, None, N, class_agnostic=False, multi_label=False)
SIZE = ["input.height=64", "input.width=96", "preprocessing=yolo_nas", "proof.num_images=1"]


def network_says(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [N, 4] in clusters, some beyond the edges, and scores [N, C], few of which are high."""
    rng = np.random.default_rng(seed)
    objects = rng.integers(0, 40, N)
    centre = rng.uniform(0, SIDE, (40, 2))[objects] + rng.normal(0, 4, (N, 2))
    half = rng.uniform(10, 120, (40, 2))[objects] * rng.uniform(0.9, 1.1, (N, 2))
    scores = rng.uniform(0, 0.2, (N, C))
    seen = rng.random(N) < 0.03
    scores[seen, objects[seen]] = rng.uniform(0.2, 1, seen.sum())
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32), scores.astype(np.float32)


def given(format, boxes: np.ndarray, scores: np.ndarray) -> dict[str, np.ndarray]:
    """What leaves a graph whose network says this."""
    model = format.attach(NoNms().attach(core(False, 1, len(boxes), scores.shape[1])))
    onnx.checker.check_model(model, full_check=True)
    names = [output.name for output in model.graph.output]
    feeds = {"in_boxes": boxes[None], "in_scores": scores[None]}
    return dict(zip(names, session(model.SerializeToString()).run(None, feeds), strict=True))


def same(got: np.ndarray, want: np.ndarray) -> bool:
    return len(got) == len(want) > 0 and np.allclose(got, want, atol=2e-3) and np.array_equal(got[:, 5], want[:, 5])


def test_a_reader_of_ultralytics_exports_finds_the_detections():
    boxes, scores = network_says()
    output0 = given(YoloFormat(), boxes, scores)["output0"]
    assert output0.shape == (1, 4 + C, N) and output0.dtype == np.float32
    assert same(ultralytics(output0[0], 0.25, 0.7), reference.detections(boxes, scores, ARGMAX))


def test_frigates_yolo_generic_finds_what_its_own_rules_leave():
    boxes, scores = network_says()
    rules = NmsParameters(0.4, 0.4, None, None, 20, class_agnostic=True, multi_label=False)
    assert same(
        frigate_yolo_generic([given(YoloFormat(), boxes, scores)["output0"]]),
        reference.detections(boxes, scores, rules),
    )


def test_deepstream_suppresses_all_boxes_as_the_contract_does():
    boxes, scores = network_says()
    boxes = boxes.clip(1, SIDE - 1)  # it clamps before it suppresses: inside the input both are the same
    table = given(DeepStreamFormat(), boxes, scores)["output"]
    assert table.shape == (1, N, 6) and table.dtype == np.float32
    found = deepstream(table[0], SIDE, SIDE, np.full(C, 0.25), 2, 0.7)
    assert same(found, reference.detections(boxes, scores, ARGMAX))


def test_deepstream_takes_detections_and_reads_no_class_out_of_bounds():
    boxes, scores = network_says()
    model = DeepStreamFormat().attach(NMS.attach(core(False, 1, N, C)))
    (table,) = session(model.SerializeToString()).run(None, {"in_boxes": boxes[None], "in_scores": scores[None]})
    want = reference.detections(boxes, scores, NMS.parameters)
    assert table.shape == (1, 300, 6) and len(want) < 300
    found = deepstream(table[0], SIDE, SIDE, np.full(C, 0.25), 4, 0.7)
    assert np.array_equal(found[:, 4:], want[:, 4:])
    assert np.allclose(found[:, :4], want[:, :4].clip(0, SIDE), atol=1e-3)
    assert not table[0, len(want) :].any()


@pytest.mark.parametrize("last", [3e12, -1, 0.5, np.nan])
def test_a_class_that_is_none_is_refused_before_there_is_a_table_of_all(last):
    table = np.zeros((1, N, 6), np.float32)
    table[0, -1, 5] = last
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="a class is no index"):
        DeepStreamFormat().read_boxes({"output": table}, 1)


def test_rows_for_deepstream_are_read_as_they_are_meant():
    boxes, scores = network_says()
    table = given(DeepStreamFormat(), boxes, scores)["output"]
    (found,) = DeepStreamFormat().read_boxes({"output": np.concatenate([table, table])}, 1)  # filled up to a batch of 2
    best = scores * (np.arange(C) == scores.argmax(axis=1)[:, None])
    assert np.array_equal(found.boxes, boxes)
    assert np.array_equal(found.scores, best[:, : found.scores.shape[1]]) and not best[:, found.scores.shape[1] :].any()

    rows = np.zeros((2, 4, 6), np.float32)
    rows[0, :2] = [[1, 2, 3, 4, 0.9, 7], [5, 6, 7, 8, 0.3, 0]]
    (found,) = DeepStreamFormat().read({"output": rows}, 1)
    assert np.array_equal(found.boxes, rows[0, :2, :4]) and np.array_equal(found.scores, rows[0, :2, 4])
    assert found.classes.tolist() == [7, 0]
    for place in ([0, 3, 0], [0, 2, 4]):  # a box of no score; a row behind one that is not used
        broken = rows.copy()
        broken[tuple(place)] = 0.5
        broken[0, 1, 4] = 0
        with pytest.raises(ValueError, match="not the last ones, or not 0"):
            DeepStreamFormat().read({"output": broken}, 1)


def test_split_gives_the_two_tensors_under_names_that_the_network_uses_itself():
    boxes, scores = network_says()
    found = given(SplitFormat(), boxes, scores)
    assert list(found) == ["boxes", "scores"]
    assert np.array_equal(found["boxes"][0], boxes) and np.array_equal(found["scores"][0], scores)


@pytest.mark.parametrize("free", [False, True], ids=["fixed", "free"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_boxes_are_clipped_to_each_side_of_the_input(free: bool, layout: str):
    height, width = 64, 96
    boxes = np.array([[[-5, -7, 300, 200], [10, 20, 30, 40], [-9, 3, -2, 8], [97, 65, 99, 99]]], np.float32)
    dims = {"nchw": [1, 3, height, width], "nhwc": [1, height, width, 3]}[layout]
    stated = [side if not free or side in (1, 3) else f"side{axis}" for axis, side in enumerate(dims)]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["given"], ["kept_boxes"])], "kept",
        [helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, stated)],
        [helper.make_tensor_value_info("kept_boxes", onnx.TensorProto.FLOAT, [1, 4, 4])],
        [numpy_helper.from_array(boxes, "given")],
    )  # fmt: skip
    model = attach_clip(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), layout)
    (found,) = session(model.SerializeToString()).run(None, {"images": np.zeros(dims, np.float32)})
    assert found.tolist() == [[[0, 0, 96, 64], [10, 20, 30, 40], [0, 3, 0, 8], [96, 64, 96, 64]]]


@pytest.fixture(scope="module")
def core_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("core") / "core.onnx"
    onnx.save(detector(), path)
    return path


def overrides_of(core_file, *overrides: str) -> list[str]:
    return ["model=onnx", f"model.weights={core_file}", *SIZE, *overrides]


@pytest.mark.parametrize("format", ["yolo", "split", "deepstream"])
@pytest.mark.parametrize("clip", ["false", "true"])
def test_the_proof_sees_a_box_and_a_score_that_are_not_the_networks(core_file, format, clip):
    recipe = check(compose(overrides_of(core_file, f"postprocessing/format={format}", f"postprocessing.clip={clip}")))
    loaded = recipe.model.load()
    artifact = finished(core_graph(loaded.network, recipe.export, recipe.input), loaded, recipe)
    outputs = partial(torch_outputs, loaded)
    prove(artifact, loaded, recipe, outputs)
    for spoil in (boxes_moved, scores_halved):
        with pytest.raises(BuildError, match="not what the network's own tensors decode to"):
            prove(spoil(artifact, recipe.request.format), loaded, recipe, outputs)
    if format != "split":  # whose two outputs have the same shapes as each other's tensors
        other = replace(recipe, clip=not recipe.clip)
        with pytest.raises(BuildError, match="not what the network's own tensors decode to"):
            prove(artifact, loaded, other, outputs)


def boxes_moved(artifact: bytes, format) -> bytes:
    return _scaled(artifact, 0, np.array([1.01], np.float32), slice(0, 4), format)


def scores_halved(artifact: bytes, format) -> bytes:
    return _scaled(artifact, -1, np.array([0.5], np.float32), slice(4, None), format)


def _scaled(artifact: bytes, which: int, factor: np.ndarray, part: slice, format) -> bytes:
    """The artifact with its first or last output, or this part of the only one, multiplied."""
    model = onnx.load_from_string(artifact)
    name = model.graph.output[which].name
    dims = [dim.dim_value for dim in model.graph.output[which].type.tensor_type.shape.dim]
    if len(model.graph.output) == 1:
        axis = 1 if isinstance(format, YoloFormat) else 2
        wide = np.ones([size if i == axis else 1 for i, size in enumerate(dims)], np.float32)
        last = slice(4, 5) if isinstance(format, DeepStreamFormat) and part.start == 4 else part
        wide[tuple(last if i == axis else slice(None) for i in range(3))] = factor
        factor = wide
    for node in model.graph.node:
        node.output[:] = ["before" if each == name else each for each in node.output]
    model.graph.initializer.append(numpy_helper.from_array(factor, "factor"))
    model.graph.node.append(helper.make_node("Mul", ["before", "factor"], [name]))
    return model.SerializeToString()


def test_the_proof_sees_clipping_that_is_not_that_of_the_input(core_file):
    recipe = check(
        compose(overrides_of(core_file, "postprocessing.clip=true", "postprocessing.nms.confidence_threshold=0.4"))
    )
    loaded = recipe.model.load()
    artifact = finished(core_graph(loaded.network, recipe.export, recipe.input), loaded, recipe)
    outputs = partial(torch_outputs, loaded)
    proof = prove(artifact, loaded, recipe, outputs)
    assert proof.postprocessing.rows > 0
    model = onnx.load_from_string(artifact)
    (limits,) = (
        tensor for tensor in model.graph.initializer
        if tensor.name.startswith("boxes/") and list(tensor.dims) == [4]
    )  # fmt: skip
    assert numpy_helper.to_array(limits).tolist() == [96, 64, 96, 64]
    limits.CopyFrom(numpy_helper.from_array(np.array([50, 40, 50, 40], np.float32), limits.name))
    with pytest.raises(BuildError, match="boxes are not those of the NMS clipped to the input"):
        prove(model.SerializeToString(), loaded, recipe, outputs)


def test_a_finished_artifact_is_read_evaluated_and_verified(core_file, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([*overrides_of(core_file, "postprocessing/format=yolo"), f"output_dir={out}"]) == 0
    manifest = read_manifest(out)
    assert manifest.postprocessing.nms == {"type": "none"}
    assert manifest.postprocessing.outside is not None and not manifest.postprocessing.outside.class_agnostic
    assert manifest.outputs[0].meaning.startswith("a column a box: centre x, centre y, width, height")
    assert len(list(verify(out))) == 5
    stated = {entry.key: entry.value for entry in onnx.load(out / "model.onnx").metadata_props}
    assert ast.literal_eval(stated["names"]) == dict(enumerate(manifest.model.class_names))
    assert (stated["stride"], stated["imgsz"], stated["task"]) == ("32", "[64, 96]", "detect")
    capsys.readouterr()
    (tmp_path / "image.ppm").write_bytes(b"P6 9 8 255\n" + bytes(range(216)))
    assert main(["predict", str(out), str(tmp_path / "image.ppm"), "--out", str(tmp_path / "found")]) == 0
    assert "NMS is not in the graph: applied outside it (score above 0." in capsys.readouterr().out


def test_nms_outside_gives_what_nms_inside_gives(core_file):
    image = {"images": np.random.default_rng(0).integers(0, 256, (1, 3, 64, 96), dtype=np.uint8)}
    found = []
    for format in ("batch", "yolo", "split"):
        recipe = check(compose(overrides_of(core_file, f"postprocessing/format={format}")))
        loaded = recipe.model.load()
        run = session(finished(core_graph(loaded.network, recipe.export, recipe.input), loaded, recipe))
        outputs = dict(zip((output.name for output in run.get_outputs()), run.run(None, image), strict=True))
        (detections,) = recipe.request.detect(outputs, 1)
        (again,) = recipe.request.postprocessing_section().read(outputs, 1)  # as a finished artifact is read
        assert np.array_equal(detections.scores, again.scores)
        found.append(np.column_stack([detections.boxes, detections.scores, detections.classes]))
    assert same(found[1], found[0]) and same(found[2], found[0])


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["postprocessing/format=yolo", "postprocessing/nms=onnx"], "format=yolo: gives all boxes, with no NMS inside"),
        (
            ["postprocessing/format=split", "postprocessing.nms.confidence_threshold=0.3"],
            "leave postprocessing/nms and",
        ),
        (["postprocessing/format=split", "input.batch=2"], "format=split: is for compilers that take one image"),
        (["postprocessing/format=deepstream", "preprocessing=letterbox"], "to which DeepStream itself resizes frames"),
        (
            ["postprocessing.clip=true", "preprocessing=letterbox"],
            "clip=true: has no effect with preprocessing=letterb",
        ),
        (["postprocessing.clip=maybe"], "postprocessing.clip=maybe: must be true or false"),
        (["postprocessing.clop=true"], "postprocessing.clop: no such key; did you mean clip"),
    ],
)
def test_what_cannot_be_is_said_at_composition(overrides, said):
    with pytest.raises(RequestError, match=said):
        check(compose(["model=yolo_nas_s", "model.weights=demo", *overrides]))


def test_deepstream_stands_behind_an_nms_that_is_asked_for():
    recipe = check(compose(["model=yolo_nas_s", "model.weights=demo", "postprocessing/format=deepstream"]))
    assert (recipe.nms.name, recipe.outside is not None) == ("none", True)
    recipe = check(compose([*recipe.overrides, "model=yolo_nas_s", "postprocessing/nms=onnx"]))
    assert (recipe.nms.name, recipe.outside) == ("onnx", None)


def test_a_finished_format_is_found_by_name_and_no_other_module():
    assert isinstance(format_of("yolo"), YoloFormat)
    assert [format_of(name) for name in (None, "custom", "finished", "os", "..nms.onnx")] == [None] * 5
