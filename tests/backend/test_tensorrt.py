"""The TensorRT backend: what it refuses, the graph it writes, what the manifest says, and the command for trtexec."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import yaml
from onnx import TensorProto
from torch import nn

import exporter
from exporter.artifact.manifest import Input, Manifest, Profile, read_manifest
from exporter.backend.tensorrt import TensorRT
from exporter.cli import main
from exporter.common.errors import RequestError
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.demo.scenes import scene
from exporter.deploy.engine.trtexec import trtexec_command
from exporter.graph import fp16
from exporter.postprocessing.format.batch import BatchFormat
from exporter.postprocessing.nms.onnx import OnnxNms
from exporter.preprocessing.section import Allowed
from exporter.quantization.int8 import Int8
from exporter.quantization.task import Task
from exporter.report.drawing import write_png
from exporter.runtime.onnx_runtime import session
from tests.postprocessing.test_graph import core
from tests.quantization.networks import detector, made_images

YAML = Path(__file__).parents[2] / "conf" / "backend" / "tensorrt.yaml"
TRT = ["+recipe=yolo_nas_s", "backend=tensorrt"]
PLUGIN = [*TRT, "postprocessing/nms=efficientnms"]
ONNX_NMS = "postprocessing/nms=onnx"


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ([*PLUGIN, "input.batch=dynamic"], r"input\.batch=dynamic: .* add backend\.batch=\[1,8,16\]"),
        ([*PLUGIN, "input.batch=dynamic", "backend.batch=[1,16,8]"], r"backend\.batch=.*least, usual and most must be .* in that order"),
        ([*PLUGIN, "input.batch=dynamic", "backend.batch=[0,1,1]"], r"at least 1"),
        ([*PLUGIN, "backend.batch=[1,2,4]"], r"backend\.batch: has no effect with input\.batch=1"),
        ([*PLUGIN, "postprocessing/format=flat", "input.batch=4"], r"format=flat with input\.batch=4: .* take postprocessing/format=batch"),
        ([*PLUGIN, "quantization=int8", "quantization.scheme=u8s8"], r"scheme=u8s8: TensorRT takes symmetric int8.*: leave it auto"),
        ([*PLUGIN, "quantization=int8_fp16", "export.opset=18"], r"export\.opset=18: quantization=int8_fp16 needs 19 or later: leave it auto"),
        ([*PLUGIN, "preprocessing=letterbox"], r"preprocessing: .* resize outside"),
        ([*TRT, ONNX_NMS, "postprocessing.nms.num_pre_nms_predictions=4000"], r"num_pre_nms_predictions=4000: .*nms=efficientnms"),
        ([*TRT, ONNX_NMS, "postprocessing.nms.max_candidates_per_image=4096"], r"max_candidates_per_image=4096: .* at most 3839"),
        ([*PLUGIN, "postprocessing.nms.multi_label=false"], r"multi_label: no such key.*postprocessing/nms=onnx and .* have it"),
        ([*PLUGIN, "postprocessing.nms.num_pre_nms_predictions=9"], r"num_pre_nms_predictions: no such key.*postprocessing/nms=onnx have it"),
        ([*PLUGIN, "postprocessing.nms.nms_threshold=0"], r"nms_threshold=0: the plugin takes a threshold above 0"),
        (["+recipe=yolo_nas_s", "postprocessing/nms=efficientnms"], r"nms=efficientnms: is for backend=tensorrt only: .* postprocessing/nms=auto"),
        (["+recipe=yolo_nas_s", "quantization=int8_fp16", "export.opset=19"], r"int8_fp16: is for backend=tensorrt or tensorrt_rtx only: .* quantization=int8"),
        (["+recipe=yolo_nas_s", "backend.batch=[1,2,4]"], r"backend\.batch: no such key.*backend=tensorrt and backend=tensorrt_rtx have it"),
    ],
)  # fmt: skip
def test_what_tensorrt_cannot_take_is_refused_with_what_to_do(overrides, says):
    with pytest.raises(RequestError, match=says):
        check(compose(overrides))


@pytest.mark.parametrize("backend", ["onnxruntime", "tensorrt"])
def test_a_sweep_over_backends_needs_no_other_override(backend):
    recipe = check(compose(["+recipe=yolo_nas_s_int8", f"backend={backend}"]))
    assert recipe.scheme == {"onnxruntime": "u8s8", "tensorrt": "s8s8"}[backend]
    assert recipe.nms.name == {"onnxruntime": "onnx", "tensorrt": "efficientnms"}[backend]
    recipe = check(compose(["+recipe=yolo_nas_s_int8", f"backend={backend}", ONNX_NMS]))
    assert recipe.nms.max_candidates_per_image == {"onnxruntime": None, "tensorrt": 3839}[backend]


@pytest.mark.parametrize(
    "override",
    [
        "input.batch=2",
        "input.size=dynamic",
        "postprocessing.nms.multi_label=false",
        "postprocessing.nms.nms_threshold=0",
    ],
)
def test_auto_is_the_plugin_only_where_shapes_are_fixed_and_it_takes_the_parameters(override):
    recipe = check(compose(["+recipe=yolo_nas_s", "backend=tensorrt", override]))
    assert recipe.nms.name == ("efficientnms" if override == "input.batch=2" else "onnx")
    assert check(compose(["+recipe=yolo_nas_s", "backend=tensorrt"])).nms.name == "efficientnms"


def test_the_yaml_holds_every_field_with_its_default():
    written = yaml.safe_load(YAML.read_text(encoding="utf-8"))
    assert written.pop("_target_") == "exporter.backend.TensorRT"
    assert written == TensorRT().model_dump()


def test_finish_sorts_reads_opset_17_and_gives_the_same_detections():
    model = BatchFormat().attach(OnnxNms(confidence_threshold=0.25, nms_threshold=0.5).attach(core(True, 1, 1200, 3)))
    finished = TensorRT().finish(model)
    assert [entry.version for entry in finished.opset_import] == [17]
    sorts = [a.i for n in finished.graph.node for a in n.attribute if n.op_type == "TopK" and a.name == "sorted"]
    assert sorts == [1]
    rng = np.random.default_rng(0)
    feed = {"in_box_logits": rng.normal(0, 1, (1, 68, 1200)), "in_class_logits": rng.normal(-2, 1, (1, 3, 1200))}
    feed = {name: array.astype(np.float32) for name, array in feed.items()}
    for got, want in zip(*(session(m.SerializeToString()).run(None, feed) for m in (finished, model)), strict=True):
        np.testing.assert_array_equal(got, want)


def input_section(shape, allowed) -> Input:
    return Input(
        name="images", dtype="uint8", shape=shape, layout="nchw", channels="rgb", range=(0, 255),
        allowed={name: Allowed(min=a, nominal=b, max=c, multiple=1) for name, (a, b, c) in allowed.items()},
    )  # fmt: skip


def test_the_profile_covers_every_free_dimension():
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], []))
    sides = {"batch": (1, 1, None), "height": (320, 640, 1280), "width": (64, 96, 128)}
    section = TensorRT(batch=(1, 8, 16)).section(model, input_section(["batch", 3, "height", "width"], sides))
    assert section.profile == Profile(min=[1, 3, 320, 64], opt=[8, 3, 640, 96], max=[16, 3, 1280, 128])
    assert TensorRT().section(model, input_section([2, 3, 64, 64], {})).profile is None


def eight_six(model: onnx.ModelProto) -> dict[str, str]:
    flags = TensorRT().section(TensorRT().finish(model), input_section([1, 3, 16, 16], {})).build_flags
    return dict([*flag.split("="), ""][:2] for flag in flags["8.6"])


def test_tensorrt_8_6_is_told_the_precisions_and_what_stays_in_float32():
    model = detector(batch=1)
    assert eight_six(model) == {}
    quantized = Int8().quantize(Task(model, images=made_images(2), scheme="s8s8")).model
    assert eight_six(quantized) == {"--int8": ""}
    told = eight_six(fp16.to_fp16(model, fp16.nodes_in_fp16(model)))
    assert told.keys() == {"--fp16", "--precisionConstraints", "--layerPrecisions", "--layerOutputTypes"}
    assert told["--layerPrecisions"] == told["--layerOutputTypes"] == "heads/Sigmoid:fp32"


class Cells(nn.Module):
    """A network of the contract with one box in each cell of 8 pixels."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
        self.sides, self.scores = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 3, 1)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.trunk(images)
        y, x = torch.meshgrid(*(torch.arange(side) * 8.0 for side in features.shape[2:]), indexing="ij")
        corner = torch.stack([x, y], -1).reshape(1, -1, 2)
        sides = self.sides(features).flatten(2).transpose(1, 2).exp() * 8
        boxes = torch.cat([corner - sides[..., :2], corner + sides[..., 2:]], -1)
        return boxes, self.scores(features).flatten(2).transpose(1, 2).sigmoid()


