"""What every node of a recipe is: frozen, typed settings, checked before any work starts.

A node is a pydantic model. Its fields are the keys that its YAML may hold; a key too many, a wrong type or a value out
of range is an error that names the key. Creating a node does no work and imports nothing heavy: the work is in its
methods, which import what they need where they need it.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict


class UnknownOriginError(Exception):
    """It cannot be told what something comes from: code of a user's own, an object in memory. What is made of it is
    made anew each time."""


class Node(BaseModel):
    """Base of the nodes that ship with the exporter; a recipe may name only these as `_target_` without trust."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def identity(self) -> dict[str, Any]:
        """JSON-able: all that the node's work comes from besides what its methods get. These are its fields; a node
        that reads files adds their digests. Raises UnknownOriginError where it cannot be told."""
        return {"node": type(self).__qualname__, **self.model_dump(mode="json")}


def own_code_identity(node: Any, group: str) -> dict[str, Any]:
    """The identity of a node that carries a user's own code: `digest`, which the user vouches for. Raises
    UnknownOriginError where it is not given."""
    if node.digest is None:
        raise UnknownOriginError(f"{node.target} is code of your own: {group}.digest says when it changes")
    return {"node": type(node).__qualname__, **node.model_dump(mode="json")}
