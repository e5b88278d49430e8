"""The manifest's section on precision: what was quantized, counted in the artifact, and what was decided."""

from typing import Annotated, Any

from pydantic import ConfigDict, Discriminator, Field, Tag

from exporter.common.section import Section

OWN = ("float32", "float16", "int8", "int8_fp16", "mixed")
"""The precisions that have a section of their own."""


def _precision(name: str) -> Any:
    return Field(name, json_schema_extra={"const": name})


class Quantization(Section):
    """What a quantizer says of its work; of a package outside, anything beside the precision's name."""

    model_config = ConfigDict(extra="allow")

    precision: str = Field(json_schema_extra={"not": {"enum": list(OWN)}})


class Float32(Quantization):
    """Nothing was quantized."""

    model_config = ConfigDict(extra="forbid")

    precision: str = _precision("float32")


class LayerCounts(Section):
    """How many layers of a kind compute on integers and how many in float, and the names of those."""

    int8: int
    float: int
    left_in_float: list[str]


class IntegerCounts(Section):
    """What computes on integers in a graph, behind Q/DQ pairs or by itself. `linear_layers` is null where the graph has
    none, and in manifests older than these. `activations` and `weights` are dtypes,
    `weight_scales` are "per channel" or "per tensor", `largest_weight` is the largest magnitude of those that are
    stored as integers, null where none are."""

    convolutions: LayerCounts
    linear_layers: LayerCounts | None = None
    activations: list[str]
    weights: list[str]
    weight_scales: list[str]
    largest_weight: int | None
    quantize_linear: int
    dequantize_linear: int


class Fp16Counts(Section):
    """Convolutions by the dtype of their weights, and how many numbers are stored in float16."""

    float16_convolutions: int
    float32_convolutions: int
    float16_weights: int


class Fp16(Quantization, Fp16Counts):
    """`engines` says where that pays. Nodes left in float32, and why; what the patterns in `exclude` matched; `probes`
    describes the images that values beyond float16 were looked for with."""

    model_config = ConfigDict(extra="forbid")

    precision: str = _precision("float16")
    engines: str
    nodes: dict[str, int]
    left_in_float32: dict[str, str]
    exclude: dict[str, list[str]]
    probes: str


class ReducedRange(Section):
    """Whether weights keep to 7 bits, and where it was measured the error of either ("full", "reduced")."""

    chosen: bool
    error: dict[str, float] | None


class MeasuredRanges(Section):
    """The method that ranges were chosen by, and the error of each that was tried."""

    chosen: str
    error: dict[str, float]


class Package(Section):
    """The package that chose the ranges."""

    name: str
    version: str


class Int8(Quantization, IntegerCounts):
    """`scheme` is "u8s8", "s8s8", or "as it was given" for a graph that came quantized, of which nothing else was
    decided here. The layers that each pattern and key matched; `always_zero`: tensors in which no image left anything.
    Null is what the quantizer does not decide; `engines`, `verified`: what it says of itself."""

    model_config = ConfigDict(extra="forbid")

    precision: str = _precision("int8")
    scheme: str
    reduce_range: ReducedRange | None = None
    measured_ranges: MeasuredRanges | None = None
    bias_correction: bool | None = None
    include: dict[str, list[str]] | None = None
    exclude: dict[str, list[str]] | None = None
    first_n: list[str] | None = None
    last_n: list[str] | None = None
    always_zero: list[str] | None = None
    engine: Package | None = None
    engines: str | None = None
    verified: str | None = None


class Int8Fp16(Int8, Fp16Counts):
    """INT8, and the rest in float16. Nodes left in float32, and why."""

    precision: str = _precision("int8_fp16")
    left_in_float32: dict[str, str]


class Sensitivity(Section):
    """Of one layer: the error at the outputs when it alone works on integers (0: none, about 1: everything lost), and
    the points of mAP that this costs (null where there is no object on the images)."""

    layer: str
    error: float
    map_drop: float | None


class Tried(Section):
    """A number of layers on integers, its mAP and the points it lost. `given_back`: layers on integers though less
    sensitive ones are not."""

    in_int8: int
    map: float
    drop: float
    given_back: list[str]
    chosen: bool


class Mixed(Int8):
    """INT8 but for what accuracy needs in float. `map` in points: "float", "mixed"; `labels`: what took the part of the
    ground truth; images by what they were used for: "ranking", "drop"."""

    precision: str = _precision("mixed")
    max_drop: float
    drop: float
    map: dict[str, float]
    labels: str
    num_images: dict[str, int]
    left_for_accuracy: list[str]
    ranking: list[Sensitivity]
    tried: list[Tried]


def _tag(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("precision")
    elif isinstance(value, Quantization):
        value = value.precision
    return value if isinstance(value, str) and value in OWN else "other"


AnyQuantization = Annotated[
    Annotated[Float32, Tag("float32")]
    | Annotated[Fp16, Tag("float16")]
    | Annotated[Int8, Tag("int8")]
    | Annotated[Int8Fp16, Tag("int8_fp16")]
    | Annotated[Mixed, Tag("mixed")]
    | Annotated[Quantization, Tag("other")],
    Discriminator(_tag),
]
"""By its precision."""
