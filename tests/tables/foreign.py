"""`python -m tests.tables.foreign [NAME…]`: networks of other packages, exported to ONNX by their own tools with random weights
at 320 × 320, taken with a preset of `model/head`, in FP32, in INT8 and for OpenVINO, against their own post-processing.

Needs, in an environment of its own, the packages that it imports (`ultralytics`, `transformers`, `pixeltable-yolox`, `rfdetr`);
one that does not import is a row that says so. Random weights detect nothing: see `livened`; the threshold is
the score that 200 pairs an image are above, or half of them. Times: medians of interleaved runs, 2 threads.
"""

import contextlib
import io
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch

import exporter
from exporter.common.errors import BuildError, RequestError
from exporter.demo.scenes import scene
from exporter.postprocessing.reference import iou
from exporter.runtime.openvino import OpenVinoEngine
from tests.tables.markdown import table

SIZE, IMAGES, PAIRS, RUNS = 320, 6, 200, 15
Rows = np.ndarray
"""[n, 6]: x1, y1, x2, y2 in pixels of the input, score, class."""


def images(count: int, group: str = "proof") -> list[np.ndarray]:
    """uint8 [SIZE, SIZE, 3] RGB: no resize is in question here."""
    return [scene(group, i, SIZE, SIZE).image for i in range(count)]


def livened(
    network: torch.nn.Module, classes: str, boxes: str = "(?!)", box_bias: float = 0.0, box_gain: float = 0.1,
    brightest: float = 1.0,
) -> torch.nn.Module:  # fmt: skip
    """Random weights whose scores depend on the image: batch normalisation has seen synthetic images, and the last layers,
    whose names these patterns match, give logits around -2, and boxes that do not turn inside out where a network takes
    their sides as they come. brightest: what it is fed for a byte of 255."""
    torch.manual_seed(0)
    network.eval()
    shown = torch.from_numpy(np.stack(images(4, "train")).transpose(0, 3, 1, 2).astype(np.float32)) * (brightest / 255)
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for module in norms:
        module.reset_running_stats()
        module.momentum = None
        module.train()
    with torch.no_grad():
        network(shown)
    network.eval()
    for name, module in network.named_modules():
        found = re.search(classes, name) or re.search(boxes, name)
        if found and isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            of_class = bool(re.search(classes, name))
            gain = 0.5 if of_class else box_gain
            torch.nn.init.normal_(module.weight, 0, gain / module.weight[0].numel() ** 0.5)
            torch.nn.init.constant_(module.bias, -2.0 if of_class else box_bias)
    return network


def _ultralytics(yaml: str, **options) -> Callable[[Path], None]:
    def export(path: Path) -> None:
        os.environ.update(YOLO_AUTOINSTALL="false", YOLO_OFFLINE="true", YOLO_VERBOSE="false")
        from ultralytics import YOLO

        torch.manual_seed(0)
        model = YOLO(yaml)
        livened(model.model, r"cv3\.\d\.2$", r"cv2\.\d\.2$", box_bias=2.0)
        Path(model.export(format="onnx", imgsz=SIZE, opset=17, simplify=False, **options)).rename(path)

    return export


def _yolox(path: Path) -> None:
    from yolox.config import YoloxConfig
    from yolox.models.network_blocks import SiLU
    from yolox.utils import replace_module

    torch.manual_seed(0)
    model = replace_module(
        livened(
            YoloxConfig.get_named_config("yolox-nano").get_model(),
            r"(cls|obj)_preds\.\d$",
            r"reg_preds\.\d$",
            box_gain=0.01,
            brightest=255,
        ),
        torch.nn.SiLU,
        SiLU,
    )
    model.head.decode_in_inference = False
    traced(model, path, ["images"], ["output"], 11)


