"""Turns what Hydra, OmegaConf, YAML and pydantic raise into one line: what was given, what is allowed, what to do."""

import contextlib
import difflib
import re
from collections.abc import Iterable, Iterator, Sequence

import yaml
from hydra.errors import HydraException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from exporter.common.errors import RequestError
from exporter.common.quoting import suggested


def one_of(problem: str, given: str, allowed: Sequence[str]) -> str:
    """«problem; did you mean X? Allowed: a, b, c»."""
    near = difflib.get_close_matches(given, allowed, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else ";"
    return f"{problem}{hint} allowed: {', '.join(sorted(allowed)) or 'nothing'}"


def in_one_line(error: BaseException) -> str:
    """Kind and message of what user code raised, cut to what fits a line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Raises RequestError for what the libraries below raise about a bad request; anything else passes through."""
    try:
        yield
    except ValidationError as error:
        raise RequestError("; ".join(validation_lines(error, what))) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise RequestError(f"{what}: not valid YAML:{place}: {problem}") from error
    except (HydraException, OmegaConfBaseException) as error:
        raise RequestError(_hydra_line(error, what)) from error
    except OSError as error:
        raise RequestError(f"{what}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"{what}: not UTF-8 text: save it as that") from error
    except RecursionError as error:
        raise RequestError(f"{what}: refers to itself, or is nested too deep: simplify it") from error


# Where a field may be of several types pydantic adds the type that it tried to the place of the mistake.
_TYPE = re.compile(r"(function-|constrained-|literal\[|tuple\[|list\[|dict\[)|(int|float|str|bool|none)$")


def validation_lines(error: ValidationError, prefix: str, allowed: Sequence[str] = ()) -> Iterable[str]:
    """One clause a mistake: the key, what was given and what is allowed; allowed: the keys that there are."""
    clauses: dict[str, list[str]] = {}
    for problem in error.errors():
        key = ".".join([prefix, *(str(part) for part in problem["loc"] if not _TYPE.match(str(part)))])
        message = problem["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        given = problem.get("input")
        shown = (
            "" if problem["type"] in ("missing", "extra_forbidden") or isinstance(given, dict) else f"={_short(given)}"
        )
        text = f"{message[0].lower()}{message[1:]}"
        if problem["type"] == "extra_forbidden":
            here = allowed if len(problem["loc"]) == 1 else ()
            text = one_of("no such key", str(problem["loc"][-1]), here) if here else "no such key"
        clauses.setdefault(f"{key}{shown}", []).append(text.removeprefix("input "))
    return [f"{given}: {', or '.join(texts)}" for given, texts in clauses.items()]


def _short(given: object) -> str:
    text = repr(given)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _hydra_line(error: Exception, what: str) -> str:
    text = str(error)
    cause = str(error.__cause__ or "")
    option = re.search(r"Could not find '([^']+)/([^'/]+)'\s+Available options in '([^']+)':\s*(.*)", text, re.DOTALL)
    if option:
        group, given, _, listed = option.groups()
        return f"{group}={given}: {one_of('no such option', given, _words(listed))}"
    must = re.search(r"You must specify '([^']+)'.*?Available options:\s*(.*)", text, re.DOTALL)
    if must:
        return f"{must[1]}: not chosen; choose with {must[1]}=OPTION, one of: {', '.join(_words(must[2]))}"
    unknown = re.search(r"Could not override '([^']+)'", text)
    if unknown:
        key = unknown[1]
        allowed = re.search(r"Key '([^']+)' is not in struct", text + cause)
        return f"{key}: no such key" + (f" ({allowed[1]} is not known there)" if allowed and allowed[1] != key else "")
    if isinstance(error, OverrideParseException) and (quoted := suggested(error.override)):
        function = re.search(r"Unknown function '(\w+)'\s+Available: (\S+)", text)
        reason = f"no function {function[1]} in Hydra's grammar ({function[2]})" if function else "not Hydra's grammar"
        return (
            f"{error.override}: {reason}: put text into quotes that holds , = : ( ) {{ }} [ ] # ! & ' or letters beyond"
            f" A to Z; in a shell {quoted}"
        )
    return f"{what}: {' '.join(text.split())}"


def _words(listed: str) -> list[str]:
    return [line.strip() for line in listed.split("Config search path", maxsplit=1)[0].splitlines() if line.strip()]
