"""What the artifact is worth and how fast it is, beside the same recipe in FP32."""

from typing import Any

import onnx

from exporter.artifact import manifest as m
from exporter.benchmark.cpu import cores
from exporter.benchmark.subject import Subject, core_subject, example_input
from exporter.benchmark.tradeoff import timed
from exporter.common.progress import Progress
from exporter.config.recipe import Recipe
from exporter.evaluation.detector import Detector
from exporter.evaluation.evaluate import evaluate
from exporter.model.loaded import ModelFacts
from exporter.pipeline.describe import input_section, preprocessing_section
from exporter.pipeline.stages.calibrated import Calibrated
from exporter.pipeline.stages.finish import finished


def evaluated(
    artifact: bytes, reference: bytes | None, model: ModelFacts, recipe: Recipe, max_score_shift: float | None,
    progress: Progress,
) -> m.Evaluation:  # fmt: skip
    """The manifest's section `evaluation`; max_score_shift: see `evaluate`. Raises BuildError where the artifact is
    worth too little."""
    examples = recipe.evaluation.examples(model.class_names, *recipe.nominal_picture)
    input, preprocessing = input_section(onnx.load_from_string(artifact), recipe), preprocessing_section(recipe)
    engine = recipe.backend.engine
    own, other = (
        Detector(engine.session(each), input, preprocessing) if each else None for each in (artifact, reference)
    )
    assert own is not None
    section = evaluate(
        own, other, examples, model.num_classes, progress,
        name=recipe.evaluation.name, max_drop=recipe.evaluation.max_drop, min_map=recipe.evaluation.min_map,
        max_score_shift=max_score_shift, must_find=model.weights.kind != "random",
    )  # fmt: skip
    return section.model_copy(update={"labels": examples.notes})


def traded_off(
    calibrated: Calibrated, reference: bytes, model: ModelFacts, recipe: Recipe, progress: Progress
) -> list[dict[str, Any]]:
    """How long the artifacts take that the quantization chose from, empty where it had no choice."""
    quantized = calibrated.quantized
    if not quantized.variants:
        return []
    input = input_section(onnx.load_from_string(reference), recipe)
    array = example_input(input, preprocessing_section(recipe))
    variants = progress.bar(quantized.variants.items(), "time", len(quantized.variants))
    artifacts = ((in_int8, finished(variant(), model, recipe)) for in_int8, variant in variants)
    return timed(artifacts, Subject(reference, input.name, array, recipe.backend.engine), cores())


def benchmarked(
    artifact: bytes,
    reference: bytes | None,
    calibrated: Calibrated,
    core: onnx.ModelProto,
    model: ModelFacts,
    recipe: Recipe,
    progress: Progress,
) -> m.Benchmark:
    """The manifest's section `benchmark`; core: in FP32."""
    preprocessing = preprocessing_section(recipe)
    input = input_section(onnx.load_from_string(artifact), recipe)
    array = example_input(input, preprocessing)
    engine = recipe.backend.engine
    section = recipe.benchmark.measure(
        Subject(artifact, input.name, array, engine),
        Subject(reference, input.name, array, engine) if reference else None,
        core_subject(calibrated.quantized.model, input, preprocessing, engine),
        core_subject(core, input, preprocessing, engine) if reference else None,
        dynamic_batch=recipe.num_batch is None,
    )
    for line in section.warnings:
        progress.warn(line)
    return section
