"""Non-maximum suppression: ONNX's own operator and the plugin EfficientNMS_TRT."""

from collections.abc import Iterator

import onnx
from onnx import AttributeProto, TensorProto

from exporter.backend.lint.view import View, label, type_name
from exporter.graph.core_outputs import PLUGIN, PLUGIN_DOMAIN
from exporter.graph.facts import DEFAULT
from exporter.graph.walk import attribute

CANDIDATES = 5000
FLOAT, INT = AttributeProto.FLOAT, AttributeProto.INT
REQUIRED = {
    "score_threshold": (FLOAT, "at least 0", lambda v: v >= 0),
    "iou_threshold": (FLOAT, "above 0", lambda v: v > 0),
    "max_output_boxes": (INT, "at least 1", lambda v: v >= 1),
    "background_class": (INT, "a class, or -1 for none", lambda v: v >= -1),
    "score_activation": (INT, "0 or 1", lambda v: v in (0, 1)),
    "box_coding": (INT, "0 (corners) or 1 (centre and size)", lambda v: v in (0, 1)),
}
OPTIONAL = {"class_agnostic": (INT, "0 or 1", lambda v: v in (0, 1))}
NAMING = ("plugin_version", "plugin_namespace")


def candidates(view: View) -> Iterator[tuple[str, str]]:
    """More boxes than the layer ever looks at."""
    for node, boxes, _ in _native(view):
        if boxes > CANDIDATES:
            yield label(node), f"{boxes} boxes; of each image only the {CANDIDATES} best candidates are looked at"


def many_pairs(view: View) -> Iterator[tuple[str, str]]:
    """Few enough boxes, but with all their classes more candidates than the layer looks at."""
    for node, boxes, classes in _native(view):
        if boxes <= CANDIDATES < boxes * classes:
            yield label(node), f"{boxes} boxes of {classes} classes can pass {boxes * classes} candidates"


def plugin_domain(view: View) -> Iterator[tuple[str, str]]:
    """The plugin among ONNX's own operators."""
    for node in _plugins(view):
        if node.domain in DEFAULT:
            yield label(node), "stands in ONNX's own domain, where the ONNX checker refuses it"


def plugin_version(view: View) -> Iterator[tuple[str, str]]:
    """Versions and namespaces under which the plugin is not registered."""
    for node in _plugins(view):
        version, namespace = attribute(node, "plugin_version", "1"), attribute(node, "plugin_namespace", "")
        if version != "1":
            yield label(node), f"plugin_version={version!r}; there is only '1'"
        if namespace:
            yield label(node), f"plugin_namespace={namespace!r}; it is registered without one"


def plugin_attributes(view: View) -> Iterator[tuple[str, str]]:
    """Attributes that are missing, unknown, of the wrong type or out of range."""
    for node in _plugins(view):
        given = {found.name: found for found in node.attribute if found.name not in NAMING}
        for name in REQUIRED.keys() - given.keys():
            yield label(node), f"{name} is missing"
        for name, found in given.items():
            kind, allowed, holds = (REQUIRED | OPTIONAL).get(name, (None, "", None))
            if holds is None:
                yield label(node), f"{name}: no such attribute; the plugin would ignore it"
            elif found.type != kind:
                yield label(node), f"{name} is {_kind(found.type)}, not {_kind(kind)}"
            elif not holds(value := onnx.helper.get_attribute_value(found)):
                yield label(node), f"{name}={value:g}; it must be {allowed}"


def plugin_inputs(view: View) -> Iterator[tuple[str, str]]:
    """Boxes [B, N, 4] or [B, N, C, 4] and scores [B, N, C], both float32 or both float16."""
    for node in _plugins(view):
        if len(node.input) not in (2, 3):
            yield label(node), f"{len(node.input)} inputs; it takes boxes, scores and, where it decodes, anchors"
            continue
        kinds = [view.types.get(name, 0) for name in node.input]
        for name, kind in zip(node.input, kinds, strict=True):
            if kind not in (0, TensorProto.FLOAT, TensorProto.FLOAT16):
                yield label(node), f"{name} is {type_name(kind)}, not float or float16"
        if len(set(kinds) - {0}) > 1:
            yield label(node), f"inputs of {' and '.join(type_name(kind) for kind in kinds)}; they must be of one type"
        boxes, scores = (view.shapes.get(name) for name in node.input[:2])
        if boxes is not None and (len(boxes) not in (3, 4) or _differ(boxes[-1], 4)):
            yield label(node), f"boxes of shape {list(boxes)}, not [B, N, 4] or [B, N, C, 4]"
        elif scores is not None and len(scores) != 3:
            yield label(node), f"scores of shape {list(scores)}, not [B, N, C]"
        elif boxes and scores and _differ(boxes[1], scores[1]):
            yield label(node), f"{boxes[1]} boxes with the scores of {scores[1]}"


def plugin_outputs(view: View) -> Iterator[tuple[str, str]]:
    """Counts and classes are int32, boxes and scores of the boxes' type, whatever the file says."""
    for node in _plugins(view):
        if len(node.output) != 4:
            yield label(node), f"{len(node.output)} outputs; it gives four: counts, boxes, scores, classes"
            continue
        precision = view.types.get(node.input[0], 0) if node.input else 0
        for name, wanted in zip(node.output, (TensorProto.INT32, precision, precision, TensorProto.INT32), strict=True):
            declared = view.types.get(name, 0)
            if wanted and declared and declared != wanted:
                yield label(node), f"{name} is declared {type_name(declared)}; the plugin gives {type_name(wanted)}"


def plugin_deprecated(view: View) -> Iterator[tuple[str, str]]:
    """The plugin itself."""
    for node in _plugins(view):
        yield label(node), "deprecated since TensorRT 10.12"


def _plugins(view: View) -> Iterator[onnx.NodeProto]:
    yield from (n for n in view.nodes if n.op_type == PLUGIN and n.domain in (*DEFAULT, PLUGIN_DOMAIN))


def _native(view: View) -> Iterator[tuple[onnx.NodeProto, int, int]]:
    """Each NonMaxSuppression with its number of boxes and classes (1 where that is not known)."""
    for node in view.nodes:
        if node.op_type == "NonMaxSuppression" and node.domain in DEFAULT and len(node.input) > 1:
            shape = view.shapes.get(node.input[1], ())
            if len(shape) == 3 and isinstance(shape[2], int):
                yield node, shape[2], shape[1] if isinstance(shape[1], int) else 1


def _differ(a: int | str | None, b: int | str | None) -> bool:
    return isinstance(a, int) and isinstance(b, int) and a != b


def _kind(number: int | None) -> str:
    return {int(FLOAT): "a float", int(INT): "an integer"}.get(number or 0, "of another kind")
