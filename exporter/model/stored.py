"""What a checkpoint says beside its weights: class names, thresholds, pre-processing. Read without torch."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open

from exporter.common.errors import RequestError
from exporter.common.files import check_file
from exporter.model.foreign import read_weights_records
from exporter.model.inert import first_line
from exporter.model.plain import plain

SUFFIXES = (".pth", ".pt", ".safetensors")
COMPOSED = "ComposeProcessing"
MAX_NESTED = 20  # of ComposeProcessing in ComposeProcessing
MAX_STEPS = 100


class Step(NamedTuple):
    """One step of the pre-processing: its class's name, and what the class is made with (numbers, strings, lists)."""

    name: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """What is not in the file is None. steps: in their order, ComposeProcessing opened."""

    class_names: tuple[str, ...] | None = None
    steps: tuple[Step, ...] | None = None
    confidence_threshold: float | None = None
    nms_threshold: float | None = None


def read_stored(path: Path) -> Stored:
    """What a .pth, .pt or .safetensors file says beside its weights. Nothing in it is executed, and torch not imported.

    SuperGradients keeps it in `processing_params`; a .safetensors file may have the same as JSON in its metadata.
    Raises RequestError that names the file: missing, damaged, of another kind, able to run code, or with
    processing_params that cannot be meant.
    """
    check_checkpoint_file(path)
    if path.suffix == ".safetensors":
        return stored_in_metadata(read_metadata(path), path)
    return stored_in_content(read_weights_records(path).content, path)


def check_checkpoint_file(path: Path) -> None:
    """Raises RequestError unless it is a file that is not empty and is called as checkpoints are."""
    size = check_file(path, f"give a checkpoint ({', '.join(SUFFIXES)})")
    if path.suffix not in SUFFIXES:
        known = f"give one of {', '.join(SUFFIXES)}, or with model=onnx and for inspect .onnx"
        raise RequestError(f"{path}: not a kind of checkpoint that is read: {known}")
    if size == 0:
        raise RequestError(f"{path}: the file is empty: download or save it again")


def read_metadata(path: Path) -> dict[str, str]:
    """What a .safetensors file says about itself. Raises RequestError for a damaged one."""
    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RequestError(f"{path}: not a whole .safetensors file ({first_line(error)}): save it again") from error


def stored_in_metadata(metadata: Mapping[str, str], path: Path) -> Stored:
    """Of the metadata of a .safetensors file, in which values are JSON. Raises RequestError as `read_stored` does."""
    names = None
    if "class_names" in metadata:
        names = _names(_from_json(metadata["class_names"]))
        if names is None:
            raise RequestError(
                f'{path}: its metadata class_names is not a JSON list of names: write one such as ["cat"]'
            )
    content: dict[str, Any] = {"class_names": names}
    if "processing_params" in metadata:
        content["processing_params"] = _from_json(metadata["processing_params"])
    return stored_in_content(content, path)


def stored_in_content(content: Any, path: Path) -> Stored:
    """Of what a .pth file holds (see `read_weights_records`). Raises RequestError as `read_stored` does."""
    if not isinstance(content, dict):
        return Stored()
    found = (_names(_plain_or_none(content.get(key))) for key in ("class_names", "classes"))  # other things, for some
    names = next((each for each in found if each), None)
    try:
        parameters = plain(content.get("processing_params"))
        if parameters is None:
            return Stored(class_names=names)
        if not isinstance(parameters, dict):
            raise RequestError(f"is {_shown(parameters)}, not a dictionary")
        own = next((parameters[key] for key in ("class_names", "classes") if parameters.get(key)), None)
        if own is not None and (own := _names(own)) is None:
            raise RequestError("class_names is not a list of names")
        processor = parameters.get("image_processor")
        return Stored(
            class_names=names or own,
            steps=None if processor is None else tuple(_steps(processor)),
            confidence_threshold=_threshold(parameters, "conf"),
            nms_threshold=_threshold(parameters, "iou"),
        )
    except RequestError as error:
        raise RequestError(
            f"{path}: its processing_params cannot be meant: {error}: correct it there, or delete the entry, and save"
            " the file again"
        ) from error


def _steps(value: Any, nested: int = 0) -> Iterator[Step]:
    """As SuperGradients writes them: a name, {name: parameters}, or a list of those."""
    if nested > MAX_NESTED:
        raise RequestError(f"image_processor is nested more than {MAX_NESTED} deep")
    if isinstance(value, list):
        if len(value) > MAX_STEPS:
            raise RequestError(f"image_processor has {len(value)} steps, more than {MAX_STEPS}")
        for each in value:
            yield from _steps(each, nested + 1)
        return
    if isinstance(value, str):
        value = {value: {}}
    if not (isinstance(value, dict) and len(value) == 1):
        raise RequestError(f"image_processor has the step {_shown(value)}, not a name or {{name: parameters}}")
    [(name, parameters)] = value.items()
    if not (isinstance(name, str) and isinstance(parameters, dict | None)):
        raise RequestError(f"image_processor has the step {_shown(value)}, not a name or {{name: parameters}}")
    parameters = {str(key).removeprefix("_"): each for key, each in (parameters or {}).items()}
    if name == COMPOSED:
        yield from _steps(parameters.get("processings", []), nested + 1)
    else:
        yield Step(name, parameters)


def _names(value: Any) -> tuple[str, ...] | None:
    """Class names, from a list or from {0: name, 1: name, …}; None of anything else."""
    if isinstance(value, dict) and list(value) == list(range(len(value))):
        value = list(value.values())
    if isinstance(value, list | tuple) and value and all(isinstance(name, str) for name in value):
        return tuple(value)
    return None


def _threshold(parameters: dict[Any, Any], key: str) -> float | None:
    value = parameters.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise RequestError(f"{key} is {_shown(value)}, not a number from 0 to 1")
    return float(value)


def _plain_or_none(value: Any) -> Any:
    try:
        return plain(value)
    except RequestError:
        return None


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return math.nan  # nothing that anybody can mean


def _shown(value: Any) -> str:
    return repr(value)[:50]
