"""Which source and which packages a stage runs: the modules of ours that its own import, directly or not.

Read from the text, not from what happens to be imported: an import inside a function counts, one for type checkers
does not. A result made by other source or other packages is another result.
"""

import hashlib
import importlib.metadata
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]

# What a package that we import computes with besides itself: torch writes ONNX with onnxscript.
PACKAGES = {
    "PIL": ("pillow",),
    "cryptography": ("cryptography",),
    "cv2": ("opencv-python-headless",),
    "google": ("protobuf",),
    "faster_coco_eval": ("faster-coco-eval",),
    "matplotlib": ("matplotlib",),
    "modelopt": ("nvidia-modelopt",),
    "nncf": ("nncf",),
    "numpy": ("numpy",),
    "onnx": ("onnx",),
    "onnx_ir": ("onnx-ir",),
    "onnxruntime": ("onnxruntime",),
    "onnxscript": ("onnxscript", "onnx-ir"),
    "onnxsim": ("onnxsim",),
    "openvino": ("openvino",),
    "pytorch_quantization": ("pytorch-quantization",),
    "safetensors": ("safetensors",),
    "tensorrt": ("tensorrt",),
    "torch": ("torch", "onnxscript", "onnx-ir"),
    "torchvision": ("torchvision",),
}

# These read words, write pages or talk to people: no result depends on them.
NO_MATTER = frozenset({"hydra", "omegaconf", "pydantic", "rich", "yaml"})

_IMPORT = re.compile(
    r"^(?P<indent>[ ]*)(?:from (?P<module>[\w.]+) import (?P<names>\((?:[^)]*)\)|[^\n]*)|import (?P<plain>[^\n]+))",
    re.MULTILINE,
)
_TYPES_ONLY = re.compile(r"^if TYPE_CHECKING:\n(?:(?:[ ]+[^\n]*)?\n)+", re.MULTILINE)


def sources(modules: Iterable[str]) -> dict[str, str]:
    """sha256 of the source, by the names of all modules of ours that these modules, of ours too, run."""
    wanted, found = [name for name in modules if _is_ours(name)], {}
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name], imports = _read(name)
            wanted += [each for each in imports if _is_ours(each)]
    return dict(sorted(found.items()))


def packages(modules: Iterable[str]) -> dict[str, str]:
    """Versions, by distribution, of what these modules of ours import of others, and of Python; of what is installed.
    Raises KeyError for an import that `PACKAGES` does not know: a result would not depend on its version."""
    names = set()
    for module in modules:
        for imported in _read(module)[1]:
            top = imported.partition(".")[0]
            if top != "exporter" and top not in sys.stdlib_module_names and top not in NO_MATTER:
                names.update(PACKAGES[top])
    return {name: version for name in sorted(names) if (version := _version(name))} | {
        "python": ".".join(map(str, sys.version_info[:2]))
    }


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == "exporter" and _file(name) is not None


@cache
def _file(name: str) -> Path | None:
    path = ROOT.joinpath(*name.split(".")[1:])
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


@cache
def _read(name: str) -> tuple[str, tuple[str, ...]]:
    """sha256 of a module of ours, and the names of all that it may import: `from a import b` is a, and a.b where that
    is a module."""
    file = _file(name)
    assert file is not None
    content = file.read_bytes()
    text = _TYPES_ONLY.sub("", content.decode())
    imports: list[str] = []
    for found in _IMPORT.finditer(text):
        if module := found["module"]:
            names = [part.split()[0] for part in found["names"].strip("() \n").split(",") if part.split()]
            # The package's own front door imports all there is: of it, only what is named counts.
            imports += [*([module] if module != "exporter" else []), *(f"{module}.{each}" for each in names)]
        else:
            imports += [part.split()[0] for part in found["plain"].split(",")]
    return hashlib.sha256(content).hexdigest(), tuple(dict.fromkeys(imports))


@cache
def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
