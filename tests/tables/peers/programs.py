"""What makes each file of the table, in a process and a Python of its own: nothing of the exporter is imported here.

    python programs.py PROGRAM INPUTS SIZE OUT

INPUTS is the folder that `tests.tables.peers.inputs` fills: weights.pth, model.onnx (the FP32 artifact), calibration.npy
(uint8 [N, 3, SIZE, SIZE], as the artifact takes them), images/ (the same images, as files) and data.yaml. What fails ends
with its first cause on one line.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

DECODING = re.compile(r"^(network|nms|format)/")
"""Nodes of the artifact behind the head's last convolutions: decoding, NMS, output format."""
TAIL = re.compile(rf"{DECODING.pattern}|\.(cls|reg)_pred/")
"""The same with those convolutions."""


def ort(
    inputs: Path, size: int, out: Path, *, preprocess: bool, options: Callable[[list[str]], dict[str, Any]]
) -> None:
    """onnxruntime.quantization.quantize_static on the FP32 artifact; options: what it is given, from the names of the decoding."""
    import numpy as np
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, quant_pre_process, quantize_static

    class Reader(CalibrationDataReader):
        """All images, one at a time; in the ranges that CalibStridedMinMax asks for."""

        def __init__(self) -> None:
            self.images = np.load(inputs / "calibration.npy")
            self.set_range(0, len(self.images))

        def __len__(self) -> int:
            return len(self.images)

        def set_range(self, start_index: int, end_index: int) -> None:
            self.left = iter(self.images[start_index:end_index])

        def get_next(self) -> dict[str, Any] | None:
            image = next(self.left, None)
            return None if image is None else {"images": image[None]}

    source = inputs / "model.onnx"
    decoding = [node.name for node in onnx.load(source).graph.node if DECODING.search(node.name)]
    if preprocess:
        # Symbolic shape inference does not know the shape of NonMaxSuppression's output: TypeError in 1.32.
        quant_pre_process(str(source), str(out.with_name("preprocessed.onnx")), skip_symbolic_shape=True)
        source = out.with_name("preprocessed.onnx")
    quantize_static(str(source), str(out), Reader(), **options(decoding))


def best(decoding: list[str]) -> dict[str, Any]:
    """What quantize_static's own documentation recommends for x86, on all but the decoding: reduced weights without VNNI.
    Tried beside it on an AVX2 CPU, none better: the head's last convolutions in float, convolutions only."""
    from onnxruntime.quantization import QuantType

    info = Path("/proc/cpuinfo")
    vnni = info.exists() and bool({"avx512_vnni", "avx_vnni"} & set(info.read_text(encoding="utf-8").split()))
    return {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8, "reduce_range": not vnni,
            "per_channel": True, "nodes_to_exclude": decoding}  # fmt: skip


def by_nncf(inputs: Path, size: int, out: Path, *, documented: bool) -> None:
    """nncf.quantize on the FP32 artifact; documented: the options that its documentation names for accuracy."""
    os.environ["NNCF_CI"] = "1"  # sends no usage statistics
    import nncf
    import numpy as np
    import onnx

    model = onnx.load(inputs / "model.onnx")
    tail = [node.name for node in model.graph.node if TAIL.search(node.name)]
    options = {"preset": nncf.QuantizationPreset.MIXED, "fast_bias_correction": True,
               "ignored_scope": nncf.IgnoredScope(names=tail)}  # fmt: skip
    images = nncf.Dataset([{"images": image[None]} for image in np.load(inputs / "calibration.npy")])
    onnx.save(nncf.quantize(model, images, **(options if documented else {})), out)


def libreyolo(inputs: Path, size: int, out: Path, *, kind: str, int8: bool) -> None:
    """Its own export, as its documentation says; into a folder of OpenVINO IR for kind=openvino."""
    from libreyolo import LibreYOLO

    data = {"data": str(inputs / "data.yaml")} if int8 else {}
    LibreYOLO(str(inputs / "weights.pth")).export(
        format=kind, output_path=str(out.parent / "ir" if kind == "openvino" else out), imgsz=size, int8=int8, batch=1,
        **data,
    )  # fmt: skip


def modern_yolonas(inputs: Path, size: int, out: Path, *, int8: bool, older: bool = False) -> None:
    """FP32: what `yolonas export` does. INT8: what `yolonas quantize` does, which itself takes only 80 classes; older: with
    the exporter that was torch's default until 2.8."""
    import cv2
    import torch
    from modern_yolonas import load_checkpoint, quantization, yolo_nas_s
    from modern_yolonas.inference.preprocess import preprocess

    if older:
        torch.onnx.export = partial(torch.onnx.export, dynamo=False)
    network = yolo_nas_s(pretrained=False, num_classes=8)
    load_checkpoint(network, str(inputs / "weights.pth"))
    network.eval()
    dummy = torch.randn(1, 3, size, size)
    if int8:
        files = sorted((inputs / "images").iterdir())
        images: Iterator[Any] = (preprocess(cv2.imread(str(file)), size)[0] for file in files)
        prepared = quantization.prepare_model_ptq(network, example_input=dummy)
        quantization.run_calibration(prepared, images, num_batches=len(files))
        quantization.export_quantized_onnx(quantization.convert_quantized(prepared), str(out), input_size=size)
        return
    for module in network.modules():
        if hasattr(module, "fuse_block_residual_branches"):
            module.fuse_block_residual_branches()
    names = {"input_names": ["images"], "output_names": ["pred_bboxes", "pred_scores"]}
    axes = {name: {0: "batch"} for each in names.values() for name in each}
    torch.onnx.export(network, dummy, str(out), **names, dynamic_axes=axes, opset_version=17)


PROGRAMS: dict[str, Callable[[Path, int, Path], None]] = {
    "ort": partial(ort, preprocess=False, options=lambda decoding: {}),
    "ort_preprocessed": partial(ort, preprocess=True, options=lambda decoding: {}),
    "ort_best": partial(ort, preprocess=True, options=best),
    "nncf": partial(by_nncf, documented=False),
    "nncf_documented": partial(by_nncf, documented=True),
    "libreyolo_fp32": partial(libreyolo, kind="onnx", int8=False),
    "libreyolo_int8": partial(libreyolo, kind="openvino", int8=True),
    "libreyolo_onnx_int8": partial(libreyolo, kind="onnx", int8=True),
    "modern_yolonas_fp32": partial(modern_yolonas, int8=False),
    "modern_yolonas_int8": partial(modern_yolonas, int8=True),
    "modern_yolonas_int8_older": partial(modern_yolonas, int8=True, older=True),
}


def main(program: str, inputs: str, size: str, out: str) -> None:
    """Runs one of the programs."""
    try:
        PROGRAMS[program](Path(inputs), int(size), Path(out))
    except Exception as error:  # noqa: BLE001 - whatever a tool raises is a row that says so
        while error.__cause__ is not None:
            error = error.__cause__  # type: ignore[assignment]
        sys.exit(" ".join(f"{type(error).__name__}: {error}".split())[:300])


if __name__ == "__main__":
    main(*sys.argv[1:])
