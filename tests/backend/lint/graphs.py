"""Small graphs that TensorRT takes, as ONNX text; a fault is planted by changing a few words of one.

ONNX text writes the numbers of float16 as their bits: 15360 is 1, 16384 is 2, 31744 is infinity.
"""

import onnx

INT8 = """<ir_version: 8, opset_import: ["": 18]>
detector (uint8[1,3,8,8] images) => (float[1,2,4,4] result)
<float scale = {0.02}, int8 zero = {0}, float[2] scales = {0.1, 0.2}, int8[2] zeros = {0, 0},
 int8[2,3,1,1] weights = {1, 2, 3, 4, 5, 6}, float[2] bias = {0.5, -0.5}>
{
  [cast] real = Cast<to = 1>(images)
  [quantize] integers = QuantizeLinear(real, scale, zero)
  [dequantize] activation = DequantizeLinear(integers, scale, zero)
  [scaled] kernel = DequantizeLinear<axis = 0>(weights, scales, zeros)
  [conv] features = Conv(activation, kernel, bias)
  [pool] result = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(features)
}"""

FP16 = """<ir_version: 8, opset_import: ["": 18]>
detector (uint8[1,3,8,8] images) => (float[1,2,16,16] result)
<float16[2,3,1,1] kernel = {15360, 15360, 15360, 16384, 16384, 16384}, float16[2] bias = {0, 0}, float16 gain = {16384},
 float[4] factors = {1, 1, 2, 2}>
{
  [cast] half = Cast<to = 10>(images)
  [conv] features = Conv(half, kernel, bias)
  [gain] stronger = Mul(features, gain)
  [back] real = Cast<to = 1>(stronger)
  [upsample] result = Resize<mode = "linear">(real, , factors)
}"""

NATIVE_NMS = """<ir_version: 8, opset_import: ["": 18]>
detector (float[1,100,4] boxes, float[1,3,100] scores) => (float[1,10] best, int64[1,10] index)
<int64 limit = {10}, float iou = {0.5}, float threshold = {0.25}, int64[1] ten = {10}, int64[1] last = {2}>
{
  [nms] rows = NonMaxSuppression(boxes, scores, limit, iou, threshold)
  [shape] sizes = Shape(scores)
  [nothing] nothing = ConstantOfShape(sizes)
  [found] found = GatherND(scores, rows)
  [scatter] kept = ScatterND(nothing, rows, found)
  [reduce] one = ReduceMax<keepdims = 0>(kept, last)
  [double] twice = Concat<axis = 1>(one, one, one, one)
  [topk] best, index = TopK(twice, ten)
}"""

PLUGIN = """<ir_version: 8, opset_import: ["": 18, "trt.plugins": 1]>
detector (float[1,100,4] raw, float[1,100,3] scores)
 => (int32[1,1] count, float[1,10,4] boxes, float[1,10] best, int64[1,10] classes)
<float two = {2}>
{
  [decode] decoded = Mul(raw, two)
  [nms] count, boxes, best, small = trt.plugins.EfficientNMS_TRT<plugin_version = "1", score_threshold = 0.25,
    iou_threshold = 0.7, max_output_boxes = 10, background_class = -1, score_activation = 0, class_agnostic = 0,
    box_coding = 0>(decoded, scores)
  [classes] classes = Cast<to = 7>(small)
}"""

TOPK = """<ir_version: 8, opset_import: ["": 18]>
detector (float[1,5000] scores) => (float[1,10] best, int64[1,10] index)
<int64[1] ten = {10}>
{
  [topk] best, index = TopK(scores, ten)
}"""

CLEAN = {"int8": INT8, "fp16": FP16, "topk": TOPK, "native nms": NATIVE_NMS, "plugin": PLUGIN}


def parse(text: str) -> onnx.ModelProto:
    return onnx.parser.parse_model(text)