def _transformers(kind: str) -> Callable[[Path], None]:
    def export(path: Path) -> None:
        import transformers as t

        torch.manual_seed(0)
        sizes = {
            "depths": [2, 2, 2, 2],
            "layer_type": "basic",
            "hidden_sizes": [64, 128, 256, 512],
            "embedding_size": 64,
        }
        if kind == "dfine":
            model = t.DFineForObjectDetection(t.DFineConfig(num_labels=20, decoder_layers=3))
        elif kind == "rtdetr":
            backbone = t.RTDetrResNetConfig(**sizes, out_features=["stage2", "stage3", "stage4"])
            config = t.RTDetrV2Config(
                backbone_config=backbone, encoder_in_channels=[128, 256, 512], num_labels=20, decoder_layers=3
            )
            model = t.RTDetrV2ForObjectDetection(config)
        else:
            backbone = t.ResNetConfig(**sizes, out_features=["stage4"])
            model = t.DetrForObjectDetection(t.DetrConfig(use_timm_backbone=False, backbone=None, backbone_config=backbone,
                use_pretrained_backbone=False, num_labels=20, encoder_layers=2, decoder_layers=2))  # fmt: skip
        traced(
            livened(Plain(model), r"class_embed|class_labels_classifier|enc_score_head"),
            path,
            ["pixel_values"],
            ["logits", "pred_boxes"],
            17,
        )

    return export


class Plain(torch.nn.Module):
    """transformers' network with two outputs."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, pixel_values):
        found = self.network(pixel_values=pixel_values)
        return found.logits, found.pred_boxes


def _rfdetr(path: Path) -> None:
    from rfdetr import RFDETRNano

    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        model = RFDETRNano(pretrain_weights=None, device="cpu", resolution=SIZE)
        livened(model.model.model, r"class_embed")
        model.export(output_dir=folder, opset_version=17)
        next(Path(folder).glob("*.onnx")).rename(path)


def traced(model: torch.nn.Module, path: Path, inputs: list[str], outputs: list[str], opset: int) -> None:
    example = torch.zeros(1, 3, SIZE, SIZE)
    torch.onnx.export(
        model, (example,), str(path), input_names=inputs, output_names=outputs, opset_version=opset, dynamo=False
    )


def yolo_nms(outputs: list[np.ndarray], confidence: float, overlap: float) -> Rows:
    from ultralytics.utils.nms import non_max_suppression

    return non_max_suppression(torch.from_numpy(outputs[0]), confidence, overlap, multi_label=True, max_nms=10**6,
                               max_time_img=60)[0].numpy()  # fmt: skip


def end_to_end(outputs: list[np.ndarray], confidence: float, overlap: float) -> Rows:
    from ultralytics.utils.nms import non_max_suppression

    return non_max_suppression(torch.from_numpy(outputs[0]), confidence, overlap, end2end=True)[0].numpy()


def yolox_nms(outputs: list[np.ndarray], confidence: float, overlap: float) -> Rows:
    """YOLOX's own decoding, then its own suppression, which keeps a box's best class."""
    from yolox.models import yolo_head
    from yolox.utils.boxes import postprocess

    head = yolo_head.YoloxHead(80) if hasattr(yolo_head, "YoloxHead") else yolo_head.YOLOXHead(80)
    head.hw = [(SIZE // s, SIZE // s) for s in head.strides]
    decoded = head.decode_outputs(torch.from_numpy(outputs[0]).clone(), "torch.FloatTensor")
    found = postprocess(decoded, 80, confidence, overlap)[0].numpy()
    return np.column_stack([found[:, :4], found[:, 4] * found[:, 5], found[:, 6]])


def of_transformers(kind: str) -> Callable[[list[np.ndarray], float, float], Rows]:
    def own(outputs: list[np.ndarray], confidence: float, overlap: float) -> Rows:
        import transformers as t
        from transformers.models.detr.modeling_detr import DetrObjectDetectionOutput

        processor = {"detr": t.DetrImageProcessor, "rtdetr": t.RTDetrImageProcessor, "dfine": t.RTDetrImageProcessor}[
            kind
        ]()
        logits, boxes = map(torch.from_numpy, outputs)
        (found,) = processor.post_process_object_detection(
            DetrObjectDetectionOutput(logits=logits, pred_boxes=boxes),
            threshold=confidence,
            target_sizes=[(SIZE, SIZE)],
        )
        return torch.cat([found["boxes"], found["scores"][:, None], found["labels"][:, None]], 1).numpy()

    return own


def rfdetr_top(outputs: list[np.ndarray], confidence: float, overlap: float) -> Rows:
    """RF-DETR's own choice of the best pairs, among the classes without the last one, which is no object."""
    from rfdetr.models.postprocess import PostProcess

    boxes, logits = map(torch.from_numpy, outputs)
    (found,) = PostProcess(num_select=300)(
        {"pred_boxes": boxes, "pred_logits": logits[..., :-1]}, torch.tensor([[SIZE, SIZE]])
    )
    rows = torch.cat([found["boxes"], found["scores"][:, None], found["labels"][:, None]], 1).numpy()
    return rows[rows[:, 4] > confidence]


