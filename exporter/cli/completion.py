"""What a shell offers at the tabulator key: Hydra's answer for key=value, and the verbs, which Hydra cannot know."""

import contextlib
import os
from collections.abc import Collection

from exporter.common.errors import RequestError
from exporter.common.messages import one_of

FLAGS = ("-sc", "--shell-completion")
SHELLS = ("bash", "fish", "zsh")


def complete(arguments: list[str], verbs: Collection[str]) -> int:
    """Does what `-sc install=SHELL`, `uninstall=SHELL` or `query=SHELL` asks; a query's line is in COMP_LINE."""
    from exporter.cli.hydra_run import run

    command, _, shell = arguments[1].partition("=") if len(arguments) == 2 else ("", "", "")
    if command not in ("install", "uninstall", "query") or shell not in SHELLS:
        problem = "takes one word: install=SHELL, uninstall=SHELL or query=SHELL"
        raise RequestError(f"{' '.join(arguments)}: {one_of(problem, shell, SHELLS)}")
    if command != "query":
        return run(arguments)
    if "COMP_LINE" not in os.environ:
        raise RequestError(
            f"{' '.join(arguments)}: a shell asks this, with the line in COMP_LINE: use -sc install={shell}"
        )
    line = os.environ["COMP_LINE"]
    typed = line.split()[1:]
    if not typed or (len(typed) == 1 and not line[-1].isspace()):
        for verb in verbs:
            if verb.startswith("".join(typed)):
                print(verb)
    # Half a line is no request, and a message would land in its middle. Where nothing is offered, as after a verb, bash
    # completes names of files.
    with contextlib.suppress(RequestError):
        run(arguments)
    return 0
