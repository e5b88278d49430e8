"""The heads that a recipe can choose by name, and those among them that fit a graph."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import onnx
from omegaconf import OmegaConf

from exporter.common.errors import RequestError
from exporter.common.paths import CONF
from exporter.graph.walk import shape_of
from exporter.model.graph_network import GraphNetwork
from exporter.model.graph_runs import GraphRuns
from exporter.model.head import Head

NOT_READING = {"confidence_threshold", "nms_threshold", "preprocessing", "size_multiple"}
USUAL_CLASSES = (80, 91, 365, 601, 1203)
"""Of detections whose file does not say how many there are: COCO, its ids, Objects365, Open Images, LVIS."""
RARE = 0.5
"""A share of boxes: trained networks give the background more, for most boxes hold nothing."""


@cache
def presets() -> dict[str, Head]:
    """By name, the contract's own first, and last those of one tool's exports, which name themselves."""
    base = OmegaConf.load(CONF / "model/head/boxes_scores.yaml")
    found = {}
    for path in sorted((CONF / "model/head").glob("*.yaml"), key=_place):
        values = OmegaConf.to_container(OmegaConf.merge(base, OmegaConf.load(path)))
        assert isinstance(values, dict)
        values.pop("defaults", None)
        found[path.stem] = Head.model_validate(values)
    return found


def _place(path: Path) -> tuple[bool, bool, str]:
    return path.stem != "boxes_scores", path.stem.startswith("libre"), path.stem


class Fit(NamedTuple):
    """num_classes: how many the graph has with a head; of_the_head: how many the head has to say that there are, None:
    the file says it, by a shape or by names; unread: the outputs that it leaves aside; likely: False where what the
    head takes for the background is hardly ever the highest score, or what it takes for scores are numbers of
    classes."""

    num_classes: int
    of_the_head: int | None
    unread: list[str]
    likely: bool = True


def fitting(given: onnx.ModelProto, label: str, classes: int | None, heads: Mapping[str, Head]) -> dict[str, Fit]:
    """By name those of the presets whose declaration a graph does not contradict, the likelier ones first.

    classes: how many the file names, None: it names none. The graph is run on a few images for each reading of its
    outputs. Presets that read them alike fit alike: their names are all there is between them."""
    try:
        runs = GraphRuns(given, label, remembers=True)
    except RequestError:  # it does not read one image
        return {}
    known: dict[str, Fit | None] = {}
    fit = {}
    for name, head in heads.items():
        reading = head.model_dump_json(exclude=NOT_READING)
        if reading not in known:
            known[reading] = fit_of(given, label, head, classes, runs)
        found = known[reading]
        if found is not None:
            fit[name] = found
    return dict(sorted(fit.items(), key=lambda each: not each[1].likely))


def fit_of(
    given: onnx.ModelProto, label: str, head: Head, named: int | None, runs: GraphRuns | None = None
) -> Fit | None:
    """How the head fits, None where the graph contradicts it; see `fitting`."""
    usual = USUAL_CLASSES if named is None and head.is_uncounted else (named,)
    told = [head.counted(each) for each in usual]
    if named and head.layout == "joined":  # what no scores can be may follow the classes
        told.append(head.model_copy(update={"num_classes": named}))
    for each in told:
        try:
            network = GraphNetwork(given, None, label, each, suggests=False, runs=runs)
        except RequestError:
            continue
        fits = named in (None, network.num_classes) and not network.more_scores
        by_file = named is not None and head.layout == "detections"
        if network.num_classes == 1 and any(_is_of_classes(given, name) for name in network.unread):
            return None  # the score of each box, and the number of its class beside it
        counted = None if by_file else each.num_classes
        likely = network.background_wins >= RARE and not network.unlike_scores
        return Fit(network.num_classes, counted, network.unread, likely) if fits else None
    return None


def _is_of_classes(given: onnx.ModelProto, name: str) -> bool:
    """Whether an output is whole numbers [B, N]."""
    (value,) = (each for each in given.graph.output if each.name == name)
    whole = value.type.tensor_type.elem_type in (onnx.TensorProto.INT64, onnx.TensorProto.INT32)
    return whole and len(shape_of(value) or ()) == 2


def by_name(fit: Sequence[str], said: str, outputs: Sequence[str]) -> str | None:
    """The one of the presets that fit which the file names itself: in its description (`said`), or by what it calls
    its outputs; None where it does not."""
    words = said.lower().replace("-", "").replace(" ", "")
    named = [name for name in fit if all(part in words for part in name.split("_"))]
    if named:
        return max(named, key=len)
    return "rfdetr" if "rfdetr" in fit and {"dets", "labels"} <= set(outputs) else None
