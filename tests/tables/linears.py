"""`python -m tests.tables.linears FILE HEAD [FILE HEAD …]`: what a DETR gains and loses by linear layers (MatMul and Gemm with
constant weights) in INT8 beside its convolutions, in ONNX Runtime on this CPU.

FILE: as its own tool exported it, of a fixed size; HEAD: the preset of `model/head`. ONNX Runtime's own quantizer: weights of 7
bits, minmax over 24 synthetic images. Times: CPU seconds of one thread, medians of interleaved runs. Matched: of the best 100
pairs an image of the float file those that the other has at IoU 0.5, of the same class, on 40 images; mAP where the file names the
demo's classes.
"""

import re
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from exporter.config.check import check
from exporter.config.compose import compose
from exporter.demo.scenes import CLASS_NAMES, Scene, scene
from exporter.evaluation.examples import GroundTruth
from exporter.evaluation.scores import scores as scored
from exporter.graph import walk
from exporter.model.graph_names import class_names
from exporter.model.head.outputs import outputs_of
from exporter.model.head.plain import decode
from exporter.postprocessing.detections import Detections
from tests.tables.foreign import fed, matched, session
from tests.tables.markdown import table

IMAGES, CALIBRATED, BEST, RUNS = 40, 24, 100, 12
HEADS = re.compile(r"class_embed|bbox_embed|score_head|bbox_head|query_pos|class_labels|bbox_predictor|enc_out")
"""What predicts, or takes part in boxes."""
VARIANTS = {
    "convolutions": lambda node: node.op_type == "Conv",
    "and linear layers but those that predict": lambda node: node.op_type == "Conv" or not HEADS.search(node.name),
    "and all linear layers": lambda node: True,
}


class Shown(CalibrationDataReader):
    def __init__(self, name: str, arrays: list[np.ndarray]):
        self.feeds = iter([{name: array} for array in arrays])

    def get_next(self):
        return next(self.feeds, None)


def best(boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The `BEST` pairs: rows [n, 6]."""
    order = np.argsort(-scores.ravel(), kind="stable")[:BEST]
    n, c = np.unravel_index(order, scores.shape)
    return np.column_stack([boxes[n], scores[n, c], c])


def mean_precision(found: list[np.ndarray], scenes: list[Scene]) -> float:
    truths = [GroundTruth.of(each.boxes, each.classes) for each in scenes]
    return scored(
        [Detections(r[:, :4], r[:, 4], r[:, 5].astype(np.int64)) for r in found], truths, len(CLASS_NAMES)
    ).map


def measured(file: Path, head: str, folder: Path) -> list[list[str]]:
    recipe = check(compose(["model=onnx", f"model/head={head}", f"model.weights={file}", "input.size=auto"]))
    height, width = recipe.input.nominal
    declared = recipe.trained.preprocessing
    assert declared is not None and recipe.model.declared is not None

    def arrays(split: str, count: int) -> tuple[list[Scene], list[np.ndarray]]:
        scenes = [scene(split, i, height, width) for i in range(count)]
        return scenes, [fed(declared, each.image) for each in scenes]

    model = onnx.load(file)
    (name,) = (value.name for value in model.graph.input)
    read = outputs_of(model.graph, recipe.model.declared, None, file.name, lambda value, _: walk.shape_of(value))
    linear = [node for node in model.graph.node if node.op_type in ("Conv", "MatMul", "Gemm")]
    files = {"float": file}
    for variant, wanted in VARIANTS.items():
        files[variant] = folder / f"{len(files)}.onnx"
        quantize_static(
            str(file), str(files[variant]), Shown(name, arrays("calibration", CALIBRATED)[1]), per_channel=True,
            reduce_range=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            nodes_to_quantize=[node.name for node in linear if wanted(node)], extra_options={"MatMulConstBOnly": True},
        )  # fmt: skip
    sessions = {variant: session(path, 1) for variant, path in files.items()}
    scenes, shown = arrays("evaluation", IMAGES)
    found = {variant: [] for variant in sessions}
    times = {variant: [] for variant in sessions}
    for i, array in enumerate(shown):
        for variant, each in sessions.items():
            start = time.process_time()
            outputs = each.run(read, {name: array})
            if 2 <= i < RUNS + 2:
                times[variant].append(time.process_time() - start)
            boxes, scores = decode(recipe.model.declared, outputs, height, width)
            found[variant].append(best(boxes[0], scores[0]))
    named = class_names({each.key: each.value for each in model.metadata_props}, file.name)
    rows, float_time = [], np.median(times["float"])
    for variant, of_images in found.items():
        share = sum(matched(got, want) for got, want in zip(of_images, found["float"], strict=True)) / (BEST * IMAGES)
        points = f"{mean_precision(of_images, scenes):.2f}" if named == CLASS_NAMES else ""
        rows.append(
            [file.stem, variant, f"{np.median(times[variant]) / float_time:.2f}", f"{100 * share:.0f} %", points]
        )
    return rows


if __name__ == "__main__":
    given = sys.argv[1:]
    with tempfile.TemporaryDirectory() as place:
        listed = [
            line
            for file, head in zip(given[::2], given[1::2], strict=True)
            for line in measured(Path(file), head, Path(place))
        ]
    print(table(("network", "in INT8", "time", "matched", "mAP"), listed))
