"""The table of rules for TensorRT 8.6 to 11: where each is written down, what breaks it, what to do.

The rules are what its documents and its parser's source say, each held against the parser and compiler of TensorRT-RTX
1.7, which is the API of 11: what they contradict is a note, for those who have an older TensorRT.
"""

from exporter.backend.lint import dtypes, fp16, nms, operators, quantization, settings, shapes, structure
from exporter.backend.lint.finding import Rule, Source

_DOCS = "https://docs.nvidia.com/deeplearning/tensorrt/latest"
_PARSER = "https://github.com/onnx/onnx-tensorrt/blob/main"
_NVIDIA = "https://github.com/NVIDIA/TensorRT"

ONNX = Source("ONNX: Operators", "https://onnx.ai/onnx/operators/")
ONNX_IR = Source("ONNX: Intermediate Representation", "https://onnx.ai/onnx/repo-docs/IR.html")
EXTERNAL = Source("ONNX: External Data", "https://onnx.ai/onnx/repo-docs/ExternalData.html")
OPSETS = Source("TensorRT: ONNX Opset Guide", f"{_DOCS}/reference/onnx-opset-guide.html")
OPERATORS = Source("onnx-tensorrt: Supported ONNX Operators", f"{_PARSER}/docs/operators.md")
CHECKERS = Source("onnx-tensorrt: onnxOpCheckers.cpp", f"{_PARSER}/onnxOpCheckers.cpp")
IMPORTERS = Source("onnx-tensorrt: onnxOpImporters.cpp", f"{_PARSER}/onnxOpImporters.cpp")
STRONG = Source("TensorRT: Migrating from 10.x to 11.x", f"{_DOCS}/api/migration/tensorrt-10x-to-11x.html")
QUANTIZED = Source(
    "TensorRT: Explicit Quantization", f"{_DOCS}/inference-library/quantized-types-explicit-quantization.html"
)
DATA_TYPES = Source(
    "TensorRT Python API: DataType", f"{_DOCS}/_static/python-api/infer/FoundationalTypes/DataType.html"
)
PROFILES = Source(
    "TensorRT Python API: IOptimizationProfile", f"{_DOCS}/_static/python-api/infer/Core/OptimizationProfile.html"
)
ALLOCATOR = Source(
    "TensorRT Python API: IOutputAllocator", f"{_DOCS}/_static/python-api/infer/Core/ExecutionContext.html"
)
NMS = Source("TensorRT Operators: NMS", f"{_DOCS}/_static/operators/NMS.html")
EFFICIENT = Source("TensorRT: Efficient NMS Plugin", f"{_NVIDIA}/tree/main/plugin/efficientNMSPlugin")
EFFICIENT_CODE = Source(
    "TensorRT: efficientNMSPlugin.cpp", f"{_NVIDIA}/blob/main/plugin/efficientNMSPlugin/efficientNMSPlugin.cpp"
)
RELEASE_11 = Source("TensorRT 11.0 release notes", f"{_NVIDIA}/releases/tag/v11.0")
RELEASE_10_12 = Source("TensorRT 10.12 release notes", f"{_NVIDIA}/releases/tag/v10.12")
BINARY16 = Source("IEEE 754: binary16", "https://en.wikipedia.org/wiki/Half-precision_floating-point_format")

