"""Is the geometry inside a graph the geometry? Its pixels are held against OpenCV's, its boxes against Python's."""

from collections.abc import Sequence

import numpy as np

from exporter.common.geometry import Geometry
from exporter.preprocessing.section import Input
from exporter.proof.section import LetterboxErrors
from exporter.proof.tensors import Tensors

MAX_BEYOND = 1e-3  # of all values: OpenCV itself rounds one way or the other, but by one grey level only
MAX_GREY_BIAS = 0.25  # grey levels, of a raw image's mean: ties take up to 0.13, cutting off takes half a level
MAX_BOX_ERROR = 0.01  # pixels of the raw image
# points that those grey levels may cost, beside what the precision may; on 32 synthetic images up to 0.09
MAX_MAP_DROP = 0.2


def seen(tensor: Tensors, image: np.ndarray, input: Input) -> np.ndarray:
    """What the network was shown of an image: uint8 [H, W, 3] RGB."""
    if tensor.letterboxed is None:
        return image
    return tensor.letterboxed.images[..., ::-1] if input.channels == "bgr" else tensor.letterboxed.images


def letterbox_errors(
    tensors: Sequence[Tensors], raw_images: Sequence[np.ndarray], shown: Sequence[np.ndarray], geometry: Geometry
) -> LetterboxErrors:
    """The largest grey-level error, the largest of a raw image's means, padding left out, the share of values that are
    off by more than 1, and the largest error of a box in pixels of the raw image, over raw images uint8 [h, w, 3] RGB
    and what the network was `shown` of them."""
    greys, means, boxes = [], [], [0.0]
    for tensor, raw_image, images in zip(tensors, raw_images, shown, strict=True):
        assert tensor.letterboxed is not None and tensor.detections is not None  # the artifact takes raw images
        grey = images.astype(np.int16) - geometry.apply(raw_image)
        height, width = raw_image.shape[:2]
        at = geometry.transform(height, width)
        greys.append(np.abs(grey).ravel())
        means.append(abs(float(grey[at.top : at.top + at.new_height, at.left : at.left + at.new_width].mean())))
        want = geometry.to_image(tensor.detections.boxes, at, height, width)
        boxes.append(float(np.abs(tensor.letterboxed.boxes - want).max(initial=0)))
    grey = np.concatenate(greys)
    return LetterboxErrors(
        reference="OpenCV's resize and border, and the manifest's numbers",
        max_grey_error=int(grey.max()),
        mean_grey_error=max(means),
        beyond_one_grey_level=float((grey > 1).mean()),
        max_box_error=max(boxes),
    )
