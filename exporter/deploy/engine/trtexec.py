"""The command with which NVIDIA's own tool builds an artifact's engine."""

import shlex
from typing import get_args

from exporter.artifact.manifest import Manifest
from exporter.backend.tensorrt import Version
from exporter.common.errors import RequestError
from exporter.common.messages import one_of
from exporter.deploy.checked import engine_name


def trtexec_command(manifest: Manifest, version: Version) -> str:
    """The command that builds an engine of an artifact, run in its folder, for TensorRT `version`.

    Raises RequestError for another backend's artifact, for versions outside the known range, and for one that this
    artifact is not for."""
    backend = manifest.backend
    if not backend.build_flags:
        raise RequestError(f"{manifest.name}: is for backend={backend.name}: build it with backend=tensorrt")
    if version not in get_args(Version):
        raise RequestError(f"TensorRT {version}: {one_of('not known', version, list(get_args(Version)))}")
    if version not in backend.build_flags:
        raise RequestError(
            f"{manifest.name}: needs TensorRT {backend.minimum_version} or later, since its opset is"
            f" {manifest.artifact.opset} and {version} reads up to 17: build it with export.opset=18 and without FP16"
            " scales (quantization=int8 or fp16)"
        )
    name = engine_name(manifest)
    words = ["trtexec", f"--onnx={manifest.artifact.file}", f"--saveEngine={name}", *backend.build_flags[version]]
    if backend.profile is not None:
        for end, shape in backend.profile.model_dump().items():
            words.append(f"--{end}Shapes={manifest.input.name}:{'x'.join(map(str, shape))}")
    return shlex.join(words)
