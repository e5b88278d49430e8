"""A step of a build: a function, what it gets, and how its result is kept.

A stage's key is a digest of what the function gets (settings, by their identity, and other stages, by their keys), of
the source and the packages that it runs, and of the processor where metrics depend on it. So the key is known before
anything is computed, and a result is needed only if something that needs it is not there: who asks for the last stage
of a build gets it from the store and nothing else is read.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from functools import cached_property
from typing import Any, Generic, TypeVar

from exporter.common.heap import collecting_only_what_is_new, give_back
from exporter.common.interrupts import heed, insisting
from exporter.common.limits import enough_memory
from exporter.common.node import UnknownOriginError
from exporter.common.progress import Progress
from exporter.store.codec import Codec
from exporter.store.key import KeyInputs, differences, digest, identity
from exporter.store.place import Entry, Store
from exporter.store.sources import packages, sources

T = TypeVar("T")

BUILT, REUSED, UNNEEDED = "built", "reused", "not needed"
LARGE = 10**7  # bytes: what a look through all that Python holds, some 0.1 s, is worth


@dataclass(eq=False)
class Stage(Generic[T]):
    """A call of `function` with `arguments` by name, put off until its result is asked for; an argument that is a stage
    stands for its result. It also gets the `tools`. Arguments and the stages `beside` are all that its result may
    depend on; tools do not matter (where progress is shown), or give results of those beside on demand.

    codec: None where the result cannot be kept: each process that needs it makes it again.
    machine: what metrics depend on besides, None where nothing does.
    shown: the stage's name in lines for people.
    uses: how often a build asks for the result, which is let go after the last time. None: nobody counts; it is read
    again where it is kept, and held where it is not."""

    name: str
    function: Callable[..., T]
    arguments: Mapping[str, Any]
    codec: Codec[T] | None = None
    tools: Callable[[], Mapping[str, Any]] = dict
    beside: "Mapping[str, Stage[Any]]" = field(default_factory=dict)
    machine: Any = None
    shown: str = ""
    uses: int | None = None
    state: str = UNNEEDED
    seconds: float = 0.0
    because: list[str] = field(default_factory=list)
    _value: T | None = None
    _asked: int = 0

    @cached_property
    def inputs(self) -> "dict[str, Stage[Any]]":
        """The arguments that are results of other stages."""
        return {name: value for name, value in self.arguments.items() if isinstance(value, Stage)}

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The others, which are known before anything is computed."""
        return {name: value for name, value in self.arguments.items() if name not in self.inputs}

    @cached_property
    def key_inputs(self) -> KeyInputs | None:
        """What the result comes from; None where that cannot be told (`unknown` says what)."""
        if self.unknown:
            return None
        modules = sources([self.function.__module__, *_modules(self.settings)])
        return {
            "stage": self.name,
            "settings": self._identities,
            "inputs": {name: stage.key for name, stage in {**self.inputs, **self.beside}.items()},
            "machine": self.machine,
            "packages": packages(modules),
            "sources": modules,
        }

    @cached_property
    def unknown(self) -> str | None:
        """What about the result's origin cannot be told; None where all can."""
        for name, stage in {**self.inputs, **self.beside}.items():
            if stage.unknown:
                return f"{name}: {stage.unknown}" if stage.codec else stage.unknown
        return self._identities if isinstance(self._identities, str) else None

    @cached_property
    def _identities(self) -> dict[str, Any] | str:
        """The settings' identities, for which files are read; or what about them cannot be told."""
        try:
            return {name: identity(value) for name, value in self.settings.items()}
        except UnknownOriginError as error:
            return str(error)

    @cached_property
    def key(self) -> str | None:
        return digest(self.key_inputs) if self.key_inputs else None

    def kept(self, store: Store | None) -> bool:
        """Whether the result is in the store."""
        return store is not None and self.codec is not None and self.key is not None and self.key in store

    def value(self, run: "Run") -> T:
        """The result: at hand, from the store, or computed and kept there."""
        self._asked += 1
        if self._value is not None:
            return self._at_hand(self._value)
        if run.store is None or self.codec is None or self.key is None:
            # Nowhere to read it again from: it stays at hand for the next stage that needs it.
            return self._at_hand(self._computed(run))
        if (found := self._read(run)) is not None:
            return found
        with run.store.computing(self.key):
            if (found := self._read(run)) is not None:  # somebody else has just made it
                return found
            value = self._computed(run)
            assert self.key_inputs is not None
            files = self.codec.pack(value)
            kept = run.store.write(self.key, self.name, run.label, self.key_inputs, files, self.seconds)
        if sum(map(len, files.values())) > LARGE:
            del files
            give_back()
        return value if kept and self.uses is None else self._at_hand(value)

    def _at_hand(self, value: T) -> T:
        """Holds the value for whoever asks next, if anybody will."""
        self._value = None if self.uses is not None and self._asked >= self.uses else value
        return value

    def _read(self, run: "Run") -> T | None:
        assert run.store is not None and self.codec is not None and self.key is not None
        started = time.perf_counter()
        if (files := run.store.read(self.key)) is None:
            return None
        if self.state == UNNEEDED:
            self.state, self.seconds = REUSED, time.perf_counter() - started
            run.progress.line(self.shown or self.name, REUSED)
        return self.codec.unpack(files)

    def _computed(self, run: "Run") -> T:
        inputs = {name: stage.value(run) for name, stage in self.inputs.items()}
        heed()
        self.because = self._why(run)
        with insisting(), enough_memory(self.shown or self.name):
            started = time.perf_counter()
            with run.progress.stage(self.shown or self.name), collecting_only_what_is_new():
                value = self.function(**self.settings, **inputs, **self.tools())
        self.state, self.seconds = BUILT, time.perf_counter() - started
        return value

    def _why(self, run: "Run") -> list[str]:
        """Why the result was not there: what is different from the last one that this recipe came to."""
        if run.store is None:
            return ["no store is used"]
        if self.codec is None:
            return ["is not kept"]
        if self.key_inputs is None:
            return [str(self.unknown)]
        same = [entry for entry in run.past if entry.stage == self.name]
        if not same:
            return ["nothing of this stage is in the store"]
        last = ([entry for entry in same if entry.label == run.label] or same)[-1]
        return differences(last.key_inputs, self.key_inputs) or ["its result has left the store"]


@dataclass(frozen=True)
class Run:
    """What all stages of one build share. label: the recipe's name, for people; progress: see there."""

    store: Store | None
    label: str
    progress: Any

    @cached_property
    def quiet(self) -> "Run":
        """The same without lines for people: for results inside a stage."""
        return replace(self, progress=Progress())

    @cached_property
    def past(self) -> list[Entry]:
        """What the store held when somebody first asked, the one longest unused first."""
        return self.store.entries() if self.store else []


def _modules(settings: Any) -> list[str]:
    """The modules of the nodes in the settings: their methods are part of what a stage runs."""
    if isinstance(settings, Mapping):
        return [module for value in settings.values() for module in _modules(value)]
    if isinstance(settings, list | tuple):
        return [module for value in settings for module in _modules(value)]
    inner = _modules(vars(settings)) if is_dataclass(settings) else []
    return [*inner, type(settings).__module__] if type(settings).__module__.startswith("exporter.") else inner
