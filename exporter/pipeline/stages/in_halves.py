"""Runs of an artifact whose network was shown the same image before: then only what stands behind it is computed.

Of two artifacts that differ in a threshold or a format, the network is the same to the byte. `exporter.proof.prove`
holds what stands behind it against the contract in runs of the whole artifact; what is seen on more images may be put
together from both halves.
"""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import onnx

from exporter.common.provenance import cpu
from exporter.graph.halves import Halves, halves
from exporter.pipeline.stages.remembered import ARRAYS, digest_of
from exporter.runtime.engine import Engine, Runnable, Sessions
from exporter.store.codec import pack_model
from exporter.store.stage import Run, Stage


def remembered_sessions(engine: Engine, run: Run) -> Sessions:
    """`engine.session` of an artifact, in halves where it has two."""

    def session(artifact: bytes) -> Runnable:
        parts = halves(onnx.load_from_string(artifact))
        return InHalves(parts, engine, run) if parts else engine.session(artifact)

    return session


class InHalves:
    """An artifact that runs as its halves do. The network is loaded for the first image that it was not shown yet."""

    def __init__(self, parts: Halves, engine: Engine, run: Run):
        self._between, self._engine, self._run = list(parts.between), engine, run
        self._machine = cpu()
        self._network_model = pack_model(parts.network)
        self._rest_takes = [each.name for each in parts.rest.graph.input]
        self._rest = engine.session(pack_model(parts.rest))
        self._origin = {
            "network": hashlib.sha256(self._network_model).hexdigest(),
            "engine": [engine.label(self._network_model), dict(engine.settings)],
        }

    @cached_property
    def _network(self) -> Runnable:
        return self._engine.session(self._network_model)

    def get_outputs(self) -> Any:
        """The artifact's own."""
        return self._rest.get_outputs()

    def run(self, names: Sequence[str] | None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs of these names, all of them if None. Raises BuildError where a half fails."""

        def seen(about: dict[str, Any]) -> dict[str, np.ndarray]:
            return dict(zip(self._between, self._network.run(self._between, feeds), strict=True))

        about = self._origin | {"images": {name: digest_of(value) for name, value in feeds.items()}}
        stage = Stage("network's outputs", seen, {"about": about}, ARRAYS, machine=self._machine)
        given = feeds | stage.value(self._run.quiet)
        return self._rest.run(names, {name: given[name] for name in self._rest_takes})
