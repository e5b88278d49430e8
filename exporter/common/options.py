"""Finds an option's class by its public name, which holds wherever its file lies.

`exporter.quantization.Int8Fp16` is the class of that name in int8_fp16.py, `exporter.postprocessing.nms.OnnxNms` in
onnx.py, `exporter.evaluation.NoEvaluation` in none.py.
"""

import pkgutil
from collections.abc import Callable
from importlib import import_module


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


def lazily(package: str) -> Callable[[str], type]:
    """A package's `__getattr__` (PEP 562), with which `from package import Name` imports an option when it is asked
    for."""
    return lambda name: option_class(package, name)
