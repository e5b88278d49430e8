"""Pages from Jinja2 templates. Every value is escaped: class names, paths and settings come from files that anybody may
have written."""

from typing import Any

from exporter.common.flat import flat
from exporter.common.paths import PACKAGE

SHOWN = 12  # of a list; the manifest holds all of it
MINUS = "\u2212"


def render(template: str, **values: Any) -> str:
    """The page that a template makes of the values; it is named by its path in this package. The same values give the
    same text. Raises jinja2.UndefinedError for a value that the template uses and nobody gave."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PACKAGE), undefined=jinja2.StrictUndefined, autoescape=True,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {"flat": flat, "shown": shown, "signed": signed}
    return environment.get_template(template).render(values)


def shown(value: Any) -> str:
    """Any value as text: numbers with thousands apart or four significant digits, of a long list the first few."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        more = f" … ({len(value)} in all)" if len(value) > SHOWN else ""
        return (", ".join(map(shown, value[:SHOWN])) or "none") + more
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def signed(value: float, digits: int = 1) -> str:
    """A number of points with its sign, ±0.0 where nothing of it is left in so many digits."""
    rounded = round(value, digits)
    return f"{MINUS if rounded < 0 else '+' if rounded > 0 else '±'}{abs(rounded):.{digits}f}"
