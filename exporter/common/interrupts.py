"""Ctrl-C and SIGTERM end a command alike: what it has begun is undone, and one line says what became of it.

Handlers of signals are the process's own, and so is what they know: `heeded` puts them in for one command.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class Terminated(KeyboardInterrupt):
    """SIGTERM. Whoever cleans up after Ctrl-C cleans up after this."""


@dataclass
class _State:
    asked: type[KeyboardInterrupt] | None = None
    held: int = 0
    published: str | None = None


_state = _State()


def _reset() -> None:
    _state.asked, _state.held, _state.published = None, 0, None


@contextmanager
def heeded() -> Iterator[None]:
    """Within it SIGTERM raises Terminated in the main thread, and SIGINT KeyboardInterrupt. A signal that is ignored
    (nohup) stays so, and one that a caller of ours handles stays theirs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _reset()
    handlers = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                handlers[number] = signal.signal(number, _handle)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        _reset()


@contextmanager
def held() -> Iterator[None]:
    """A signal that comes within it is heeded at its end; one that came before has been."""
    before = _state.asked
    _state.held += 1
    try:
        yield
    finally:
        _state.held -= 1
    if _state.asked is not before:
        heed()


def heed() -> None:
    """Raises what a signal has asked for and what was lost since: Python drops what is raised in a destructor."""
    if _state.asked and not _state.held:
        raise _state.asked


@contextmanager
def insisting() -> Iterator[None]:
    """An error that comes after a signal is the signal: libraries that are interrupted in the middle, as they are being
    imported for instance, make errors of their own of it."""
    try:
        yield
    except Exception as error:  # whatever a library makes of being interrupted; raised again if there was no signal
        if _state.asked:
            raise _state.asked from error
        raise


def has_published(place: object) -> None:
    """Notes that something is in place now, for the last line of a command that is interrupted after it."""
    _state.published = str(place)


def end(error: KeyboardInterrupt, became: str | None = None) -> int:
    """Says how the command ended and what became of its work (None: what was published); the exit code that a shell
    gives for this signal. Nothing interrupts it any more."""
    _state.held += 1
    word, code = ("terminated", 143) if isinstance(error, Terminated) else ("interrupted", 130)
    done = f"{_state.published} was published before" if _state.published else "nothing was published"
    print(f"exporter: {word}; {became or done}", file=sys.stderr)
    return code


def _handle(number: int, _frame: object) -> None:
    _state.asked = Terminated if number == signal.SIGTERM else KeyboardInterrupt
    heed()
