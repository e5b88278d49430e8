"""Calibration: the images whose activations give INT8 its ranges.

Not here: what is made of the activations (`quantization`), and labels for scores (`evaluation`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from exporter.common.geometry import Geometry
from exporter.common.node import Node
from exporter.common.options import lazily

if TYPE_CHECKING:
    from exporter.calibration.images import CalibrationImages
    from exporter.evaluation.examples import GroundTruth
    from exporter.preprocessing.own_normalization import AnyNormalization
else:
    __getattr__ = lazily(__name__)

Tell = Callable[[Mapping[str, int]], object]
"""Is told what was odd about labels, by kind, see `exporter.evaluation.notes`."""


class CalibrationNode(Node, ABC):
    """Base of the sets of calibration images. The methods are those of `exporter.quantization.ranges`. users: whether
    the images are the user's own, not the demo's; moved: by the flag of `exporter rebuild` that says where files lie
    now, the key that it sets."""

    place: ClassVar[str] = "calibration"
    users: ClassVar[bool] = True
    moved: ClassVar[Mapping[str, str]] = {}

    num_images: int = Field(ge=1)
    method: Literal["minmax", "moving_average", "percentile", "mse", "entropy", "measure"]
    percentile: float = Field(99.99, gt=50, le=100)

    @property
    def reads_percentile(self) -> bool:
        """Whether the method takes a percentile: the one of that name, and `measure`, which tries it too."""
        return self.method in ("percentile", "measure")

    def problems(self, weights: str) -> Iterator[str]:
        """Clauses for images that cannot be had, or that do not belong to these weights; as far as that can be told
        without decoding one."""
        yield from ()

    @abstractmethod
    def images(self, geometry: Geometry, normalization: "AnyNormalization") -> "CalibrationImages":
        """The images as network inputs. Raises RequestError where they cannot be had, at once or during a pass."""

    def ground_truths(
        self, class_names: Sequence[str], geometry: Geometry, tell: Tell = dict
    ) -> "Iterator[GroundTruth] | None":
        """What is on each image, in their order, boxes in pixels of the network's input; None where nobody says, or
        not in these classes."""
        return None
