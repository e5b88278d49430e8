"""Takes out of a graph what is not the network: traces of tools and machines, work that can be done once."""

import onnx

from exporter.errors import BuildError


def strip_metadata(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy without documentation strings, per-node metadata (stack traces, absolute paths), tool properties, and
    with the lowest IR version that its opset needs, so that older runtimes read it."""
    clean = onnx.ModelProto()
    clean.CopyFrom(model)
    del clean.metadata_props[:]
    clean.doc_string = ""
    clean.producer_name, clean.producer_version = "exporter", ""
    clean.domain, clean.model_version = "", 0
    clean.ir_version = onnx.helper.find_min_ir_version_for(clean.opset_import)
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

    simplified, same = onnxsim.simplify(model, check_n=0)
    if not same:
        raise BuildError("onnxsim changed what the graph computes: set export.simplify=false and report the network")
    return strip_metadata(simplified)


def check(model: onnx.ModelProto) -> None:
    """Raises BuildError where the graph is not valid ONNX (full check: shapes and types are inferred strictly)."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise BuildError(f"the finished graph is not valid ONNX: {str(error).splitlines()[0]}") from error
