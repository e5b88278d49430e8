"""The two ways in which a command can end badly.

Each message is one line: what was given, what is allowed, what to do.
"""


class RequestError(Exception):
    """The request was bad: keys, values, files that are missing or not what they should be. Exit code 2."""


class BuildError(Exception):
    """The request was fine but a build, a proof or a check did not hold. Exit code 1."""
