"""From a `_target_` of a recipe to a node: one of the exporter's own, a user's class, or a user's function."""

import inspect
from importlib import import_module
from typing import Any

from exporter.backend import BackendNode
from exporter.benchmark import BenchmarkNode
from exporter.calibration import CalibrationNode
from exporter.common.errors import RequestError
from exporter.common.node import Node, Settings
from exporter.common.options import option_class
from exporter.common.user_code import failing
from exporter.evaluation import EvaluationNode
from exporter.model import ModelNode
from exporter.model.head import Head
from exporter.postprocessing.format import FormatNode
from exporter.postprocessing.nms import NmsNode
from exporter.preprocessing import PreprocessingNode
from exporter.quantization import QuantizationNode

GROUPS: dict[str, type[Node]] = {
    "model": ModelNode,
    "preprocessing": PreprocessingNode,
    "quantization": QuantizationNode,
    "calibration": CalibrationNode,
    "nms": NmsNode,
    "format": FormatNode,
    "backend": BackendNode,
    "evaluation": EvaluationNode,
    "benchmark": BenchmarkNode,
}
"""The base class of each group's nodes, by the name that the group has in `exporter.config.recipe.Recipe`."""

SECTIONS: dict[str, type[Settings]] = {"model.head": Head}
"""Settings inside a group's nodes that are chosen by name like a group: the folder of conf/ is their place."""

PLACES = tuple(base.place for base in GROUPS.values())


def class_of(values: Any, base: type[Node]) -> tuple[type[Node], dict[str, Any]]:
    """The class of the node of this base that `values` describe, and what it is made with. Raises RequestError for a
    `_target_` that is none."""
    if not isinstance(values, dict) or "_target_" not in values:
        raise RequestError(f"{base.place}: not a node: it has no _target_")
    target = str(values["_target_"])
    arguments = {key: value for key, value in values.items() if key != "_target_"}
    found = own_class(target, base) if target.startswith("exporter.") else _imported(target, base.place)
    if inspect.isclass(found) and issubclass(found, base) and not inspect.isabstract(found):
        return found, arguments
    around = adapter(base)
    if target.startswith("exporter.") or around is None:
        raise RequestError(
            f"{base.place}._target_={target}: not a node of this group: give a class with the base"
            f" {base.__module__}.{base.__name__}"
        )
    own = {key: value for key, value in arguments.items() if key in around.model_fields}
    rest = {key: value for key, value in arguments.items() if key not in around.model_fields}
    return around, {"target": target, "arguments": rest, **own}


def own_class(target: str, base: type[Node]) -> type | None:
    """The exporter's class of that name, wherever in the group's package its file lies: version 0.1.0 named files.
    None where there is none, and for a path outside the package."""
    package, _, name = target.rpartition(".")
    if not f"{package}.".startswith(f"{base.__module__}."):
        return None
    try:
        return option_class(base.__module__, name)
    except AttributeError:
        return None


def adapter(base: type[Node]) -> type[Node] | None:
    """The node that carries a user's own function, which gets every argument that the node does not know itself; None
    where the group takes only nodes."""
    try:
        return option_class(base.__module__, f"Custom{base.__name__.removesuffix('Node')}")
    except AttributeError:
        return None


def _imported(target: str, place: str) -> Any:
    module, _, name = target.rpartition(".")
    with failing(f"{place}._target_={target}: cannot be imported"):
        return getattr(import_module(module), name)
