"""A network that the exporter knows by name, with weights from a file, the demo, the published ones or at random."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import field_validator

from exporter.common.errors import RequestError
from exporter.common.files import exists, file_digest, is_file, user_path
from exporter.model import ModelNode
from exporter.model.architectures import ARCHITECTURES, Architecture
from exporter.model.loaded import LoadedModel
from exporter.model.section import Weights, WeightsKind
from exporter.preprocessing.trained import Trained

if TYPE_CHECKING:
    from exporter.model.checkpoint import Checkpoint

COCO_CLASSES = 80
DEMO = Path(__file__).parent.parent / "demo"


class KnownModel(ModelNode):
    """One of `ARCHITECTURES`. `load` is strict: each entry of the checkpoint has its place, each place an entry."""

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
    def _demo(self) -> Path:
        return DEMO / f"{self.architecture}.safetensors"

    def identity(self) -> dict[str, Any]:
        """The weights by their digest, wherever they lie; the published ones by where they come from."""
        fields = self.model_dump(mode="json", exclude={"accept_license"})
        if self.weights != "random":
            del fields["seed"]
        if self.weights == "demo":
            fields["weights"] = file_digest(self._demo)
        elif self.weights not in ("random", "coco"):
            fields["weights"] = file_digest(user_path(self.weights))
        return {"node": type(self).__qualname__, **fields}

    def problems(self) -> Iterator[str]:
        """Clauses for weights that cannot be loaded, as far as that can be told without loading them."""
        if self.weights == "demo" and not self._demo.is_file():
            shipped = ", ".join(sorted(file.stem for file in DEMO.glob("*.safetensors")))
            yield f"model.weights=demo: the demo has none for {self.architecture}, only for {shipped}: give a path"
        elif self.weights == "coco" and self.known.restricted and not self.accept_license:
            yield (
                f"model.weights=coco: these weights are under the {self.known.coco_licence}: if you accept it, add"
                " model.accept_license=true; or give a path to your own"
            )
        elif self.weights not in ("demo", "coco", "random") and not exists(user_path(self.weights)):
            yield (
                f"model.weights={self.weights}: no such file: give the path of a checkpoint (.pth, .pt, .safetensors),"
                " demo, coco or random"
            )

    def load(self) -> LoadedModel:
        """Reads or makes the weights and gives the fused network. Raises RequestError for a file that is missing, not
        a checkpoint, or of another network or number of classes."""
        import torch

        from exporter.model.fuse import fuse
        from exporter.model.weights import check_state, load_strict, num_classes_of, random_state

        if self.weights == "random":
            names = self._names(None, COCO_CLASSES if self.num_classes == "auto" else self.num_classes)
            network = self.known.create(len(names))
            network.load_state_dict(random_state(network, self.seed))
            words = f"random, seed {self.seed}: it detects nothing"
            source = Weights(file=None, sha256=None, source=words, kind="random", licence=None)
        else:
            checkpoint, kind, words, licence = self._checkpoint()
            found = num_classes_of(checkpoint.state, self._label(checkpoint))
            if self.num_classes not in ("auto", found):
                raise RequestError(
                    f"model.num_classes={self.num_classes}: {checkpoint.file} has {found} classes:"
                    f" set model.num_classes={found} or auto"
                )
            names = self._names(checkpoint.class_names, found)
            with torch.device("meta"):  # shapes only: a wrong file is refused before memory is taken
                expected = self.known.create(found).state_dict()
            check_state(expected, checkpoint.state, self._label(checkpoint))
            network = self.known.create(found)
            load_strict(network, checkpoint)
            source = Weights(file=checkpoint.file, sha256=checkpoint.sha256, source=words, kind=kind, licence=licence)
        parameters = sum(parameter.numel() for parameter in network.parameters())
        return LoadedModel(self.architecture, names, parameters, source, fuse(network))

    def _label(self, checkpoint: "Checkpoint") -> str:
        return f"model.weights={checkpoint.file} for {self.architecture}"

    def _checkpoint(self) -> tuple["Checkpoint", WeightsKind, str, str | None]:
        """The checkpoint, where it came from by kind and in words, its licence where that is known."""
        from exporter.model.checkpoint import read_checkpoint

        if self.weights == "demo":
            return read_checkpoint(self._demo), "demo", "demo", "Apache-2.0"
        if self.weights == "coco":
            return self._published()
        return read_checkpoint(user_path(self.weights)), "file", "file", None

    def _published(self) -> tuple["Checkpoint", WeightsKind, str, str | None]:
        from exporter.model.checkpoint import read_checkpoint
        from exporter.model.download import DIGESTS, fetch, fetch_published

        if self.coco_url == "auto":
            fetched = fetch_published(self.architecture)
        else:
            fetched = fetch(self.architecture, self.coco_url)
        kind: WeightsKind = "published"
        source = f"published COCO weights, {fetched.url}"
        if fetched.sha256 != DIGESTS.get(self.architecture, fetched.sha256):  # of an address of the user's
            kind, source = "url", f"{fetched.url}: other weights than the published ones"
        return read_checkpoint(fetched.path), kind, source, self.known.coco_licence

    def _names(self, stored: tuple[str, ...] | None, num_classes: int) -> tuple[str, ...]:
        """The class names: those of the recipe, else those in the checkpoint, else class_0, class_1, …"""
        if self.class_names == "auto":
            if stored is not None and len(stored) != num_classes:
                raise RequestError(
                    f"model.weights: the checkpoint names {len(stored)} classes and predicts {num_classes}:"
                    f" set model.class_names to {num_classes} names"
                )
            return stored or tuple(f"class_{i}" for i in range(num_classes))
        if len(self.class_names) != num_classes:
            raise RequestError(
                f"model.class_names: {len(self.class_names)} names for {num_classes} classes:"
                f" give {num_classes}, or auto"
            )
        return self.class_names
