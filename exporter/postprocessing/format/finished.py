"""The format of a finished artifact, by the name that its manifest gives."""

from exporter.common.options import option_named
from exporter.postprocessing.format import FormatNode


def format_of(name: str | None) -> FormatNode | None:
    """The exporter's own format of that name, where its outputs can be read; None where there is none, as for one of a
    user's."""
    option = option_named("postprocessing/format", name)
    return option() if option and issubclass(option, FormatNode) and option.readable else None
