"""Which layers a node's `include`, `exclude`, `first_n` and `last_n` come to."""

from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field

from exporter.quantization import QuantizationNode

if TYPE_CHECKING:
    import onnx


class LayerSelection(QuantizationNode):
    """The keys by which a quantizer selects layers; conf/quantization/int8.yaml says what they are."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    first_n: int = Field(0, ge=0)
    last_n: int = Field(0, ge=0)


class Selection(NamedTuple):
    """layers: the names of the layers to quantize, in graph order; excluded: nodes that stay in float whatever
    goes on around them; choices: what each key matched, JSON-able, for the manifest."""

    layers: list[str]
    excluded: set[str]
    choices: dict[str, Any]


def selected(core: "onnx.ModelProto", node: LayerSelection, linear_layers: bool = False) -> Selection:
    """Of this core, by the keys of `node`; linear layers too, if that is asked for. Raises RequestError for patterns
    that match nothing, for more layers at the ends than there are, and where none is left."""
    from exporter.quantization import policy

    included = policy.matching(core, node.include, "quantization.include")
    excluded = policy.matching(core, node.exclude, "quantization.exclude")
    left_in_float = {name for names in excluded.values() for name in names}
    wanted = [name for names in included.values() for name in names]
    layers = policy.layers(core, wanted, left_in_float, linear_layers)
    first, last = policy.ends(layers, node.first_n, node.last_n)
    layers = [name for name in layers if name not in (*first, *last)]
    return Selection(
        layers, left_in_float, {"include": included, "exclude": excluded, "first_n": first, "last_n": last}
    )
