"""Charts as inline SVG. Shapes stretch with the page, all words are HTML beside them: so they are read on a phone."""

from collections.abc import Sequence

from exporter.report.page.markup import text

MOST_CLASSES = 100


def _svg(shapes: str, width: float, height: float, words: str) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" preserveAspectRatio="none" role="img" aria-label="{text(words)}">'
        f"{shapes}</svg>"
    )


def class_bars(
    names: Sequence[str], own: Sequence[float | None], reference: Sequence[float | None] | None, counts: Sequence[int]
) -> str:
    """A row for each class that the pictures hold: AP out of 100, the artifact's bar below the reference's.

    Those that lost most come first, else the most precise; at most `MOST_CLASSES` rows, the manifest holds the rest.
    """
    known = [i for i in range(len(own)) if own[i] is not None]

    def order(i: int) -> tuple[float, int]:
        if reference is None:
            return -(own[i] or 0.0), i
        return (own[i] or 0.0) - (reference[i] or 0.0), i

    rows = []
    for i in sorted(known, key=order)[:MOST_CLASSES]:
        ours = own[i] or 0.0
        theirs = (reference[i] or 0.0) if reference is not None else None
        shapes = f'<rect class="own" y="{"11" if theirs is not None else "4"}" width="{ours:.2f}" height="9"/>'
        figures, words = f"<b>{ours:.1f}</b>", f"{names[i]}: {ours:.1f}"
        if theirs is not None:
            shapes = f'<rect class="reference" y="1" width="{theirs:.2f}" height="9"/>' + shapes
            figures, words = f"{theirs:.1f} → {figures}", f"{words}, reference {theirs:.1f}"
        rows.append(bar(names[i], shapes, words, f"{figures}<small> {counts[i]}\u202f×</small>"))
    return bars(rows, len(known), "classes")


def bars(rows: Sequence[str], total: int, what: str, kind: str = "") -> str:
    """The rows, as from `bar`, and a line on how many of `total` are not among them; nothing for no rows. `kind`: a
    class in style.css."""
    left = total - len(rows)
    more = f'<p class="note">and {left} {text(what)} more, in the manifest</p>' if left > 0 else ""
    body = "\n".join(rows)
    return f'<div class="bars {text(kind)}">\n{body}\n</div>{more}' if rows else ""


def bar(name: str, shapes: str, words: str, figures: str) -> str:
    """A row: a name, shapes (SVG, within 100 × 21) on a ground, figures (HTML); `words` say what the shapes show."""
    chart = _svg(f'<rect class="ground" width="100" height="21"/>{shapes}', 100, 21, words)
    return (
        f'<div class="bar"><span class="name">{text(name)}</span><span class="chart">{chart}</span>'
        f'<span class="figures">{figures}</span></div>'
    )


def distribution(rows: Sequence[tuple[str, str, Sequence[float]]]) -> str:
    """A strip for each (name, class in style.css, milliseconds) on one axis from 0: a line for each run, a box from the
    first quartile to the third, a heavy line at the median."""
    longest = max(max(times) for _, _, times in rows)
    end = _round_up(longest)
    strips = []
    for name, kind, times in rows:
        ordered = sorted(times)
        low, middle, high = (_quantile(ordered, q) for q in (0.25, 0.5, 0.75))
        ticks = "".join(f'<path class="tick" d="M{t / end * 1000:.1f} 3V29"/>' for t in ordered)
        box = (
            f'<rect class="box" x="{low / end * 1000:.1f}" y="8" width="{(high - low) / end * 1000:.1f}" height="16"/>'
        )
        median = f'<path class="median" d="M{middle / end * 1000:.1f} 3V29"/>'
        ground = '<rect class="ground" width="1000" height="32"/>'
        words = f"{name}: median {middle:.1f} ms, middle half {low:.1f} to {high:.1f} ms"
        chart = _svg(ground + box + ticks + median, 1000, 32, words)
        strips.append(f'<div class="strip {text(kind)}"><span class="name">{text(name)}</span>{chart}</div>')
    marks = "".join(f"<span>{end * i / 4:g}{' ms' if i == 4 else ''}</span>" for i in range(5))
    body = "\n".join(strips)
    return f'<div class="strips">\n{body}\n<div class="axis">{marks}</div>\n</div>'


def _quantile(ordered: Sequence[float], q: float) -> float:
    """Linear between neighbours."""
    place = q * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def _round_up(value: float) -> float:
    """The next of a few numbers times a power of ten whose quarters are short."""
    power = 10.0 ** len(str(int(value))) / 10 if value >= 1 else 0.1
    steps = (1, 1.2, 1.6, 2, 2.4, 2.8, 3.2, 4, 4.8, 6, 8, 10)
    return next(step * power for step in steps if step * power >= value)
