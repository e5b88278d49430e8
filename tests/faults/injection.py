"""Makes the n-th call that changes a file system fail, or be the process's last.

What is counted: opening a file to write, each write to it, mkdir, rename, link, fsync and flock of what lies below one
folder, by Python's audit events and by files of our own; with `removals` also unlink, rmdir and utime.
"""

import builtins
import errno
import fcntl
import io
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = {"os.mkdir": 0, "os.rename": 1, "os.link": 1}  # which argument is the place
REMOVALS = ("os.remove", "os.rmdir", "os.utime")


@dataclass
class Fault:
    """The call number `at` (from 1; 0: none) below `below`, and all after it if `lasting`, fails with `error`, a name of
    `errno`, or kills (KILL). only: counts just these kinds of calls."""

    below: str
    at: int = 0
    error: str = "ENOSPC"
    lasting: bool = True
    removals: bool = False
    only: tuple[str, ...] = ()
    exchange: str | None = None  # what renameat2 fails with
    seen: list[str] = field(default_factory=list)

    def happens(self, kind: str, place: object) -> None:
        path = os.fsdecode(place) if isinstance(place, str | bytes | os.PathLike) else _path_of(place)
        if not os.path.normpath(Path.cwd() / path).startswith(self.below) or (self.only and kind not in self.only):
            return
        self.seen.append(kind)
        if self.at and (len(self.seen) == self.at or (self.lasting and len(self.seen) > self.at)):
            if self.error == "KILL":
                os.kill(os.getpid(), signal.SIGKILL)
            code = getattr(errno, self.error)
            raise OSError(code, os.strerror(code), path)

    def install(self) -> None:
        """For the rest of this process's life."""
        sys.addaudithook(self._audit)
        real_open, fsync = io.open, os.fsync
        fault = self

        class Raw(io.FileIO):
            def write(self, data):  # half of it gets there
                try:
                    fault.happens("write", self.name)
                except OSError:
                    super().write(bytes(data)[: len(data) // 2])
                    raise
                return super().write(data)

        def opened(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
            if not set(mode) & set("wax+") or isinstance(file, int):
                return real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
            raw = Raw(file, mode.replace("b", "").replace("t", ""), closefd, opener)
            if "b" in mode and buffering == 0:
                return raw
            buffered = (io.BufferedRandom if "+" in mode else io.BufferedWriter)(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding or "utf-8", errors, newline)

        def synced(descriptor):
            fault.happens("fsync", descriptor)
            fsync(descriptor)

        io.open = builtins.open = opened
        os.fsync = synced
        if self.exchange:
            self._without_exchange(getattr(errno, self.exchange))

    def _audit(self, event, arguments):
        if event == "open" and arguments[2] and arguments[2] & WRITES:
            self.happens("open", arguments[0])
        elif event == "fcntl.flock":
            self.happens("flock", arguments[0])
        elif event in CHANGES:
            self.happens(event, arguments[CHANGES[event]])
        elif self.removals and event in REMOVALS:
            place, folder = arguments[0], arguments[-1]  # relative to a descriptor where it is not -1
            self.happens(event, place if folder == -1 else f"{_path_of(folder)}/{os.fsdecode(place)}")

    @staticmethod
    def _without_exchange(code):
        from exporter.common import swap

        class Refusing:
            @staticmethod
            def renameat2(*_):
                return -1

        class Ctypes:
            c_uint = swap.ctypes.c_uint
            CDLL = staticmethod(lambda *_, **__: Refusing)
            get_errno = staticmethod(lambda: code)

        swap.ctypes = Ctypes


def _path_of(descriptor) -> str:
    if hasattr(descriptor, "fileno"):
        descriptor = descriptor.fileno()
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    except OSError:
        return ""


assert fcntl  # its audit event is what flock is seen by
