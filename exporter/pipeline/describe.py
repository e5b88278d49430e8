"""Writes the manifest from what was built: of the artifact, what the artifact itself says."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import onnx

from exporter.artifact import manifest as m
from exporter.backend import BackendNode
from exporter.backend.request import Request
from exporter.common.files import file_digest
from exporter.common.provenance import versions
from exporter.common.section import StoredFile, Tensor
from exporter.config.recipe import Recipe
from exporter.graph import facts
from exporter.model.loaded import ModelFacts
from exporter.model.section import names_from
from exporter.quantization.section import AnyQuantization, IntegerCounts
from exporter.quantization.summary import summarize

NOT_TOLD = ("output_dir", "store", "progress", "sweep")
"""Where an artifact goes, and what changes none, is no part of what it is."""


def runtime_properties(model: onnx.ModelProto, loaded: ModelFacts, name: str, request: Request) -> dict[str, str]:
    """What a runtime needs to use the artifact: the facts of the manifest, in JSON, for its metadata_props."""
    sections = {
        "name": name,
        "class_names": list(loaded.class_names),
        "input": request.input_section(model).model_dump(mode="json"),
        # Who said so is for the manifest alone: it does not change what the artifact computes.
        "preprocessing": request.preprocessing_section().model_dump(mode="json", exclude={"source", "trained"}),
        "postprocessing": request.postprocessing_section().model_dump(mode="json"),
    }
    own = request.format.properties(loaded.class_names, *request.input.nominal) if request.formatted else {}
    return {key: json.dumps(value) for key, value in sections.items()} | own


def recipe_section(recipe: Recipe, repository: Mapping[str, Any]) -> m.Recipe:
    """What was asked for. repository: of the recipe, see `exporter.common.provenance.repository`."""
    config = {key: value for key, value in recipe.config.items() if key not in NOT_TOLD}
    overrides = [override for override in recipe.overrides if not override.lstrip("+").startswith(NOT_TOLD)]
    return m.Recipe(
        name=recipe.recipe_name,
        config=_without_folders(config),
        overrides=[_without_folders(override) for override in overrides],
        **repository,
    )


def describe(
    file: Path, loaded: ModelFacts, name: str, request: Request, backend: BackendNode, recipe: m.Recipe,
    packages: Iterable[str], quantization: AnyQuantization, calibration: m.Calibration | None, proof: m.Proof,
    evaluation: m.Evaluation | None, benchmark: m.Benchmark | None, tradeoff: list[m.VariantTimes],
    engine_files: Mapping[str, bytes] | None,
) -> m.Manifest:  # fmt: skip
    """The manifest of the artifact in `file`; what is known only when it is published, see `run_section`, is not in it.
    What of `quantization` is counted in a graph is counted again in the artifact. `packages`: besides those that every
    build needs; `tradeoff`: what the variants of a mixed precision took; `engine_files`: see `BackendNode.files`."""
    model = onnx.load(file)
    stored = {Path(name).suffix[1:]: _stored(name, content) for name, content in sorted((engine_files or {}).items())}
    return m.Manifest(
        schema_version=1,
        name=name,
        artifact=m.Artifact(
            file=file.name,
            sha256=file_digest(file),
            bytes=file.stat().st_size,
            opset=facts.opset(model),
            ir_version=model.ir_version,
            operators=facts.operators(model),
        ),
        model=m.Model(
            name=loaded.name,
            weights=loaded.weights,
            num_classes=loaded.num_classes,
            class_names=list(loaded.class_names),
            class_names_from=names_from(loaded.class_names, told=recipe.config["model"]["class_names"] != "auto"),
            parameters=loaded.parameters,
        ),
        input=request.input_section(model),
        preprocessing=request.preprocessing_section(),
        outputs=[Tensor(**output) for output in facts.outputs(model, request.postprocessing_section().meanings)],
        postprocessing=request.postprocessing_section(),
        quantization=_counted(quantization, model),
        calibration=calibration,
        backend=backend.section(model, request.input_section(model)),
        intermediate=stored or None,
        proof=proof,
        evaluation=evaluation,
        benchmark=benchmark,
        recipe=recipe,
        versions=versions(packages),
        run=m.Run(tradeoff=tradeoff),
    )


def _counted(quantization: AnyQuantization, model: onnx.ModelProto) -> AnyQuantization:
    """With what it counted in the core counted in the artifact."""
    if not isinstance(quantization, IntegerCounts):
        return quantization
    return quantization.model_copy(update=dict(summarize(model)))


def _stored(name: str, content: bytes) -> StoredFile:
    return StoredFile(file=name, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def _without_folders(value: Any) -> Any:
    """Absolute paths by their basename: a manifest holds no path of the machine it was made on."""
    if isinstance(value, dict):
        return {key: _without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_folders(item) for item in value]
    if isinstance(value, str):
        head, sign, tail = value.partition("=")
        if sign and tail.strip("'\"").startswith(("/", "~")):
            return f"{head}={Path(tail.strip(chr(39) + chr(34))).name}"
        return Path(value).name if value.startswith(("/", "~")) else value
    return value
