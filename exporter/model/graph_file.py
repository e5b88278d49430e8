"""Reading an ONNX file that somebody else wrote: whole, standard operators only (and those on integers that ONNX
Runtime's quantizer writes), with all of its tensors."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError, EncodeError
from onnx import external_data_helper, numpy_helper

from exporter.common.errors import RequestError
from exporter.common.files import check_file, file_digest, is_file
from exporter.common.messages import in_one_line
from exporter.graph import walk
from exporter.graph.facts import DEFAULT
from exporter.graph.float32 import holds_float16, in_float32
from exporter.graph.functions import inlined
from exporter.graph.image_input import has_channels_last, reads_bytes, with_float_channels_first
from exporter.graph.read_model import MAX_BYTES, is_model


@dataclass(frozen=True)
class GraphFile:
    """The model with its tensors inside; `sha256` is the file's, `source` says in words where it all lay."""

    model: onnx.ModelProto
    sha256: str
    source: str


def read_graph(path: Path, label: str) -> GraphFile:
    """Reads an .onnx file and the tensors that it keeps in files beside it; its functions are inlined.

    label: what the lines begin with. Raises RequestError where the file is missing, no whole ONNX model, keeps tensors
    outside its own folder, or holds operators that are not standard ONNX.
    """
    try:
        check_file(path, "give an ONNX file", MAX_BYTES, label)
        data = path.read_bytes()
        model = onnx.load_from_string(data)
    except OSError as error:
        raise RequestError(f"{label}: {error.strerror}: give an ONNX file") from error
    except DecodeError as error:
        raise RequestError(f"{label}: not an ONNX file, or only a part of one: export it again") from error
    if not model.graph.node or not is_model(model):
        raise RequestError(f"{label}: not an ONNX model, it has no nodes or no opset: export it again")
    try:
        external_data_helper.load_external_data_for_model(model, str(path.parent))  # refuses what lies elsewhere
    except (ValueError, OSError, onnx.checker.ValidationError) as error:
        raise RequestError(
            f"{label}: the tensors that it keeps in other files cannot be read: {in_one_line(error)}: save it"
            " as one file"
        ) from error
    whole = _whole(model, label)
    _free_negative(model)
    _refuse_foreign_operators(model, label)
    model = _in_order(model, label)
    source = (
        "file"
        if len(whole) <= len(data)
        else f"file and tensors beside it, sha256 of both {hashlib.sha256(whole).hexdigest()}"
    )
    try:
        return GraphFile(inlined(model), file_digest(path), source)
    except RequestError as error:
        raise RequestError(f"{label}: {error}") from error


def as_network(file: GraphFile) -> GraphFile:
    """The file as a network of float32 that reads [B, 3, H, W], with what was changed for that in `source`."""
    model, source = file.model, file.source
    if holds_float16(model):
        model, source = in_float32(model), f"{source}, its float16 in float32"
    if reads_bytes(model) or has_channels_last(model):
        model, source = with_float_channels_first(model), f"{source}, its image in float32 [B, 3, H, W]"
    return replace(file, model=model, source=source)


def header(path: Path) -> onnx.ModelProto | None:
    """An ONNX file without what it keeps in others; None where it is none."""
    if not is_file(path):
        return None
    try:
        return onnx.load(path, load_external_data=False)
    except (OSError, DecodeError):
        return None


def opset_of(path: Path) -> int | None:
    """The opset of an ONNX file; None where it is none, or says none."""
    model = header(path)
    if model is None:
        return None
    return next((entry.version for entry in model.opset_import if entry.domain in DEFAULT), None)


def _whole(model: onnx.ModelProto, label: str) -> bytes:
    try:
        return model.SerializeToString(deterministic=True)
    except (EncodeError, ValueError) as error:  # beyond MAX_BYTES: protobuf does not even say how many
        raise RequestError(f"{label}: more than 2 GB with its tensors: so much cannot be taken") from error


def _free_negative(model: onnx.ModelProto) -> None:
    """Sides of -1, as some converters write free ones, are free."""
    graph = model.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        for side in value.type.tensor_type.shape.dim:
            if side.dim_value < 0:
                side.Clear()


def _in_order(model: onnx.ModelProto, label: str) -> onnx.ModelProto:
    """The model, its nodes sorted where some stand in front of what they read, as ONNX Runtime takes them too.

    Raises RequestError for a graph that cannot be taken apart and put together: tensors without their bytes or with
    others, types that there are not, names that are no text, nodes that read each other."""
    import onnx_ir as ir

    try:
        apart = ir.from_proto(model)
        ir.to_proto(apart)
        nodes = list(ir.traversal.RecursiveGraphIterator(apart.graph))
        apart.graph.sort()
        in_order = model if list(ir.traversal.RecursiveGraphIterator(apart.graph)) == nodes else ir.to_proto(apart)
        strange = [name for node in model.graph.node for name in (*node.input, *node.output) if isinstance(name, bytes)]
        damaged = next((tensor.name for tensor in walk.tensors(model.graph) if not _holds_its_numbers(tensor)), None)
    except Exception as error:  # of a damaged graph any step can raise anything
        raise RequestError(f"{label}: not a valid ONNX model: {in_one_line(error)}: export it again") from error
    if strange:
        raise RequestError(f"{label}: holds a name that is not UTF-8, {strange[0]!r}: export it again")
    if damaged is not None:
        raise RequestError(f"{label}: {damaged}: not the numbers of its shape: the file is damaged")
    return in_order


def _holds_its_numbers(tensor: onnx.TensorProto) -> bool:
    try:
        numpy_helper.to_array(tensor)
    except ValueError:
        return False
    return True


def _refuse_foreign_operators(model: onnx.ModelProto, label: str) -> None:
    own = {(function.domain, function.name) for function in model.functions}
    foreign = {
        f"{node.domain}::{node.op_type}"
        for nodes in (model.graph.node, *(function.node for function in model.functions))
        for node in walk.nodes(nodes)
        if node.domain not in DEFAULT and (node.domain, node.op_type) not in own and not _on_integers(node)
    }
    if foreign:
        raise RequestError(
            f"{label}: holds operators that are not standard ONNX ({', '.join(sorted(foreign)[:5])}): export the"
            " network without them, before any optimisation for an engine"
        )


def _on_integers(node: onnx.NodeProto) -> bool:
    """Whether it is one of ONNX Runtime's own operators for files in its quantizer's format QOperator."""
    return node.domain == "com.microsoft" and (node.op_type.startswith("QLinear") or node.op_type == "QGemm")
