"""Class names as most programs read them: a text file, one a line, in the order of the class indices."""

from exporter.artifact.manifest import Manifest
from exporter.common.errors import RequestError


def labels(manifest: Manifest) -> str:
    """The text of the file. Raises RequestError for a name with a line break, which would shift all after it."""
    for name in manifest.model.class_names:
        if name.splitlines() != [name]:
            raise RequestError(
                f"{manifest.name}: the class name {name!r} is no single line of a labels file: rename it"
                " (model.class_names)"
            )
    return "\n".join(manifest.model.class_names) + "\n"
