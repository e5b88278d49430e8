"""A network that the exporter knows by name, with weights from a file, the demo, the published ones or at random."""

from typing import Literal

from pydantic import field_validator

from exporter.model.architectures import ARCHITECTURES
from exporter.node import Node

COCO_CLASSES = 80


class KnownModel(Node):
    """One of `ARCHITECTURES`. `load` is strict: every entry of the checkpoint has its place, and every place an entry."""

    architecture: str
    weights: str
    num_classes: int | Literal["auto"]
    class_names: tuple[str, ...] | Literal["auto"]
    accept_license: bool
    seed: int

    @field_validator("architecture")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in ARCHITECTURES:
            raise ValueError(f"no such network; known: {', '.join(ARCHITECTURES)}")
        return name
