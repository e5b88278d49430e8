"""A network."""

from exporter.model import ModelNode
from exporter.model.loaded import LoadedModel
from exporter.model.section import Weights
from exporter.preprocessing.trained import Trained
from exporter.preprocessing.yolo_nas import YoloNas


class Small(ModelNode):
    seed: int

    @property
    def weights_given(self) -> str:
        return "seven convolutions"

    @property
    def thresholds(self) -> tuple[float, float]:
        return 0.3, 0.6

    def usual(self) -> Trained:
        return Trained(source="model", preprocessing=YoloNas())

    def load(self) -> LoadedModel:
        from tests.small_network import SmallDetector

        network = SmallDetector().eval()
        weights = Weights(file=None, sha256=None, source=f"random, seed {self.seed}", kind="random", licence=None)
        return LoadedModel(
            "small", tuple(self.class_names), sum(p.numel() for p in network.parameters()), weights, network
        )
