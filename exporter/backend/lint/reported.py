"""What users of single versions of TensorRT report, in issue trackers: nothing of it was verified here, and it is no
rule. It is said with the lint's findings, where the graph has what it is about."""

from collections.abc import Callable
from dataclasses import dataclass

import onnx


@dataclass(frozen=True)
class Report:
    """versions: of TensorRT. where: whether the graph has what it is about. url: where it was reported, "" where only
    the project's notes keep it."""

    versions: str
    what: str
    where: Callable[[set[str]], bool] = lambda _: True
    url: str = ""

    def __str__(self) -> str:
        return f"TensorRT {self.versions}: {self.what}" + (f" ({self.url})" if self.url else "")


REPORTS = (
    Report("10.2.0", "builds engines that compute something else: take another version"),
    Report(
        "10.3 (JetPack 6)",
        "cannot build INT8 with TopK in the head: take postprocessing/nms=efficientnms, or another version",
        lambda operators: {"QuantizeLinear", "TopK"} <= operators,
    ),
    Report(
        "10.4",
        "fails at NonMaxSuppression beside Unsqueeze: take postprocessing/nms=efficientnms or cluster",
        lambda operators: {"NonMaxSuppression", "Unsqueeze"} <= operators,
        "https://github.com/NVIDIA/TensorRT/issues/4579",
    ),
    Report("before 11.4.1", "no DLA for strongly typed networks: the whole engine runs on the GPU"),
)


def reported(model: onnx.ModelProto) -> list[Report]:
    """Those that are about such a graph."""
    operators = {node.op_type for node in model.graph.node}
    return [report for report in REPORTS if report.where(operators)]
