"""A bound on the memory that looking at somebody's file may take.

ONNX's shape inference follows shapes element by element; a file of some bytes can state shapes that fill any memory.
"""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def at_most(extra: int) -> Iterator[None]:
    """Within it this process gets `extra` bytes of address space beyond what it has; more is a MemoryError. Where the
    system does not tell what it has (no /proc), there is no bound."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = pages * resource.getpagesize() + extra
    if any(limit != resource.RLIM_INFINITY and limit < wanted for limit in (soft, hard)):
        yield  # somebody has set a tighter one
        return
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
