"""Puts the geometry inside the graph: a raw image of any size goes in, boxes in the raw image's own pixels come out.

In front of a detector that takes uint8 [1, H, W, 3] stands what `exporter.common.geometry` says, as OpenCV does it:

    raw image ── Resize ── Round ── Pad ──▶ images

and behind its NMS the way back: less the padding, times raw image / resized, clipped to the raw image. All this is
computed in float64, as Python computes it there: half a pixel has to be rounded to the same side in both.
"""

import numpy as np
import onnx
import onnx_ir as ir

from exporter.common.geometry import Geometry
from exporter.graph import facts
from exporter.graph.append import Op, Outputs, Tensor, append, written
from exporter.graph.renamed import renamed

RAW_IMAGE = "frame"
IMAGES = "images"  # the detector's input, which becomes what the geometry makes of a raw image
INPUT_BOXES = "input_boxes"  # what the NMS kept, in pixels of `images`


def attach_letterbox(kept: onnx.ModelProto, geometry: Geometry) -> onnx.ModelProto:
    """`kept` (what an NMS node returns, for one image uint8 [1, H, W, 3] of the geometry's size) with the input
    RAW_IMAGE, uint8 [height, width, 3] of any size, and with `kept_boxes` in pixels of the raw image,
    clipped to it."""
    raw_image = onnx.helper.make_tensor_value_info(RAW_IMAGE, onnx.TensorProto.UINT8, ["height", "width", 3])
    graph, _ = written(
        [raw_image], facts.opset(kept), "frame", lambda op, values: _head(op, values[RAW_IMAGE], geometry)
    )
    head = onnx.helper.make_model(graph, opset_imports=kept.opset_import, ir_version=kept.ir_version)
    joined = onnx.compose.merge_models(head, renamed(kept, {"kept_boxes": INPUT_BOXES}), io_map=[(IMAGES, IMAGES)])
    return append(joined, "boxes", _tail)


def _head(op: Op, raw_image: Tensor, geometry: Geometry) -> Outputs:
    """`images` uint8 [1, H, W, 3], and where the raw image lies in it, float64 [4] each, for x, y, x, y: `frame_offset`
    and `frame_scale` (images = raw image · scale + offset) and `frame_size`."""
    height, width, margin = geometry.height, geometry.width, geometry.resize.margin
    size = op.Cast(op.Shape(raw_image, end=2), to=ir.DataType.DOUBLE)
    if geometry.resize.mode == "fit":
        ratio = op.ReduceMin(op.Div(_doubles([height - margin, width - margin]), size), [0])
        new = op.Cast(op.Max(op.Round(op.Mul(size, ratio)), _doubles([1])), to=ir.DataType.INT64)
    else:
        new = op.Identity([height, width])
    pixels = op.Cast(op.Unsqueeze(raw_image, [0]), to=ir.DataType.FLOAT)
    resized = op.Resize(pixels, None, None, op.Concat([1], new, [3], axis=0), mode="linear")
    images = op.Cast(op.Round(resized), to=ir.DataType.UINT8)  # [1, new height, new width, 3]
    free = op.Sub([height, width], new)
    centred = geometry.padding is None or geometry.padding.placement == "center"
    before = op.Div(free, [2]) if centred else op.Mul(free, [0])
    if geometry.padding is not None:
        pads = op.Concat([0], before, [0, 0], op.Sub(free, before), [0], axis=0)
        images = op.Pad(images, pads, ir.tensor(np.uint8(geometry.padding.value), name="grey"))
    x_y = [1, 0, 1, 0]
    return {
        IMAGES: (op.Reshape(images, [1, height, width, 3]), [1, height, width, 3]),  # no engine could tell otherwise
        "frame_offset": (op.Gather(op.Cast(before, to=ir.DataType.DOUBLE), x_y), [4]),
        "frame_scale": (op.Gather(op.Div(op.Cast(new, to=ir.DataType.DOUBLE), size), x_y), [4]),
        "frame_size": (op.Gather(size, x_y), [4]),
    }


def _tail(op: Op, values: dict[str, Tensor]) -> Outputs:
    """The NMS's outputs, `kept_boxes` in pixels of the raw image."""
    boxes = op.Cast(values[INPUT_BOXES], to=ir.DataType.DOUBLE)
    moved = op.Div(op.Sub(boxes, values["frame_offset"]), values["frame_scale"])
    clipped = op.Max(op.Min(moved, values["frame_size"]), _doubles([0]))
    unchanged = {name: (values[name], values[name].shape) for name in ("kept_scores", "kept_classes", "num_kept")}
    shape = values[INPUT_BOXES].shape
    return {"kept_boxes": (op.Cast(clipped, to=ir.DataType.FLOAT), shape), **unchanged}


def _doubles(numbers: list[int]) -> ir.TensorProtocol:
    return ir.tensor(np.array(numbers, np.float64), name="_".join(map(str, numbers)))
