"""From a `_target_` of a recipe to a node: one of the exporter's own, a user's class, or a user's function."""

import inspect
from importlib import import_module
from typing import Any, NamedTuple

from exporter.backend import BackendNode
from exporter.benchmark import BenchmarkNode
from exporter.calibration import CalibrationNode
from exporter.common.errors import RequestError
from exporter.common.messages import in_one_line
from exporter.common.node import Node
from exporter.common.options import option_class
from exporter.evaluation import EvaluationNode
from exporter.model import ModelNode
from exporter.postprocessing.format import FormatNode
from exporter.postprocessing.nms import NmsNode
from exporter.preprocessing import PreprocessingNode
from exporter.quantization import QuantizationNode


class Group(NamedTuple):
    """Where a group stands in a recipe, and the base class of its nodes; its package is `exporter.` and the place."""

    place: str
    base: type[Node]

    @property
    def package(self) -> str:
        return f"exporter.{self.place}"


GROUPS: dict[str, Group] = {
    name: Group(base.place, base)
    for name, base in {
        "model": ModelNode,
        "preprocessing": PreprocessingNode,
        "quantization": QuantizationNode,
        "calibration": CalibrationNode,
        "nms": NmsNode,
        "format": FormatNode,
        "backend": BackendNode,
        "evaluation": EvaluationNode,
        "benchmark": BenchmarkNode,
    }.items()
}
"""By the name that a group has in `exporter.config.recipe.Recipe`."""

PLACES = tuple(group.place for group in GROUPS.values())


def node_of(values: Any, group: Group) -> Node:
    """The node that `values` describe. Raises RequestError for a `_target_` that is none of this group, pydantic's
    ValidationError for values that it does not take."""
    if not isinstance(values, dict) or "_target_" not in values:
        raise RequestError(f"{group.place}: not a node: it has no _target_")
    target = str(values["_target_"])
    arguments = {key: value for key, value in values.items() if key != "_target_"}
    found = own_class(target, group) if target.startswith("exporter.") else _imported(target, group)
    if inspect.isclass(found) and issubclass(found, group.base) and not inspect.isabstract(found):
        return found.model_validate(arguments)
    around = adapter(group)
    if target.startswith("exporter.") or around is None:
        raise RequestError(
            f"{group.place}._target_={target}: not a node of this group: give a class with the base"
            f" {group.package}.{group.base.__name__}"
        )
    own = {key: value for key, value in arguments.items() if key in around.model_fields}
    rest = {key: value for key, value in arguments.items() if key not in around.model_fields}
    return around.model_validate({"target": target, "arguments": rest, **own})


def own_class(target: str, group: Group) -> type | None:
    """The exporter's class of that name, wherever in the group's package its file lies: version 0.1.0 named files.
    None where there is none. Raises RequestError for a path outside the group."""
    package, _, name = target.rpartition(".")
    if not f"{package}.".startswith(f"{group.package}."):
        return None
    try:
        return option_class(group.package, name)
    except AttributeError:
        return None


def adapter(group: Group) -> type[Node] | None:
    """The node that carries a user's own function, which gets every argument that the node does not know itself; None
    where the group takes only nodes."""
    try:
        return option_class(group.package, f"Custom{group.base.__name__.removesuffix('Node')}")
    except AttributeError:
        return None


def _imported(target: str, group: Group) -> Any:
    module, _, name = target.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except Exception as error:  # user code can raise anything
        raise RequestError(f"{group.place}._target_={target}: cannot be imported: {in_one_line(error)}") from error
