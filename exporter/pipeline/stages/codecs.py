"""How the results of stages lie in the store."""

import json
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter

from exporter.benchmark.section import Benchmark, VariantTimes
from exporter.evaluation.section import Evaluation
from exporter.model.section import Weights
from exporter.pipeline.stages.calibrated import Calibrated, Summary, summed_up
from exporter.proof.section import NotLooked, Proof, Sight
from exporter.quantization.quantized import Quantized
from exporter.store.codec import Codec, pack_model, unpack_model
from exporter.store.place import Files

if TYPE_CHECKING:
    import onnx

    from exporter.model.loaded import ModelFacts

T = TypeVar("T")

_VALUE, _MODEL, _VARIANT = "value.json", "model.onnx", "variant"


def _facts_of(files: Files) -> "ModelFacts":
    from exporter.model.loaded import ModelFacts

    found = json.loads(files[_VALUE])
    found["class_names"] = tuple(found["class_names"])
    return ModelFacts(**{**found, "weights": Weights.model_validate(found["weights"])})


def _facts(facts: "ModelFacts") -> Files:
    plain = {"name": facts.name, "class_names": facts.class_names, "parameters": facts.parameters,
             "unordered": facts.unordered}  # fmt: skip
    return {_VALUE: json.dumps({**plain, "weights": facts.weights.model_dump()}).encode()}


def _calibrated(found: Calibrated) -> Files:
    quantized = found.quantized
    models = {f"{_VARIANT}{in_int8}.onnx": pack_model(variant()) for in_int8, variant in quantized.variants.items()}
    return {**SUMMARY.pack(summed_up(found)), **models, **MODEL.pack(quantized.model)}


def _calibrated_of(files: Files) -> Calibrated:
    summary = SUMMARY.unpack(files)
    contents = {name: content for name, content in files.items() if name.startswith(_VARIANT)}
    variants = {
        int(name.removeprefix(_VARIANT).removesuffix(".onnx")): partial(unpack_model, content)
        for name, content in contents.items()
    }
    quantized = Quantized(MODEL.unpack(files), summary.quantization, dict(sorted(variants.items())))
    return Calibrated(quantized, summary.calibration)


def _json(kind: type[T]) -> Codec[T]:
    """kind: a section of the manifest, several of which one may be, or a list of them."""
    adapter = TypeAdapter[T](kind)
    return Codec(lambda found: {_VALUE: adapter.dump_json(found)}, lambda files: adapter.validate_json(files[_VALUE]))


MODEL: "Codec[onnx.ModelProto]" = Codec(
    lambda model: {_MODEL: pack_model(model)}, lambda files: unpack_model(files[_MODEL])
)
BYTES = Codec[bytes](lambda content: {_MODEL: content}, lambda files: files[_MODEL])
FOLDER = Codec[Files](lambda files: files, lambda files: files)
FACTS = Codec["ModelFacts"](_facts, _facts_of)
SUMMARY = _json(Summary)
CALIBRATED = Codec[Calibrated](_calibrated, _calibrated_of)
EVALUATION = _json(Evaluation)
BENCHMARK = _json(Benchmark)
PROOF = _json(Proof)
SIGHT: Codec[Any] = _json(Sight | NotLooked)  # pyright: ignore[reportArgumentType] - a union is no class
VARIANT_TIMES = _json(list[VariantTimes])
