"""Writes the manifest's sections from what was built: of the artifact, what the artifact itself says."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx

from exporter.artifact import manifest as m
from exporter.common.files import file_digest
from exporter.common.geometry import STRIDE
from exporter.common.provenance import versions
from exporter.config.recipe import Recipe
from exporter.graph import facts
from exporter.model.loaded import ModelFacts
from exporter.quantization.summary import summarize


def input_section(model: onnx.ModelProto, recipe: Recipe) -> m.Input:
    """The input as the graph has it; layout and channels are names for what its dimensions mean."""
    inside = recipe.preprocessing.inside_graph
    channels = recipe.input.channels if recipe.input.channels != "auto" else ("rgb" if inside else "the network's own")
    (value,) = model.graph.input
    described = facts.tensor(value)
    return m.Input(
        **described,
        allowed={side: _allowed(side, recipe) for side in described["shape"] if isinstance(side, str)},
        layout="hwc" if recipe.takes_frames else recipe.input.layout,
        channels=channels,
        range=(0.0, 255.0) if inside else None,
    )


def _allowed(side: str, recipe: Recipe) -> m.Allowed:
    """What the free dimension "batch", "height" or "width" of the input may be."""
    if side == "batch":
        return m.Allowed(min=1, max=None, multiple=1, nominal=1)
    nominal = recipe.nominal_picture[("height", "width").index(side)]
    if recipe.takes_frames:
        return m.Allowed(min=1, max=None, multiple=1, nominal=nominal)
    return m.Allowed(min=recipe.input.min_size, max=recipe.input.max_size, multiple=STRIDE, nominal=nominal)


def preprocessing_section(recipe: Recipe) -> m.Preprocessing:
    """What an image goes through. Without pre-processing inside, what the network was trained with."""
    inside, trained = recipe.preprocessing.inside_graph, recipe.trained
    node, size = recipe.preprocessing if inside else trained.preprocessing, recipe.input.nominal
    section = m.Preprocessing(
        name=option(recipe.preprocessing),
        inside_graph=inside,
        geometry_inside_graph=recipe.takes_frames,
        normalization=node.normalization if node else None,
        geometry=node.geometry(*size) if node else None,
        trained=trained if trained.source else None,
    )
    if node is None:
        return section
    own, who = trained.preprocessing, trained.source or "recipe"
    source = m.PreprocessingSource(
        normalization=who if own and own.normalization == section.normalization else "recipe",
        geometry=who if own and own.geometry(*size) == section.geometry else "recipe",
    )
    return section.model_copy(update={"source": source})


def postprocessing_section(recipe: Recipe) -> m.Postprocessing:
    """Every knob, as it was built into the graph."""
    has_nms = hasattr(recipe.nms, "max_predictions_per_image")
    knobs = {"type": option(recipe.nms), **recipe.nms.model_dump()}
    return m.Postprocessing(nms=knobs, format=option(recipe.format) if has_nms else None)


def runtime_properties(model: onnx.ModelProto, loaded: ModelFacts, recipe: Recipe) -> dict[str, str]:
    """What a runtime needs to use the artifact: the facts of the manifest, in JSON, for its metadata_props."""
    sections = {
        "name": recipe.name,
        "class_names": list(loaded.class_names),
        "input": input_section(model, recipe).model_dump(mode="json"),
        # Who said so is for the manifest alone: it does not change what the artifact computes.
        "preprocessing": preprocessing_section(recipe).model_dump(mode="json", exclude={"source", "trained"}),
        "postprocessing": postprocessing_section(recipe).model_dump(mode="json"),
    }
    return {key: json.dumps(value) for key, value in sections.items()}


def describe(
    file: Path, loaded: ModelFacts, recipe: Recipe, quantization: dict[str, Any], calibration: m.Calibration | None,
    proof: dict[str, Any], evaluation: m.Evaluation | None, benchmark: m.Benchmark | None,
    tradeoff: list[dict[str, Any]], repository: dict[str, Any], intermediate: Mapping[str, bytes] | None,
) -> m.Manifest:  # fmt: skip
    """The manifest of the artifact in `file`; what is known only when it is published, see `run_section`, is not in it.
    What `quantization` counts is counted again in the artifact. `tradeoff`: what the variants of a mixed precision
    took; `repository`: see there; `intermediate`: files by name, see `exporter.pipeline.stages.intermediate`."""
    model = onnx.load(file)
    return m.Manifest(
        schema_version=1,
        name=recipe.name,
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
            parameters=loaded.parameters,
        ),
        input=input_section(model, recipe),
        preprocessing=preprocessing_section(recipe),
        outputs=[m.Tensor(**output) for output in facts.outputs(model)],
        postprocessing=postprocessing_section(recipe),
        quantization=quantization | {key: value for key, value in summarize(model).items() if key in quantization},
        calibration=calibration,
        backend=recipe.backend.section(model, input_section(model, recipe)),
        intermediate=m.Intermediate.model_validate(
            {Path(name).suffix[1:]: _stored(name, content) for name, content in intermediate.items()}
        )
        if intermediate
        else None,
        proof=proof,
        evaluation=evaluation,
        benchmark=benchmark,
        recipe=m.Recipe(
            name=recipe.recipe_name,
            config=_without_folders(recipe.config),
            overrides=[_without_folders(word) for word in recipe.overrides],
            **repository,
        ),
        versions=versions(node.package for node in (recipe.quantization, recipe.backend) if hasattr(node, "package")),
        run={"tradeoff": tradeoff} if tradeoff else {},
    )


def _stored(name: str, content: bytes) -> m.StoredFile:
    return m.StoredFile(file=name, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def option(node: Any) -> str:
    """The name under which a recipe chooses this node: that of its module (the rule of the house)."""
    return type(node).__module__.rpartition(".")[2]


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
