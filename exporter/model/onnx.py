"""A network that is a graph already: an ONNX file in place of a torch network and its weights."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from exporter.common.files import file_digest, is_file, user_path
from exporter.model.declared_head import DeclaredHead
from exporter.model.loaded import LoadedModel, names_of_classes
from exporter.model.section import Weights
from exporter.preprocessing.trained import Trained

if TYPE_CHECKING:
    from exporter.model.graph_file import GraphFile


class OnnxModel(DeclaredHead):
    """conf/model/onnx.yaml says what the fields are. The file itself, run in ONNX Runtime, is the network that the
    artifact is proved against, its outputs read by plain numpy as `head` says."""

    weights: str
    cut: tuple[str, ...] = ()
    outputs: tuple[str, ...] | Literal["auto"]

    @property
    def weights_given(self) -> str:
        """The file."""
        return self.weights

    @property
    def _path(self) -> Path:
        return user_path(self.weights)

    def identity(self) -> dict[str, Any]:
        """The file by its name, which the manifest says, and digest, and by the digests of the files beside it that may
        hold its weights."""
        beside = sorted(each for each in self._path.parent.iterdir() if each.suffix in (".data", ".bin", ".weights"))
        digests = [file_digest(self._path), *map(file_digest, filter(Path.is_file, beside))]
        return super().identity() | {"file": self._path.name, "weights": digests}

    def problems(self) -> Iterator[str]:
        """Clauses for what is no ONNX file, as far as its name tells."""
        if self._path.suffix != ".onnx" or not is_file(self._path):
            yield f"model.weights={self.weights}: no such ONNX file: give the path of a core graph (.onnx)"

    def is_quantized(self) -> bool:
        """Whether the file computes on integers already. Raises RequestError for what `load` cannot read."""
        from exporter.graph.facts import is_quantized

        return is_quantized(self._read().model)

    @property
    def reads_bytes(self) -> bool:
        """Whether the file does."""
        from exporter.graph.image_input import reads_bytes
        from exporter.model.graph_file import header

        model = header(self._path)
        return model is not None and reads_bytes(model)

    @property
    def own_opset(self) -> int | None:
        """The file's, where that can be read."""
        from exporter.model.graph_file import opset_of

        return opset_of(self._path)

    def trained(self) -> Trained:
        """The usual of its head, with the size, the type of the input and the thresholds that the file says."""
        from exporter.model.graph_file import header
        from exporter.model.graph_said import said

        model = header(self._path)
        return said(model, self.usual()) if model is not None else self.usual()

    def _read(self) -> "GraphFile":
        """The file up to where it is to be cut, as a network. Raises RequestError where it cannot be read or cut."""
        from dataclasses import replace

        from exporter.model.graph_cut import cut
        from exporter.model.graph_file import as_network, read_graph

        file = read_graph(self._path, self._label)
        if self.cut:
            file = replace(
                file, model=cut(file.model, self.cut, self._label), source=f"{file.source}, up to {self.cut}"
            )
        return as_network(file)

    @property
    def _label(self) -> str:
        return f"model.weights={self._path.name}"

    def load(self) -> LoadedModel:
        """Reads the file and runs it on a few images. Raises RequestError where it is not of the contract, and for
        class names in its metadata that are none or of another number."""
        from exporter.model.graph_names import class_names
        from exporter.model.graph_network import GraphNetwork

        label = self._label
        file = self._read()
        given, stored = self.class_names, None
        if given == "auto":
            named = class_names({each.key: each.value for each in file.model.metadata_props}, label)
            given = stored = self.head.names_read(named) if named else None
        head = self.head.counted(len(given) if given else None)
        network = GraphNetwork(file.model, None if self.outputs == "auto" else self.outputs, label, head)
        names = names_of_classes(network.num_classes, self.class_names, stored, f"{label}: its metadata")
        unread = f", its outputs not read: {', '.join(network.unread)}" if network.unread else ""
        source = file.source + unread
        weights = Weights(file=self._path.name, sha256=file.sha256, source=source, kind="onnx", licence=None)
        return LoadedModel("onnx", names, network.parameters, weights, network, unordered=self.head.suppressed)
