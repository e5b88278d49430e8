"""What a recipe asks for around the network: all that a backend, the attaching and the proof have to know of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.postprocessing.format import FormatNode
from exporter.postprocessing.nms import NmsNode
from exporter.postprocessing.section import Postprocessing
from exporter.preprocessing import PreprocessingNode
from exporter.preprocessing.describe import input_section, preprocessing_section
from exporter.preprocessing.input import Input
from exporter.preprocessing.own_normalization import AnyNormalization
from exporter.preprocessing.section import Input as InputSection
from exporter.preprocessing.section import Preprocessing as PreprocessingSection
from exporter.preprocessing.trained import Trained

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    import onnx

    from exporter.postprocessing.detections import Detections


@dataclass(frozen=True)
class Request:
    """trained: what the network is known to be trained with."""

    input: Input
    preprocessing: PreprocessingNode
    trained: Trained
    nms: NmsNode
    format: FormatNode

    @property
    def normalization(self) -> AnyNormalization | None:
        """What the network is to be fed: as it was trained, where that is known and the recipe does not insist on
        something else; an artifact that normalizes otherwise must not pass the proof."""
        node = self.preprocessing if self.preprocessing.holds else self.trained.preprocessing
        return (node or self.preprocessing).normalization

    def input_section(self, model: "onnx.ModelProto") -> InputSection:
        """Of the manifest, for a finished graph."""
        return input_section(model, self.input, self.preprocessing)

    def preprocessing_section(self) -> PreprocessingSection:
        """Of the manifest."""
        return preprocessing_section(self.input, self.preprocessing, self.trained)

    def postprocessing_section(self) -> Postprocessing:
        """Of the manifest: every parameter, as it is built into the graph."""
        nms = {"type": self.nms.name, **self.nms.model_dump()}
        return Postprocessing(nms=nms, format=self.format.name if self.nms.detects else None)

    @property
    def read(self) -> "Callable[[Mapping[str, np.ndarray], int], list[Detections]] | None":
        """How the artifact's detections are read from its outputs, None where there are none, or not readable ones."""
        return self.format.read if self.nms.detects and self.format.readable else None

    @property
    def image_sizes(self) -> list[tuple[int, int]]:
        """Heights and widths of images that show all that the artifact takes, the nominal ones first."""
        return self.preprocessing.image_sizes(self.input)

    @property
    def nominal_image(self) -> tuple[int, int]:
        """Height and width of the images that the artifact is evaluated, timed and shown with."""
        return self.image_sizes[0]
