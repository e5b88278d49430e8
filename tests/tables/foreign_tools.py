"""Networks of other packages: made with random weights, exported to ONNX by their own tools, and their own post-processing.

A program for an environment that has such a package (see `tests.tables.foreign_environment`), and nothing of ours:

    python foreign_tools.py export NAME images.npy OUT.onnx
    python foreign_tools.py read NAME given.npz OUT.npz

images: uint8 [n, SIZE, SIZE, 3] RGB, which the network is livened with. given: `confidence`, `overlap`, and what the exported
file gives for image i, output k, as `i_k`. OUT.npz: for image i its `Rows`, as `i`.
"""

import os
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

SIZE = int(os.environ.get("FOREIGN_SIZE", "320"))
Rows = np.ndarray
"""[n, 6]: x1, y1, x2, y2 in pixels of the input, score, class."""


def plain_nms(boxes: torch.Tensor, scores: torch.Tensor, overlap: float) -> torch.Tensor:
    """torchvision's, in torch."""
    areas, kept = (boxes[:, 2:] - boxes[:, :2]).prod(1), []
    left = scores.argsort(descending=True, stable=True)
    while len(left):
        first, others = left[0], left[1:]
        kept.append(first)
        low, high = (
            torch.maximum(boxes[first, :2], boxes[others, :2]),
            torch.minimum(boxes[first, 2:], boxes[others, 2:]),
        )
        common = (high - low).clamp(min=0).prod(1)
        left = others[common / (areas[first] + areas[others] - common) <= overlap]
    return torch.stack(kept) if kept else torch.zeros(0, dtype=torch.int64)


def with_torchvision() -> object:
    """torchvision's compiled operators do not load beside every torch (PyPI's beside a CPU build); then its nms is the plain
    one, so that packages which import it do. Gives what has to be kept alive."""
    try:
        import torchvision
    except ImportError:
        return None
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.impl("nms", plain_nms, "CPU")
        import torchvision.extension

        torchvision.extension._has_ops = lambda: True
        return library


class Last(NamedTuple):
    """The last layers of a network, by patterns of their names, and what their random weights are to be. brightest: what the
    network is fed for a byte of 255."""

    classes: str
    boxes: str = "(?!)"
    box_bias: float = 0.0
    box_gain: float = 0.1
    brightest: float = 1.0


YOLO = Last(r"cv3\.\d\.2$", r"cv2\.\d\.2$", box_bias=2.0)
YOLOX = Last(r"(cls|obj)_preds\.\d$", r"reg_preds\.\d$", box_gain=0.01, brightest=255)


def livened(network: torch.nn.Module, last: Last) -> torch.nn.Module:
    """Random weights whose scores depend on the image: batch normalisation has seen synthetic images, and the last layers give
    logits around -2, and boxes that do not turn inside out where a network takes their sides as they come."""
    torch.manual_seed(0)
    network.eval()
    shown = torch.from_numpy(np.stack(SHOWN).transpose(0, 3, 1, 2).astype(np.float32)) * (last.brightest / 255)
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for module in norms:
        module.reset_running_stats()
        module.momentum = None
        module.train()
    with torch.no_grad():
        network(shown)
    network.eval()
    for name, module in network.named_modules():
        found = re.search(last.classes, name) or re.search(last.boxes, name)
        if found and isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            of_class = bool(re.search(last.classes, name))
            gain = 0.5 if of_class else last.box_gain
            torch.nn.init.normal_(module.weight, 0, gain / module.weight[0].numel() ** 0.5)
            torch.nn.init.constant_(module.bias, -2.0 if of_class else last.box_bias)
    return network


def _ultralytics(yaml: str, last: Last = YOLO, **options) -> Callable[[Path], None]:
    def export(path: Path) -> None:
        import ultralytics

        torch.manual_seed(0)
        model = (ultralytics.RTDETR if yaml.startswith("rtdetr") else ultralytics.YOLO)(yaml)
        livened(model.model, last)
        Path(model.export(format="onnx", imgsz=SIZE, opset=17, simplify=False, **options)).rename(path)

    return export


def _libreyolo(kind: str, size: str, last: Last) -> Callable[[Path], None]:
    def export(path: Path) -> None:
        import libreyolo

        torch.manual_seed(0)
        model = getattr(libreyolo, kind)(None, size=size, device="cpu")
        livened(model.model, last)
        Path(model.export(format="onnx", imgsz=SIZE, simplify=False)).rename(path)

    return export


def _yolox(path: Path) -> None:
    from yolox.config import YoloxConfig

    torch.manual_seed(0)
    write_yolox(livened(YoloxConfig.get_named_config("yolox-nano").get_model(), YOLOX), path)


def write_yolox(network: torch.nn.Module, path: Path, size: int = SIZE) -> None:
    """As YOLOX's export does: SiLU in two operators, boxes not decoded."""
    from yolox.models.network_blocks import SiLU
    from yolox.utils import replace_module

    network = replace_module(network, torch.nn.SiLU, SiLU)
    network.head.decode_in_inference = False
    traced(network, path, ["images"], ["output"], 11, size)


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
            livened(Plain(model), Last(r"class_embed|class_labels_classifier|enc_score_head")),
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
        livened(model.model.model, Last(r"class_embed"))
        model.export(output_dir=folder, opset_version=17)
        next(Path(folder).glob("*.onnx")).rename(path)


def traced(
    model: torch.nn.Module, path: Path, inputs: list[str], outputs: list[str], opset: int, size: int = SIZE
) -> None:
    example = torch.zeros(1, 3, size, size)
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


