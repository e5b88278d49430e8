"""Takes out of a convolution's bias what rounding its weights shifts its results by, on average.

With weights W, rounded to Ŵ, and the mean E[x_i] of each channel i of what the convolution reads,

    E[W·x] − E[Ŵ·x] = Σ_i (Σ_k (W − Ŵ)_oik) · E[x_i]     for output channel o, k over the kernel's positions

is added to the bias (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction",
arXiv:1906.04721, equation 17; the means are those of the calibration images). Borders, where some of the kernel reads
padding, are neglected.
"""

import numpy as np
import onnx_ir as ir


def correction(node: ir.Node, error: np.ndarray, means: np.ndarray) -> np.ndarray:
    """float64 [outputs]: what to add to the bias of a Conv or ConvTranspose.

    error: W − Ŵ in the layout of the node's weights; means: E[x_i], [inputs].
    """
    group = node.attributes["group"].as_int() if "group" in node.attributes else 1
    summed = error.sum(axis=tuple(range(2, error.ndim)), dtype=np.float64)
    by_group = means.reshape(group, -1)
    if node.op_type == "Conv":  # [outputs, inputs / group]
        return np.einsum("goi,gi->go", summed.reshape(group, -1, summed.shape[1]), by_group).ravel()
    # [inputs, outputs / group]; an output pixel meets one of stride·stride positions of the kernel
    strides = node.attributes["strides"].as_ints() if "strides" in node.attributes else [1]
    shift = np.einsum("gio,gi->go", summed.reshape(group, -1, summed.shape[1]), by_group).ravel()
    return shift / np.prod(strides)
