"""All files of an artifact's folder but the configuration."""

import tempfile
from pathlib import Path
from typing import Any

from exporter.artifact import manifest as m
from exporter.config.recipe import Recipe
from exporter.model.loaded import ModelFacts
from exporter.pipeline.describe import describe
from exporter.pipeline.stages.calibrated import Summary
from exporter.proof.prove import Outputs, torch_detector
from exporter.report.page.page import write_report
from exporter.report.page.pictures import compared
from exporter.report.page.plots import write_plots
from exporter.report.preview import write_preview
from exporter.store.place import Files


def page(
    artifact: bytes,
    summary: Summary,
    model: ModelFacts,
    proof: dict[str, Any],
    sight: dict[str, Any] | None,
    evaluation: m.Evaluation | None,
    benchmark: m.Benchmark | None,
    tradeoff: list[dict[str, Any]] | None,
    intermediate: Files | None,
    recipe: Recipe,
    repository: dict[str, Any],
    outputs: Outputs | None,
) -> Files:
    """The manifest and the pages and pictures made from it; by name, the artifact itself left out.

    sight: what the network makes of the images at hand, None where nobody looked; tradeoff: what the variants of a
    mixed precision took; intermediate: the artifact in OpenVINO's own form, if that is wanted; repository: of the
    recipe, see `exporter.common.provenance.repository`; outputs: see `exporter.proof.prove`, None where there is no
    other precision to compare with."""
    examples = recipe.evaluation.examples(model.class_names, *recipe.nominal_picture)
    looked = proof | ({"sight": sight} if sight else {})
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / m.ARTIFACT).write_bytes(artifact)
        manifest = describe(
            folder / m.ARTIFACT, model, recipe, summary.quantization, summary.calibration, looked, evaluation,
            benchmark, tradeoff or [], repository, intermediate,
        )  # fmt: skip
        manifest.write(folder)
        write_preview(folder, manifest)
        write_plots(folder, manifest)
        geometry = manifest.preprocessing.geometry
        network = torch_detector(model, recipe, geometry, outputs) if outputs and geometry else None
        write_report(folder, manifest, compared(manifest, artifact, recipe.backend.engine, network, examples))
        return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.name != m.ARTIFACT}
