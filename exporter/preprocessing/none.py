"""No pre-processing inside the graph: whoever runs it does all of it, as the manifest describes it."""

from typing import ClassVar

from exporter.preprocessing import PreprocessingNode, Training


class NoPreprocessing(PreprocessingNode):
    """The artifact takes the network's own input: float32 NCHW, normalised and in the channel order of training."""

    inside_graph: ClassVar[bool] = False

    @property
    def holds(self) -> bool:
        """It says nothing of it."""
        return False

    def resolved(self, trained: Training) -> "NoPreprocessing":
        """Itself: it contradicts nothing."""
        return self
