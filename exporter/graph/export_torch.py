"""`torch.onnx.export` without its noise."""

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import onnx_ir as ir
import torch
from torch import nn

MANY = 10**6
"""A dynamic size that must be smaller was not asked for: torch's own upper bound is infinite."""


def export_torch(
    module: nn.Module, examples: Sequence[torch.Tensor], inputs: Sequence[str], outputs: Sequence[str], opset: int,
    dynamic_shapes: Any, options: dict[str, Any] | None = None,
) -> ir.Model:  # fmt: skip
    """`module` as a graph with inputs and outputs of these names. dynamic_shapes, options: see `torch.onnx.export`.

    Raises torch.onnx.OnnxExporterError where torch cannot trace it for all sizes that are dynamic."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside torch's exporter, none of which a user can act on
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            program = torch.onnx.export(
                module, tuple(examples), dynamo=True, verbose=False, opset_version=opset,
                dynamic_shapes=dynamic_shapes, input_names=list(inputs), output_names=list(outputs), **(options or {}),
            )  # fmt: skip
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
    assert program is not None  # torch returns None only where it writes a file itself
    # At a branch on a size torch follows its example, and notes only here for which sizes that is right. It may say
    # from 2 on of any network, since it takes 0 and 1 for constants.
    ranges = {} if program.exported_program is None else program.exported_program.range_constraints
    if any(size.is_symbol and (size_range.lower > 2 or size_range.upper < MANY) for size, size_range in ranges.items()):
        raise torch.onnx.OnnxExporterError(
            "what it computes depends on a size that is dynamic (a branch on it, or int() of it), so that a graph holds"
            " for some sizes only"
        )
    return program.model
