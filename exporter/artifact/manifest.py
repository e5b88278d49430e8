"""The manifest: what an artifact is, read from the artifact itself, and what was measured on it.

`Manifest.model_json_schema()` is its JSON schema; the file `manifest.schema.json` in the package is the same.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ValidationError, model_validator

from exporter.artifact.measured import (  # noqa: F401 - all of them are sections of the manifest
    Benchmark,
    Evaluation,
    Latency,
    Ratio,
    Scores,
    ScoreShift,
    Section,
    Sizes,
    Throughput,
    Times,
)
from exporter.common.errors import RequestError
from exporter.common.files import check_file, is_file, is_folder
from exporter.common.geometry import Geometry
from exporter.common.messages import validation_lines
from exporter.config.settings import MAX_PIXELS
from exporter.preprocessing.custom import OwnNormalization
from exporter.preprocessing.normalization import Normalization
from exporter.preprocessing.trained import Trained

SCHEMA_VERSION = 1
ARTIFACT = "model.onnx"
FILE = "manifest.json"
MAX_BYTES = 16_000_000
"""Of the manifest: longer ones hold something else."""


def _in_the_folder(name: str) -> str:
    if name in ("", ".", "..") or "/" in name or not name.isprintable():
        raise ValueError("must be the name of a file beside the manifest")
    return name


FileName = Annotated[str, AfterValidator(_in_the_folder)]


class Artifact(Section):
    """The file and what is in it. `operators` counts nodes by type, `opset` is that of the default domain."""

    file: FileName
    sha256: str
    bytes: int
    opset: int
    ir_version: int
    operators: dict[str, int]


class Weights(Section):
    """Where the weights came from: the file by basename and digest, `source` in words, the licence if known."""

    file: str | None
    sha256: str | None
    source: str
    licence: str | None


class Model(Section):
    """The network. `parameters` counts the numbers of the unfused network."""

    name: str
    weights: Weights
    num_classes: int
    class_names: list[str]
    parameters: int

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if len(self.class_names) != self.num_classes:
            raise ValueError(f"num_classes is {self.num_classes}, and class_names has {len(self.class_names)}")
        return self


class Tensor(Section):
    """An input or output of the graph; a string in `shape` names a dimension that is free."""

    name: str
    dtype: str
    shape: list[int | str]
    meaning: str


class Allowed(Section):
    """What a free dimension may be: from `min` to `max` (null: no limit), a multiple of `multiple`. `nominal` is what
    it is evaluated and timed at, and what `predict` takes."""

    min: int
    max: int | None
    multiple: int
    nominal: int

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not (self.min >= 1 and self.multiple >= 1 and self.holds(self.nominal)):
            raise ValueError("min, max, multiple and nominal contradict each other")
        return self

    def __str__(self) -> str:
        steps = f", multiples of {self.multiple}" if self.multiple > 1 else ""
        return f"{self.min} {'or more' if self.max is None else f'to {self.max}'}{steps}"

    def holds(self, number: int) -> bool:
        return self.min <= number <= (number if self.max is None else self.max) and number % self.multiple == 0


class Input(Section):
    """The artifact's input. `layout` says what the dimensions are (hwc: one frame), `allowed` what those may be that
    `shape` only names, `range` is that of the values."""

    name: str
    dtype: str
    shape: list[int | str]
    allowed: dict[str, Allowed]
    layout: Literal["nchw", "nhwc", "hwc"]
    channels: str
    range: tuple[float, float] | None

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if self.dtype not in ("uint8", "float16", "float32") or len(self.shape) != len(self.layout):
            raise ValueError(f"dtype {self.dtype} and shape {self.shape} cannot be those of pictures in {self.layout}")
        if self.channels not in ("rgb", "bgr", "the network's own"):
            raise ValueError(f"channels is {self.channels!r}: must be rgb, bgr or the network's own")
        if any(isinstance(side, str) and side not in self.allowed for side in self.shape):
            raise ValueError(f"allowed does not say what the free dimensions of shape {self.shape} may be")
        if min(self.nominal_shape) < 1 or math.prod(self.nominal_shape) > 3 * MAX_PIXELS:
            raise ValueError(f"shape is {self.nominal_shape}: at most {MAX_PIXELS} pixels are taken")
        return self

    @property
    def nominal_shape(self) -> list[int]:
        """`shape` with the nominal numbers of its free dimensions."""
        return [self.allowed[side].nominal if isinstance(side, str) else side for side in self.shape]

    @property
    def nominal_picture(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        height, width = (self.nominal_shape[self.layout.index(side)] for side in "hw")
        return height, width

    def check_picture(self, height: int, width: int) -> None:
        """Raises RequestError for a size in pixels that the artifact does not take."""
        for name, given in (("height", height), ("width", width)):
            side = self.shape[self.layout.index(name[0])]
            takes = self.allowed[side] if isinstance(side, str) else side
            if not (takes.holds(given) if isinstance(takes, Allowed) else takes == given):
                raise RequestError(f"a picture of {name} {given}: the artifact takes {takes}: give it such a one")


class PreprocessingSource(Section):
    """Who said how images are normalised, and how they are resized and padded: the `checkpoint`, the torch `network` in
    memory, the `recipe`, or nobody: the `model`'s usual was taken."""

    normalization: Literal["checkpoint", "network", "model", "recipe"]
    geometry: Literal["checkpoint", "network", "model", "recipe"]


