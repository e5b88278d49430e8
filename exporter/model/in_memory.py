"""A torch network that is in memory already, in place of the one that a recipe names."""

from collections.abc import Iterator
from typing import Any

from pydantic import ConfigDict

from exporter.common.node import UnknownOriginError
from exporter.model import ModelNode
from exporter.model.custom import loaded
from exporter.model.loaded import LoadedModel
from exporter.model.said_in_memory import names_in_memory, trained_in_memory
from exporter.preprocessing.trained import Trained


class InMemory(ModelNode):
    """A network in the caller's hands: thresholds, names and pre-processing of the node that it stands for hold for
    it."""

    model_config = ConfigDict(arbitrary_types_allowed=True, **ModelNode.model_config)

    network: Any
    replaced: ModelNode
    digest: str | None

    def identity(self) -> dict[str, Any]:
        """The `digest` that the caller gives for the network's code and weights."""
        if self.digest is None:
            raise UnknownOriginError("the network is in memory: exporter.build(digest=…) says when it changes")
        head = self.replaced.declared
        told = {"head": head.model_dump(mode="json")} if head else {}
        return {"node": type(self).__qualname__, "digest": self.digest, "thresholds": self.thresholds, **told}

    @property
    def weights_given(self) -> str:
        """In a word."""
        return "in memory"

    @property
    def network_name(self) -> str:
        """That of the node that it stands for."""
        return self.replaced.network_name

    @property
    def own_nms(self) -> str | None:
        """That of the node that it stands for."""
        return self.replaced.own_nms

    @property
    def size_multiple(self) -> int:
        """That of the node that it stands for."""
        return self.replaced.size_multiple

    def size_problems(self, dynamic: tuple[str, ...]) -> Iterator[str]:
        """Those of the node that it stands for."""
        return self.replaced.size_problems(dynamic)

    @property
    def thresholds(self) -> tuple[float, float]:
        """Those of the node that it stands for."""
        return self.replaced.thresholds

    def usual(self) -> Trained:
        """That of the node that it stands for."""
        return self.replaced.usual()

    def trained(self) -> Trained:
        """What the network itself says (SuperGradients' do), else `usual`."""
        return trained_in_memory(self.network) or self.usual()

    def load(self) -> LoadedModel:
        """A copy of the network; the caller's own stays as it is. Raises RequestError if it is not of the contract."""
        return loaded(
            self.network, self.network_name, "memory", "in memory", self.class_names, self.replaced.declared,
            names_in_memory(self.network),
        )  # fmt: skip
