"""What every engine that runs here has in common."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, Self

from exporter.common.limits import memory_for

if TYPE_CHECKING:
    import numpy as np

RUN_SECONDS = 600.0
"""For one run of a graph that somebody else made."""
Timed = Callable[[], float]
"""Runs something once; gives the seconds that took."""


class Limits(NamedTuple):
    """Of one session: bytes beyond those that its process has, seconds for one run; and what to call the model."""

    memory: int
    seconds: float
    label: object


def limits(file: int, pixels: int, label: object) -> Limits:
    """For a graph that somebody else made, whose file has `file` bytes, and its input at most `pixels` pixels."""
    return Limits(memory_for(file, pixels), RUN_SECONDS, label)


class Runnable(Protocol):
    """Those methods of ONNX Runtime's session that it takes to run a model."""

    def get_outputs(self) -> Any:
        """Each with a name, a type in ONNX Runtime's words, and a shape in which a free side is no number; in the
        graph's order."""
        ...

    def run(self, names: Sequence[str] | None, feeds: "dict[str, np.ndarray]") -> "list[np.ndarray]":
        """The outputs of these names, all of them if None. Raises BuildError where it fails, RequestError beyond its
        limits."""
        ...


Sessions = Callable[[bytes], Runnable]
"""What makes an ONNX model ready to run."""


class Session(Runnable, Protocol):
    """A model that is loaded, and a clock."""

    def get_inputs(self) -> Any:
        """As `get_outputs`."""
        ...

    def timed(self, feeds: "dict[str, np.ndarray]") -> Timed:
        """Runs with these feeds; its seconds are the engine's own, without what it takes to get data there."""
        ...

    @property
    def streams(self) -> int:
        """How many runs it likes at once."""
        ...

    def queued(self, feeds: "dict[str, np.ndarray]", runs: int) -> float:
        """Seconds of so many runs, as many at once as it likes."""
        ...

    def peak_memory(self) -> int | None:
        """Bytes of its process at most; None where that is not its own, or the system does not tell."""
        ...


class Engine(Protocol):
    """An engine with all its settings."""

    name: ClassVar[str]
    """As the command line calls it."""
    own_process: ClassVar[bool]
    """Whether each session is a process of its own."""

    @property
    def computes_in(self) -> str:
        """What it makes of float32: f32, unless it was told otherwise."""
        ...

    @property
    def hint(self) -> str | None:
        """What it is tuned for, "latency" or "throughput", where it can be told."""
        ...

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> Self:
        """That of a manifest. Raises RequestError for settings that this engine does not have."""
        ...

    @property
    def settings(self) -> dict[str, str]:
        """What a program has to tell the engine so that it computes as it did here; for the manifest."""
        ...

    def label(self, model: bytes | Path) -> str:
        """Name, version and whatever else metrics of this model depend on."""
        ...

    def session(self, model: bytes | Path, threads: int | None = None, limits: Limits | None = None) -> Session:
        """`threads`: None takes the engine's own choice, or what OMP_NUM_THREADS says. Raises BuildError where the
        engine does not take the model, RequestError beyond the limits."""
        ...

    def placement(self, model: bytes, feeds: "dict[str, np.ndarray]") -> dict[str, int] | None:
        """How many nodes ran where, for an engine that may give some of them to another; None where it cannot."""
        ...


def share_of_cores() -> int | None:
    """What OMP_NUM_THREADS says: by that launchers share out the cores among processes, of which engines by themselves
    take all. None where it says nothing."""
    share = os.environ.get("OMP_NUM_THREADS", "")
    return int(share) or None if share.isdecimal() else None
