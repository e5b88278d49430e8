"""The verbs that are not builds: a module each, or a folder where one file is not enough, found by looking here.

A new verb is a new file with what `Verb` lists. The help reads all of them: what a verb needs is imported when it runs.
"""

import importlib
import pkgutil
from argparse import ArgumentParser
from typing import Protocol, cast


class Verb(Protocol):
    """What the module of a verb holds: its words and what they do, for the help, its parser, and what runs it."""

    USAGE: str
    """The words after the verb, in short."""
    SUMMARY: str

    def parser(self) -> ArgumentParser:
        """Takes the words after the verb."""
        ...

    def run(self, arguments: list[str]) -> int:
        """Does what the words after the verb say, prints it, and returns the exit code."""
        ...


def names() -> list[str]:
    """Of all verbs, in the order of the alphabet."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Verb:
    """The module of one of `names()`."""
    return cast(Verb, importlib.import_module(f"{__name__}.{name}"))
