"""Results inside a stage that other stages' changes leave as they are: found by what they are computed from, not by
where in a build."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import onnx

from exporter.model.loaded import LoadedModel
from exporter.preprocessing.normalization import Normalization
from exporter.proof.prove import torch_outputs
from exporter.quantization import statistics
from exporter.quantization.statistics import Histogram, Statistics
from exporter.store.codec import Codec, pack_arrays, pack_model, unpack_arrays
from exporter.store.place import Files
from exporter.store.stage import Run, Stage


def remembered_outputs(network: "Stage[LoadedModel]", run: Run) -> Callable[..., tuple[np.ndarray, ...]]:
    """`torch_outputs` of a network, which is loaded only for images that it has not seen."""

    def outputs(images: np.ndarray, normalization: Normalization) -> tuple[np.ndarray, ...]:
        def computed(about: dict[str, Any]) -> dict[str, np.ndarray]:
            boxes, scores = torch_outputs(network.value(run), images, normalization)
            return {"boxes": boxes, "scores": scores}

        about = {"pictures": digest_of(images), "normalization": normalization}
        stage = Stage("torch outputs", computed, {"about": about}, ARRAYS, beside={"network": network})
        found = stage.value(run.quiet)
        return found["boxes"], found["scores"]

    return outputs


def remembered_statistics(source: dict[str, Any], run: Run) -> Callable[..., dict[str, Statistics]]:
    """`exporter.quantization.statistics.collect` of calibration images, of which `source` is all that they come
    from. What was counted in histograms serves every method."""

    def collect(
        model: onnx.ModelProto,
        tensors: Sequence[str],
        images: Iterable[np.ndarray],
        histograms: bool,
        averaged: Sequence[str] = (),
    ) -> dict[str, Statistics]:
        core = hashlib.sha256(pack_model(model)).hexdigest()
        about = {"core": core, "source": source, "tensors": list(tensors), "averaged": list(averaged)}

        def stage(with_histograms: bool) -> "Stage[dict[str, Statistics]]":
            def computed(about: dict[str, Any]) -> dict[str, Statistics]:
                return statistics.collect(model, tensors, images, with_histograms, averaged)

            return Stage("statistics", computed, {"about": about | {"histograms": with_histograms}}, STATISTICS)

        counted = stage(True)
        return (counted if histograms or counted.kept(run.store) else stage(False)).value(run.quiet)

    return collect


def digest_of(array: np.ndarray) -> str:
    """sha256 of an array's shape and bytes."""
    return hashlib.sha256(f"{array.dtype} {array.shape} ".encode() + array.tobytes()).hexdigest()


def _pack(found: dict[str, Statistics]) -> Files:
    arrays, plain = {}, {}
    for number, (name, each) in enumerate(found.items()):
        plain[name] = {key: value for key, value in asdict(each).items() if isinstance(value, float)}
        if each.histogram is not None:
            plain[name]["exponent"] = each.histogram.exponent
            arrays[f"counts{number}"] = each.histogram.counts
        if each.channel_means is not None:
            arrays[f"means{number}"] = each.channel_means
    return {"statistics.json": json.dumps(plain).encode(), "arrays.npz": pack_arrays(arrays)}


def _unpack(files: Files) -> dict[str, Statistics]:
    arrays = unpack_arrays(files["arrays.npz"])
    found = {}
    for number, (name, plain) in enumerate(json.loads(files["statistics.json"]).items()):
        exponent = plain.pop("exponent", None)
        histogram = None if exponent is None else Histogram(exponent, arrays[f"counts{number}"])
        found[name] = Statistics(**plain, histogram=histogram, channel_means=arrays.get(f"means{number}"))
    return found


ARRAYS = Codec["dict[str, np.ndarray]"](
    lambda arrays: {"arrays.npz": pack_arrays(arrays)}, lambda files: unpack_arrays(files["arrays.npz"])
)
STATISTICS = Codec["dict[str, Statistics]"](_pack, _unpack)
