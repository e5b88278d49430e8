"""Runs a network on calibration images and hands out what its tensors hold, a batch at a time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import onnx

from exporter.common.errors import BuildError, RequestError
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine

_REDUCTIONS = ("ReduceMin", "ReduceMax", "ReduceSum")  # the sum only because ORT's other two pass over NaN


def extremes(model: onnx.ModelProto, tensors: Sequence[str], images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """For each batch the lowest and highest value of each tensor, float32 [tensors, 2]; the graph itself reduces.

    images: float32 [n, 3, H, W] each, as the network's input. Raises RequestError for images that are missing or of
    another shape or type, BuildError for the first tensor that holds values that are not finite.
    """
    return (pairs for pairs, _ in extremes_and_means(model, tensors, (), images))


def extremes_and_means(
    model: onnx.ModelProto, tensors: Sequence[str], averaged: Sequence[str], images: Iterable[np.ndarray]
) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
    """The same, and of each of `averaged`, tensors [n, C, h, w], the mean of every channel, float32 [n, C]."""
    outputs = [(kind, tensor) for tensor in tensors for kind in _REDUCTIONS]
    run = _session(model, [*outputs, *(("GlobalAveragePool", tensor) for tensor in averaged)])
    for batch, count in batches(model, images):
        results = run(batch)
        reduced = np.array(results[: len(outputs)], np.float32).reshape(len(tensors), len(_REDUCTIONS))
        _check_finite(tensors, [bool(np.isfinite(numbers).all()) for numbers in reduced])
        yield reduced[:, :2], [means[:count, :, 0, 0] for means in results[len(outputs) :]]


def values(model: onnx.ModelProto, tensors: Sequence[str], images: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """For each batch the tensors themselves, float32, first axis the images. Raises as `extremes` does."""
    run = _session(model, [("Identity", tensor) for tensor in tensors])
    for batch, count in batches(model, images):
        held = [array[:count] for array in run(batch)]
        _check_finite(tensors, [bool(np.isfinite(array).all()) for array in held])
        yield held


def _session(model: onnx.ModelProto, outputs: list[tuple[str, str]]) -> Callable[[np.ndarray], list[np.ndarray]]:
    """A function that runs a copy of the graph whose outputs are operators (kind, tensor) put on its tensors. No
    optimisation can fuse away what such an operator reads, and what leads to none of them is not computed."""
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    graph = observed.graph
    del graph.output[:]
    for i, (kind, tensor) in enumerate(outputs):
        attributes: dict[str, Any] = {"keepdims": 0} if kind in _REDUCTIONS else {}
        graph.node.append(onnx.helper.make_node(kind, [tensor], [f"observed/{i}"], **attributes))
        graph.output.append(onnx.helper.make_tensor_value_info(f"observed/{i}", onnx.TensorProto.FLOAT, None))
    session = OnnxRuntimeEngine().session(observed.SerializeToString())
    name = graph.input[0].name
    return lambda batch: session.run(None, {name: batch})


def _check_finite(tensors: Sequence[str], finite: list[bool]) -> None:
    if not all(finite):
        raise BuildError(
            f"calibration: layer {tensors[finite.index(False)]} is the first whose values are not all finite (NaN or "
            "infinite): check its weights and the normalisation of the images"
        )


def batches(model: onnx.ModelProto, images: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, int]]:
    """The images in batches that the graph takes, and how many are real: the last fixed batch is filled up with the
    last image again."""
    batch, *expected = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    waiting: list[np.ndarray] = []
    count = 0
    for image in images:
        fits = image.ndim == 4 and all(want in (0, got) for want, got in zip(expected, image.shape[1:], strict=True))
        if image.dtype != np.float32 or not fits:
            wanted = ", ".join(str(size or "any") for size in expected)
            raise RequestError(
                f"calibration: image {count} is {image.dtype} {list(image.shape)}; "
                f"the network takes float32 [n, {wanted}]"
            )
        count += len(image)
        if not batch:
            yield image, len(image)
            continue
        waiting.extend(image[i : i + 1] for i in range(len(image)))
        while len(waiting) >= batch:
            yield np.concatenate(waiting[:batch]), batch
            waiting = waiting[batch:]
    if waiting:
        filled = [*waiting, *[waiting[-1]] * (batch - len(waiting))]
        yield np.concatenate(filled), len(waiting)
    if not count:
        raise RequestError("calibration: no images; INT8 needs some that are like those the network will see")
