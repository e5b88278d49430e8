"""No pre-processing inside the graph: whoever runs it does all of it, as the manifest describes it."""

from typing import ClassVar

from exporter.common.node import Node
from exporter.preprocessing.trained import Trained


class NoPreprocessing(Node):
    """The artifact takes the network's own input: float32 NCHW, normalised and in the channel order of training."""

    inside_graph: ClassVar[bool] = False
    holds: ClassVar[bool] = False  # it says nothing of it

    def resolved(self, trained: Trained) -> "NoPreprocessing":
        """Itself: it contradicts nothing."""
        return self
