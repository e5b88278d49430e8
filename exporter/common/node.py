"""What every node of a recipe is: frozen, typed settings, checked before any work starts.

A node is a pydantic model. Its fields are the keys that its YAML may hold; a key too many, a wrong type or a value out
of range is an error that names the key. Creating a node does no work and imports nothing heavy: the work is in its
methods, which import what they need where they need it. Each group has a base class of its own nodes in its package,
and what differs between its options is data and methods of that class: nobody outside asks which option it is.
"""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class UnknownOriginError(Exception):
    """It cannot be told what something comes from: code of a user's own, an object in memory. What is made of it is
    made anew each time."""


class Settings(BaseModel):
    """Plain values of a recipe: a key too many or a wrong type is an error; nobody changes them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Node(Settings):
    """Base of the groups' base classes; a recipe may name only such classes as `_target_`."""

    place: ClassVar[str]
    """Where the group stands in a recipe; its package is `exporter.` and this."""

    @property
    def name(self) -> str:
        """The name under which a recipe chooses the option: that of its module (the rule of the house)."""
        return type(self).__module__.rpartition(".")[2]

    def identity(self) -> dict[str, Any]:
        """JSON-able: all that the node's work comes from besides what its methods get. These are its fields; a node
        that reads files adds their digests. Raises UnknownOriginError where it cannot be told."""
        return {"node": type(self).__qualname__, **self.model_dump(mode="json")}
