"""Which layers a node's `include`, `exclude`, `first_n` and `last_n` come to."""

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from exporter.quantization import policy

if TYPE_CHECKING:
    import onnx


class Selecting(Protocol):
    """The keys by which a node selects layers; conf/quantization/int8.yaml says what they are."""

    @property
    def include(self) -> tuple[str, ...]: ...

    @property
    def exclude(self) -> tuple[str, ...]: ...

    @property
    def first_n(self) -> int: ...

    @property
    def last_n(self) -> int: ...


class Selection(NamedTuple):
    """layers: the names of the convolutions to quantize, in graph order; excluded: nodes that stay in float whatever
    goes on around them; choices: what each key matched, JSON-able, for the manifest."""

    layers: list[str]
    excluded: set[str]
    choices: dict[str, Any]


def selected(core: "onnx.ModelProto", node: Selecting) -> Selection:
    """Of this core, by the keys of `node`. Raises RequestError for patterns that match nothing, for more layers at the
    ends than there are, and where none is left."""
    included = policy.matching(core, node.include, "quantization.include")
    excluded = policy.matching(core, node.exclude, "quantization.exclude")
    left_in_float = {name for names in excluded.values() for name in names}
    layers = policy.convolutions(core, [name for names in included.values() for name in names], left_in_float)
    first, last = policy.ends(layers, node.first_n, node.last_n)
    layers = [name for name in layers if name not in (*first, *last)]
    return Selection(
        layers, left_in_float, {"include": included, "exclude": excluded, "first_n": first, "last_n": last}
    )
