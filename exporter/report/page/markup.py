"""The few pieces of HTML that the page is made of. Whatever is not markup goes through `text`: class names, paths and
values come from files that anybody may have written."""

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

SHOWN = 12  # of a list; the manifest holds all of it


def text(value: object) -> str:
    """Any value as text that is safe in HTML, in attributes too."""
    return html.escape(str(value), quote=True)


def number(value: object, digits: int = 4) -> str:
    """A number with so many significant digits, without an exponent where it has none in plain speech; anything else
    as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return text(value)
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else f"{value:.{digits}g}"


def section(title: str, *parts: str) -> str:
    """A part of the page under its title; without parts nothing at all."""
    body = "\n".join(part for part in parts if part)
    return f"<section>\n<h2>{text(title)}</h2>\n{body}\n</section>" if body else ""


def paragraph(words: str, kind: str = "") -> str:
    """A paragraph of text; `kind` is its class in style.css."""
    attribute = f' class="{text(kind)}"' if kind else ""
    return f"<p{attribute}>{text(words)}</p>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "numbers") -> str:
    """A table of finished cells: the first of each row is its header. The cells are HTML, the head is text; `kind` is
    numbers or words."""
    titles = "".join(f'<th scope="col">{text(title)}</th>' for title in head)
    lines = []
    for first, *rest in rows:
        cells = "".join(f"<td>{cell}</td>" for cell in rest)
        lines.append(f'<tr><th scope="row">{first}</th>{cells}</tr>\n')
    head_row, body = f"<thead><tr>{titles}</tr></thead>", "".join(lines)
    return f'<div class="wide"><table class="{text(kind)}">\n{head_row}\n<tbody>\n{body}</tbody></table></div>'


def facts(values: Mapping[str, Any]) -> str:
    """Names and values, nested ones by their whole name, in as many columns as the page has room for."""
    lines = "\n".join(f"<div><dt>{_breakable(key)}</dt><dd>{_value(value)}</dd></div>" for key, value in flat(values))
    return f"<dl>\n{lines}\n</dl>" if lines else ""


def flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """(a.b, value) for {a: {b: value}}; empty mappings are left out."""
    for key, value in values.items():
        name = f"{above}.{key}" if above else str(key)
        if isinstance(value, Mapping):
            yield from flat(value, name)
        else:
            yield name, value


def _breakable(key: str) -> str:
    """A key that a narrow page breaks at its dots and underlines."""
    return text(key).replace(".", ".<wbr>").replace("_", "_<wbr>")


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        more = f" … ({len(value)} in all)" if len(value) > SHOWN else ""
        return (", ".join(_value(each) for each in value[:SHOWN]) or "none") + more
    return number(value)
