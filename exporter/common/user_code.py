"""A user's own code in a recipe: the callable that `_target_` names."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from exporter.common.errors import RequestError
from exporter.common.messages import in_one_line
from exporter.common.node import Node, UnknownOriginError


class UserCode(Node):
    """Mixed into a node that carries a user's code: the callable at the dotted path `target`, and what it is called
    with. `digest` is the user's word for what this code and all that it reads is."""

    target: str
    arguments: dict[str, Any]
    digest: str | None = None

    def identity(self) -> dict[str, Any]:
        """With the `digest` that the user vouches for. Raises UnknownOriginError where it is not given."""
        if self.digest is None:
            raise UnknownOriginError(f"{self.target} is code of your own: {self.place}.digest says when it changes")
        return super().identity()

    @property
    def label(self) -> str:
        """What lines about it begin with."""
        return f"{self.place}._target_={self.target}"

    def made(self) -> Any:
        """What the callable gives for the arguments. Raises RequestError where it fails."""
        return made(self.target, self.arguments, self.label)


def made(target: str, arguments: Mapping[str, Any], label: str) -> Any:
    """What the callable at the dotted path gives for these arguments, nested nodes among them made first. Raises
    RequestError, which begins with `label`, where it fails."""
    from hydra.utils import instantiate

    with failing(f"{label}: cannot be made"):
        return instantiate({"_target_": target, **arguments})


@contextmanager
def failing(what: str) -> Iterator[None]:
    """RequestError, which begins with `what`, in place of whatever a user's code raises in the block."""
    try:
        yield
    except RequestError:
        raise
    except Exception as error:  # user code can raise anything
        raise RequestError(f"{what}: {in_one_line(error)}") from error
