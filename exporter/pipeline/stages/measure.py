"""What the artifact is worth and how fast it is, beside the same recipe in FP32."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

    from exporter.backend import BackendNode
    from exporter.backend.request import Request
    from exporter.benchmark import BenchmarkNode
    from exporter.benchmark.section import Benchmark, VariantTimes
    from exporter.common.progress import Progress
    from exporter.evaluation import EvaluationNode
    from exporter.evaluation.section import Evaluation
    from exporter.model.loaded import ModelFacts
    from exporter.pipeline.stages.calibrated import Calibrated


def evaluated(
    artifact: bytes, reference: bytes | None, model: "ModelFacts", request: "Request", backend: "BackendNode",
    evaluation: "EvaluationNode", max_score_shift: float | None, progress: "Progress",
) -> "Evaluation":  # fmt: skip
    """The manifest's section `evaluation`; max_score_shift: see `evaluate`. Raises BuildError where the artifact is
    worth too little."""
    import onnx

    from exporter.evaluation.detector import Detector
    from exporter.evaluation.evaluate import evaluate

    examples = evaluation.examples(model.class_names, *request.nominal_image)
    input, preprocessing = request.input_section(onnx.load_from_string(artifact)), request.preprocessing_section()

    def detector(model: bytes) -> Detector:
        return Detector(backend.engine.session(model), input, preprocessing, read=request.detect)

    section = evaluate(
        detector(artifact), detector(reference) if reference else None, examples, model.num_classes, progress,
        name=evaluation.name, max_drop=evaluation.gates.max_drop, min_map=evaluation.gates.min_map,
        max_score_shift=max_score_shift, must_find=model.weights.kind != "random",
    )  # fmt: skip
    return section.model_copy(update={"labels": examples.notes})


def traded_off(
    calibrated: "Calibrated", reference: bytes, model: "ModelFacts", name: str, request: "Request",
    backend: "BackendNode", progress: "Progress",
) -> "list[VariantTimes]":  # fmt: skip
    """How long the artifacts take that the quantization chose from, empty where it had no choice."""
    import onnx

    from exporter.benchmark.subject import Subject, example_input
    from exporter.benchmark.tradeoff import timed
    from exporter.common.provenance import cores
    from exporter.pipeline.stages.attach import finished

    quantized = calibrated.quantized
    if not quantized.variants:
        return []
    input = request.input_section(onnx.load_from_string(reference))
    array = example_input(input, request.preprocessing_section())
    variants = progress.bar(quantized.variants.items(), "time", len(quantized.variants))
    artifacts = ((in_int8, finished(variant(), model, name, request, backend)) for in_int8, variant in variants)
    return timed(artifacts, Subject(reference, input.name, array, backend.engine), cores())


def benchmarked(
    artifact: bytes, reference: bytes | None, calibrated: "Calibrated", core: "onnx.ModelProto", request: "Request",
    backend: "BackendNode", benchmark: "BenchmarkNode", progress: "Progress",
) -> "Benchmark":  # fmt: skip
    """The manifest's section `benchmark`; core: in FP32."""
    import onnx

    from exporter.benchmark.subject import Subject, core_subject, example_input

    preprocessing = request.preprocessing_section()
    input = request.input_section(onnx.load_from_string(artifact))
    array = example_input(input, preprocessing)
    engine = backend.engine
    section = benchmark.measure(
        Subject(artifact, input.name, array, engine),
        Subject(reference, input.name, array, engine) if reference else None,
        core_subject(calibrated.quantized.model, input, preprocessing, engine),
        core_subject(core, input, preprocessing, engine) if reference else None,
        dynamic_batch=request.input.fixed_batch is None,
    )
    for line in section.warnings:
        progress.warn(line)
    return section