@pytest.fixture(scope="module")
def artifact(tmp_path_factory) -> Path:
    """INT8 and FP16 with the plugin, of a small network, for batches of 1 to 16."""
    folder = tmp_path_factory.mktemp("artifacts") / "trt"
    overrides = ["quantization=int8_fp16", "export.opset=19", "backend=tensorrt", "postprocessing/nms=efficientnms",
             "input.size=96", "input.batch=dynamic", "backend.batch=[1,8,16]", "calibration=demo", "calibration.num_images=2",
             "proof.num_images=2", "proof.num_scenes=0", f"output_dir={folder}"]  # fmt: skip
    torch.manual_seed(0)
    exporter.build("yolo_nas_s", overrides, model=Cells())
    return folder


def test_the_manifest_says_what_was_run_and_what_was_not(artifact):
    manifest = read_manifest(artifact)
    backend = manifest.backend
    assert (backend.name, backend.minimum_version) == ("tensorrt", "10.0")
    assert backend.verified.startswith("proved on CPU with an emulated plugin in onnxruntime")
    assert "; parsed by TensorRT-RTX 1." in backend.verified
    assert backend.verified.endswith(" (the part before its plugin); not run in TensorRT")
    assert manifest.proof.engine.endswith("plugin emulated") and manifest.proof.postprocessing.unexplained == 0
    parameters = manifest.postprocessing.nms
    assert (parameters["type"], parameters["max_candidates_per_image"], parameters["multi_label"]) == (
        "efficientnms",
        4096,
        True,
    )
    outputs = {output.name: output for output in manifest.outputs}
    assert (outputs["num_predictions"].dtype, outputs["pred_classes"].dtype) == ("int32", "int32")
    assert outputs["pred_boxes"].meaning.endswith("rows from num_predictions on are unspecified")


