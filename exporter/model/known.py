"""A network that the exporter knows by name, with weights from a file, the demo, the published ones or at random."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import field_validator

from exporter.common.files import exists, is_file, user_path
from exporter.model import ModelNode
from exporter.model.architectures import ARCHITECTURES, Architecture
from exporter.model.known_weights import DEMO, KnownWeights
from exporter.model.loaded import LoadedModel
from exporter.model.networks import COCO_LICENCES
from exporter.preprocessing.trained import Trained


class KnownModel(ModelNode):
    """One of `ARCHITECTURES`."""

    architecture: str
    weights: str
    num_classes: int | Literal["auto"]
    accept_license: bool
    coco_url: str
    seed: int

    @field_validator("architecture")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in ARCHITECTURES:
            raise ValueError(f"no such network; known: {', '.join(ARCHITECTURES)}")
        return name

    @property
    def known(self) -> Architecture:
        """What the exporter knows of the network."""
        return ARCHITECTURES[self.architecture]

    @property
    def weights_given(self) -> str:
        """A path, or demo, coco, random."""
        return self.weights

    @property
    def network_name(self) -> str:
        """That of the architecture."""
        return self.architecture

    @property
    def thresholds(self) -> tuple[float, float]:
        """Confidence and IoU that the NMS takes where the recipe leaves them auto."""
        return self.known.confidence_threshold, self.known.nms_threshold

    def usual(self) -> Trained:
        """What networks of its kind are trained with."""
        return Trained(source="model", preprocessing=self.known.preprocessing)

    def trained(self) -> Trained:
        """What it was trained with: what the checkpoint's file says, else the model's own. Raises RequestError for a
        file that cannot be read."""
        from exporter.model.stored import read_stored
        from exporter.preprocessing.supergradients import trained

        path = user_path(self.weights)
        if self.weights in ("demo", "random", "coco") or not is_file(path):
            return self.usual()
        stored = read_stored(path)
        confidence, overlap = stored.confidence_threshold, stored.nms_threshold
        if stored.steps is not None:
            return trained("checkpoint", stored.steps, confidence, overlap)
        return self.usual().model_copy(update={"confidence_threshold": confidence, "nms_threshold": overlap})

    @property
    def source(self) -> KnownWeights:
        """Which weights they are."""
        return KnownWeights(**self.model_dump(include=set(KnownWeights.model_fields)))

    def identity(self) -> dict[str, Any]:
        """That of its weights."""
        return self.source.identity()

    def problems(self) -> Iterator[str]:
        """Clauses for weights that cannot be loaded, as far as that can be told without loading them."""
        if self.weights == "demo" and not self.source.demo.is_file():
            shipped = ", ".join(sorted(file.stem for file in DEMO.glob("*.safetensors")))
            yield f"model.weights=demo: the demo has none for {self.architecture}, only for {shipped}: give a path"
        elif self.weights == "coco" and self.known.restricted and not self.accept_license:
            yield (
                f"model.weights=coco: these weights are under the {COCO_LICENCES[self.architecture]}: if you accept it,"
                " add model.accept_license=true; or give a path to your own"
            )
        elif self.weights not in ("demo", "coco", "random") and not exists(user_path(self.weights)):
            yield (
                f"model.weights={self.weights}: no such file: give the path of a checkpoint (.pth, .pt, .safetensors),"
                " demo, coco or random"
            )

    def load(self) -> LoadedModel:
        """See `KnownWeights.load`."""
        return self.source.load()
