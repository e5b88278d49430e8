"""ONNX Runtime, in this process, with one of its execution providers."""

import json
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np

from exporter.common.errors import BuildError, RequestError
from exporter.common.limits import NO_MEMORY, alarm, bounded
from exporter.common.messages import one_of
from exporter.runtime.engine import Limits, Timed, share_of_cores
from exporter.runtime.onnx_bound import Bound
from exporter.runtime.onnx_providers import PROVIDERS, Kind, Provider, check_provider, plugin_devices

CAPTURED = "enable_cuda_graph"
OPTIONS = ("use_tf32", CAPTURED, "prefer_nhwc")
"""Of the CUDA provider, those that change what it computes or how fast; by ONNX Runtime's names."""
NO_GPU_MEMORY = re.compile(r"smaller than requested bytes|STATUS_ALLOC_FAILED")
"""As ONNX Runtime's arena, cuBLAS and cuDNN say it."""


@dataclass(frozen=True)
class OnnxRuntimeEngine:
    """`provider`: what computes the nodes that it can; ONNX Runtime gives the others to the CPU, and `placement` says
    which. `options`: of the provider, names of `OPTIONS` and values."""

    provider: Provider = "cpu"
    options: tuple[tuple[str, str], ...] = ()
    name: ClassVar[str] = "onnxruntime"
    own_process: ClassVar[bool] = False

    @property
    def computes_in(self) -> str:
        """Float32 as it is."""
        return "f32"

    @property
    def hint(self) -> str | None:
        """There is none."""
        return None

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> "OnnxRuntimeEngine":
        """That of a manifest. Raises RequestError for settings that this engine does not have."""
        stated = settings.get("provider", PROVIDERS["cpu"].name)
        told = {key: value for key, value in settings.items() if key != "provider"}
        known = OPTIONS if stated == PROVIDERS["cuda"].name else ()
        if wrong := [key for key, value in told.items() if key not in known or value not in ("0", "1")]:
            problem = one_of(f"{wrong[0]}={told[wrong[0]]} is no such option of {stated}", wrong[0], known)
            raise RequestError(f"backend.settings: {problem}" + (", each 0 or 1" if known else ""))
        for provider in get_args(Provider):
            if PROVIDERS[provider].name == stated:
                return cls(provider, tuple(told.items()))
        providers = [kind.name for kind in PROVIDERS.values()]
        raise RequestError(f"backend.settings: {one_of(f'no such provider {stated}', stated, providers)}")

    @property
    def settings(self) -> dict[str, str]:
        """What `InferenceSession` is given besides the model."""
        return {} if self.provider == "cpu" else {"provider": PROVIDERS[self.provider].name, **dict(self.options)}

    def label(self, model: bytes | Path) -> str:
        """Name, version and provider."""
        import onnxruntime as ort

        by = "CPU" if self.provider == "cpu" else PROVIDERS[self.provider].name
        return f"onnxruntime {ort.__version__}, {by}{emulation(model)}"

    def session(
        self, model: bytes | Path, threads: int | None = None, limits: Limits | None = None
    ) -> "OnnxRuntimeSession":
        """See `OnnxRuntimeSession`."""
        return OnnxRuntimeSession(model, _options(threads), self.provider, limits, dict(self.options))

    def placement(self, model: bytes, feeds: dict[str, np.ndarray]) -> dict[str, int] | None:
        """How many nodes each provider really ran, as ONNX Runtime's own profile of one run tells; None for the CPU,
        which has no other to give them to. A provider that takes a part of the graph as a whole runs it as one node.
        Raises BuildError where the provider ran none."""
        if self.provider == "cpu":
            return None
        with tempfile.TemporaryDirectory() as folder:
            options = session_options()
            options.enable_profiling, options.profile_file_prefix = True, str(Path(folder) / "profile")
            told = {key: value for key, value in self.options if key != CAPTURED}  # which is one thing to the profile
            profiled = session(model, options, self.provider, told)
            profiled.run(None, feeds)
            events = json.loads(Path(profiled.end_profiling()).read_text(encoding="utf-8"))
        nodes = {event["name"]: event["args"]["provider"] for event in events if "provider" in event.get("args", {})}
        found = Counter(nodes.values())
        if PROVIDERS[self.provider].name not in found:
            raise BuildError(
                f"backend.provider={self.provider}: ONNX Runtime gave none of {found.total()} nodes to it, and all to"
                f" {', '.join(sorted(found))}: take backend.provider=cpu, which says so"
            )
        return dict(sorted(found.items()))


