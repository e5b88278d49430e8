"""The command line: a Hydra run by default, and the verbs that are not builds. `main` runs one command,
`program` is that for a process of its own.

Each verb is a file of verbs/: what it is given, and what it prints. What it does lies in the room that it speaks of.
"""

from exporter.cli.run import main, program

__all__ = ["main", "program"]
