"""Which operators and versions TensorRT's ONNX parser takes. The table is data: `tensorrt_operators.json`."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from exporter.backend.lint.view import View, label
from exporter.graph.core_outputs import PLUGIN_DOMAIN
from exporter.graph.facts import DEFAULT

OPSETS = (9, 25)


@cache
def supported() -> dict[str, frozenset[str]]:
    """The operators that the parser takes, each with the types that its data input may have."""
    return {name: frozenset(group["types"]) for group in _table()["supported"] for name in group["operators"]}


def plugins() -> frozenset[str]:
    """Names under which the plugins of TensorRT's own repository register; others are somebody's own."""
    return frozenset(_table()["plugins"])


def removed_plugins() -> frozenset[str]:
    """Those that 11.0 has no more; `Split` is one of them only outside ONNX's own domain."""
    return frozenset(_table()["removed_plugins"])


@cache
def _table() -> dict:
    return json.loads(Path(__file__).with_name("tensorrt_operators.json").read_text(encoding="utf-8"))


def opset(view: View) -> Iterator[tuple[str, str]]:
    """The version of ONNX's own operators."""
    low, high = OPSETS
    if view.opset is None:
        yield "the model", "imports no version of ONNX's own operators"
    elif not low <= view.opset <= high:
        yield "the model", f"opset {view.opset}; the parser takes {low} to {high}"


def operator(view: View) -> Iterator[tuple[str, str]]:
    """Operators of ONNX itself."""
    for node in view.nodes:
        name = node.op_type
        if node.domain not in DEFAULT or name in supported() or name in plugins() | removed_plugins():
            continue
        known = name in _table()["unsupported"]
        yield label(node), f"{name}: {'the parser has no importer for it' if known else 'not known to the parser'}"


def domain(view: View) -> Iterator[tuple[str, str]]:
    """Operators that are neither ONNX's nor a plugin's."""
    for node in view.nodes:
        if node.domain not in (*DEFAULT, PLUGIN_DOMAIN):
            yield label(node), f"{node.domain}::{node.op_type}: of a domain that the parser does not know"


def removed_plugin(view: View) -> Iterator[tuple[str, str]]:
    """Plugins that older versions had."""
    for node in view.nodes:
        if node.op_type in removed_plugins() and (node.op_type not in supported() or node.domain == PLUGIN_DOMAIN):
            yield label(node), f"{node.op_type}: removed in TensorRT 11.0"


def unknown_plugin(view: View) -> Iterator[tuple[str, str]]:
    """Plugins that do not come with TensorRT."""
    for node in view.nodes:
        if node.domain == PLUGIN_DOMAIN and node.op_type not in plugins() | removed_plugins():
            yield label(node), f"{node.op_type}: no plugin that comes with TensorRT"
