"""From images of the input's size to the array that an artifact takes."""

import numpy as np

from exporter.common.errors import RequestError
from exporter.preprocessing.section import Input, Preprocessing


def encode(images: np.ndarray, input: Input, preprocessing: Preprocessing) -> np.ndarray:
    """uint8 [B, H, W, 3] RGB of the input's size → what the artifact takes: its dtype, layout, order and range. Raises
    RequestError for a size that it does not take."""
    input.check_image(*images.shape[1:3])
    nchw = images.transpose(0, 3, 1, 2)
    if not preprocessing.inside_graph:
        if preprocessing.normalization is None:
            raise RequestError("the manifest has no normalization, and the artifact none inside: it takes no images")
        return np.ascontiguousarray(preprocessing.normalization.apply(nchw))
    if input.channels == "bgr":
        nchw = nchw[:, ::-1]
    array = nchw if input.layout == "nchw" else nchw.transpose(0, 2, 3, 1)
    if input.layout == "hwc":
        (array,) = array
    return np.ascontiguousarray(array.astype(input.dtype))
