"""TensorRT: strongly typed ONNX, whose precision is all in the graph. No machine of this project runs it: what is here
follows its documents, is proved on a CPU, and says so.

- symmetric INT8: one Q/DQ pair with zero point 0 on each tensor that a quantized operator reads or writes, so that a
  convolution and a residual Add read the same integers; weights per output channel (Explicit Quantization, developer
  guide). Where a Conv is followed by an Add without an activation between, a pair between the two keeps TensorRT from
  fusing them; the networks here have an activation there.
- uint8 is a type of inputs and outputs only: the first node casts it.
- TopK takes less than 3840 and has to sort; NonMaxSuppression looks at the best 5000 candidates of an image.
- 11 takes such a graph as it is, 10 with --stronglyTyped. 8.6 has no strong typing: it is told which precisions there
  are, and which layers stay in float32 beside FP16; it reads opsets up to 17.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import field_validator

from exporter.backend import BackendNode
from exporter.backend.tensorrt_limits import MAX_TOP_K
from exporter.common.capabilities import Capabilities
from exporter.common.errors import BuildError
from exporter.postprocessing.nms import NmsNode

if TYPE_CHECKING:
    import onnx

    from exporter.backend.request import Request
    from exporter.backend.section import Backend, Profile
    from exporter.preprocessing.section import Input
    from exporter.runtime.onnx_runtime import OnnxRuntimeEngine

Version = Literal["8.6", "10", "11"]


class TensorRT(BackendNode):
    """conf/backend/tensorrt.yaml says what the field is."""

    # An engine refuses by itself what lies outside its profile.
    capabilities: ClassVar[Capabilities] = Capabilities(
        scheme="s8s8", fuses_activations=True, max_candidates=MAX_TOP_K, any_size=False, own_nms="EfficientNms"
    )

    compiler: ClassVar[str | None] = "tensorrt"

    batch: tuple[int, int, int] | None = None

    @field_validator("batch")
    @classmethod
    def _in_order(cls, value: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
        if value is not None and not 1 <= value[0] <= value[1] <= value[2]:
            raise ValueError(f"{list(value)}: least, usual and most must be at least 1 and in that order, as [1,8,16]")
        return value

    def problems(self, request: "Request", scheme: str) -> Iterator[str]:
        """What TensorRT cannot take."""
        batch = request.input.batch
        if scheme != self.capabilities.scheme:
            yield (
                f"quantization.scheme={scheme}: TensorRT takes symmetric int8 with zero point 0 only: leave it auto"
                " (s8s8), or take backend=onnxruntime"
            )
        if request.preprocessing.takes_raw_images:
            yield (
                "preprocessing: TensorRT tunes an engine for a range of sizes, and a raw image may have any: take the"
                " model's own (preprocessing=yolo_nas, ppyoloe), and resize outside"
            )
        if batch == "dynamic" and self.batch is None:
            yield (
                "input.batch=dynamic: TensorRT tunes an engine for a range of batch sizes, and none is given: add"
                " backend.batch=[1,8,16] (least, usual, most), or fix input.batch"
            )
        if batch != "dynamic" and self.batch is not None:
            yield f"backend.batch: has no effect with input.batch={batch}: leave one of them out"
        yield from self._nms_problems(request.nms)
        if request.nms.detects and batch != 1 and not request.format.rows_by_image:
            yield (
                f"postprocessing/format={request.format.name} with input.batch={batch}: TensorRT's servers split a"
                " batch along the first dimension of each output, and one table has none: take"
                " postprocessing/format=batch, or input.batch=1"
            )

    def _nms_problems(self, nms: NmsNode) -> Iterator[str]:
        if nms.parameters is None or nms.only_for:
            return  # what is TensorRT's own does not sort with TopK
        for key in ("num_pre_nms_predictions", "max_candidates_per_image", "max_predictions_per_image"):
            value = asdict(nms.parameters)[key]
            if value is not None and value > MAX_TOP_K:
                yield (
                    f"postprocessing.nms.{key}={value}: TensorRT sorts at most {MAX_TOP_K}: take that or less, or"
                    " postprocessing/nms=efficientnms"
                )

    @property
    def engine(self) -> "OnnxRuntimeEngine":
        """What it is proved and measured in where there is no TensorRT."""
        from exporter.runtime.onnx_runtime import OnnxRuntimeEngine

        return OnnxRuntimeEngine()

    def finish(self, model: "onnx.ModelProto") -> "onnx.ModelProto":
        """The graph as it will be published: in TensorRT's words, in opset 17 where that says it all, without leftovers
        of its making."""
        from exporter.backend.parse import parsed_by_nvidia
        from exporter.graph.lower_opset import to_opset_17

        finished = in_its_words(to_opset_17(model))
        check_rules(finished)
        parsed_by_nvidia(finished)
        return finished

    def section(self, model: "onnx.ModelProto", input: "Input") -> "Backend":
        """The manifest's section `backend` of the finished `model`."""
        import importlib.metadata

        from exporter.backend.parse import parsed_by_nvidia
        from exporter.backend.section import Backend
        from exporter.graph import facts

        flags = {"10": ["--stronglyTyped"], "11": []}
        if facts.opset(model) <= 17:
            flags = {"8.6": _flags_8_6(model)} | flags
        emulated = facts.has_plugin(model)
        parser = parsed_by_nvidia(model)
        parsed = f" parsed by {parser};" if parser else ""
        return Backend(
            name=self.name,
            minimum_version="8.6" if "8.6" in flags else "10.0",
            verified=f"proved on CPU {'with an emulated plugin ' if emulated else ''}in onnxruntime"
            f" {importlib.metadata.version('onnxruntime')};{parsed} not run in TensorRT",
            profile=self.profile(input),
            build_flags=flags,
        )

    def profile(self, input: "Input") -> "Profile | None":
        """None where the input's shape is fixed."""
        from exporter.backend.section import Profile

        if all(isinstance(side, int) for side in input.shape):
            return None
        ends = {name: (given.min, given.nominal, given.max) for name, given in input.allowed.items()}
        if self.batch is not None:
            ends["batch"] = self.batch
        shapes = ([ends[side][i] if isinstance(side, str) else side for side in input.shape] for i in range(3))
        return Profile.model_validate(dict(zip(("min", "opt", "max"), shapes, strict=True)))


