"""Whether the artifact is the network, and whether that sees anything."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from exporter.backend import BackendNode
    from exporter.backend.request import Request
    from exporter.calibration import CalibrationNode
    from exporter.evaluation import EvaluationNode
    from exporter.model.loaded import ModelFacts
    from exporter.proof.prove import Outputs, Remembering
    from exporter.proof.section import NotLooked, Proof, Sight
    from exporter.proof.settings import ProofSettings
    from exporter.quantization import QuantizationNode


def proved(
    artifact: bytes, model: "ModelFacts", request: "Request", backend: "BackendNode", quantization: "QuantizationNode",
    proof: "ProofSettings", outputs: "Outputs", remembering: "Remembering",
) -> "Proof":  # fmt: skip
    """See `exporter.proof.prove.prove`."""
    from exporter.proof.prove import prove

    return prove(artifact, model, request, backend, quantization, proof, outputs, remembering)


def looked(
    artifact: bytes, model: "ModelFacts", request: "Request", backend: "BackendNode", evaluation: "EvaluationNode",
    calibration: "CalibrationNode | None", blind: Literal["auto", "error", "warn"], outputs: "Outputs",
    remembering: "Remembering",
) -> "Sight | NotLooked":  # fmt: skip
    """See `exporter.proof.sight.looked`."""
    from exporter.proof.sight import looked

    return looked(artifact, model, request, backend, evaluation, calibration, blind, outputs, remembering)
