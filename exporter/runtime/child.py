"""A program that works for this one and may die without taking it along: `Child` is the one end, `serve` the other.

They speak over two pipes: a JSON object, then the bytes of each array that it announces. Nothing is unpickled.
"""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from exporter.common.errors import BuildError, RequestError
from exporter.common.limits import at_most
from exporter.common.paths import PACKAGE

Arrays = Sequence[np.ndarray]
Answer = tuple[dict[str, Any], Arrays]


def send(pipe: Connection, message: Mapping[str, Any], arrays: Arrays = ()) -> None:
    """One message."""
    about = [{"dtype": array.dtype.str, "shape": array.shape} for array in arrays]
    pipe.send_bytes(json.dumps({**message, "arrays": about}).encode())
    for array in arrays:
        pipe.send_bytes(np.ascontiguousarray(array).data.cast("B") if array.size else b"")


def receive(pipe: Connection) -> tuple[dict[str, Any], list[np.ndarray]]:
    """One message. Raises EOFError where the other end is gone."""
    message = json.loads(pipe.recv_bytes())
    about = message.pop("arrays")
    return message, [np.frombuffer(pipe.recv_bytes(), each["dtype"]).reshape(each["shape"]) for each in about]


def serve(does: Mapping[str, Callable[..., Answer]], words: Callable[[Exception], str]) -> None:
    """Answers the requests that come to this program, whose arguments are the numbers of the two pipes, until the other
    end is gone. does: by what is asked, takes the arrays and the details; words: what to say of what it raises."""
    requests = Connection(int(sys.argv[1]), writable=False)
    answers = Connection(int(sys.argv[2]), readable=False)
    while True:
        try:
            message, arrays = receive(requests)
        except EOFError:
            return
        try:
            # Whatever becomes of a stranger's graph becomes of it within the limit.
            memory = message.pop("memory", None)
            with at_most(memory) if memory else nullcontext():
                answer, found = does[message.pop("do")](arrays, **message)
        except Exception as error:  # noqa: BLE001 - the other end raises what it is told
            answer, found = {"error": words(error)}, ()
        send(answers, answer, found)


class Child:
    """A module of ours, run as a program. `name`: what it is called when it fails."""

    def __init__(self, module: str, name: str):
        self.name = name
        to_child, for_us = os.pipe(), os.pipe()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - for as long as the child lives
        # Its path is ours: code of the exporter's alone, wherever this program was started. What is installed is found
        # without that, behind what PYTHONPATH says, as this program found it.
        ours = [] if str(PACKAGE.parent) == sysconfig.get_path("purelib") else [str(PACKAGE.parent)]
        path = os.pathsep.join([*ours, *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(to_child[0]), str(for_us[1])],
            pass_fds=(to_child[0], for_us[1]), stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        for theirs in (to_child[0], for_us[1]):
            os.close(theirs)
        self._to = Connection(to_child[1], readable=False)
        self._from = Connection(for_us[0], writable=False)
        self._end = weakref.finalize(self, _ended, self._process, self._to, self._from, self._said)

    def ask(
        self, what: str, arrays: Arrays = (), seconds: float | None = None, **details: Any
    ) -> tuple[dict[str, Any], list[np.ndarray]]:
        """Sends a request and waits for its answer, at most `seconds`.

        Raises BuildError where the child says that it failed, or dies; RequestError where it takes longer."""
        try:
            send(self._to, {"do": what, **details}, arrays)
            if not self._from.poll(seconds):
                self._process.kill()
                raise RequestError(f"{self.name}: {what} took more than {seconds:g} s: refused")
            answer, found = receive(self._from)
        except (EOFError, OSError) as error:
            raise BuildError(f"{self.name} died of {self._death()} ({what})") from error
        if "error" in answer:
            raise BuildError(f"{self.name} {answer['error']}")
        return answer, found

    def close(self) -> None:
        """Ends the child; the second time nothing."""
        self._end()

    def _death(self) -> str:
        """Of what, and the last words on its standard error."""
        code = self._process.wait()
        cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        self._said.seek(0)
        last = self._said.read().decode(errors="replace").strip().splitlines()[-1:]
        return f"{cause}: {last[0][:300]}" if last else cause


def _ended(process: subprocess.Popen[bytes], *files: Any) -> None:
    for file in files:
        file.close()
    process.kill()
    process.wait()
