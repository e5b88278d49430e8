"""Bounds on memory and time for what somebody else's file makes this process do."""

import os
import re
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.common.errors import BuildError, RequestError
from exporter.common.messages import in_one_line

MEMORY, COPIES = 4_000_000_000, 8
"""What a graph may take: so many bytes, its file's size so many times, and `PER_PIXEL` bytes of its input."""
PER_PIXEL = 8_000
# What C++ below us says where there is no memory: torch, ONNX Runtime, OpenCV, protobuf, the loader of libraries.
NO_MEMORY = re.compile(
    r"can't allocate memory|cannot allocate memory|bad[ _]alloc|failed to allocate|insufficient memory|out of memory"
    r"|failed to map segment|failed to serialize proto",
    re.IGNORECASE,
)


def memory_for(file: int, pixels: int) -> int:
    """Bytes for a graph whose file has `file` bytes, and its input `pixels` pixels; at most what this machine has."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(MEMORY + COPIES * file + PER_PIXEL * pixels, machine)


@contextmanager
def bounded(label: object, extra: int) -> Iterator[None]:
    """As `at_most`, and RequestError in place of MemoryError."""
    try:
        with at_most(extra):
            yield
    except MemoryError as error:
        raise RequestError(f"{label}: takes more than {extra / 1e9:.1f} GB of memory: refused") from error


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


@contextmanager
def enough_memory(what: str) -> Iterator[None]:
    """BuildError in place of whatever the block raises because this process gets no more memory."""
    try:
        yield
    except (BuildError, RequestError):
        raise
    except Exception as error:  # each library has its own for it, told by its text; any other is raised again
        if isinstance(error, MemoryError) or NO_MEMORY.search(str(error)):
            line = f"{what}: out of memory ({in_one_line(error)}): give it more, or take a smaller input or batch"
            raise BuildError(line) from error
        raise


@contextmanager
def alarm(seconds: float, ring: Callable[[], object]) -> Iterator[None]:
    """Calls `ring` from another thread if the block takes longer."""
    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
