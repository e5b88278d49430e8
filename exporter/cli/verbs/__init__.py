"""The verbs that are not builds: a module each, or a folder where one file is not enough, found by looking here.

A new verb is a new file with what `Verb` lists. The help reads all of them: what a verb needs is imported when it runs.
"""

import importlib
import pkgutil
from argparse import ArgumentParser, Namespace
from typing import NoReturn, Protocol, cast

from exporter.common.errors import RequestError


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise RequestError(f"{self.prog.removeprefix('exporter ')}: {message}; {self.prog} --help says more")


class Verb(Protocol):
    """What the module of a verb holds: its words and what they do, for the help, its arguments, and what runs it."""

    USAGE: str
    """The words after the verb, in short."""
    SUMMARY: str

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Those of the words after the verb."""
        ...

    def run(self, given: Namespace) -> int:
        """Does what these say, prints it, and returns the exit code."""
        ...


def names() -> list[str]:
    """Of all verbs, in the order of the alphabet."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Verb:
    """The module of one of `names()`."""
    return cast(Verb, importlib.import_module(f"{__name__}.{name}"))


def run(name: str, words: list[str]) -> int:
    """Runs one of `names()` with the words after it; the exit code. Raises RequestError for words that it does not
    take."""
    verb = load(name)
    parser = _Parser(prog=f"exporter {name}", description=verb.SUMMARY)
    verb.add_arguments(parser)
    given, unknown = parser.parse_known_args(words)
    if unknown:  # flags may stand between overrides, as in a build
        given, unknown = parser.parse_known_intermixed_args(words)
    if unknown:
        parser.error(f"no such argument: {' '.join(unknown)}")
    return verb.run(given)
