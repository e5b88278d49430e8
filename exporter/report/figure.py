"""Matplotlib's figures, drawn without a screen, for a file or inside a page."""

import base64
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OWN, REFERENCE, LOST = "#0b6bcb", "#8c959f", "#d55e00"
"""Of the artifact, of what it is held against, of what it lost: as in style.css."""


def new_figure(width: float, height: float, rows: int = 1) -> "tuple[Figure, list[Axes]]":
    """Inches. Without pyplot, which would look for a screen and keep what it draws."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
    return figure, list(axes)


def svg_uri(figure: "Figure") -> str:
    """The figure as SVG in a data URI; the same figure gives the same text."""
    import matplotlib

    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "exporter"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode("ascii")
