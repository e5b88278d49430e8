"""The command line's overrides in quotes, where Hydra's grammar could not take a value for the text that it is."""

import re
import shlex
from collections.abc import Iterator

# Values of these keys are paths: nothing in them is meant for Hydra's grammar.
PATH_KEYS = ("output_dir", "model.weights", "evaluation.annotations")
# Nor in the values of these, which say what a whole sweep is for: they are not swept over, commas or not.
TEXT_KEYS = ("sweep.constraint", "sweep.metric")

_FOREIGN = re.compile(r"[^ \tA-Za-z0-9_/\-\\+.$%*@?|:,=(){}\[\]]")
"""What no value of the grammar can hold unless it is in quotes."""
_QUOTED = r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'"
_TEXT = rf"\s*(?:{_QUOTED})\s*(?=[,\]}}:]|$)|(?:\$\{{[^}}]*\}}|[^,{{}}\[\]])+"
_PIECE = re.compile(rf"(?P<sign>[,{{}}\[\]])|{_TEXT}")
_KEY = re.compile(r"[+~]*[\w$./@-]+")


def quote_path(override: str) -> str:
    """`key=value` with the value quoted where the key is a path's, and as by `quote_text`."""
    key = override.partition("=")[0]
    return _whole(override) if key in PATH_KEYS or key.endswith(".path") else quote_text(override)


def quote_text(override: str) -> str:
    """`key=value` with the value quoted where the key is one of `TEXT_KEYS`; of any other the parts that could be
    nothing but text, `[Füße, a]` as `["Füße", a]`."""
    key, sign, value = override.partition("=")
    if key in TEXT_KEYS:
        return _whole(override)
    if not sign or not _FOREIGN.search(value) or set("(=") & set(re.sub(_QUOTED, "", value)):
        return override  # nothing of it is foreign, or it holds a function or looks like one
    return f"{key}={''.join(_parts(value))}"


def suggested(override: str) -> str | None:
    """`key=value`, with all text in it quoted, as it is typed in a shell; None where it is no such override."""
    key, sign, value = override.partition("=")
    if not (sign and value and _KEY.fullmatch(key)):
        return None
    inside = value[1:-1]
    if value[0] + value[-1] != "[]" or set(inside) & set("[]{}"):
        return shlex.quote(f"{key}={in_quotes(value)}")
    listed = [each.strip() for each in re.findall(rf"{_QUOTED}|[^,]+", inside)]
    quoted = ",".join(each if re.fullmatch(_QUOTED, each) else in_quotes(each) for each in listed)
    return shlex.quote(f"{key}=[{quoted}]")


def _parts(value: str) -> Iterator[str]:
    """The value in pieces, those quoted that hold what is foreign to the grammar."""
    inside: list[str] = []
    for found in _PIECE.finditer(value):
        piece = found[0]
        if piece in ("[", "{"):
            inside.append(piece)
        elif piece in ("]", "}") and inside:
            inside.pop()
        if found["sign"]:
            yield piece
        elif inside[-1:] == ["{"] and ":" in piece:  # a key of a mapping cannot be quoted
            key, _, text = piece.partition(":")
            yield f"{key}:{_text(text)}"
        else:
            yield _text(piece)


def _text(piece: str) -> str:
    """Quoted where it holds what is foreign; not where a quote or a backslash says that somebody has seen to it."""
    text = piece.strip()
    plain = re.sub(r"\$\{[^}]*\}", "", text)
    if not _FOREIGN.search(plain) or "\\" in plain or text[0] in "'\"":
        return piece
    return piece.replace(text, in_quotes(text))


def _whole(override: str) -> str:
    """With the value between quotes, if it is not already."""
    key, sign, value = override.partition("=")
    if not sign or value[:1] in ("'", '"') or value in ("", "null", "???"):
        return override
    return f"{key}=" + in_quotes(value, "'")


def in_quotes(text: str, mark: str = '"') -> str:
    """The text between quotes, as Hydra's grammar reads it."""
    # Between quotes a backslash means itself, except where it stands before such a quote or at the end.
    escaped = re.sub(rf"(\\*)({mark}|$)", lambda run: run[1] * 2 + (f"\\{mark}" if run[2] else ""), text)
    return f"{mark}{escaped}{mark}"
