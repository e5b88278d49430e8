"""A checked recipe: what a build gets."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.backend import BackendNode
from exporter.backend.request import Request
from exporter.benchmark import BenchmarkNode
from exporter.calibration import CalibrationNode
from exporter.config.settings import Export, ProgressSettings, StoreSettings, Sweep
from exporter.evaluation import EvaluationNode
from exporter.model import ModelNode
from exporter.postprocessing.format import FormatNode
from exporter.postprocessing.nms import NmsNode
from exporter.postprocessing.parameters import NmsParameters
from exporter.preprocessing import PreprocessingNode
from exporter.preprocessing.input import Input
from exporter.preprocessing.trained import Trained
from exporter.proof.settings import ProofSettings
from exporter.quantization import QuantizationNode


@dataclass(frozen=True)
class Recipe:
    """One build, checked: settings, a node for each group, and where it came from."""

    name: str
    output_dir: Path
    input: Input
    export: Export
    proof: ProofSettings
    store: StoreSettings
    progress: ProgressSettings
    sweep: Sweep
    model: ModelNode
    preprocessing: PreprocessingNode
    quantization: QuantizationNode
    calibration: CalibrationNode
    nms: NmsNode
    format: FormatNode
    backend: BackendNode
    evaluation: EvaluationNode
    benchmark: BenchmarkNode
    outside: NmsParameters | None
    clip: bool
    trained: Trained
    config: dict[str, Any]
    recipe_name: str | None
    overrides: tuple[str, ...]

    @property
    def request(self) -> Request:
        """What is asked for around the network."""
        return Request(
            self.input, self.preprocessing, self.trained, self.nms, self.format, self.outside, self.clip
        )  # fmt: skip

    @property
    def scheme(self) -> str:
        """ "u8s8" or "s8s8": what the quantization asks for, else the backend."""
        return self.quantization.scheme_for(self.backend.capabilities.scheme)
