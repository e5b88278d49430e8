"""The manifest's sections `input` and `preprocessing`, from the graph and the recipe."""

from typing import TYPE_CHECKING

from exporter.common.geometry import STRIDE
from exporter.graph import facts
from exporter.preprocessing import section
from exporter.preprocessing.trained import Trained

if TYPE_CHECKING:
    import onnx

    from exporter.preprocessing import PreprocessingNode
    from exporter.preprocessing.input import Input


def input_section(model: "onnx.ModelProto", input: "Input", node: "PreprocessingNode") -> section.Input:
    """The input as the graph has it; layout and channels are names for what its dimensions mean."""
    inside, raw = node.inside_graph, node.takes_raw_images
    channels = input.channels if input.channels != "auto" else ("rgb" if inside else "the network's own")
    (value,) = model.graph.input
    described = facts.tensor(value)
    return section.Input(
        **described,
        allowed={side: _allowed(side, input, node) for side in described["shape"] if isinstance(side, str)},
        layout="hwc" if raw else input.layout,
        channels=channels,
        range=(0.0, 255.0) if inside else None,
    )


def _allowed(side: str, input: "Input", node: "PreprocessingNode") -> section.Allowed:
    """What the free dimension "batch", "height" or "width" of the input may be."""
    if side == "batch":
        return section.Allowed(min=1, max=None, multiple=1, nominal=1)
    nominal = node.image_sizes(input)[0][("height", "width").index(side)]
    if node.takes_raw_images:
        return section.Allowed(min=1, max=None, multiple=1, nominal=nominal)
    return section.Allowed(min=input.min_size, max=input.max_size, multiple=STRIDE, nominal=nominal)


def preprocessing_section(input: "Input", node: "PreprocessingNode", trained: Trained) -> section.Preprocessing:
    """What an image goes through. Without pre-processing inside, what the network was trained with."""
    does, size = node if node.inside_graph else trained.preprocessing, input.nominal
    described = section.Preprocessing(
        name=node.name,
        inside_graph=node.inside_graph,
        geometry_inside_graph=node.takes_raw_images,
        normalization=does.normalization if does else None,
        geometry=does.geometry(*size) if does else None,
        trained=trained if trained != Trained() else None,
    )
    if does is None:
        return described
    own, who = trained.preprocessing, trained.source or "recipe"
    source = section.PreprocessingSource(
        normalization=who if own and own.normalization == described.normalization else "recipe",
        geometry=who if own and own.geometry(*size) == described.geometry else "recipe",
    )
    return described.model_copy(update={"source": source})