class Preprocessing(Section):
    """From a picture to the input. `normalization` is done inside the graph or, if not `inside_graph`, by the one who
    runs it; `geometry` (resize and padding) is done outside, before it. With `geometry_inside_graph` that too is
    inside, and boxes come out in the picture's own pixels, clipped to it. `trained`: what the network was trained with,
    and who says so; `source`: where this comes from (both null in manifests of 0.1.0)."""

    name: str
    inside_graph: bool
    geometry_inside_graph: bool
    normalization: Normalization | OwnNormalization | None
    geometry: Geometry | None
    source: PreprocessingSource | None = None
    trained: Trained | None = None

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if self.geometry is not None and self.geometry.height * self.geometry.width > MAX_PIXELS:
            raise ValueError(f"geometry: at most {MAX_PIXELS} pixels are taken")
        return self


class Postprocessing(Section):
    """Every knob of the NMS, as it stands in the graph, and the output format (null without NMS)."""

    nms: dict[str, Any]
    format: str | None

    @property
    def readable(self) -> bool:
        """Whether the outputs are detections in one of the exporter's own formats."""
        return self.format in ("batch", "flat")


class Calibration(Section):
    """The pictures that the ranges were taken from; `digest` is a sha256 over their pixels, `duplicates` counts those
    that are the same, pixel by pixel, as one before them, `bit_depth` is what images of 16 bits were scaled by (null:
    there are none). `labels`: as in `Evaluation`, of what was read of them."""

    name: str
    method: str
    num_images: int
    duplicates: int
    digest: str
    labels: dict[str, int] = {}  # noqa: RUF012 - pydantic copies it
    bit_depth: int | None = None


class Profile(Section):
    """Shapes of the input that an engine is built for: the least, the one it is tuned for, the most."""

    min: list[int]
    opt: list[int]
    max: list[int]


class Backend(Section):
    """The engine the artifact is for; `verified` says where it was run. `build_flags`: by version of an engine that is
    built first, what its builder has to be told; versions that are not there cannot take the artifact. `profile`: for
    such an engine, where the input's shape is free. `settings`: what a program has to tell the engine so that it
    computes as it did in the proof."""

    name: str
    minimum_version: str
    verified: str
    profile: Profile | None = None
    build_flags: dict[str, list[str]] = {}  # noqa: RUF012 - pydantic copies it
    settings: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it


class Engine(Section):
    """The serialized engine beside the artifact, if one was built of it: for this version of TensorRT and this kind of
    GPU alone (null where nothing tells which it is). `proof`: how near its outputs are to the artifact's, or why that
    was not looked at."""

    file: FileName
    sha256: str
    bytes: int
    tensorrt: str
    gpu: str | None
    cuda: str | None
    proof: dict[str, Any]


class StoredFile(Section):
    """A file beside the manifest."""

    file: FileName
    sha256: str
    bytes: int


class Intermediate(Section):
    """The artifact in OpenVINO's own form (IR): the graph, and its weights."""

    xml: StoredFile
    bin: StoredFile


class Recipe(Section):
    """The request: the configuration as composed and resolved, the words of the command line, the state of the
    repository that the recipe lies in, where it lies in one."""

    name: str | None
    config: dict[str, Any]
    overrides: list[str]
    commit: str | None
    dirty: bool | None


class Manifest(Section):
    """See the module. Only `run` and `benchmark`, which are measured on the clock, may differ between two builds of one
    recipe on machines of one instruction set. `evaluation` and `benchmark` are null where the recipe has them off."""

    schema_version: Literal[1]
    name: str
    artifact: Artifact
    model: Model
    input: Input
    preprocessing: Preprocessing
    outputs: list[Tensor]
    postprocessing: Postprocessing
    quantization: dict[str, Any]
    calibration: Calibration | None
    backend: Backend
    engine: Engine | None = None
    intermediate: Intermediate | None = None
    proof: dict[str, Any]
    evaluation: Evaluation | None
    benchmark: Benchmark | None
    recipe: Recipe
    versions: dict[str, str]
    run: dict[str, Any]

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


def files_digest(paths: Iterable[Path]) -> str:
    """sha256 over the digests of files, in order; where they lie and what they are called does not matter."""
    return hashlib.sha256("".join(map(file_digest, paths)).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
