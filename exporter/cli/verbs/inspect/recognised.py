"""Which head a graph that somebody else made is taken for: the one that it says itself, or one that fits."""

from collections.abc import Mapping
from itertools import islice
from typing import Any, NamedTuple

import onnx

from exporter.model.graph_cut import cut, ends_inside
from exporter.model.graph_outputs import suppresses
from exporter.model.head import Head, libreyolo
from exporter.model.head.presets import Fit, by_name, fit_of, fitting, presets

MOST_TRIED = 12  # places inside


class Recognised(NamedTuple):
    """preset: of `model/head`; head: as the graph is read with it, which `fit` is of; keys: those of the head that are
    others than the preset's; preprocessing: the option that says what the network is fed, and its keys, None: the head
    does; said: whether the file says it itself; fed_as: who feeds it so, in words, None: it is what is usual; others:
    presets that fit as well; cut: at which tensors the graph ends then, empty: it is whole."""

    preset: str
    head: Head
    fit: Fit
    keys: dict[str, Any]
    preprocessing: tuple[str, dict[str, Any]] | None
    said: bool
    fed_as: str | None
    others: list[str]
    cut: tuple[str, ...] = ()


def recognised(model: onnx.ModelProto, label: str, metadata: Mapping[str, str], named: int | None) -> Recognised | None:
    """None where nothing fits, neither what it gives nor what is chosen from inside. named: how many classes the file
    names, None: none."""
    whole = _of_libreyolo(model, label, metadata, named) or _of_presets(model, label, metadata, named, presets())
    return whole or _inside(model, label, metadata, named)


def _inside(model: onnx.ModelProto, label: str, metadata: Mapping[str, str], named: int | None) -> Recognised | None:
    """In front of what chooses among boxes. What takes the best of them, and has no NMS, gives one box an object."""
    heads = presets()
    if not suppresses(model.graph):
        heads = {name: head for name, head in heads.items() if head.suppressed}
    for names in islice(ends_inside(model), MOST_TRIED):
        if found := _of_presets(cut(model, names, label), label, metadata, named, heads):
            return found._replace(cut=names)
    return None


def _of_libreyolo(
    model: onnx.ModelProto, label: str, metadata: Mapping[str, str], named: int | None
) -> Recognised | None:
    family = libreyolo.family(metadata)
    if family is None:
        return None
    for keys in libreyolo.readings(family):
        head = Head.model_validate(presets()[family.preset].model_dump() | keys)
        if fit := fit_of(model, label, head, named):
            fed = libreyolo.preprocessing(family)
            fed_as = f"LibreYOLO feeds its {libreyolo.family_name(metadata)}"
            return Recognised(family.preset, head, fit, keys, fed, True, fed_as, [])
    return None


def _of_presets(
    model: onnx.ModelProto, label: str, metadata: Mapping[str, str], named: int | None, heads: Mapping[str, Head]
) -> Recognised | None:
    fit = fitting(model, label, named, heads)
    if not fit:
        return None
    outputs = [value.name for value in model.graph.output]
    description = metadata.get("description", "")
    told = by_name(list(fit), description, outputs)
    preset = told or next(iter(fit))
    head, others = heads[preset], [name for name in fit if name != preset]
    theirs = description.startswith("Ultralytics ")
    fed = ("declared", presets()["yolov8"].preprocessing or {}) if theirs and head.fed is None else None
    fed_as = "Ultralytics feeds its networks" if theirs else None
    return Recognised(preset, head, fit[preset], {}, fed, told is not None, fed_as, others)