def rtdetr_chosen(outputs: list[np.ndarray], confidence: float, overlap: float) -> Rows:
    """As `RTDETRPredictor.postprocess` reads [1, N, 6] for an image of the input's size."""
    from ultralytics.utils.ops import xywh2xyxy

    boxes, scores, labels = torch.from_numpy(outputs[0][0]).split((4, 1, 1), dim=-1)
    rows = torch.cat([xywh2xyxy(boxes) * SIZE, scores, labels], dim=-1).numpy()
    return rows[rows[:, 4] > confidence]


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


def of_libreyolo(found: dict) -> Rows:
    if not found["num_detections"]:
        return np.zeros((0, 6))
    return np.column_stack([np.asarray(found[key]) for key in ("boxes", "scores", "classes")])


def libreyolo9_nms(outputs: list[np.ndarray], confidence: float, overlap: float) -> Rows:
    from libreyolo.postprocess.yolo9 import postprocess

    return of_libreyolo(postprocess({"predictions": torch.from_numpy(outputs[0])}, confidence, overlap, SIZE))


def libreyolox_nms(outputs: list[np.ndarray], confidence: float, overlap: float) -> Rows:
    """The suppression that LibreYOLO's YOLOX has, of the best class of each box that its file has decoded."""
    from libreyolo.postprocess.common import postprocess_detections
    from libreyolo.utils.general import cxcywh_to_xyxy

    values = torch.from_numpy(outputs[0][0])
    scores, classes = (values[:, 4:5] * values[:, 5:]).max(1)
    kept = scores > confidence
    boxes = cxcywh_to_xyxy(values[kept, :4])
    return of_libreyolo(postprocess_detections(boxes, scores[kept], classes[kept], confidence, overlap, SIZE))


class Network(NamedTuple):
    """requirement: of pip; head: what its file is taken as; more: overrides beside it. read: outputs of one image, confidence,
    overlap → what the tool itself detects."""

    requirement: str
    head: str
    export: Callable[[Path], None]
    read: Callable[[list[np.ndarray], float, float], Rows]
    more: tuple[str, ...] = ()


# These weights make roundings larger: LibreYOLO's file without graph optimizations differs from itself by 0.34 px and 6e-3 in score
# on noise.
ROUNDING = ("proof.max_score_error=0.02", "proof.max_box_error=1")
BEST_CLASS = ("postprocessing.nms.multi_label=false",)
ULTRALYTICS, TRANSFORMERS, LIBREYOLO = "ultralytics==8.4.190", "transformers==5.24.0", "libreyolo==1.6.0"
NETWORKS = {
    "YOLOv8-n": Network(ULTRALYTICS, "yolov8", _ultralytics("yolov8n.yaml"), yolo_nms, ROUNDING),
    "YOLO11-n": Network(ULTRALYTICS, "yolo11", _ultralytics("yolo11n.yaml"), yolo_nms, ROUNDING),
    "YOLOv9-t": Network(ULTRALYTICS, "yolov9", _ultralytics("yolov9t.yaml"), yolo_nms, ROUNDING),
    "YOLO26-n": Network(ULTRALYTICS, "yolo11", _ultralytics("yolo26n.yaml"), yolo_nms, ROUNDING),
    "YOLO11-s": Network(ULTRALYTICS, "yolo11", _ultralytics("yolo11s.yaml"), yolo_nms, ROUNDING),
    "YOLO26-n, end to end": Network(ULTRALYTICS, "yolo26", _ultralytics("yolo26n.yaml", nms=False), end_to_end,
                                    (*ROUNDING, "model.head.num_classes=80")),
    "RT-DETR, R50 of Ultralytics": Network(ULTRALYTICS, "rtdetr_ultralytics", _ultralytics("rtdetr-resnet50.yaml", Last(r"score_head(\.\d+)?$")),
                                           rtdetr_chosen, ("model.head.num_classes=80",)),
    "YOLOv9-t of LibreYOLO": Network(LIBREYOLO, "libreyolo9", _libreyolo("LibreYOLO9", "t", YOLO), libreyolo9_nms, ROUNDING),
    "YOLOX-Nano of LibreYOLO": Network(LIBREYOLO, "libreyolox", _libreyolo("LibreYOLOX", "n", YOLOX), libreyolox_nms, BEST_CLASS),
    "YOLOX-Nano": Network("pixeltable-yolox==0.4.3", "yolox", _yolox, yolox_nms, BEST_CLASS),
    "RT-DETRv2, R18": Network(TRANSFORMERS, "rtdetr", _transformers("rtdetr"), of_transformers("rtdetr")),
    "D-FINE": Network(TRANSFORMERS, "dfine", _transformers("dfine"), of_transformers("dfine")),
    "DETR, R18": Network(TRANSFORMERS, "detr", _transformers("detr"), of_transformers("detr"), BEST_CLASS),
    "RF-DETR-Nano": Network("rfdetr==1.11.2", "rfdetr", _rfdetr, rfdetr_top),
}  # fmt: skip
SHOWN: list[np.ndarray] = []
"""What networks are livened with."""


def main(arguments: Sequence[str]) -> None:
    what, name, given, out = arguments
    os.environ.update(HF_HUB_OFFLINE="1", YOLO_AUTOINSTALL="false", YOLO_OFFLINE="true", YOLO_VERBOSE="false")
    kept, network = with_torchvision(), NETWORKS[name]
    if what == "export":
        SHOWN.extend(np.load(given))
        network.export(Path(out))
    else:
        values = np.load(given)
        count = len({key.partition("_")[0] for key in values if "_" in key})
        images = [
            [values[f"{i}_{k}"] for k in range(sum(key.startswith(f"{i}_") for key in values))] for i in range(count)
        ]
        found = [network.read(each, float(values["confidence"]), float(values["overlap"]))[:300] for each in images]
        np.savez(out, **{str(i): rows for i, rows in enumerate(found)})
    del kept


if __name__ == "__main__":
    main(sys.argv[1:])
