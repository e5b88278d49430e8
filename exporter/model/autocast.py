"""What a network computes does not depend on whether its caller is within `torch.autocast`."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def no_autocast() -> Iterator[None]:
    """Operations run in the types of their inputs. Torch is not imported for it: without torch, nobody casts."""
    with ExitStack() as stack:
        if torch := sys.modules.get("torch"):
            for device in ("cpu", "cuda"):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield
