"""The weights of a network that the exporter knows: from a file, the demo, the published ones or at random.

A loaded network's cache key covers what this module imports: nothing of how an image becomes the network's input.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from exporter.common.errors import RequestError
from exporter.common.files import file_digest, user_path
from exporter.common.node import Node
from exporter.model.loaded import LoadedModel, names_of_classes
from exporter.model.networks import COCO_LICENCES, NETWORKS
from exporter.model.section import Weights, WeightsKind

if TYPE_CHECKING:
    from torch import nn

    from exporter.model.checkpoint import Checkpoint

COCO_CLASSES = 80
DEMO = Path(__file__).parent.parent / "demo"


class KnownWeights(Node):
    """Which weights of which network, and the names of its classes: the fields of `exporter.model.known.KnownModel`
    that say what is loaded. `load` is strict: each entry of the checkpoint has its place, each place an entry."""

    architecture: str
    weights: str
    num_classes: int | Literal["auto"]
    class_names: tuple[str, ...] | Literal["auto"]
    coco_url: str
    seed: int

    @property
    def demo(self) -> Path:
        """The demo weights of this network; not all have some."""
        return DEMO / f"{self.architecture}.safetensors"

    def identity(self) -> dict[str, Any]:
        """The weights by the name of their file, for the manifest says it, and its digest; the published ones by where
        they come from."""
        fields = self.model_dump(mode="json")
        if self.weights != "random":
            del fields["seed"]
        if self.weights == "demo":
            fields["weights"] = file_digest(self.demo)
        elif self.weights not in ("random", "coco"):
            path = user_path(self.weights)
            fields |= {"file": path.name, "weights": file_digest(path)}
        return {"node": type(self).__qualname__, **fields}

    def load(self) -> LoadedModel:
        """Reads or makes the weights and gives the fused network. Raises RequestError for a file that is missing, not
        a checkpoint, or of another network or number of classes."""
        from exporter.model.fuse import fuse
        from exporter.model.weights import load_strict, num_classes_of, random_state

        if self.weights == "random":
            count = COCO_CLASSES if self.num_classes == "auto" else self.num_classes
            names = names_of_classes(count, self.class_names, None, "model.weights=random")
            network = self._without_numbers(count)
            network.load_state_dict(random_state(network, self.seed), assign=True)
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
            names = names_of_classes(found, self.class_names, checkpoint.class_names, self._label(checkpoint))
            network = self._without_numbers(found)
            load_strict(network, checkpoint, self._label(checkpoint))
            source = Weights(file=checkpoint.file, sha256=checkpoint.sha256, source=words, kind=kind, licence=licence)
        parameters = sum(parameter.numel() for parameter in network.parameters())
        return LoadedModel(self.architecture, names, parameters, source, fuse(network))

    def _without_numbers(self, num_classes: int) -> "nn.Module":
        """The network, which takes no memory and no time before it is filled."""
        import torch

        with torch.device("meta"):
            return NETWORKS[self.architecture](num_classes)

    def _label(self, checkpoint: "Checkpoint") -> str:
        return f"model.weights={checkpoint.file} for {self.architecture}"

    def _checkpoint(self) -> tuple["Checkpoint", WeightsKind, str, str | None]:
        """The checkpoint, where it came from by kind and in words, its licence where that is known."""
        from exporter.model.checkpoint import read_checkpoint

        if self.weights == "demo":
            return read_checkpoint(self.demo), "demo", "demo", "Apache-2.0"
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
        return read_checkpoint(fetched.path), kind, source, COCO_LICENCES[self.architecture]
