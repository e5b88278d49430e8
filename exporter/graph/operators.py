"""Kinds of ONNX operators, by what they do with the values that they read."""

WEIGHTED = ("Conv", "ConvTranspose")
LINEAR = ("MatMul", "Gemm")
"""Linear layers, where the second input is a constant."""
MOVING = ("MaxPool", "DepthToSpace", "SpaceToDepth", "Resize", "Reshape", "Transpose", "Flatten", "Squeeze",
          "Unsqueeze", "Slice", "Split")  # fmt: skip
"""Operators whose results are values of their first input, or lie between them; other inputs are no images."""
COMPUTING = ("Relu", "Add", "Mul", "Concat", "Sigmoid", "LeakyRelu", "AveragePool", "GlobalAveragePool")
"""Other operators that engines run on integers."""
ACTIVATIONS = ("Sigmoid", "LeakyRelu", "Mul")
"""Those of them that follow a convolution: a Mul by what a Sigmoid gives is SiLU or a gate."""
