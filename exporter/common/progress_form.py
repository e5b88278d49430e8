"""The form in which long work says how far it is."""

import sys
from typing import Literal

from exporter.common.progress import JsonLines, Lines, Progress

Form = Literal["text", "json", "none"]


def progress_in(form: Form) -> Progress:
    """Says it as text (on a terminal with bars that nest), as JSON lines, or not at all."""
    if form == "json":
        return JsonLines()
    if form == "none":
        return Progress()
    if sys.stderr.isatty():
        from exporter.common.terminal import Terminal

        return Terminal()
    return Lines()