class OnnxRuntimeSession:
    """ONNX Runtime's session. Raises BuildError where it does not take the model, RequestError where the provider is
    not in the ONNX Runtime that is installed, and beyond the limits."""

    def __init__(
        self, model: bytes | Path, options: Any, provider: Provider = "cpu", limits: Limits | None = None,
        told: Mapping[str, str] | None = None,
    ):  # fmt: skip
        self._limits, self._kind = limits, PROVIDERS[provider]
        told = dict(told or {})
        if limits and self._kind.memory:
            told[self._kind.memory] = str(limits.memory)
        with self._bounded():
            self._session = session(model, options, provider, told)
        self._captured = Bound(self._session, self._kind.device) if told.get(CAPTURED) == "1" else None

    def _bounded(self) -> AbstractContextManager[None]:
        """Within the limit on memory. CUDA reserves more addresses than any limit on them allows: on a GPU it is the
        provider's own arena that is bounded."""
        if self._limits is None or self._kind.memory:
            return nullcontext()
        return bounded(self._limits.label, self._limits.memory)

    def get_inputs(self) -> Any:
        """As of ONNX Runtime's session."""
        return self._session.get_inputs()

    def get_outputs(self) -> Any:
        """As of ONNX Runtime's session."""
        return self._session.get_outputs()

    def run(self, names: Sequence[str] | None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs of these names, all of them if None."""
        import onnxruntime as ort

        if self._limits is None:
            return self._run(names, feeds, None)
        options = ort.RunOptions()
        late: list[bool] = []

        def stop() -> None:
            late.append(True)
            options.terminate = True

        _, seconds, label = self._limits
        try:
            with self._bounded(), alarm(seconds, stop):
                return self._run(names, feeds, options)
        except BuildError as error:
            if late:
                raise RequestError(f"{label}: one run took more than {seconds:g} s: refused") from error
            raise BuildError(f"{label}: {error}") from error

    def _run(self, names: Sequence[str] | None, feeds: dict[str, np.ndarray], options: Any) -> list[np.ndarray]:
        try:
            if self._captured is None:
                return self._session.run(names, feeds, options)
            self._captured.give(feeds)
            self._captured.run(options)
            return self._captured.take(names)
        except (MemoryError, BuildError):
            raise
        except Exception as error:  # ORT raises its own classes, which share no base but this one
            raise BuildError(f"ONNX Runtime cannot run it: {_why(error, self._kind)}") from error

    def timed(self, feeds: dict[str, np.ndarray]) -> Timed:
        """Seconds of one run; with a GPU, of data that lies there."""
        run: Callable[[], object] = partial(self._session.run, None, feeds)
        if self._kind.device != "cpu":
            bound = self._captured or Bound(self._session, self._kind.device)
            bound.give(feeds)
            run = bound.run

        def once() -> float:
            started = time.perf_counter()
            run()
            return time.perf_counter() - started

        return once

    streams = 1

    def queued(self, feeds: dict[str, np.ndarray], runs: int) -> float:
        """Seconds of so many runs, one after the other."""
        run = self.timed(feeds)
        return sum(run() for _ in range(runs))

    def peak_memory(self) -> None:
        """None: it shares this process."""


def session(
    model: bytes | Path, options: Any = None, provider: Provider = "cpu", told: Mapping[str, str] | None = None
) -> Any:
    """ONNX Runtime's own session, by default with the options of `session_options`; told: the provider's. TensorRT's
    NMS plugin is emulated there, see `exporter.graph.emulate_plugin`.

    Raises BuildError where ORT does not take the model, RequestError where the provider is not there."""
    import onnxruntime as ort

    check_provider(provider)
    options = options or session_options()
    options.log_severity_level = 4  # what goes wrong is raised, and need not be printed too
    wanted, by = PROVIDERS[provider], {}
    try:
        source, entries = prepared(model)
        for key, value in entries.items():
            options.add_session_config_entry(key, value)
        if wanted.plugin:
            options.add_provider_for_devices(plugin_devices(provider), dict(told or {}))
        else:
            by["providers"] = [(wanted.name, dict(told or {}))]
        # Its Python would else go on with the CPU, and print so, where a provider fails, now or in a run.
        given = source if isinstance(source, bytes) else str(source)
        made = ort.InferenceSession(given, options, enable_fallback=0, **by)
    except (BuildError, RequestError, MemoryError):
        raise
    except Exception as error:  # ORT raises its own classes, which share no base but this one
        raise BuildError(f"ONNX Runtime does not take the model: {_why(error, wanted)}") from error
    first = made.get_providers()[0]
    if first != wanted.name:  # its libraries do not load: ONNX Runtime then goes on without a word
        raise BuildError(f"ONNX Runtime cannot start {wanted.name} here and would take {first} instead")
    return made


def prepared(model: bytes | Path) -> tuple[bytes | Path, dict[str, str]]:
    """What ONNX Runtime is given of a model so that it computes what the model says, and entries of its session's
    configuration."""
    import onnx

    from exporter.graph.emulate_plugin import emulated, has_plugin
    from exporter.graph.fp16_scales import has_fp16_scales

    # ONNX Runtime 1.32 fuses pairs of such scales into operators that give wrong numbers
    entries = {"session.disable_quant_qdq": "1"} if has_fp16_scales(model) else {}
    if not has_plugin(model):
        return model, entries
    loaded = onnx.load_from_string(model) if isinstance(model, bytes) else onnx.load(model)
    return emulated(loaded).SerializeToString(), entries


def _why(error: Exception, kind: Kind) -> str:
    """What ONNX Runtime says, on a line; where the GPU has no more memory, what to do."""
    text = " ".join(str(error).split())
    if kind.memory and (NO_MEMORY.search(text) or NO_GPU_MEMORY.search(text)):
        return (
            f"it does not fit into the GPU's memory ({text[-150:]}): take a smaller input.batch or input.size, or"
            " end what else runs there"
        )
    return text[-300:]


def session_options() -> Any:
    """ONNX Runtime's own SessionOptions, with as many threads as `share_of_cores` says where it does."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    if share := share_of_cores():
        options.intra_op_num_threads = share
    return options


def _options(threads: int | None) -> Any:
    if threads is None:
        return session_options()
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Threads wait busily for more work, for a while: those of one session must not do so while another is timed.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def emulation(model: bytes | Path) -> str:
    """What to add to "ONNX Runtime" where it runs a graph that it does not know all of; "" for most."""
    from exporter.graph.emulate_plugin import has_plugin

    return ", TensorRT's NMS plugin emulated" if has_plugin(model) else ""