RULES = (
    # The file
    Rule("duplicate-name", ONNX_IR, "give every value a name of its own", structure.duplicate),
    Rule("undefined-value", ONNX_IR, "define it, or take out what reads it", structure.undefined),
    Rule("untyped", ONNX_IR, "declare the element type, and of inputs the shape", structure.untyped),
    Rule("broken-tensor", ONNX_IR, "write the model again from its source", structure.broken),
    Rule("external-data", EXTERNAL, "put the weights' file into the model's own folder, or save them inside the model",
         structure.external),
    Rule("invalid-node", ONNX, "mend what onnx.checker complains of", structure.invalid),
    Rule("inference", ONNX_IR, "mend what onnx.shape_inference complains of", structure.inference),
    Rule("constant-node", IMPORTERS, "give the node another name", structure.named_as_constant),
    Rule("duplicate-node", ONNX_IR, "give every node a name of its own", structure.duplicate_node, "note", "taken"),
    # Operators
    Rule("opset", OPSETS, "export with an opset of that range", operators.opset, "note", "taken"),
    Rule("operator", OPERATORS, "export it with other operators, or write a plugin of this name", operators.operator),
    Rule("domain", CHECKERS, "export with ONNX's own operators, or write a plugin of this name", operators.domain),
    Rule("plugin-removed", RELEASE_11, "use ONNX's operators, or the plugin that replaced it",
         operators.removed_plugin, "error", "not asked"),
    Rule("plugin-unknown", CHECKERS, "load the library that registers it (trtexec --staticPlugins=…)",
         operators.unknown_plugin, "note", "not asked"),
    Rule("attribute", CHECKERS, "export with a setting that is taken", settings.attributes),
    Rule("constant-input", OPERATORS, "make it a constant (onnxsim folds what can be)", settings.constant_inputs),
    Rule("extra-output", CHECKERS, "take the other outputs out", settings.extra_outputs),
    Rule("pooling-rank", OPERATORS, "reshape to two spatial dimensions around it",
         settings.spatial_rank, "note", "taken"),
    # Types
    Rule("mixed-types", STRONG, "put a Cast before one of them", dtypes.mixed),
    Rule("onnx-type", ONNX, "put a Cast before it, or export with a later opset", dtypes.not_onnx, "note", "taken"),
    Rule("operator-type", OPERATORS, "put Casts around it", dtypes.operator_type),
    Rule("double", OPERATORS, "make it float32, as the parser would", dtypes.double, "error", "silent"),
    Rule("uint8", DATA_TYPES, "let a Cast be the first to read a uint8 input", dtypes.uint8),
    Rule("half-overflow", BINARY16, "keep this part in float32", fp16.overflow, "error", "silent"),
    Rule("half-boxes", BINARY16, "cast boxes to float32 where they are decoded", fp16.boxes, "note", "not asked"),
    # Quantization
    Rule("qdq-zero-point", IMPORTERS, "calibrate symmetrically, with zero point 0", quantization.asymmetric),
    Rule("qdq-unsigned", IMPORTERS, "quantize to int8 with an int8 zero point of 0",
         quantization.unsigned, "error", "silent"),
    Rule("qdq-type", IMPORTERS, "quantize to int8", quantization.integer_type),
    Rule("qdq-bias", OPERATORS, "leave the bias in float", quantization.bias),
    Rule("qdq-scale", IMPORTERS, "make the scale a positive constant", quantization.scale),
    Rule("qdq-scale-type", IMPORTERS, "give the scale the type of the data", quantization.scale_type, "note", "taken"),
    Rule("qdq-activation-scales", QUANTIZED, "give an activation one scale",
         quantization.activation_per_channel, "note", "taken"),
    Rule("qdq-weights-axis", IMPORTERS, "give as many scales as there are output channels",
         quantization.weights_axis),
    Rule("qdq-weights-path", QUANTIZED, "dequantize weights at the convolution, a scale for each output channel",
         quantization.weights_path, "note", "taken"),
    Rule("qdq-half", QUANTIZED, "quantize both or neither", quantization.half_quantized, "note", "taken"),
    # Shapes and NMS
    Rule("data-dependent", EFFICIENT, "cut to a fixed number instead (TopK)", shapes.data_dependent),
    Rule("topk-limit", OPERATORS, "keep fewer", shapes.topk_limit),
    Rule("topk-unsorted", OPERATORS, "set sorted=1", shapes.topk_unsorted, "note", "taken"),
    Rule("nms-candidates", NMS, "cut to the best boxes first (postprocessing.nms.num_pre_nms_predictions)",
         nms.candidates, "error", "not asked"),
    Rule("nms-pairs", NMS, "keep the confidence threshold high enough, or cut to fewer boxes",
         nms.many_pairs, "note", "not asked"),
    Rule("plugin-version", EFFICIENT_CODE, "set plugin_version='1' and no namespace",
         nms.plugin_version, "error", "not asked"),
    Rule("plugin-attribute", EFFICIENT_CODE, "set it as the plugin's README says",
         nms.plugin_attributes, "error", "not asked"),
    Rule("plugin-input", EFFICIENT_CODE, "give boxes and scores as the plugin's README says",
         nms.plugin_inputs, "error", "not asked"),
    Rule("plugin-output", EFFICIENT_CODE, "declare int32, boxes' type, boxes' type, int32; Cast behind the plugin",
         nms.plugin_outputs, "error", "not asked"),
    Rule("plugin-domain", CHECKERS, "put it into the domain trt.plugins", nms.plugin_domain, "note", "not asked"),
    Rule("plugin-deprecated", RELEASE_10_12, "postprocessing/nms=onnx is the way forward",
         nms.plugin_deprecated, "note", "not asked"),
    Rule("free-input", PROFILES, "give ranges when the engine is built: trtexec --minShapes --optShapes --maxShapes",
         shapes.free_input, "note", "not asked"),
    Rule("free-output", ALLOCATOR, "the program that runs the engine must let it allocate this output",
         shapes.data_dependent_output, "note", "not asked"),
)  # fmt: skip