def test_integers_and_float16_are_all_that_the_network_computes_with(artifact):
    manifest, model = read_manifest(artifact), onnx.load(artifact / "model.onnx")
    summary = manifest.quantization.model_dump()
    assert (summary["convolutions"]["int8"], summary["activations"], summary["weights"]) == (2, ["int8"], ["int8"])
    assert (summary["float16_convolutions"], summary["float32_convolutions"]) == (2, 0)
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    pairs = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    # Of both convolutions what they read and their weights; what only float layers read has none.
    assert len(pairs) == 6
    for node in pairs:
        scale, zero_point = (stored[name] for name in node.input[1:])
        assert scale.dtype == np.float16 and (scale > 0).all() and zero_point.dtype == np.int8 and not zero_point.any()
    types = {v.name: v.type.tensor_type.elem_type for v in onnx.shape_inference.infer_shapes(model).graph.value_info}
    trunk = [node for node in model.graph.node if node.op_type in ("Conv", "Relu")]
    assert {types[node.output[0]] for node in trunk} == {TensorProto.FLOAT16}
    casts = [node.attribute[0].i for node in model.graph.node if node.op_type == "Cast"]
    assert [str(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(x))) for x in casts] == [
        "float32",
        "float16",
        *["float32"] * 2,
    ]


def test_verbs_run_it_and_say_how(artifact, tmp_path, capsys):
    write_png(tmp_path / "a.png", scene("proof", 0, 96, 96).image)
    assert main(["verify", str(artifact)]) == 0
    assert "CPU, TensorRT's NMS plugin emulated), and what comes out" in capsys.readouterr().out
    assert main(["predict", str(artifact), str(tmp_path / "a.png"), "--out", str(tmp_path / "out")]) == 0
    assert ", TensorRT's NMS plugin emulated; " in capsys.readouterr().out


def test_the_command_for_trtexec(artifact):
    manifest = read_manifest(artifact)
    shapes = "--minShapes=images:1x3x96x96 --optShapes=images:8x3x96x96 --maxShapes=images:16x3x96x96"
    start = "trtexec --onnx=model.onnx --saveEngine=model.engine"
    assert trtexec_command(manifest, "11") == f"{start} {shapes}"
    assert trtexec_command(manifest, "10") == f"{start} --stronglyTyped {shapes}"
    with pytest.raises(
        RequestError, match=r"needs TensorRT 10\.0 or later, since its opset is 19 and 8\.6 reads up to 17"
    ):
        trtexec_command(manifest, "8.6")
    with pytest.raises(RequestError, match=r"TensorRT 9: not known; allowed: 10, 11, 8\.6"):
        trtexec_command(manifest, "9")  # pyright: ignore[reportArgumentType]
    flags = {"8.6": ["--int8"], "10": ["--stronglyTyped"], "11": []}
    assert trtexec_command(_with(manifest, profile=None, build_flags=flags), "8.6") == f"{start} --int8"
    with pytest.raises(RequestError, match=r"is for backend=onnxruntime: build it with backend=tensorrt"):
        trtexec_command(_with(manifest, name="onnxruntime", build_flags={}), "11")


def _with(manifest: Manifest, **changes) -> Manifest:
    return manifest.model_copy(update={"backend": manifest.backend.model_copy(update=changes)})
