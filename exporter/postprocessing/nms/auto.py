"""The NMS that the format needs, else the one that fits the network, else the one that the backend is best with."""

from pydantic import ValidationError

from exporter.common.capabilities import ANY, Capabilities
from exporter.common.options import option_class
from exporter.postprocessing.nms import NmsNode
from exporter.postprocessing.nms.onnx import OnnxNms


class AutoNms(OnnxNms):
    """`OnnxNms`; where another is preferred and takes all that was set, that one."""

    def resolved(  # pyright: ignore[reportIncompatibleMethodOverride] - not always an OnnxNms: that is its point
        self, confidence: float, overlap: float, backend: Capabilities = ANY, own: str | None = None
    ) -> NmsNode:
        """The node that it stands for."""
        node = (self._own(own) if own else None) or OnnxNms(**self.model_dump())
        return node.resolved(confidence, overlap, backend, own)

    def _own(self, name: str) -> NmsNode | None:
        """That one, with the parameters that were set; None where it does not take them."""
        own = option_class(NmsNode.__module__, name)
        assert issubclass(own, NmsNode)  # as the options that prefer it say
        usual = AutoNms().model_dump()
        said = {key: value for key, value in self.model_dump().items() if value != usual[key]}
        if said.keys() - own.model_fields:
            return None
        try:
            return own.model_validate(said)  # what was not set is as usual there
        except ValidationError:
            return None
