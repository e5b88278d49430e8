"""The command line: a Hydra run by default, and the verbs that are not builds. `main` runs one command.

What a verb does lies in the room that it speaks of; what it is given, and what it prints, lies here.
"""

from exporter.cli.run import main

__all__ = ["main"]
