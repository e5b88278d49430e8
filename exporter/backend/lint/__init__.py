"""A lint: what an engine is known not to take, found in any ONNX file before the engine is asked."""

from typing import TYPE_CHECKING

from exporter.backend.lint.finding import Finding

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

__all__ = ["Finding", "lint"]


def lint(model: "onnx.ModelProto", *, folder: "Path | None" = None, has_profile: bool = False) -> list[Finding]:
    """What is wrong with `model` for TensorRT, in the order of the table of its rules; an empty list is a clean file.

    `folder` is where the model's external data lies; nothing outside it is ever read. `has_profile` says that the
    ranges of its free dimensions are known elsewhere (an artifact's manifest). `model` is left as it is.
    Raises RequestError for a model that is too large to look at when its functions are written out.
    """
    from exporter.backend.lint.tensorrt import RULES
    from exporter.backend.lint.view import view

    looked_at = view(model, folder, has_profile)
    return [
        Finding(rule.level, node, rule.id, what, rule.source.title, rule.source.url, rule.fix, rule.parser)
        for rule in RULES
        for node, what in rule.check(looked_at)
    ]
