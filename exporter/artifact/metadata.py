"""What a graph says of itself in its metadata, for runtimes that read no manifest, held against the manifest."""

import json
from collections.abc import Iterator
from typing import Any

import onnx

from exporter.artifact.manifest import Input, Manifest, Postprocessing, Preprocessing
from exporter.common.errors import BuildError
from exporter.common.messages import in_one_line

IN_MANIFEST = {"source", "trained"}
"""Of the preprocessing: who said it, which is for the manifest alone."""


def same(what: str, found: Any, stated: Any) -> None:
    """Raises BuildError where the artifact and its manifest say different things."""
    if found != stated:
        raise BuildError(f"{what}: the artifact has {found}, its manifest says {stated}: one of them was changed")


def metadata(model: onnx.ModelProto, manifest: Manifest) -> Iterator[tuple[str, Any, Any]]:
    """Name, what the graph says and what the manifest says, of each fact that the graph states; a graph of somebody
    else's states none. Both are read as sections, so that fields that came later have their defaults in both. Raises
    BuildError for text that is no section."""
    stated: dict[str, Any] = {
        "name": manifest.name,
        "class_names": manifest.model.class_names,
        "input": manifest.input,
        "preprocessing": manifest.preprocessing,
        "postprocessing": manifest.postprocessing,
    }
    sections = {"input": Input, "preprocessing": Preprocessing, "postprocessing": Postprocessing}
    for entry in model.metadata_props:
        if entry.key not in stated:
            continue
        wanted = stated[entry.key]
        try:
            found = json.loads(entry.value)
            if entry.key in sections:
                found, wanted = (each.model_dump(mode="json", exclude=IN_MANIFEST)
                                 for each in (sections[entry.key].model_validate(found), wanted))  # fmt: skip
        except (ValueError, RecursionError) as error:
            raise BuildError(f"its metadata holds what no artifact does: {in_one_line(error)}") from error
        yield f"metadata {entry.key}", found, wanted
