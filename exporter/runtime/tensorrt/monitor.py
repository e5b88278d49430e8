"""TensorRT's progress while it builds, as a line a phase."""

import threading
from types import ModuleType
from typing import Any

from exporter.common.progress import Progress


def monitor(trt: ModuleType, progress: Progress) -> Any:
    """An object for `IBuilderConfig.progress_monitor`. TensorRT calls it from several threads; only phases without a
    parent are told, since those inside come by the thousand."""

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)  # the bindings demand it by name
            self._lock = threading.Lock()
            self._stages: dict[str, Any] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if not parent_phase:
                with self._lock:
                    self._stages[phase_name] = stage = progress.stage(phase_name)
                    stage.__enter__()

        def step_complete(self, phase_name: str, step: int) -> bool:
            return True  # False would cancel the build

        def phase_finish(self, phase_name: str) -> None:
            with self._lock:
                stage = self._stages.pop(phase_name, None)
                if stage is not None:
                    stage.__exit__(None, None, None)

    return Monitor()
