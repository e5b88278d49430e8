"""What an engine takes, as data: the other groups and the checks read it, and nobody asks which engine it is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Capabilities:
    """scheme: "u8s8" or "s8s8", how INT8 has to be for it.
    fuses_activations: whether it computes what follows a convolution (SiLU, LeakyRelu, a gate) in float, within it.
    max_candidates: how many candidates of an image may enter suppression, None: any number.
    any_size: whether it runs any size of a graph with dynamic sides, which then has to refuse some by itself.
    own_nms: the class of `exporter.postprocessing.nms` that "auto" stands for; None: no preference.
    own_nms_any_shape: whether also where batch or sides are dynamic.
    exact_pairs: whether it computes a graph with Q/DQ pairs as ONNX Runtime does, up to rounding of floats; where not,
    a network that came quantized is proved with INT8's bounds."""

    scheme: str = "u8s8"
    fuses_activations: bool = False
    max_candidates: int | None = None
    any_size: bool = True
    own_nms: str | None = None
    own_nms_any_shape: bool = False
    exact_pairs: bool = True


ANY = Capabilities()
"""An engine that takes everything."""
