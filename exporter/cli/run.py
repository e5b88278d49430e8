"""The command line: a Hydra run by default, and the few verbs that are not builds.

Exit codes: 0 done; 1 it failed (a build, a proof, a check that did not hold); 2 the request was bad; 130 interrupted
(Ctrl-C), 143 terminated (SIGTERM).
"""

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from exporter.cli import verbs

MAX_LINE = 4000
"""Characters of a message: it may show a stranger's words."""


def program() -> int:
    """`main` in a process of its own."""
    # torch's threads wait for each other asleep, not spinning: two builds beside each other are proved in 28 s, not 68,
    # and one alone is as fast. It is read once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # ONNX Runtime writes an id of the machine into the user's cache, for its maker, when it is imported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started this: what is printed goes nowhere
            setattr(sys, name, io.TextIOWrapper(io.FileIO(os.devnull, "w"), encoding="utf-8"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # an encoding without our arrows is no reason to fail
    return main()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; errors are one line on standard error."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    from exporter.common.errors import BuildError, RequestError
    from exporter.common.interrupts import end, heeded, insisting

    with heeded():
        try:
            with insisting():
                code = _run(argv)
            sys.stdout.flush()  # here a full disk still has a line; Python's own, at its end, is a page
            return code
        except BrokenPipeError:  # whoever read the output, like `head`, has seen enough
            _drop_output()
            return 1
        except (RequestError, BuildError, MemoryError, OSError) as error:
            return _fail(error)
        except KeyboardInterrupt as error:
            return end(error)


def _fail(error: Exception) -> int:
    from exporter.common.errors import RequestError

    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        raise error
    said = str(error)
    if isinstance(error, MemoryError):
        said = f"out of memory: {said or 'give it more'}"
    if isinstance(error, OSError):  # the disk's or the network's: what a request can cause has a line of its own
        said = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or said
        _drop_output()
    line = " ".join(said.split())[:MAX_LINE]
    print("exporter: " + "".join(c if c.isprintable() else "�" for c in line), file=sys.stderr)
    return 2 if isinstance(error, RequestError) else 1


def _drop_output() -> None:
    """What could not be printed is not tried again at the process's end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: list[str]) -> int:
    from exporter.cli.help import print_help

    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print_help()
        return 0
    if arguments[0] in (names := verbs.names()):
        return verbs.run(arguments[0], arguments[1:])
    if not arguments[0].startswith("-") and "=" not in arguments[0]:
        from exporter.common.errors import RequestError
        from exporter.common.messages import one_of

        raise RequestError(f"{arguments[0]}: {one_of('neither a verb nor key=value', arguments[0], names)}")
    from exporter.cli.completion import FLAGS, complete

    if arguments[0] in FLAGS:
        return complete(arguments, names)
    from exporter.cli.hydra_run import run

    if any(argument.startswith("trust=") for argument in arguments) and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # the console script, unlike `python -m`, does not look here by itself
    return run(arguments)
