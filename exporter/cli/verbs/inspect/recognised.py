"""Which head a graph that somebody else made is taken for: the one that it says itself, or one that fits."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import onnx

from exporter.model.head import Head, libreyolo
from exporter.model.head.presets import Fit, by_name, fit_of, fitting, presets


class Recognised(NamedTuple):
    """preset: of `model/head`; head: as the graph is read with it, which `fit` is of; keys: those of the head that are
    others than the preset's; preprocessing: the option that says what the network is fed, and its keys, None: the head
    does; said: whether the file says it itself; family: what LibreYOLO calls it, None for another tool's; others:
    presets that fit as well."""

    preset: str
    head: Head
    fit: Fit
    keys: dict[str, Any]
    preprocessing: tuple[str, dict[str, Any]] | None
    said: bool
    family: str | None
    others: list[str]


def recognised(model: onnx.ModelProto, label: str, metadata: Mapping[str, str], named: int | None) -> Recognised | None:
    """None where nothing fits. named: how many classes the file names, None: none."""
    return _of_libreyolo(model, label, metadata, named) or _of_presets(model, label, metadata, named)


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
            return Recognised(family.preset, head, fit, keys, fed, True, libreyolo.family_name(metadata), [])
    return None


def _of_presets(
    model: onnx.ModelProto, label: str, metadata: Mapping[str, str], named: int | None
) -> Recognised | None:
    fit = fitting(model, label, named)
    if not fit:
        return None
    outputs = [value.name for value in model.graph.output]
    told = by_name(list(fit), metadata.get("description", ""), outputs)
    preset = told or next(iter(fit))
    others = [name for name in fit if name != preset]
    return Recognised(preset, presets()[preset], fit[preset], {}, None, told is not None, None, others)
