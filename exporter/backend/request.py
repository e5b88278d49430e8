"""What a recipe asks for around the network: all that a backend, the attaching and the proof have to know of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.postprocessing import detections, outside
from exporter.postprocessing.detections import Read, ReadBoxes
from exporter.postprocessing.format import FormatNode
from exporter.postprocessing.nms import NmsNode
from exporter.postprocessing.parameters import NmsParameters
from exporter.postprocessing.section import Postprocessing
from exporter.preprocessing import PreprocessingNode
from exporter.preprocessing.describe import input_section, preprocessing_section
from exporter.preprocessing.input import Input
from exporter.preprocessing.own_normalization import AnyNormalization
from exporter.preprocessing.section import Input as InputSection
from exporter.preprocessing.section import Preprocessing as PreprocessingSection
from exporter.preprocessing.trained import Trained

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Request:
    """trained: what the network is known to be trained with; outside: the NMS that a format of all boxes leaves to its
    readers; clip: whether boxes are clipped to the input inside."""

    input: Input
    preprocessing: PreprocessingNode
    trained: Trained
    nms: NmsNode
    format: FormatNode
    outside: NmsParameters | None = None
    clip: bool = False

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
        return Postprocessing(
            nms={"type": self.nms.name, **self.nms.model_dump()},
            format=self.format.name if self.formatted else None,
            outside=self.outside,
            clip=self.clip,
        )

    @property
    def formatted(self) -> bool:
        """Whether the format stands in the graph: a plain nms=none has outputs of its own."""
        return self.nms.detects or self.format.takes_all_boxes

    @property
    def parameters(self) -> NmsParameters | None:
        """Of the NMS, inside the graph or outside; None where nothing makes detections."""
        return self.nms.parameters or self.outside

    @property
    def read(self) -> Read | None:
        """How the detections that leave the graph are read from its outputs, None where none do, or not readable
        ones."""
        return self.format.read if self.nms.detects and self.format.readable else None

    @property
    def read_boxes(self) -> ReadBoxes:
        """How all boxes are read from the outputs; asked only without an NMS inside."""
        return self.format.read_boxes if self.formatted else detections.all_boxes

    @property
    def detect(self) -> Read | None:
        """As `read`; where all boxes leave the graph in a format, after the NMS outside."""
        return outside.suppressed(self.format.read_boxes, self.outside) if self.outside else self.read

    @property
    def image_sizes(self) -> list[tuple[int, int]]:
        """Heights and widths of images that show all that the artifact takes, the nominal ones first."""
        return self.preprocessing.image_sizes(self.input)

    @property
    def nominal_image(self) -> tuple[int, int]:
        """Height and width of the images that the artifact is evaluated, timed and shown with."""
        return self.image_sizes[0]
