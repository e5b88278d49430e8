"""The backend that an artifact is for and the engine that runs it here, found by what its manifest says."""

from exporter.backend import BackendNode
from exporter.backend.section import Backend
from exporter.common.errors import RequestError
from exporter.common.messages import one_of
from exporter.common.options import option_named
from exporter.common.paths import CONF
from exporter.runtime.engine import Engine


def engine_of(backend: Backend) -> Engine:
    """The engine in which the artifact of a manifest was proved, with its settings. Raises what `option_of` raises."""
    return type(option_of(backend)().engine).of(backend.settings)


def option_of(backend: Backend) -> type[BackendNode]:
    """The backend of a manifest. Raises RequestError for one that this exporter does not have: of another engine nobody
    knows what it computes."""
    option = option_named("backend", backend.name)
    if option is None or not issubclass(option, BackendNode):
        known = one_of("no such backend", backend.name, [file.stem for file in CONF.joinpath("backend").glob("*.yaml")])
        raise RequestError(f"the manifest's backend.name={backend.name}: {known}")
    return option
