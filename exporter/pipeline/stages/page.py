"""All files of an artifact's folder but the configuration."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.artifact import manifest as m
    from exporter.backend import BackendNode
    from exporter.backend.request import Request
    from exporter.evaluation import EvaluationNode
    from exporter.model.loaded import ModelFacts
    from exporter.pipeline.stages.calibrated import Summary
    from exporter.proof.prove import Outputs, Remembering
    from exporter.proof.section import NotLooked, Proof, Sight


def page(
    artifact: bytes, summary: "Summary", model: "ModelFacts", proof: "Proof", sight: "Sight | NotLooked | None",
    evaluated: "m.Evaluation | None", benchmark: "m.Benchmark | None", tradeoff: "list[m.VariantTimes] | None",
    engine_files: dict[str, bytes] | None, name: str, request: "Request", backend: "BackendNode",
    evaluation: "EvaluationNode", recipe: "m.Recipe", packages: list[str], outputs: "Outputs | None",
    remembering: "Remembering",
) -> dict[str, bytes]:  # fmt: skip
    """The manifest and the pages and images made from it; by name, the artifact itself left out.

    sight: what the network makes of the images at hand, None where nobody looked; tradeoff: what the variants of a
    mixed precision took; engine_files: the artifact in the engine's own form, if that is wanted; packages: see
    `describe`; outputs: see `exporter.proof.prove`, None where there is no other precision to compare with;
    remembering: see there."""
    import tempfile
    from pathlib import Path

    from exporter.artifact.manifest import ARTIFACT
    from exporter.evaluation.detector import Detector
    from exporter.pipeline.describe import describe
    from exporter.proof.prove import torch_detector
    from exporter.report.page.images import compared
    from exporter.report.page.page import write_report
    from exporter.report.page.plots import write_plots
    from exporter.report.preview import write_preview

    examples = evaluation.examples(model.class_names, *request.nominal_image)
    looked = proof.model_copy(update={"sight": sight})
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / ARTIFACT).write_bytes(artifact)
        manifest = describe(
            folder / ARTIFACT, model, name, request, backend, recipe, packages, summary.quantization,
            summary.calibration, looked, evaluated, benchmark, tradeoff or [], engine_files,
        )  # fmt: skip
        manifest.write(folder)
        write_plots(folder, manifest)
        geometry, images = manifest.preprocessing.geometry, []
        network = torch_detector(request, geometry, outputs) if outputs and geometry and request.parameters else None
        if manifest.postprocessing.readable and geometry is not None:  # else nobody here knows what to draw
            session = remembering(backend.engine)(artifact)
            detector = Detector(session, manifest.input, manifest.preprocessing, read=manifest.postprocessing.read)
            write_preview(folder, manifest, detector)
            images = compared(manifest, detector, network, examples)
        write_report(folder, manifest, images)
        return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.name != ARTIFACT}
