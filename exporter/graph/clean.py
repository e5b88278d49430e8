"""Takes out of a graph what is not the network: traces of tools and machines, work that can be done once."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import onnx

from exporter.common.errors import BuildError
from exporter.graph import walk
from exporter.graph.facts import DEFAULT


def strip_metadata(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy without documentation strings, per-node metadata (stack traces, absolute paths), tool properties, with
    one name for the domain of ONNX's own operators, "", and with the lowest IR version that its opset needs, so that
    older runtimes read it."""
    clean = onnx.ModelProto()
    clean.CopyFrom(model)
    del clean.metadata_props[:]
    clean.doc_string = ""
    clean.producer_name, clean.producer_version = "exporter", ""
    clean.domain, clean.model_version = "", 0
    for named in (*clean.opset_import, *walk.nodes(clean.graph.node)):
        if named.domain == DEFAULT[1]:  # only there: a field that is set is other bytes than one that is not
            named.domain = DEFAULT[0]
    clean.ir_version = onnx.helper.find_min_ir_version_for(clean.opset_import, ignore_unknown=True)  # of plugins
    graph = clean.graph
    graph.name = "detector"
    graph.doc_string = ""
    del graph.metadata_props[:]
    for item in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        item.doc_string = ""
        del item.metadata_props[:]
    return clean


def simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with constants folded and redundant nodes removed (onnxsim). Run it before quantization: afterwards it
    could fold what quantization put there on purpose."""
    import onnxsim

    weights = _weights_aside(model)
    with _unsaid():
        simplified, same = onnxsim.simplify(_with_inputs_for(weights, model), check_n=0)
    if not same:
        raise BuildError("onnxsim changed what the graph computes: set export.simplify=false and report the network")
    own = [value for value in simplified.graph.input if value.name not in {weight.name for weight in weights}]
    del simplified.graph.input[:]
    simplified.graph.input.extend(own)
    simplified.graph.initializer.extend(weights)
    return strip_metadata(simplified)


@contextlib.contextmanager
def _unsaid() -> Iterator[None]:
    """Standard error of the whole process goes nowhere meanwhile: onnxsim's C++ writes there what it did not fold, in
    between the lines of the progress."""
    try:
        kept = os.dup(2)
    except OSError:  # it is closed: nobody listens
        yield
        return
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _weights_aside(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """The weights of convolutions, which may stand aside as inputs of the graph while onnxsim, which would hold each
    three times over, works on the rest: nothing is folded into them but a BatchNormalization."""
    if any(node.op_type == "BatchNormalization" for node in model.graph.node):
        return []
    names = {node.input[1] for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose")}
    return [tensor for tensor in model.graph.initializer if tensor.name in names]


def _with_inputs_for(weights: list[onnx.TensorProto], model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with inputs of the graph in place of these weights; no weight is copied on the way."""
    graph, aside = model.graph, {weight.name for weight in weights}
    inputs = [onnx.helper.make_tensor_value_info(w.name, w.data_type, list(w.dims)) for w in weights]
    rest = [tensor for tensor in graph.initializer if tensor.name not in aside]
    light = onnx.helper.make_graph(
        graph.node, graph.name, [*graph.input, *inputs], graph.output, rest, value_info=graph.value_info
    )
    return onnx.helper.make_model(
        light, opset_imports=model.opset_import, ir_version=model.ir_version, functions=model.functions
    )


def check(model: bytes) -> None:
    """Raises BuildError where a serialized graph is not valid ONNX (full check: shapes and types are inferred)."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError, RuntimeError) as error:
        raise BuildError(f"the finished graph is not valid ONNX: {str(error).splitlines()[0]}") from error
