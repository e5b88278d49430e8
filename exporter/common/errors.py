"""The two ways in which a command can end badly.

Each message is one line: what was given, what is allowed, what to do. It may show a stranger's words, so it is made one
here, whatever they hold: printable, and of a length that somebody reads.
"""

LONGEST = 4000
"""Characters of a message."""


class _OneLineError(Exception):
    def __init__(self, message: object = ""):
        words = str(message).split()
        if len(" ".join(words)) > LONGEST:  # rather a part of a name than no end, which says what to do
            words = [word if len(word) <= LONGEST // 20 else f"{word[: LONGEST // 40]}…" for word in words]
        line = " ".join(words)[:LONGEST]
        super().__init__("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line))


class RequestError(_OneLineError):
    """The request was bad: keys, values, files that are missing or not what they should be. Exit code 2."""


class BuildError(_OneLineError):
    """The request was fine but a build, a proof or a check did not hold. Exit code 1."""
