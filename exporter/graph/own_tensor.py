"""What user code in a graph is told of its inputs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tensor:
    """An input: numpy's dtype, and its shape, where a name stands for a dimension that is dynamic."""

    dtype: str
    shape: tuple[int | str, ...]
