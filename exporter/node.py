"""What every node of a recipe is: frozen, typed settings, checked before any work starts.

A node is a pydantic model. Its fields are the keys that its YAML may hold; a key too many, a wrong type or a value out
of range is an error that names the key. Creating a node does no work and imports nothing heavy: the work is in its
methods, which import what they need where they need it.
"""

from pydantic import BaseModel, ConfigDict


class Node(BaseModel):
    """Base of the nodes that ship with the exporter; a recipe may name only these as `_target_` without trust."""

    model_config = ConfigDict(extra="forbid", frozen=True)
