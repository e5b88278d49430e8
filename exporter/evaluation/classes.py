"""The classes of labels in the model's, matched by name; where they do not fit, the difference and not both lists."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

SHOWN = 5
"""Names that are told; of the others, their number."""


class Matched(NamedTuple):
    """places: in the model's classes, by name; other_case: those of them that the model writes in another case;
    strange: names that are none of its classes, or not only one."""

    places: dict[str, int]
    other_case: list[str]
    strange: list[str]


def matched(names: Iterable[str], class_names: Sequence[str]) -> Matched:
    """A name is the class that is written like it, or else the only one that differs by letter case, as long as no
    other of the names does so too."""
    wanted, given = list(dict.fromkeys(names)), list(class_names)
    times, alike = Counter(given), Counter(each.casefold() for each in given)
    asked = Counter(each.casefold() for each in wanted)
    exact = {name: i for i, name in enumerate(given)}
    near = {name.casefold(): i for i, name in enumerate(given)}
    found = Matched({}, [], [])
    for name in wanted:
        low = name.casefold()
        if times[name] == 1:
            found.places[name] = exact[name]
        elif not times[name] and alike[low] == 1 and asked[low] == 1:
            found.places[name] = near[low]
            found.other_case.append(name)
        else:
            found.strange.append(name)
    return found


def only(names: Iterable[str], others: Iterable[str]) -> list[str]:
    """Those that are not among the others, whatever the case."""
    low = {each.casefold() for each in others}
    return [each for each in names if each.casefold() not in low]


def listed(names: Sequence[str]) -> str:
    """The first of them, short enough for a line."""
    more = f" … ({len(names)} in all)" if len(names) > SHOWN else ""
    return ", ".join(each if len(each) <= 40 else f"{each[:40]}…" for each in names[:SHOWN]) + more
