"""Files that are almost right: bytes and trees of values with a few places changed; and what may come of reading them."""

import copy
import math
import time
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from exporter.common.errors import BuildError, RequestError
from exporter.common.limits import at_most

MEMORY = 2_000_000_000
"""Bytes that reading one small file may take."""
SECONDS = 60
"""Far more than it takes on a busy machine, and far less than for ever."""

STRANGE: list[Any] = [
    None, True, False, 0, -1, 1, 7, 2**31, 2**63, -(2**63), 10**400, 0.5, -0.0, 1e308, math.nan, math.inf, -math.inf,
    "", " ", "a", "0", "-1", "nan", "1e999", "auto", "\u0663", "\uff11", "\u0430uto", "\0", "\x1b[2J", "a\nb", "\u202e", "\ud800",
    "a" * 5000, "../../etc/passwd", "/dev/zero", "${name}", "${oc.env:HOME}", "${", "[1, 2", "&a *a", "!!python/name:os.system",
    [], [[]], [None], [1, "a", {}], {}, {"a": 1}, {"_target_": "os.system"}, {"": {"": None}},
]  # fmt: skip
"""Values that are no answer to most questions."""

INTERESTING = [
    b"\0",
    b"\xff",
    b"\x80",
    b"\x7f",
    b"\n",
    b'"',
    b"{",
    b"\xff" * 4,
    b"\0" * 8,
    b"\xff" * 8,
    b"\x7f" + b"\xff" * 7,
    b"9" * 400,
    b"[" * 2000,
]


@st.composite
def edits(draw: st.DrawFn, data: bytes, most: int = 6) -> bytes:
    """`data` with up to `most` places overwritten, taken out, repeated, or cut off."""
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.sampled_from([0, 1, 1, 2, 4, 8, 64]))
        kind = draw(st.sampled_from(["put", "put", "byte", "byte", "byte", "drop", "repeat", "cut"]))
        if kind == "put":
            data = data[:at] + draw(st.sampled_from(INTERESTING) | st.binary(max_size=8)) + data[at + length :]
        elif kind == "byte":
            data = data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]
        elif kind == "drop":
            data = data[:at] + data[at + length :]
        elif kind == "repeat":
            data = data[:at] + data[at : at + length] * draw(st.integers(2, 4)) + data[at + length :]
        else:
            data = data[:at]
    return data


@st.composite
def altered(draw: st.DrawFn, tree: Any, strange: st.SearchStrategy[Any] | None = None, most: int = 4) -> Any:
    """A tree of lists and dictionaries with up to `most` values replaced, removed, renamed or repeated."""
    values = st.sampled_from(STRANGE) if strange is None else strange
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, most))):
        inside = tree
        while True:
            if not isinstance(inside, dict | list) or not inside:
                break
            key = (
                draw(st.sampled_from(list(inside)))
                if isinstance(inside, dict)
                else draw(st.integers(0, len(inside) - 1))
            )
            if isinstance(inside[key], dict | list) and inside[key] and draw(st.integers(0, 3)):
                inside = inside[key]
                continue
            _change(draw, inside, key, values)
            break
    return tree


def _change(draw: st.DrawFn, inside: Any, key: Any, values: st.SearchStrategy[Any]) -> None:
    kind = draw(st.sampled_from(["replace", "replace", "replace", "remove", "more", "wrap"]))
    if kind == "replace":
        inside[key] = copy.deepcopy(draw(values))
    elif kind == "remove":
        del inside[key]
    elif kind == "wrap":
        inside[key] = [inside[key]]
    elif isinstance(inside, list):
        inside.append(copy.deepcopy(draw(values) if draw(st.booleans()) else inside[key]))
    else:
        inside[draw(st.sampled_from(["a", "", "names", "_target_", "\u0456d", "0"]))] = copy.deepcopy(draw(values))


def refused_or(read: Callable[[], Any]) -> Any:
    """What `read` gives; None where it refused in one of the two ways, in one line, within bounds of time and memory."""
    started = time.monotonic()
    try:
        with at_most(MEMORY):
            return read()
    except (RequestError, BuildError) as error:
        line = str(error)
        assert line.strip() and "\n" not in line, line
        return None
    finally:
        assert time.monotonic() - started < SECONDS
