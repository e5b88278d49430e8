"""The format of a finished artifact, by the name that its manifest gives."""

import pkgutil
from importlib import import_module

from exporter.postprocessing.format import FormatNode


def format_of(name: str | None) -> FormatNode | None:
    """The exporter's own format of that name, which is its module's, where its outputs can be read; None where there is
    none, as for one of a user's."""
    package = FormatNode.__module__
    if name not in {each.name for each in pkgutil.iter_modules(import_module(package).__path__)}:
        return None
    module = import_module(f"{package}.{name}")
    for found in vars(module).values():
        if isinstance(found, type) and found.__module__ == module.__name__ and issubclass(found, FormatNode):
            return found() if found.readable else None
    return None
