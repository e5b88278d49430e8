"""A backend."""

from importlib.metadata import version
from typing import ClassVar

from exporter.backend import BackendNode
from exporter.backend.section import Backend
from exporter.graph.clean import strip_metadata
from exporter.runtime.onnx_runtime import OnnxRuntimeEngine


class Plain(BackendNode):
    writes_files: ClassVar[bool] = True

    def files(self, artifact, feeds):
        return {"model.plain": bytes(len(artifact))}

    @property
    def engine(self):
        return OnnxRuntimeEngine()

    def finish(self, model):
        return strip_metadata(model)

    def section(self, model, input) -> Backend:
        return Backend(name=self.name, minimum_version="1", verified=f"in onnxruntime {version('onnxruntime')}")
