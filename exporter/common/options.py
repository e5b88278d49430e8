"""Finds an option's class: by its public name, which holds wherever its file lies, and by its name in conf/.

`exporter.quantization.Int8Fp16` is the class of that name in int8_fp16.py, `exporter.postprocessing.nms.OnnxNms` in
onnx.py, `exporter.evaluation.NoEvaluation` in none.py.
"""

import pkgutil
from collections.abc import Callable
from importlib import import_module

import yaml

from exporter.common.paths import CONF


def option_class(package: str, name: str) -> type:
    """The class `name` of the module of `package` that is called like its beginning. Raises AttributeError where there
    is none; imports that module alone."""
    plain = "none" if name.startswith("No") and name[2:3].isupper() else name.lower()
    modules = {each.name.replace("_", ""): each.name for each in pkgutil.iter_modules(import_module(package).__path__)}
    for word in sorted(modules, key=len, reverse=True):
        if plain.startswith(word):
            found = vars(import_module(f"{package}.{modules[word]}")).get(name)
            if isinstance(found, type):
                return found
    raise AttributeError(f"module {package!r} has no attribute {name!r}")


def option_named(group: str, name: str | None) -> type | None:
    """The class behind `group=name`, as conf/ says it: what a manifest, which gives names alone, speaks of. None where
    there is no such option, or where it is code of a user's."""
    files = {file.stem: file for file in CONF.joinpath(group).glob("*.yaml")}
    if name not in files:
        return None
    target = str(yaml.safe_load(files[name].read_text(encoding="utf-8")).get("_target_"))
    package, _, class_name = target.rpartition(".")
    return option_class(package, class_name) if package else None


def lazily(package: str) -> Callable[[str], type]:
    """A package's `__getattr__` (PEP 562), with which `from package import Name` imports an option when it is asked
    for."""
    return lambda name: option_class(package, name)
