"""What a program for an artifact depends on, read from its manifest."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from exporter.artifact.manifest import Manifest
from exporter.backend.engine import option_of
from exporter.common.geometry import Geometry
from exporter.postprocessing.parameters import NmsParameters
from exporter.preprocessing.normalization import Normalization
from exporter.runtime.onnx_providers import PROVIDERS
from exporter.runtime.onnx_runtime import CAPTURED
from exporter.runtime.tensorrt.library import KINDS

WRITTEN = ("batch", "flat", "yolo", "deepstream", "split")
"""The formats of which a program here reads detections. Others are for readers that there are already, or a user's."""


@dataclass(frozen=True)
class Provider:
    """ONNX Runtime's execution provider that the artifact was proved with, by its name there, and its options. plugin:
    the module that brings it, where it is no part of ONNX Runtime. captured: whether in a CUDA graph."""

    name: str
    options: dict[str, str]
    plugin: str | None

    @property
    def captured(self) -> bool:
        return self.options.get(CAPTURED) == "1"


@dataclass(frozen=True)
class Serialized:
    """NVIDIA's engine beside the artifact. title: of its library. module: what runs it. plugins: whether that has any
    to load. fits: what to say where it cannot be loaded."""

    file: Path
    title: str
    module: str
    plugins: bool
    fits: str


@dataclass(frozen=True)
class Facts:
    """model: the file, as a path that its user can open, or what a server calls it. height, width: what images are
    brought to, pixels.

    geometry: resize and padding, None where the program has none to do. normalization: None where it is inside, or
    not known; then `takes_arrays`, and the program is given the network's own input instead of images. takes_raw_image:
    the input is one image [h, w, 3]. batch: None where it is free. format: one of WRITTEN, "none" (no NMS inside) or
    "own" (whose reader is not written here). outside: the NMS that a format of all boxes leaves to the program.
    outputs: name → dtype. in_image: boxes are to be in the image's own pixels, and can be. openvino: what it has to be
    told, for an artifact that is for it; None for ONNX Runtime. serialized: the engine beside the file that runs in its
    place, where one was built.
    """

    model: str
    class_names: tuple[str, ...]
    input_name: str
    dtype: str
    layout: str
    bgr: bool
    batch: int | None
    height: int
    width: int
    geometry: Geometry | None
    normalization: Normalization | None
    takes_arrays: bool
    format: str
    outside: NmsParameters | None
    outputs: dict[str, str]
    in_image: bool
    openvino: dict[str, str] | None
    provider: Provider
    serialized: Serialized | None

    @property
    def takes_raw_image(self) -> bool:
        return self.layout == "hwc"


def facts(manifest: Manifest, model: str | Path) -> Facts:
    """Those of the artifact in the file `model`, or that a server calls so."""
    input, preprocessing, post = manifest.input, manifest.preprocessing, manifest.postprocessing
    height, width = input.nominal_image
    batch = 1 if input.layout == "hwc" else input.shape[0]
    outside = None if preprocessing.inside_graph else preprocessing.normalization
    return Facts(
        model=str(model),
        class_names=tuple(manifest.model.class_names),
        input_name=input.name,
        dtype=input.dtype,
        layout=input.layout,
        bgr=input.channels == "bgr",
        batch=batch if isinstance(batch, int) else None,
        height=height,
        width=width,
        geometry=None if preprocessing.geometry_inside_graph else preprocessing.geometry,
        normalization=outside if isinstance(outside, Normalization) else None,
        takes_arrays=preprocessing.normalization is None and not preprocessing.inside_graph,
        format="none" if post.format is None else post.format if post.format in WRITTEN else "own",
        outside=post.outside,
        outputs={output.name: output.dtype for output in manifest.outputs},
        in_image=preprocessing.geometry is not None,
        openvino=dict(manifest.backend.settings) if manifest.backend.name == "openvino" else None,
        provider=_provider(manifest.backend.settings),
        serialized=_serialized(manifest, model.parent) if isinstance(model, Path) else None,
    )


def _provider(settings: Mapping[str, str]) -> Provider:
    """ONNX Runtime's execution provider and its options, as the artifact was proved with."""
    options = dict(settings)
    name = options.pop("provider", PROVIDERS["cpu"].name)
    return Provider(name, options, next((kind.plugin for kind in PROVIDERS.values() if kind.name == name), None))


def _serialized(manifest: Manifest, folder: Path) -> Serialized | None:
    built, compiler = manifest.engine, option_of(manifest.backend).compiler
    if built is None or compiler is None:
        return None
    kind = KINDS[compiler]
    where = built.gpus or "the GPU that it was built on"
    fits = f": cannot be loaded here: it is for {built.library} {built.tensorrt} and {where}"
    return Serialized(folder / built.file, kind.title, kind.module, kind.plugins, fits)