def in_its_words(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """A copy whose first node casts the bytes of the images, whose TopK nodes sort, and without leftovers of its
    making."""
    from exporter.graph.cast_first import cast_first
    from exporter.graph.clean import strip_metadata

    finished = strip_metadata(cast_first(model))
    for node in finished.graph.node:
        for attribute in node.attribute:
            if node.op_type == "TopK" and attribute.name == "sorted":
                attribute.i = 1  # where any order will do, this one does
    return finished


def check_rules(model: "onnx.ModelProto") -> None:
    """Raises BuildError where the graph breaks a rule that TensorRT is known to have."""
    from exporter.backend.lint import lint

    errors = [finding for finding in lint(model, has_profile=True) if finding.level == "error"]
    if errors:
        more = f"; and {len(errors) - 3} more: exporter lint lists them" if len(errors) > 3 else ""
        raise BuildError("TensorRT would not take the finished graph: " + "; ".join(map(str, errors[:3])) + more)


def _flags_8_6(model: "onnx.ModelProto") -> list[str]:
    """Builder flags for TensorRT 8.6, which is not strongly typed: which precisions it may use, and, since FP16 is then
    allowed everywhere, the layers that have to stay in float32."""
    import onnx

    kinds = {node.op_type for node in model.graph.node}
    flags = ["--int8"] if "QuantizeLinear" in kinds else []
    fp16 = {tensor.name for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT16}
    if fp16:
        inferred = onnx.shape_inference.infer_shapes(model).graph
        values = (*inferred.value_info, *inferred.output)
        single = {v.name for v in values if v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
        nodes = [node for node in model.graph.node if node.op_type != "Cast" and single.intersection(node.output)]
        layers = ",".join(f"{node.name}:fp32" for node in nodes)
        outputs = ",".join(f"{node.name}:fp32" for node in nodes if len(node.output) == 1)  # others give indices too
        flags += ["--fp16", "--precisionConstraints=prefer"]
        flags += [f"--layerPrecisions={layers}", f"--layerOutputTypes={outputs}"]
    return flags
