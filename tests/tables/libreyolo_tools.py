"""Networks of LibreYOLO's families: made with random weights, exported by LibreYOLO itself, and run by its own runtime.

A program for an environment that has LibreYOLO (see `tests.tables.foreign_environment`), and nothing of ours:

    python libreyolo_tools.py export CLASS SIDE images.npy OUT.onnx
    python libreyolo_tools.py run FILE.onnx CONFIDENCE images.npz OUT.npz

images: uint8 [h, w, 3] RGB, of `export` all [n, SIDE, SIDE, 3], which the network is livened with. OUT.npz: for image i what
the file is fed, float32 [1, 3, H, W], as `fed_i`, and what is found on it without suppression, in pixels of the image, as
`rows_i`, float [n, 6]: x1, y1, x2, y2, score, class; as `again_i` the same where the engine optimises nothing in the file: rows
that are others there are near ties, which rounding exchanges.
"""

import os
import re
import sys
from pathlib import Path

import numpy as np
import torch
from foreign_tools import SHOWN, Last, livened, with_torchvision

# The last layers of classes, and of boxes where those would turn inside out or run away.
CLASSES = r"(hm\.2|class_embed(\.\d+)?|enc_score_head|score_head\.\d|gfl_cls\.\d|pred_cls\.\d|rtm_cls\.\d|cls_logits|class_net\.predict\.conv_pw|cv3\.\d\.2|cls_pred|(cls|obj)_preds\.\d|classification_head\.module_list\.\d)$"
BOXES = r"(cv2\.\d\.2|rtm_reg\.\d|reg_preds\.\d|box_net\.predict\.conv_pw)$"
PLAIN = ("LibreDEIM", "LibreDFINE", "LibreRTDETR", "LibreYOLO")  # fed 0..1, or YOLOX 0..255
MOST = 10**6


def export(kind: str, side: str, images: str, out: str) -> None:
    import libreyolo

    shown = np.load(images).astype(np.float32)
    if not kind.startswith(PLAIN):  # as most are fed: less ImageNet's mean, over its deviation
        shown = (shown / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225) * 255
    SHOWN.extend(shown)
    family = getattr(libreyolo, kind)
    size = next(iter(family.INPUT_SIZES), None) if getattr(family, "INPUT_SIZES", None) else None
    torch.manual_seed(0)
    model = family(None, device="cpu", **({"size": size} if size else {}))
    if kind == "LibreCenterNet":  # its deformable convolutions run in the exported graph alone
        model.model.hm[2].weight.data.mul_(100)
        model.model.wh[2].bias.data.fill_(5)  # cells
    else:
        brightest = 255 if kind == "LibreYOLOX" else 1
        livened(model.model, Last(CLASSES, BOXES, box_bias=2.0, brightest=brightest))
        tamed(model.model, brightest)
    Path(model.export(format="onnx", imgsz=int(side), simplify=False)).rename(out)


def tamed(network: torch.nn.Module, brightest: float) -> None:
    """Last layers whose output deviates by 1 at most on the images: what saturates separates nothing."""

    def tame(layer: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        layer.weight.data.div_(max(output.std().item(), 1.0))

    last = [module for name, module in network.named_modules() if re.search(f"{CLASSES}|{BOXES}", name)]
    hooks = [each.register_forward_hook(tame) for each in last if isinstance(each, torch.nn.Linear | torch.nn.Conv2d)]
    with torch.no_grad():
        network(torch.from_numpy(np.stack(SHOWN).transpose(0, 3, 1, 2).astype(np.float32)) * (brightest / 255))
    for hook in hooks:
        hook.remove()


def run(file: str, confidence: str, images: str, out: str) -> None:
    import onnxruntime
    from libreyolo.backends.onnx import OnnxBackend

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    as_it_is, unoptimised = OnnxBackend(file, device="cpu"), OnnxBackend(file, device="cpu")
    unoptimised.session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    found = {}
    with np.load(images) as given:
        for i in range(len(given)):
            image = given[str(i)]
            fed, *_ = as_it_is._preprocess(image, as_it_is.imgsz, "rgb")
            found[f"fed_{i}"] = np.asarray(fed, np.float32)
            for name, backend in (("rows", as_it_is), ("again", unoptimised)):
                boxes = backend(image, conf=float(confidence), iou=1.0, max_det=MOST, color_format="rgb").boxes
                columns = (boxes.xyxy, boxes.conf[:, None], boxes.cls[:, None])
                found[f"{name}_{i}"] = np.concatenate([np.asarray(each, np.float64) for each in columns], axis=1)
    np.savez(out, **found)


if __name__ == "__main__":
    os.environ.update(HF_HUB_OFFLINE="1")
    kept = with_torchvision()
    {"export": export, "run": run}[sys.argv[1]](*sys.argv[2:])
    del kept
