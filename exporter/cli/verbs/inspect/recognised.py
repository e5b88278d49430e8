"""Which head a graph that somebody else made is taken for: the one that it says itself, or one that fits."""

from collections.abc import Mapping
from itertools import islice
from typing import Any, NamedTuple

import onnx

from exporter.model.cut_places import cut_places
from exporter.model.graph_cut import cut
from exporter.model.graph_outputs import suppresses
from exporter.model.head import Head, libreyolo
from exporter.model.head.presets import Fit, by_name, fit_of, fitting, presets

MAX_PLACES = 16  # of a cut


class Recognised(NamedTuple):
    """preset: of `model/head`; head: as the graph is read with it, which `fit` is of; keys: those of the head that are
    others than the preset's; preprocessing: the option that says what the network is fed, and its keys, None: the head
    does; said: whether the file says it itself; fed_as: who feeds it so, in words, None: it is what is usual; others:
    presets that fit as well; cut: at which tensors the graph ends then, empty: it is whole; by_family: whether it is
    what LibreYOLO's name of its family says."""

    preset: str
    head: Head
    fit: Fit
    keys: dict[str, Any]
    preprocessing: tuple[str, dict[str, Any]] | None
    said: bool
    fed_as: str | None
    others: list[str]
    cut: tuple[str, ...] = ()
    by_family: bool = False


class Given(NamedTuple):
    """model: as it is taken, in float32; label: what errors begin with; metadata: of the file; named: how many classes
    it names, None: none."""

    model: onnx.ModelProto
    label: str
    metadata: Mapping[str, str]
    named: int | None


def recognised(given: Given) -> Recognised | None:
    """None where nothing fits, neither what it gives nor what is chosen from inside."""
    return _of_libreyolo(given) or _of_presets(given, presets()) or _relative(given) or _inside(given)


def _relative(given: Given) -> Recognised | None:
    """Boxes in 0..1, where those of the preset are in pixels: TensorFlow's exports of many networks."""
    keys = {"unit": "relative"}
    in_pixels = {name: head for name, head in presets().items() if head.decoding == "none" and head.unit == "pixels"}
    found = _of_presets(given, {name: head.model_copy(update=keys) for name, head in in_pixels.items()})
    return found._replace(keys=keys) if found else None


def _inside(given: Given) -> Recognised | None:
    """In front of what chooses among boxes. What takes the best of them, and has no NMS, gives one box an object."""
    heads = presets()
    if not suppresses(given.model.graph):
        heads = {name: head for name, head in heads.items() if head.suppressed}
    for names in islice(cut_places(given.model), MAX_PLACES):
        shorter = cut(given.model, names, given.label)
        if found := _of_presets(given._replace(model=shorter), heads):
            return found._replace(cut=names)
    return None


def _of_libreyolo(given: Given) -> Recognised | None:
    family = libreyolo.family(given.metadata)
    if family is None:
        return None
    for keys in libreyolo.readings(family):
        head = Head.model_validate(presets()[family.preset].model_dump() | keys)
        if fit := fit_of(given.model, given.label, head, given.named):
            fed = libreyolo.preprocessing(family)
            fed_as = f"LibreYOLO feeds its {libreyolo.family_name(given.metadata)}"
            return Recognised(family.preset, head, fit, keys, fed, True, fed_as, [], by_family=True)
    return None


def _of_presets(given: Given, heads: Mapping[str, Head]) -> Recognised | None:
    """heads: by the names of presets."""
    fit = fitting(given.model, given.label, given.named, heads)
    if not fit:
        return None
    outputs = [value.name for value in given.model.graph.output]
    description = given.metadata.get("description", "")
    told = by_name(list(fit), description, outputs)
    preset = told or next(iter(fit))
    head, others = heads[preset], [name for name in fit if name != preset]
    usual, theirs = presets()["yolov8"].preprocessing or {}, description.startswith("Ultralytics ")
    others_fed = theirs and (told is None or head.fed is None) and head.preprocessing != usual
    fed_as = "Ultralytics feeds its networks" if theirs else None
    fed = ("declared", usual) if others_fed else None
    return Recognised(preset, head, fit[preset], {}, fed, told is not None, fed_as, others)
