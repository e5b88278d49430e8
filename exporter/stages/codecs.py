"""How the results of stages lie in the store."""

import json
from typing import TYPE_CHECKING, Any

from exporter import manifest as m
from exporter.store.codec import Codec, pack_json, pack_model, unpack_model
from exporter.store.place import Files

if TYPE_CHECKING:
    import onnx

    from exporter.model.loaded import ModelFacts
    from exporter.stages.calibrated import Calibrated, Summary

_VALUE = "value.json"


def _facts_of(files: Files) -> "ModelFacts":
    """The node of the pre-processing is one of the exporter's own, found by its name."""
    from exporter.model.loaded import ModelFacts
    from exporter.preprocessing.letterbox import KNOWN

    found = json.loads(files[_VALUE])
    found["preprocessing"] = KNOWN.get(found["preprocessing"])
    found["class_names"] = tuple(found["class_names"])
    return ModelFacts(**{**found, "weights": m.Weights.model_validate(found["weights"])})


def _facts(facts: "ModelFacts") -> Files:
    from exporter.preprocessing.letterbox import KNOWN

    trained_with = next((name for name, node in KNOWN.items() if node == facts.preprocessing), None)
    plain = {"name": facts.name, "class_names": facts.class_names, "parameters": facts.parameters}
    return {_VALUE: pack_json({**plain, "weights": facts.weights.model_dump(), "preprocessing": trained_with})}


def _summary(found: "Summary") -> Files:
    calibration = found.calibration.model_dump() if found.calibration else None
    return {_VALUE: pack_json({"quantization": found.quantization, "calibration": calibration})}


def _summary_of(files: Files) -> "Summary":
    from exporter.stages.calibrated import Summary

    plain = json.loads(files[_VALUE])
    calibration = m.Calibration.model_validate(plain["calibration"]) if plain["calibration"] else None
    return Summary(plain["quantization"], calibration)


def _calibrated(found: "Calibrated") -> Files:
    quantized, calibration = found
    plain = {"summary": quantized.summary, "calibration": calibration.model_dump() if calibration else None}
    models = {f"variant{in_int8}.onnx": pack_model(variant()) for in_int8, variant in quantized.variants.items()}
    return {_VALUE: pack_json(plain), "model.onnx": pack_model(quantized.model), **models}


def _calibrated_of(files: Files) -> "Calibrated":
    from functools import partial

    from exporter.quantization.quantized import Quantized
    from exporter.stages.calibrated import Calibrated

    plain = json.loads(files[_VALUE])
    calibration = m.Calibration.model_validate(plain["calibration"]) if plain["calibration"] else None
    names = (name for name in files if name.startswith("variant"))
    variants = {int(name[len("variant") : -len(".onnx")]): partial(unpack_model, files[name]) for name in names}
    quantized = Quantized(unpack_model(files["model.onnx"]), plain["summary"], dict(sorted(variants.items())))
    return Calibrated(quantized, calibration)


MODEL: "Codec[onnx.ModelProto]" = Codec(
    lambda model: {"model.onnx": pack_model(model)}, lambda files: unpack_model(files["model.onnx"])
)
BYTES = Codec[bytes](lambda content: {"model.onnx": content}, lambda files: files["model.onnx"])
JSON = Codec[Any](lambda value: {_VALUE: pack_json(value)}, lambda files: json.loads(files[_VALUE]))
FOLDER = Codec[Files](lambda files: files, lambda files: files)
FACTS = Codec["ModelFacts"](_facts, _facts_of)
SUMMARY = Codec["Summary"](_summary, _summary_of)
CALIBRATED = Codec["Calibrated"](_calibrated, _calibrated_of)
EVALUATION = Codec[m.Evaluation](
    lambda found: {_VALUE: found.model_dump_json().encode()},
    lambda files: m.Evaluation.model_validate_json(files[_VALUE]),
)
BENCHMARK = Codec[m.Benchmark](
    lambda found: {_VALUE: found.model_dump_json().encode()},
    lambda files: m.Benchmark.model_validate_json(files[_VALUE]),
)