ULTRALYTICS = ("ultralytics", yolo_nms)
# These weights make roundings larger: the same file without graph optimizations differs from itself by 6e-4 in score.
ROUNDING = ["proof.max_score_error=0.02", "proof.max_box_error=1"]
NETWORKS = {
    "YOLOv8-n": ("yolov8", *ULTRALYTICS, _ultralytics("yolov8n.yaml"), []),
    "YOLO11-n": ("yolo11", *ULTRALYTICS, _ultralytics("yolo11n.yaml"), []),
    "YOLOv9-t": ("yolov9", *ULTRALYTICS, _ultralytics("yolov9t.yaml"), ROUNDING),
    "YOLO26-n": ("yolo11", *ULTRALYTICS, _ultralytics("yolo26n.yaml"), ROUNDING),
    "YOLO26-n, end to end": ("yolo26", "ultralytics", end_to_end, _ultralytics("yolo26n.yaml", nms=False), ROUNDING),
    "YOLOX-Nano": ("yolox", "pixeltable-yolox", yolox_nms, _yolox, ["postprocessing.nms.multi_label=false"]),
    "RT-DETRv2, R18": ("rtdetr", "transformers", of_transformers("rtdetr"), _transformers("rtdetr"), []),
    "D-FINE": ("dfine", "transformers", of_transformers("dfine"), _transformers("dfine"), []),
    "DETR, R18": ("detr", "transformers", of_transformers("detr"), _transformers("detr"), ["postprocessing.nms.multi_label=false"]),
    "RF-DETR-Nano": ("rfdetr", "rfdetr", rfdetr_top, _rfdetr, []),
}  # fmt: skip


def session(path: Path | bytes):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


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


