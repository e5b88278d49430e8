"""What is printed for a program to read, and not for people."""

import sys

from exporter.common.errors import RequestError


def print_data(text: str) -> None:
    """Prints it as it is. Raises RequestError where the encoding of standard output lacks one of its characters, which
    in a line for people is written otherwise."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError as error:
        raise RequestError(
            f"standard output is in {encoding}, which lacks {text[error.start]!a}: set PYTHONIOENCODING=utf-8"
        ) from error
    print(text, end="")
