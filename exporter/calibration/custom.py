"""Calibration on batches from a user's own loader."""

from collections.abc import Iterable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

from exporter.calibration import CalibrationNode
from exporter.calibration.images import CalibrationImages
from exporter.common.errors import RequestError
from exporter.common.geometry import Geometry
from exporter.common.user_code import UserCode, failing
from exporter.preprocessing.own_normalization import AnyNormalization

if TYPE_CHECKING:
    import numpy as np

ENDED = object()


class CustomCalibration(UserCode, CalibrationNode):
    """The first `num_images` images of what `target`, a function or class, gives for `arguments`: a DataLoader, a list,
    a generator, or a function that starts a pass.

    It yields NCHW batches of the input's size, an array or tensor or a tuple or list that begins with one. uint8 is
    raw RGB pixels; float is taken as normalised as in training.
    """

    def images(self, geometry: Geometry, normalization: AnyNormalization) -> CalibrationImages:
        """The images as network inputs; `digest` is over each one's bytes as the loader gave them.

        Makes the loader at once. Raises RequestError if that fails, and during a pass for a batch of another kind, for
        no batches, and for a second pass over what can be gone through once only.
        """
        loader = self.made()
        if not (callable(loader) or isinstance(loader, Iterable)):
            raise RequestError(f"{self.label}: gives a {type(loader).__name__}: let it give a loader of NCHW batches")
        used = False

        def images() -> "Iterator[tuple[np.ndarray, np.ndarray]]":
            nonlocal used
            if used and isinstance(loader, Iterator):
                raise RequestError(
                    f"{self.label}: can be gone through once, and is needed again: let it give a list, a DataLoader or"
                    " a function that starts anew"
                )
            used = True
            left = self.num_images
            for images in self._arrays(loader, geometry):
                for image in images[:left]:
                    raw = image.dtype == "uint8"
                    yield image, normalization.apply(image[None]) if raw else image[None].astype("float32")
                left -= len(images[:left])
                if not left:
                    return
            if left == self.num_images:
                raise RequestError(f"{self.label}: no images came: let it give at least one batch")

        return CalibrationImages(images, self.num_images)

    def _arrays(self, loader: Any, geometry: Geometry) -> "Iterator[np.ndarray]":
        """Each batch as an array [n, 3, H, W], checked."""
        with failing(f"{self.label}: gives no batches"):
            batches = iter(loader if isinstance(loader, Iterable) else loader())
        for number in count():
            with failing(f"{self.label}: fails at batch {number}"):
                batch = next(batches, ENDED)
            if batch is ENDED:
                return
            images = _array(batch[0] if isinstance(batch, tuple | list) and batch else batch)
            if problem := _problem(images, geometry):
                wanted = f"[n, 3, {geometry.height}, {geometry.width}], uint8 (RGB, 0..255) or float (normalised)"
                raise RequestError(f"{self.label}: batch {number} is {problem}: give {wanted}")
            yield images


def _array(batch: Any) -> Any:
    """A tensor as an array; everything else unchanged."""
    import torch

    if isinstance(batch, torch.Tensor):
        batch = batch.detach().cpu()
        return (batch.float() if batch.dtype == torch.bfloat16 else batch).numpy()
    return batch


def _problem(images: Any, geometry: Geometry) -> str | None:
    """What is wrong with a batch."""
    import numpy as np

    if not isinstance(images, np.ndarray):
        return f"a {type(images).__name__}"
    height, width = geometry.height, geometry.width
    if images.ndim == 4 and images.shape[1:] == (height, width, 3) and images.shape[1] != 3:
        return f"{list(images.shape)}, channels last"
    if images.ndim != 4 or images.shape[1:] != (3, height, width):
        return str(list(images.shape))
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        return str(images.dtype)
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        return "not finite (NaN or infinite values)"
    return None
