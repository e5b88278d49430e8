"""The manifest: what an artifact is, read from the artifact itself, and what was measured on it.

`Manifest.model_json_schema()` is its JSON schema; the file `manifest.schema.json` in the package is the same.
"""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from exporter.backend.section import Backend, Profile
from exporter.benchmark.section import Benchmark, VariantTimes
from exporter.calibration.section import Calibration
from exporter.common.errors import RequestError
from exporter.common.files import check_file, is_file, is_folder
from exporter.common.messages import validation_lines
from exporter.common.section import Section, StoredFile, Tensor
from exporter.evaluation.section import Evaluation
from exporter.model.section import Model
from exporter.postprocessing.section import Postprocessing
from exporter.preprocessing.section import Input, Preprocessing
from exporter.proof.section import Proof
from exporter.quantization.section import AnyQuantization

SCHEMA_VERSION = 1
ARTIFACT = "model.onnx"
FILE = "manifest.json"
MAX_BYTES = 16_000_000
"""Of the manifest: longer ones hold something else."""


class Artifact(StoredFile):
    """The file and what is in it. `operators` counts nodes by type, `opset` is that of the default domain."""

    opset: int
    ir_version: int
    operators: dict[str, int]


class Engine(StoredFile):
    """The serialized engine beside the artifact, if one was built of it: for this version of this library (`tensorrt`)
    and this kind of GPU alone (null where nothing tells which it is), or where it was compiled without one, for GPUs of
    the compute capabilities `targets`. `profile`: the shapes of a free input that it takes. `proof`: how near its
    outputs are to the artifact's, or why that was not looked at."""

    tensorrt: str
    gpu: str | None
    cuda: str | None
    proof: dict[str, Any]
    library: str = "TensorRT"
    targets: list[str] = []  # noqa: RUF012 - pydantic copies it
    profile: Profile | None = None

    @property
    def gpus(self) -> str | None:
        """Those that it is for, in words; None where nothing tells which."""
        return ", ".join(self.targets) or self.gpu


class Recipe(Section):
    """The request: the configuration as composed and resolved, the overrides of the command line, the state of the
    repository that the recipe lies in, where it lies in one."""

    name: str | None
    config: dict[str, Any]
    overrides: list[str]
    commit: str | None
    dirty: bool | None


class StageRun(Section):
    """What became of a stage of the build: its cache key (null where what it comes from has none), "built" or "reused",
    and why."""

    name: str
    key: str | None
    state: str
    seconds: float
    because: list[str]


class Run(Section):
    """Facts of one build on one machine: what two builds of one recipe may differ in. Null or empty until it is
    published; `tradeoff` is of a mixed precision, `stages` is null in manifests that do not say it."""

    tradeoff: list[VariantTimes] = []  # noqa: RUF012 - pydantic copies it
    started: str | None = None
    seconds: float | None = None
    cpu: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it
    output_dir: str | None = None
    stages: list[StageRun] | None = None


class Manifest(Section):
    """See the module. Only `run` and `benchmark`, which are measured on the clock, may differ between two builds of one
    recipe on machines of one instruction set. `evaluation` and `benchmark` are null where the recipe has them off.
    `intermediate`: what the backend made of the artifact beside it (OpenVINO IR), by the ends of the files' names."""

    schema_version: Literal[1]
    name: str
    artifact: Artifact
    model: Model
    input: Input
    preprocessing: Preprocessing
    outputs: list[Tensor]
    postprocessing: Postprocessing
    quantization: AnyQuantization
    calibration: Calibration | None
    backend: Backend
    engine: Engine | None = None
    intermediate: dict[str, StoredFile] | None = None
    proof: Proof
    evaluation: Evaluation | None
    benchmark: Benchmark | None
    recipe: Recipe
    versions: dict[str, str]
    run: Run

    @property
    def files(self) -> list[StoredFile]:
        """All that it says the digest of: the artifact, and what was made of it."""
        engine = [self.engine] if self.engine else []
        return [self.artifact, *engine, *(self.intermediate or {}).values()]

    def write(self, folder: Path) -> None:
        """Writes `manifest.json` into the folder."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an artifact's folder. Raises RequestError where there is none or it is not one."""
    path = folder / FILE
    if not is_folder(folder):
        raise RequestError(
            f"{folder}: no such folder; give the folder that a build wrote (it holds model.onnx, {FILE})"
        )
    if not is_file(path):
        raise RequestError(f"{folder}: holds no {FILE}; give the folder that a build wrote")
    check_file(path, "give the folder that a build wrote", MAX_BYTES)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RequestError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(values, dict) or values.get("schema_version") != SCHEMA_VERSION:
        version = values.get("schema_version") if isinstance(values, dict) else None
        raise RequestError(
            f"{path}: schema_version={version}: this exporter reads {SCHEMA_VERSION}: rebuild the artifact"
        )
    try:
        return Manifest.model_validate(values)
    except ValidationError as error:
        raise RequestError(f"{path}: not a manifest: " + "; ".join(validation_lines(error, "manifest"))) from error