def row(name: str, folder: Path) -> list[str]:
    head, package, own, export, more = NETWORKS[name]
    path = folder / f"{head}-{name.lower().replace(' ', '').replace(',', '-')}.onnx"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        if not path.exists():
            export(path)
    given = session(path)
    calibration = folder / "calibration"
    if not calibration.exists():
        import cv2

        calibration.mkdir()
        for i, image in enumerate(images(24, "train")):
            cv2.imwrite(str(calibration / f"{i:02}.png"), image[..., ::-1])
    base = ["model=onnx", f"model/head={head}", f"model.weights={path}", f"input.size={SIZE}", "proof.num_images=2", "proof.blind=off",
            *more, *(["model.head.num_classes=80"] if head == "yolo26" else [])]  # fmt: skip
    from exporter.config.check import check
    from exporter.config.compose import compose

    recipe = check(compose(base))
    fed, overlap = recipe.trained.preprocessing, 0.7
    assert fed is not None
    shown = images(IMAGES)
    arrays = [
        fed.normalization.apply(image.transpose(2, 0, 1)[None].astype(np.float32)).astype(np.float32) for image in shown
    ]
    before = [given.run(None, {given.get_inputs()[0].name: array}) for array in arrays]
    network = recipe.model.load().network
    scores = np.concatenate([network(torch.from_numpy(array))[1].numpy() for array in arrays])
    if any("multi_label=false" in each for each in more):
        scores = scores.max(axis=2)
    confidence = float(np.sort(scores.ravel())[-min(PAIRS * IMAGES, scores.size // 2)])
    base += [f"postprocessing.nms.confidence_threshold={confidence}"]
    base += [] if recipe.nms.parameters.nms_threshold == 1 else [f"postprocessing.nms.nms_threshold={overlap}"]
    int8 = ["quantization=int8", "calibration=folder", f"calibration.path={calibration}", "calibration.num_images=24",
            "proof.mean_score_error=1", "proof.mean_box_error=1000", "proof.max_score_shift=1",
            *(["proof.max_score_error=1", "proof.max_box_error=1000"] if more == ROUNDING else [])]  # fmt: skip
    outputs, built, reasons = {}, {}, {}
    for kind, overrides in {"fp32": [], "int8": int8, "openvino": [*int8, "backend=openvino"]}.items():
        start = time.perf_counter()
        try:
            exporter.build(overrides=[*base, *overrides, f"output_dir={folder / 'out' / path.stem / kind}"])
            outputs[kind], built[kind] = folder / "out" / path.stem / kind / "model.onnx", time.perf_counter() - start
        except (RequestError, BuildError) as error:  # what cannot be built is a cell that says why
            reasons[kind] = " ".join(str(error).split())[:160]
    if "fp32" in reasons:
        raise BuildError(reasons["fp32"])
    engines = {}
    for kind, file in outputs.items():
        if kind == "openvino":
            engine = OpenVinoEngine().session(file.read_bytes())
            engines[kind] = lambda feed, engine=engine: engine.run(None, {"images": feed})
        else:
            made = session(file)
            engines[kind] = lambda feed, made=made: made.run(None, {"images": feed})
    wanted = [own(each, confidence, overlap)[:300] for each in before]
    found = {kind: [rows(run, image) for image in shown] for kind, run in engines.items()}
    total = sum(map(len, wanted))
    cells = [name, f"`{head}`", package]
    equal = [exact(f, w) for f, w in zip(found["fp32"], wanted, strict=True)]
    cells.append(f"{sum(equal)} of {total} (we have {sum(map(len, found['fp32']))})")
    feed = np.ascontiguousarray(shown[0].transpose(2, 0, 1)[None])
    times = median_times({"given": lambda: given.run(None, {given.get_inputs()[0].name: arrays[0]})}
                         | {kind: (lambda run=run: run(feed)) for kind, run in engines.items()})  # fmt: skip
    for kind in ("int8", "openvino"):
        if kind in found:
            share = sum(matched(f, w) for f, w in zip(found[kind], wanted, strict=True)) / max(total, 1)
            cells += [f"{100 * share:.0f} %", f"{times[kind] / times['given']:.2f}"]
        else:
            cells += [reasons[kind], ""]
    cells.insert(4, f"{times['given']:.1f} ms, {times['fp32'] / times['given']:.2f}")
    return [*cells, " / ".join(f"{seconds:.0f}" for seconds in built.values()) + " s"]


def main(names: list[str], folder: Path) -> None:
    head = ("network", "head", "package", "FP32: rows equal to its own post-processing's", "its own file in ONNX Runtime, ours FP32",
            "INT8: matched", "INT8 time", "INT8 in OpenVINO: matched", "its time", "built in")  # fmt: skip
    listed = []
    for name in names:
        try:
            listed.append(row(name, folder))
        except (
            ImportError,
            RuntimeError,
            RequestError,
            BuildError,
        ) as error:  # a package that does not import here is a row that says so
            listed.append([name, f"`{NETWORKS[name][0]}`", NETWORKS[name][1], f"{type(error).__name__}: {' '.join(str(error).split())[:200]}",
                           *[""] * 6])  # fmt: skip
        print(table(head, listed[-1:]), flush=True)
    print(table(head, listed))


if __name__ == "__main__":
    keep = Path(os.environ.get("FOREIGN_FOLDER", tempfile.mkdtemp()))
    keep.mkdir(parents=True, exist_ok=True)
    main(sys.argv[1:] or list(NETWORKS), keep)
